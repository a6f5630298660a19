"""The arena of a program whose tensors are whole: its buffers with their lives in steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.arena import ArenaPlan, Buffer, Problem, align_up
from edgeserve.program import Program, Role, lifetimes
from edgeserve.stream_plan import Group, Place, Span, StreamPlan, Turn


@dataclass(frozen=True, slots=True)
class MemoryProblem:
    """A program's whole tensors as buffers that are to be placed.

    ``buffer_of_value`` and ``buffer_of_scratch`` map its values and steps to indices of
    ``problem.buffers``; None where none is needed.
    """

    program: Program
    problem: Problem
    buffer_of_value: tuple[int | None, ...]
    buffer_of_scratch: tuple[int | None, ...]

    def placed(self, plan: ArenaPlan) -> StreamPlan:
        """The plan of whole tensors: each step computes all its rows in one turn."""
        offsets = plan.offsets_bytes
        steps = self.program.steps
        return StreamPlan(
            order=tuple(step.index for step in steps),
            groups=tuple(Group((step.index,), (), None) for step in steps),
            turns=tuple(Turn(step.index, step.output.h) for step in steps),
            places=tuple(
                None if buffer is None else Place(offsets[buffer], value.size_bytes, 1, 1)
                for value, buffer in zip(self.program.values, self.buffer_of_value, strict=True)
            ),
            scratch=tuple(
                None if buffer is None else Span(offsets[buffer], step.scratch_bytes)
                for step, buffer in zip(steps, self.buffer_of_scratch, strict=True)
            ),
            accumulators=(None,) * len(steps),
            counters=(None,) * len(steps),
            counters_span=Span(0, 0),
            arena_bytes=plan.arena_bytes,
            lower_bound_bytes=plan.lower_bound_bytes,
            exhausted=plan.exhausted,
            instructions=0,
            extra_instructions=0,
            nodes=plan.nodes,
        )


def memory_problem(program: Program) -> MemoryProblem:
    """One buffer for each writable value and each scratch, with the steps during which it lives."""
    (problem,) = shared_problems((program,))
    return problem


def shared_problems(programs: Sequence[Program]) -> tuple[MemoryProblem, ...]:
    """The problems of models that take turns in one arena: all are one and the same problem.

    Time goes through the models one after the other, so that their activations may share bytes, and
    state lives throughout. An inference of one model leaves the outputs of the others undefined.
    """
    spans = [max(1, len(program.steps)) for program in programs]
    buffers: list[Buffer] = []
    maps = []
    for index, program in enumerate(programs):
        start = sum(spans[:index])
        of_value: list[int | None] = []
        for value, lifetime in zip(program.values, lifetimes(program), strict=True):
            if lifetime is None:
                of_value.append(None)
                continue
            first, end = start + lifetime[0], start + lifetime[1]
            if value.role is Role.STATE:
                first, end = 0, sum(spans)
            of_value.append(len(buffers))
            buffers.append(Buffer(value.name, first, end, align_up(value.size_bytes)))
        of_scratch: list[int | None] = []
        for step in program.steps:
            if step.scratch_bytes == 0:
                of_scratch.append(None)
                continue
            of_scratch.append(len(buffers))
            at = start + step.index
            size_bytes = align_up(step.scratch_bytes)
            buffers.append(Buffer(f"scratch of {step.label}", at, at + 1, size_bytes))
        maps.append((tuple(of_value), tuple(of_scratch)))
    problem = Problem(tuple(buffers))
    return tuple(
        MemoryProblem(program, problem, *one) for program, one in zip(programs, maps, strict=True)
    )
