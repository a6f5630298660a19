"""`edgeserve devices`: what --device can name."""

from __future__ import annotations

import click

from edgeserve.cli.shared import format_option
from edgeserve.show.console import print_json
from edgeserve.show.devices import print_devices


@click.command()
@format_option
def devices(output_format: str) -> int:
    """List what --device can name here: boards without a cable, and serial ports."""
    from edgeserve.pipeline.device import devices as present_devices
    from edgeserve.strict_json import to_json

    present = present_devices()
    if output_format == "json":
        print_json(to_json(present))
    else:
        print_devices(present)
    return 0
