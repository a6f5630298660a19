"""Buffers split among banks, so that they fit and what they are paid for costs little.

A buffer lies in one bank. What it costs is its traffic times the bank's cost of access. Banks are
independent once it is known what lies where: each is packed like an arena of its own. The search
for what goes where is depth first, the buffers with the most to gain going first to the cheapest
bank that may have room for them; whether it has room is found out at the end. Budgets are counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from edgeserve.arena import ArenaPlan, Buffer, Problem, align_up
from edgeserve.banks import Bank
from edgeserve.plan.overlap import Slide, SlidingProblem, plan_sliding
from edgeserve.plan.skyline import strip_of

DEFAULT_NODES = 60_000
"""Choices of a bank for a buffer, and placements of a buffer in its bank."""

_PACK_NODES = 800
_FAILURES = 12
_SLACKS = (0, 4, 8, 16, 32, 64)
_WHOLE_CAPACITY = 256


@dataclass(frozen=True, slots=True)
class SplitProblem:
    """Buffers with slides, the banks for them (the cheapest first), and for each buffer the bytes
    of it that an inference reads and writes, and the banks (indices) that it may go to.
    """

    sliding: SlidingProblem
    banks: tuple[Bank, ...]
    traffic_bytes: tuple[int, ...]
    allowed: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """The bank of each buffer and its offset there; the packing of each bank.

    ``least_cost`` is proven; with ``exhausted`` no other choice of banks is cheaper than ``cost``.
    """

    bank_of: tuple[int, ...]
    offsets_bytes: tuple[int, ...]
    packings: tuple[ArenaPlan, ...]
    cost: int
    least_cost: int
    exhausted: bool
    nodes: int


def plan_split(problem: SplitProblem, *, node_budget: int = DEFAULT_NODES) -> Split | None:
    """The cheapest split that the budget finds; None when it finds none that fits.

    Raises PlanError on a malformed problem.
    """
    search = _Search(problem, node_budget)
    search.run()
    if search.best is None:
        return None
    packed = [
        _better(problem, search.best, bank, packing, node_budget)
        for bank, packing in enumerate(search.packings)
    ]
    offsets = [0] * len(search.best)
    for bank, packing in enumerate(packed):
        for buffer, offset in zip(_members(search.best, bank), packing.offsets_bytes, strict=True):
            offsets[buffer] = offset
    return Split(
        bank_of=search.best,
        offsets_bytes=tuple(offsets),
        packings=tuple(packed),
        cost=search.cost,
        least_cost=search.cost if search.exhausted else min(search.least_cost, search.cost),
        exhausted=search.exhausted,
        nodes=search.nodes + sum(packing.nodes for packing in packed),
    )


def _better(
    problem: SplitProblem, bank_of: Sequence[int], bank: int, packing: ArenaPlan, node_budget: int
) -> ArenaPlan:
    """A packing that fits, made as small as the budget can."""
    if packing.optimal:
        return packing
    sliding = bank_problem(problem, bank_of, bank)
    whole = replace(sliding, problem=replace(sliding.problem, capacity_bytes=None))
    found = plan_sliding(whole, node_budget=node_budget)
    return found if found.arena_bytes <= packing.arena_bytes else packing


def _members(bank_of: Sequence[int], bank: int) -> list[int]:
    return [buffer for buffer, its in enumerate(bank_of) if its == bank]


def _with(bank_of: tuple[int, ...], buffer: int, bank: int) -> tuple[int, ...]:
    """The same but for one buffer."""
    return (*bank_of[:buffer], bank, *bank_of[buffer + 1 :])


def bank_problem(problem: SplitProblem, bank_of: Sequence[int], bank: int) -> SlidingProblem:
    """What is to be packed in one bank: its buffers, in the problem's order, and their slides."""
    alignment_bytes = problem.banks[bank].alignment_bytes
    members = _members(bank_of, bank)
    place = {buffer: index for index, buffer in enumerate(members)}
    buffers = tuple(
        replace(b, size_bytes=align_up(b.size_bytes, alignment_bytes))
        for b in (problem.sliding.problem.buffers[i] for i in members)
    )
    return SlidingProblem(
        Problem(buffers, alignment_bytes, problem.banks[bank].capacity_bytes),
        tuple(
            Slide(place[s.source], place[s.target], s.distance_bytes)
            for s in problem.sliding.slides
            if s.source in place and s.target in place
        ),
    )


