"""Joins of rows need no alias: an output that lies over its parts is one already.

The rival here writes each part straight into its place in the output, which then has to exist from
its first part on. Whatever it can do, a part at exactly that place under the output can do too.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from edgeserve.arena import Buffer, Problem
from edgeserve.kernels.portable import ConcatenationParams
from edgeserve.memory import memory_problem
from edgeserve.plan import plan_arena
from edgeserve.plan.streaming import Method, Objective, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.plan_sweep import sweep
from edgeserve.program import Program, lifetimes
from tests.random_programs import Growing

OVERLAPPED = Method(Objective.SPEED, rows_per_turn=(), search_orders=False, node_budget=20_000)


def joined_program(seed: int) -> tuple[Program, dict[int, list[int]]]:
    """Branches joined on rows, and the parts of each join, which nothing else reads."""
    random = Random(seed)
    growing = Growing(random)
    source = growing.input((random.randint(3, 9), random.randint(2, 5), random.randint(1, 4)))
    joins: dict[int, list[int]] = {}
    for _ in range(random.randint(1, 3)):
        w = growing.views[source][1]
        parts = [growing.look_up(source) for _ in range(random.randint(2, 3))]
        parts = [growing.copy(part) if random.random() < 0.4 else part for part in parts]
        flat = [(part, (1, 1, growing.values[part].elements)) for part in parts]
        total = sum(view[2] for _, view in flat)
        whole = growing.step(ConcatenationParams(), flat, (1, 1, total))
        c = growing.views[parts[0]][2]
        growing.views[whole] = (total // (w * c), w, c)
        joins[whole] = parts
        source = growing.conv2d(whole)
    program = growing.finished()
    kept = {port.value for port in program.outputs}
    steps = tuple(replace(step, scratch_bytes=0) for step in program.steps)
    program = replace(program, steps=steps)
    return program, {w: [p for p in parts if p not in kept] for w, parts in joins.items()}


def aliased_bytes(program: Program, joins: dict[int, list[int]]) -> int:
    """The arena of whole tensors whose parts are places within the joins."""
    lives = lifetimes(program)
    buffers = list(memory_problem(program).problem.buffers)
    gone: set[int] = set()
    for whole, parts in joins.items():
        births = [life[0] for part in parts if (life := lives[part]) is not None]
        of_whole = lives[whole]
        assert of_whole is not None
        buffers[whole] = replace(buffers[whole], first=min([of_whole[0], *births]))
        gone.update(parts)
    kept: list[Buffer] = [buffer for index, buffer in enumerate(buffers) if index not in gone]
    return plan_arena(Problem(tuple(kept))).arena_bytes


@pytest.mark.parametrize("shard", range(4))
def test_overlaps_are_no_larger_than_aliases(shard: int) -> None:
    smaller = 0
    for seed in range(shard, 120, 4):
        program, joins = joined_program(seed)
        plan = plan_stream(program, OVERLAPPED)
        check_stream_plan(program, plan)
        sweep(program, plan)
        aliased = aliased_bytes(program, joins)
        assert plan.arena_bytes <= aliased, f"seed {seed}"
        smaller += plan.arena_bytes < aliased
    assert smaller > 15, "hardly any is smaller"
