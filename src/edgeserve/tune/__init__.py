"""The kernel of each step for one core: what the host prepares beyond a portable program.

Lowering gives every step the generic kernel of its operator. Here a step may get a kernel that is
made for the core, with its weights in that kernel's reading order, where the host can prove what
the kernel asks for. A step for which nothing better is known stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from edgeserve.cost.table import Costs
from edgeserve.kernels.record import Params
from edgeserve.program import Program, Step
from edgeserve.tune.addition import addition_by_table
from edgeserve.tune.convolution import convolution_by_pairs, with_small_tile
from edgeserve.tune.depthwise import depthwise_by_pairs
from edgeserve.tune.fully_connected import fully_connected_by_pairs
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


def worth_linking(normal: Program, faster: Mapping[int, Step], costs: Costs) -> Mapping[int, Step]:
    """Of a program's faster steps, by index, those of kernels that are worth their code."""
    pairs = [(step, faster[step.index]) for step in normal.steps if step.index in faster]
    paying = _paying(pairs, normal, costs)
    return {index: step for index, step in faster.items() if type(step.params) in paying}


def worth_their_code(portable: Program, program: Program, costs: Costs) -> Program:
    """The tuned program, but with the portable steps of kernels that are not worth their code."""
    pairs = list(zip(portable.steps, program.steps, strict=True))
    paying = _paying(pairs, program, costs)
    steps = tuple(new if type(new.params) in paying else old for old, new in pairs)
    return program if steps == program.steps else replace(program, steps=steps)


def _paying(
    pairs: Sequence[tuple[Step, Step]], program: Program, costs: Costs
) -> frozenset[type[Params]]:
    """The kernels of the second steps that together save a hundredth of a program's instructions
    against the first: a kernel is linked once, so all its layers have to pay for its code. One
    whose costs are not known is taken unheard.
    """
    worth = sum(costs.whole(step).instructions for step in program.steps) // _WORTH_A_KERNEL
    saved: Counter[type[Params]] = Counter()
    unheard = set()
    for old, new in pairs:
        kind = type(new.params)
        if old is new or not (costs.knows(old) and costs.knows(new)):
            unheard.add(kind)
        saved[kind] += costs.whole(old).instructions - costs.whole(new).instructions
    return frozenset(kind for kind, less in saved.items() if less >= worth or kind in unheard)
