"""Frames that arrive, wait and are served: what a sensor loop will do, before it is flashed."""
