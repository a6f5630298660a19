"""The kernel of each step for one core: what the host prepares beyond a portable program.

Lowering gives every step the generic kernel of its operator. Here a step may get a kernel that is
made for the core, with its weights in that kernel's reading order, where the host can prove what
the kernel asks for. A step for which nothing better is known stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from edgeserve.cost.table import Costs
from edgeserve.kernels import FullyConnectedPairsParams, FullyConnectedWideParams
from edgeserve.program import Program, Step
from edgeserve.tune.addition import addition_by_table
from edgeserve.tune.convolution import convolution_by_pairs, with_small_tile
from edgeserve.tune.depthwise import depthwise_by_pairs
from edgeserve.tune.fully_connected import (
    LEAST_MACS,
    fully_connected_by_pairs,
    multiplications,
)
from edgeserve.tune.scalar import (
    convolution_by_lanes,
    depthwise_by_columns,
    fully_connected_by_blocks,
)
from edgeserve.tune.vectors import (
    convolution_by_vectors,
    depthwise_by_vectors,
    long_rows_as_lowered,
    with_few_columns,
)
from edgeserve.tune.wide import fully_connected_with_wide_weights
from edgeserve.tune.winograd import convolution_by_winograd

Choose: TypeAlias = Callable[[Program, Step], Step | None]
"""A better form of a step, or None."""

_BY_ISA: Mapping[str, Sequence[Choose]] = {
    "dsp": (
        convolution_by_pairs,
        depthwise_by_pairs,
        fully_connected_by_pairs,
        addition_by_table,
    ),
    "mve": (
        convolution_by_vectors,
        depthwise_by_vectors,
        long_rows_as_lowered,
        addition_by_table,
    ),
    "scalar": (
        convolution_by_lanes,
        depthwise_by_columns,
        fully_connected_by_blocks,
        addition_by_table,
    ),
}
"""What each kernel folder of a board's list adds; the first that has an answer decides."""

_FASTER_BY_ISA: Mapping[str, Sequence[Choose]] = {
    "dsp": (convolution_by_winograd, fully_connected_with_wide_weights),
}
"""Likewise of forms that take more flash."""


_WORTH_A_KERNEL = 100
"""The share of a program's instructions that another kernel must save."""


def tuned(
    program: Program,
    isa: Sequence[str],
    scratch_bytes: int | None = None,
    costs: Costs | None = None,
) -> Program:
    """The program with the best kernel known for each step on a core with these kernel folders.

    Of the kernels that can do a step the first that has an answer is taken; by ``costs`` another,
    where that saves a hundredth of all instructions: each kernel is flash. One whose own costs are
    not known is taken unheard. Above ``scratch_bytes`` a slower form with less scratch is taken,
    where a kernel has one.
    """
    better = [tuple(forms(program, step, isa)) for step in program.steps]
    first = [known[0] if known else s for s, known in zip(program.steps, better, strict=True)]
    steps = tuple(first)
    if costs is not None:
        worth = sum(costs.whole(step).instructions for step in steps) // _WORTH_A_KERNEL
        steps = tuple(
            _cheapest(chosen, (*known, step), costs, worth) if known else chosen
            for step, chosen, known in zip(program.steps, steps, better, strict=True)
        )
    if scratch_bytes is not None:
        steps = tuple(_spared(s) if s.scratch_bytes > scratch_bytes else s for s in steps)
    return program if steps == program.steps else replace(program, steps=steps)


def _spared(step: Step) -> Step:
    return with_few_columns(with_small_tile(step))


def forms(program: Program, step: Step, isa: Sequence[str]) -> Iterator[Step]:
    """The kernels that a core has for a step beside its own, best by the order of the folders."""
    return _answers(program, step, _BY_ISA, isa)


def _answers(
    program: Program, step: Step, by_isa: Mapping[str, Sequence[Choose]], isa: Sequence[str]
) -> Iterator[Step]:
    for folder in isa:
        for choose in by_isa.get(folder, ()):
            form = choose(program, step)
            if form is not None:
                yield form


def _cheapest(chosen: Step, others: Sequence[Step], costs: Costs, worth: int) -> Step:
    """The chosen form, or the one among the others that saves more than ``worth`` instructions."""
    known = [form for form in others if costs.knows(form)]
    if not known or not costs.knows(chosen):
        return chosen
    best = min(known, key=lambda form: costs.whole(form).instructions)
    saved = costs.whole(chosen).instructions - costs.whole(best).instructions
    return best if saved > worth else chosen


def faster_steps(program: Program, isa: Sequence[str]) -> Mapping[int, Step]:
    """Forms of a portable program's steps that take more flash, by the step's index."""
    known = ((s.index, tuple(_answers(program, s, _FASTER_BY_ISA, isa))) for s in program.steps)
    return {index: faster[0] for index, faster in known if faster}


def worth_linking(faster: Mapping[int, Step]) -> Mapping[int, Step]:
    """Of faster steps those whose kernel's code, which is linked once, pays for all its layers."""
    wide = [s for s in faster.values() if isinstance(s.params, FullyConnectedWideParams)]
    if sum(map(multiplications, wide)) >= LEAST_MACS:
        return faster
    return {index: step for index, step in faster.items() if step not in wide}


def worth_their_code(portable: Program, program: Program) -> Program:
    """The tuned program, but with the portable steps of a kernel whose layers together gain too
    little: its code is linked once, whatever their number, so the whole program decides.
    """
    dense = [step for step in program.steps if isinstance(step.params, FullyConnectedPairsParams)]
    if not dense or sum(map(multiplications, dense)) >= LEAST_MACS:
        return program
    steps = (
        old if isinstance(new.params, FullyConnectedPairsParams) else new
        for old, new in zip(portable.steps, program.steps, strict=True)
    )
    return replace(program, steps=tuple(steps))
