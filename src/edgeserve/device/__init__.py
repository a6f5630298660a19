"""The host's side of every device: links, emulators, and the one line protocol."""