class _Loads:
    """What lies in each bank in each column of time, and whether there is room for more.

    That there is room is a guess on the good side: overlaps are taken off as far as they may go.
    """

    def __init__(self, problem: SplitProblem) -> None:
        buffers = problem.sliding.problem.buffers
        self._banks = problem.banks
        self.sizes = [
            [align_up(b.size_bytes, bank.alignment_bytes) for b in buffers]
            for bank in problem.banks
        ]
        self.columns, count = _columns(buffers)
        self._loads = [[0] * count for _ in problem.banks]
        self._alive: list[list[set[int]]] = [[set() for _ in range(count)] for _ in problem.banks]
        self._over: dict[int, list[tuple[int, int]]] = {}
        for slide in problem.sliding.slides:
            self._over.setdefault(slide.source, []).append((slide.target, slide.distance_bytes))

    def has_room(self, buffer: int, bank: int, slack: int) -> bool:
        """Whether a bank, short of ``slack`` 256ths of it, may have room for a buffer."""
        capacity = self._banks[bank].capacity_bytes
        capacity -= capacity * slack // _WHOLE_CAPACITY
        size = self.sizes[bank][buffer]
        loads = self._loads[bank]
        return all(
            loads[column] + size <= capacity or self._bound(bank, column, buffer) <= capacity
            for column in self.columns[buffer]
        )

    def put(self, buffer: int, bank: int) -> None:
        for column in self.columns[buffer]:
            self._loads[bank][column] += self.sizes[bank][buffer]
            self._alive[bank][column].add(buffer)

    def take(self, buffer: int, bank: int) -> None:
        for column in self.columns[buffer]:
            self._loads[bank][column] -= self.sizes[bank][buffer]
            self._alive[bank][column].remove(buffer)

    def _bound(self, bank: int, column: int, buffer: int) -> int:
        """The least that a column needs with one buffer more."""
        return self.least_bytes({*self._alive[bank][column], buffer}, bank)

    def least_bytes(self, alive: set[int], bank: int) -> int:
        """What lies in a bank at one time, less all that pairs of it may share."""
        sizes = self.sizes[bank]
        alignment_bytes = self._banks[bank].alignment_bytes
        total = sum(sizes[i] for i in alive)
        for source in alive & self._over.keys():
            covered = 0
            jobs = [
                (sizes[target] - align_up(distance, alignment_bytes), target)
                for target, distance in self._over[source]
                if target in alive
            ]
            for deadline, target in sorted(jobs):
                covered = max(covered, min(covered + sizes[target], deadline))
            total -= min(covered, sizes[source])
        return max(total, max((sizes[i] for i in alive), default=0))


def _columns(buffers: Sequence[Buffer]) -> tuple[list[range], int]:
    """For each buffer the moments of a full arena that it lives through, and how many there are.

    A buffer without bytes lives through none.
    """
    sized = [i for i, buffer in enumerate(buffers) if buffer.size_bytes]
    strip = strip_of(
        [(buffers[i].first, buffers[i].end) for i in sized], [buffers[i].size_bytes for i in sized]
    )
    columns = [range(0)] * len(buffers)
    for place, i in enumerate(sized):
        columns[i] = range(strip.firsts[place], strip.ends[place])
    return columns, len(strip.loads)


