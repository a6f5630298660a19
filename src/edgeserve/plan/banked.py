"""An arena in banks: one bank where all of it fits the cheapest, a split of its buffers otherwise.

In the result the banks that are used lie one behind the other in the arena's offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgeserve.arena import ALIGNMENT_BYTES, ArenaPlan
from edgeserve.banks import Bank
from edgeserve.errors import DoesNotFit
from edgeserve.plan.overlap import SlidingProblem, sliding_bound_bytes
from edgeserve.plan.split import Split, SplitProblem, bank_problem, plan_split
from edgeserve.stream_plan import BankUse


@dataclass(frozen=True, slots=True)
class Banked:
    """Offsets through all banks, the banks, and what their traffic costs, at least and in fact."""

    plan: ArenaPlan
    banks: tuple[BankUse, ...]
    cost: int
    least_cost: int


def in_banks(
    sliding: SlidingProblem,
    plan: ArenaPlan,
    banks: tuple[Bank, ...],
    traffic_bytes: tuple[int, ...],
    pinned: Mapping[int, int],
    node_budget: int,
) -> Banked | None:
    """The buffers of a one-piece ``plan`` in ``banks``, the cheapest bank first; None if they do
    not fit. ``pinned`` buffers go to the bank that they are pinned to (indices).
    """
    first = banks[0]
    if (
        not any(pinned.values())
        and plan.arena_bytes <= first.capacity_bytes
        and first.alignment_bytes == ALIGNMENT_BYTES
    ):
        cost = sum(traffic_bytes) * first.access_cost
        use = BankUse(first.name, plan.arena_bytes, ALIGNMENT_BYTES, plan.lower_bound_bytes)
        return Banked(plan, (use,), cost, cost)
    everywhere = tuple(range(len(banks)))
    allowed = tuple(
        (pinned[buffer],) if buffer in pinned else everywhere
        for buffer in range(len(traffic_bytes))
    )
    split = plan_split(
        SplitProblem(sliding, banks, traffic_bytes, allowed), node_budget=node_budget
    )
    return None if split is None else _joined(plan, banks, split)


def refusal(
    sliding: SlidingProblem,
    banks: tuple[Bank, ...],
    pinned: Mapping[int, int],
    arena_bytes: int,
) -> DoesNotFit:
    """Why nothing fits where buffers are pinned: the first bank that is too small for its own, or
    all banks.
    """
    hint = "unpin a tensor, or plan for another objective"
    count = len(sliding.problem.buffers)
    free = SplitProblem(sliding, banks, (0,) * count, ((),) * count)
    bank_of = [pinned.get(buffer, -1) for buffer in range(count)]
    for index, bank in enumerate(banks):
        need_bytes = sliding_bound_bytes(bank_problem(free, bank_of, index))
        if need_bytes > bank.capacity_bytes:
            return DoesNotFit(
                resource="what is pinned",
                need_bytes=need_bytes,
                have_bytes=bank.capacity_bytes,
                board=f"bank {bank.name!r}",
                hint=hint,
            )
    return DoesNotFit(
        resource="the arena with these pins",
        need_bytes=arena_bytes,
        have_bytes=sum(bank.capacity_bytes for bank in banks),
        board=" and ".join(f"{bank.name} ({bank.capacity_bytes:,})" for bank in banks),
        hint=hint,
    )


def _joined(plan: ArenaPlan, banks: tuple[Bank, ...], split: Split) -> Banked:
    uses = []
    starts = []
    end = 0
    for bank, packing in zip(banks, split.packings, strict=True):
        starts.append(end)
        end += packing.arena_bytes
        if packing.arena_bytes:
            uses.append(
                BankUse(
                    bank.name,
                    packing.arena_bytes,
                    bank.alignment_bytes,
                    packing.lower_bound_bytes,
                )
            )
    offsets = tuple(
        starts[bank] + offset
        for bank, offset in zip(split.bank_of, split.offsets_bytes, strict=True)
    )
    joined = replace(
        plan,
        offsets_bytes=offsets,
        arena_bytes=end,
        lower_bound_bytes=min(plan.lower_bound_bytes, end),
        exhausted=False,
        nodes=plan.nodes + split.nodes,
    )
    return Banked(joined, tuple(uses), split.cost, split.least_cost)
