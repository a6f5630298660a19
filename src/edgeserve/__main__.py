"""``python -m edgeserve``."""

from edgeserve.cli import run

run()
