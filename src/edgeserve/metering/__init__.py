"""Energy over windows of time, by whatever can tell it: a phone's rails, a file, an instrument."""
