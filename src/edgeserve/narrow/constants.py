"""Steps whose output is the same for every input, made before the model runs."""

from __future__ import annotations

from dataclasses import replace

from edgeserve.narrow.bounds import Bounds
from edgeserve.narrow.propagation import BoundsOfValues
from edgeserve.program import Channels, Folded, Program, Role, Value, without_steps


def folded_constants(program: Program, bounds: BoundsOfValues) -> Program:
    """The program with constants in place of steps that always write the same bytes.

    Outputs of the model keep their steps: they lie in the arena.
    """
    ports = {port.value for port in program.outputs}
    values = list(program.values)
    gone: set[int] = set()
    folded = list(program.folded)
    for step in program.steps:
        value, made = values[step.output.value], bounds[step.output.value]
        if value.index in ports or made is None or not made.constant.all():
            continue
        values[value.index] = _constant(value, made)
        gone.add(step.index)
        if step.oracle is not None:
            why = "it is the same for every input"
            one = step.oracle
            folded.append(Folded(one.tensor, step.label, None, why, one.axes, _proven(made)))
    if not gone:
        return program
    return without_steps(replace(program, values=tuple(values), folded=tuple(folded)), gone)


def _constant(value: Value, made: Bounds) -> Value:
    pattern = bytes(int(element) & 0xFF for element in made.low)
    return replace(value, role=Role.CONSTANT, data=pattern * (value.elements // made.count))


def _proven(made: Bounds) -> Channels:
    return Channels(made.count, (), tuple(enumerate(made.low.tolist())))
