"""Work that need not be done: found and left out before anything is planned.

Every pass takes a program and the bounds of its values, which hold for all inputs, and gives a
program that writes the same bytes with less. Outputs keep theirs to the last one; of the tensors
between, each step's ``Oracle`` says what is left, and what has been proven of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from edgeserve.narrow.constants import folded_constants
from edgeserve.narrow.look_ups import merged_look_ups
from edgeserve.narrow.propagation import BoundsOfValues, propagate
from edgeserve.narrow.rebuild import weight_bytes, without_dead_channels
from edgeserve.program import Narrowing, Program, Step

Pass: TypeAlias = Callable[[Program, BoundsOfValues], Program]

PASSES: tuple[Pass, ...] = (merged_look_ups, folded_constants, without_dead_channels)


def narrowed(program: Program) -> Program:
    """The program without work whose result is known or that nothing needs."""
    less = program
    for narrow in PASSES:
        less = narrow(less, propagate(less))
    return replace(less, narrowings=_narrowings(program, less))


def _narrowings(before: Program, after: Program) -> tuple[Narrowing, ...]:
    """What each step of ``before`` that has a tensor of the file has lost."""
    left = {step.oracle.tensor: step for step in after.steps if step.oracle is not None}
    merged = {folded.tensor for folded in after.folded if folded.step is not None}
    found = []
    for step in before.steps:
        if step.oracle is None or step.oracle.tensor in merged:
            continue
        one = _narrowing(step, left.get(step.oracle.tensor))
        if any(len(set(figures)) > 1 for figures in (one.channels, one.weight_bytes, one.macs)):
            found.append(one)
    return tuple(found)


def _narrowing(step: Step, left: Step | None) -> Narrowing:
    total = step.output.c
    return Narrowing(
        tensor=step.label,
        kernel=step.kernel,
        channels=(total, left.output.c if left else 0),
        weight_bytes=(weight_bytes(step.params), weight_bytes(left.params) if left else 0),
        macs=(step.macs, left.macs if left else 0),
    )
