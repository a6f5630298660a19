"""A model's sources as a package of somebody else's build: Arduino, Zephyr, PlatformIO."""
