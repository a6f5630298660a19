"""Look-ups that the step before can do, given what it can write."""

from __future__ import annotations

from dataclasses import replace

from edgeserve.absorb import absorbed, clamped
from edgeserve.kernels.portable import LookUpParams
from edgeserve.kernels.record import Params
from edgeserve.narrow.propagation import BoundsOfValues
from edgeserve.program import Program, Step


def merged_look_ups(program: Program, bounds: BoundsOfValues) -> Program:
    """The program without look-ups behind a look-up, or behind a clamp that can do the same.

    Two tables become one. A clamp does what a table does when the table is a clamp on everything
    that the step before can write.
    """

    def absorb(before: Step, table: LookUpParams) -> Params | None:
        if isinstance(before.params, LookUpParams):
            blob = before.params.table
            both = blob.data.translate(table.table.data)
            return replace(before.params, table=replace(blob, data=both))
        made = bounds[before.output.value]
        return None if made is None else clamped(before.params, table, *made.hull())

    return absorbed(program, absorb, "the step writes what the look-up behind it would")