class _Search:
    """The best split so far. ``nodes`` counts choices of a bank and placements in it."""

    def __init__(self, problem: SplitProblem, node_budget: int) -> None:
        self._problem = problem
        self._budget = node_budget
        self._loads = _Loads(problem)
        self._packed: dict[tuple[int, tuple[int, ...]], ArenaPlan] = {}
        self._costs = [
            {bank: traffic * problem.banks[bank].access_cost for bank in self._possible(buffer)}
            for buffer, traffic in enumerate(problem.traffic_bytes)
        ]
        self.best: tuple[int, ...] | None = None
        self.packings: list[ArenaPlan] = []
        self.cost = 1 << 62
        self.exhausted = False
        self.nodes = 0
        self.least_cost = 0

    def run(self) -> None:
        """Depth first by gain, then by size, each with more and more room kept free in the banks: a
        bank that is full to the brim may be one that cannot be packed. Then moves one by one.
        """
        if not all(self._costs):
            self.exhausted = True
            return
        self.least_cost = self._least_cost()
        for order in (self._by_gain(), self._by_size()):
            for slack in _SLACKS:
                if self._descend(order, slack) and slack == 0:
                    self.exhausted = True
                if self.exhausted or self._done():
                    return
                if self.best is not None:
                    break
        while self._improve() and not self._done():
            pass

    def _done(self) -> bool:
        return self.nodes >= self._budget or self.cost == self.least_cost

    def _possible(self, buffer: int) -> list[int]:
        """Banks that a buffer may go to and that are large enough for it, the cheapest first."""
        return [
            bank
            for bank in sorted(self._problem.allowed[buffer])
            if self._loads.sizes[bank][buffer] <= self._problem.banks[bank].capacity_bytes
        ]

    def _by_gain(self) -> list[int]:
        """By what a byte of a buffer gains in its cheapest bank over its dearest."""
        sizes = self._loads.sizes[0]

        def key(buffer: int) -> tuple[int, int, int]:
            costs = self._costs[buffer].values()
            gain = max(costs) - min(costs)
            return -(gain << 16) // max(1, sizes[buffer]), -sizes[buffer], buffer

        return sorted(range(len(sizes)), key=key)

    def _by_size(self) -> list[int]:
        sizes = self._loads.sizes[0]
        return sorted(range(len(sizes)), key=lambda buffer: (-sizes[buffer], buffer))

    def _descend(self, order: Sequence[int], slack: int) -> bool:
        """Tries splits that every bank may have room for; True when all were seen and decided."""
        rest = [0]
        for buffer in reversed(order):
            rest.append(rest[-1] + min(self._costs[buffer].values()))
        rest.reverse()
        path: list[int] = []
        costs = [0]
        untried: list[Iterator[int]] = [self._banks_for(order, 0)]
        failures = 0
        while untried and self.nodes < self._budget and failures < _FAILURES:
            self.nodes += 1
            if len(path) == len(order):
                chosen = dict(zip(order, path, strict=True))
                failures += not self._try(tuple(chosen[buffer] for buffer in range(len(order))))
            bank = next(untried[-1], None)
            if bank is None:
                untried.pop()
                if path:
                    self._loads.take(order[len(path) - 1], path.pop())
                    costs.pop()
                continue
            buffer = order[len(path)]
            cost = costs[-1] + self._costs[buffer][bank]
            if cost + rest[len(path) + 1] < self.cost and self._loads.has_room(buffer, bank, slack):
                self._loads.put(buffer, bank)
                path.append(bank)
                costs.append(cost)
                untried.append(self._banks_for(order, len(path)))
        decided = not untried and not failures
        while path:
            self._loads.take(order[len(path) - 1], path.pop())
        return decided

    def _banks_for(self, order: Sequence[int], position: int) -> Iterator[int]:
        """The banks to try for the next buffer; none behind the last."""
        return iter(self._costs[order[position]] if position < len(order) else ())

    def _try(self, bank_of: tuple[int, ...]) -> bool:
        """Packs a split, and keeps it when it fits and is cheaper. True unless undecided."""
        packings = []
        for bank, its in enumerate(self._problem.banks):
            packing = self._packing(bank_of, bank)
            if packing.arena_bytes > its.capacity_bytes:
                return packing.lower_bound_bytes > its.capacity_bytes
            packings.append(packing)
        cost = sum(costs[bank] for costs, bank in zip(self._costs, bank_of, strict=True))
        if cost < self.cost:
            self.best, self.packings, self.cost = bank_of, packings, cost
        return True

    def _packing(self, bank_of: tuple[int, ...], bank: int) -> ArenaPlan:
        key = (bank, tuple(_members(bank_of, bank)))
        if key not in self._packed:
            sliding = bank_problem(self._problem, bank_of, bank)
            self._packed[key] = plan_sliding(sliding, node_budget=_PACK_NODES)
            self.nodes += self._packed[key].nodes
        return self._packed[key]

    def _improve(self) -> bool:
        """Moves one buffer to a cheaper bank, maybe for another one that leaves it."""
        before = self.cost
        for buffer, cheaper in self._wishes():
            for moved in self._moves(buffer, cheaper):
                if self._done():
                    return False
                self._try(moved)
                if self.cost < before:
                    return True
        return False

    def _wishes(self) -> list[tuple[int, int]]:
        """Buffers and banks that would be cheaper for them, the most gain first."""
        wishes = [
            (costs[its] - cost, -buffer, bank)
            for buffer, (its, costs) in enumerate(zip(self.best or (), self._costs, strict=False))
            for bank, cost in costs.items()
            if cost < costs[its]
        ]
        return [(-buffer, bank) for _, buffer, bank in sorted(wishes, reverse=True)]

    def _moves(self, buffer: int, bank: int) -> Iterator[tuple[int, ...]]:
        """A buffer in a bank as it is, or in exchange for one that it gains more than."""
        assert self.best is not None
        source = self.best[buffer]
        gain = self._costs[buffer][source] - self._costs[buffer][bank]
        moved = _with(self.best, buffer, bank)
        yield moved
        mine = self._loads.columns[buffer]
        for other in _members(self.best, bank):
            its = self._loads.columns[other]
            loss = self._costs[other].get(source, 1 << 62) - self._costs[other][bank]
            if its.start < mine.stop and mine.start < its.stop and loss < gain:
                yield _with(moved, other, source)

    def _least_cost(self) -> int:
        """Proven: what everything costs in its cheapest bank, and what cannot be there on top.

        At each moment all that exceeds the first banks together must lie in later ones, and costs
        at least what the buffers with the least traffic for their size would.
        """
        banks = self._problem.banks
        cheapest = sum(min(costs.values()) for costs in self._costs)
        alive = self._all_alive()
        capacity = extra = 0
        for last, (bank, after) in enumerate(pairwise(banks)):
            capacity += bank.capacity_bytes
            step = after.access_cost - bank.access_cost
            extra += step * max((self._pushed_out(at, last, capacity) for at in alive), default=0)
        return cheapest + extra

    def _all_alive(self) -> list[set[int]]:
        columns = self._loads.columns
        count = max((its.stop for its in columns), default=0)
        alive: list[set[int]] = [set() for _ in range(count)]
        for buffer, its in enumerate(columns):
            for column in its:
                alive[column].add(buffer)
        return alive

    def _pushed_out(self, alive: set[int], last: int, capacity_bytes: int) -> int:
        """The least traffic of what cannot stay in the banks up to ``last``, though it might."""
        finest = min(range(last + 1), key=lambda b: self._problem.banks[b].alignment_bytes)
        excess = self._loads.least_bytes(alive, finest) - capacity_bytes
        sizes = self._loads.sizes[finest]
        free = [b for b in alive if min(self._costs[b]) <= last < max(self._costs[b])]
        excess -= sum(sizes[b] for b in alive if min(self._costs[b]) > last)
        traffic = 0
        for buffer in sorted(free, key=lambda b: (self._fraction(b, sizes[b]), b)):
            share = min(excess, sizes[buffer])
            if share <= 0:
                break
            traffic += self._problem.traffic_bytes[buffer] * share // sizes[buffer]
            excess -= share
        return traffic

    def _fraction(self, buffer: int, size_bytes: int) -> Fraction:
        return Fraction(self._problem.traffic_bytes[buffer], size_bytes)
