"""Options of the verbs that have a device."""

from __future__ import annotations

import click

device_option = click.option(
    "--device",
    required=True,
    help="An emulated board (mps2-an500), host, a port (/dev/ttyACM0, socket://HOST:PORT); for "
    "bench also a phone: pixel6, adb, adb:SERIAL.",
)
board_of_port_option = click.option("--board", help="What board is on the port.")
partition_option = click.option(
    "--partition", is_flag=True, help="Load the model into a flash partition, not linked in."
)
