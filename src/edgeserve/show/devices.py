"""What `--device` can name here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeserve.show.console import columns, draw, plain, say

if TYPE_CHECKING:
    from edgeserve.device.ports import Present


def print_devices(present: Sequence[Present]) -> None:
    """A row a device, with what keeps it from being used."""
    table = columns("--device", "what", "", "")
    for one in present:
        table.add_row(one.device, plain(one.what), "ready" if one.ready else "NO", one.note)
    draw(table)
    say("a port takes --board with it; remote ports are socket://HOST:PORT, rfc2217://HOST:PORT")
