"""Where the frames of a sensor loop come from: a recording, or the serial line."""
