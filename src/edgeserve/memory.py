"""The memory plan of a program: which arena bytes each value and each step's scratch gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeserve.arena import ArenaPlan, Buffer, Problem, align_up
from edgeserve.program import Program, Role, lifetimes
from edgeserve.stream_plan import Group, Place, Span, StreamPlan, Turn


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """A solved problem with its way back to the program.

    ``buffer_of_value`` and ``buffer_of_scratch`` map to indices of ``problem.buffers``.
    """

    problem: Problem
    plan: ArenaPlan
    buffer_of_value: tuple[int | None, ...]
    buffer_of_scratch: tuple[int | None, ...]

    @property
    def arena_bytes(self) -> int:
        return self.plan.arena_bytes

    def value_offset(self, value: int) -> int:
        """Arena offset of a writable value."""
        buffer = self.buffer_of_value[value]
        if buffer is None:
            raise ValueError(f"value {value} is a constant")
        return self.plan.offsets_bytes[buffer]

    def whole_plan(self, program: Program) -> StreamPlan:
        """The plan of whole tensors: each step of the program computes all its rows in one turn."""
        places: list[Place | None] = []
        for value, buffer in zip(program.values, self.buffer_of_value, strict=True):
            offset = None if buffer is None else self.plan.offsets_bytes[buffer]
            places.append(None if offset is None else Place(offset, value.size_bytes, 1, 1))
        steps = program.steps
        return StreamPlan(
            order=tuple(step.index for step in steps),
            groups=tuple(Group((step.index,), (), None) for step in steps),
            turns=tuple(Turn(step.index, step.output.h) for step in steps),
            places=tuple(places),
            scratch=tuple(
                Span(self.scratch_offset(step.index), step.scratch_bytes)
                if step.scratch_bytes
                else None
                for step in steps
            ),
            accumulators=(None,) * len(steps),
            counters=(None,) * len(steps),
            counters_span=Span(0, 0),
            arena_bytes=self.plan.arena_bytes,
            lower_bound_bytes=self.plan.lower_bound_bytes,
            exhausted=self.plan.exhausted,
            instructions=0,
            extra_instructions=0,
            nodes=self.plan.nodes,
        )

    def scratch_offset(self, step: int) -> int:
        """Arena offset of a step's scratch; 0 where it needs none."""
        buffer = self.buffer_of_scratch[step]
        return 0 if buffer is None else self.plan.offsets_bytes[buffer]


@dataclass(frozen=True, slots=True)
class MemoryProblem:
    """A program's buffers before they are placed."""

    problem: Problem
    buffer_of_value: tuple[int | None, ...]
    buffer_of_scratch: tuple[int | None, ...]

    def solved(self, plan: ArenaPlan) -> MemoryPlan:
        return MemoryPlan(self.problem, plan, self.buffer_of_value, self.buffer_of_scratch)


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
    return tuple(MemoryProblem(problem, *one) for one in maps)
