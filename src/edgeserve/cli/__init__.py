"""The command line: arguments in, a call of the pipeline, text out. Most modules are a verb."""

from edgeserve.cli.app import cli, main, run

__all__ = ["cli", "main", "run"]
