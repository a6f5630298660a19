"""Planning of a program whose steps may take turns: orders, groups, offsets, and the best of all.

For each order of the steps the cuts into groups with the smallest peak are found first. Around that
peak candidates with different tie-breaks are placed exactly, and the smallest arena wins; among
equals the one with the least extra work. All budgets are counts: the same program gives the same
plan on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from edgeserve.arena import ArenaPlan, Buffer, Problem, align_up
from edgeserve.banks import Bank, Pin, pinned_values, preferred
from edgeserve.plan.banked import Banked, in_banks, refusal
from edgeserve.plan.costs import Costs
from edgeserve.plan.effort import REFERENCE, KernelModel
from edgeserve.plan.groups import (
    ROWS_PER_TURN,
    Choice,
    Cut,
    Lives,
    Weigher,
    caps_of,
    cut,
    effort_of,
    extra_effort,
    instructions_of,
    undominated,
)
from edgeserve.plan.order import Order, orders_of
from edgeserve.plan.overlap import DEFAULT_NODES, Slide, SlidingProblem, plan_sliding
from edgeserve.plan.stream import GroupRun, Task, run_group, tasks_of
from edgeserve.plan.traffic import counter_traffic, scratch_traffic, sums_traffic, value_traffic
from edgeserve.program import Program, Role
from edgeserve.stream_plan import MOST_FED, Action, Feed, Group, Place, Span, StreamPlan, Turn

_COUNTER_BYTES = 2


class Objective(StrEnum):
    """What a plan is for. The extra instructions are estimates over whole layers.

    SIZE: the least arena with at most a quarter more instructions. BALANCED: the least arena with
    at most 4.5 % more. SPEED: the fewest instructions that fit the capacity.
    """

    SIZE = "size"
    BALANCED = "balanced"
    SPEED = "speed"


EXTRA_PERMILLE = {Objective.SIZE: 250, Objective.BALANCED: 45, Objective.SPEED: 0}

_SHARES = 256
_MORE = (0, 1, 2, 4, 8, 16, 32)
_SHIFTS = 32
_WORTH_TRYING = 64
_ESTIMATE = 16
_FINALISTS = 3
_LESS = (10, EXTRA_PERMILLE[Objective.BALANCED])
_PERMILLES = (0, 10, 20, 30, 50, 80, 120, 180, 250, 500, 10_000)
_DRAFT_NODES = 6_000


@dataclass(frozen=True, slots=True)
class Method:
    """How to plan. ``feeds``: ports whose rows are asked of the caller one after the other.

    ``rows_per_turn`` empty: no streaming, only overlaps. ``capacity_bytes`` is a goal of SPEED;
    ``extra_percent`` replaces what the objective allows. With ``banks`` the arena is split among
    them where the cheapest is too small for it, and tensors are ``pins`` to some.
    """

    objective: Objective = Objective.BALANCED
    kernels: KernelModel = REFERENCE
    feeds: tuple[int, ...] = ()
    rows_per_turn: tuple[int, ...] = ROWS_PER_TURN
    capacity_bytes: int | None = None
    node_budget: int = DEFAULT_NODES
    search_orders: bool = True
    extra_percent: int | None = None
    banks: tuple[Bank, ...] = ()
    pins: tuple[Pin, ...] = ()


_BALANCED = Method()


@dataclass(frozen=True, slots=True)
class _Ordered:
    """An order with its tasks, its groups to choose from, and the smallest cap worth trying."""

    order: Order
    tasks: tuple[Task, ...]
    choices: list[list[Choice]]
    caps: list[int]


def plan_stream(program: Program, method: Method = _BALANCED) -> StreamPlan:
    """The best plan that the budgets find for a program.

    Where it does not fit the banks it is one piece, without any. Raises ValueError for a feed that
    is no activation input, or is an output as well; ConfigError for a pin of what does not exist,
    DoesNotFit where tensors are pinned and no split fits.
    """
    _check_feeds(program, method.feeds)
    if not program.steps:
        return _placed(program, [_draft(program, (), (), (), method)], method)
    orders = orders_of(program) if method.search_orders else orders_of(program)[:1]
    prepared = [_ordered(program, order, method) for order in orders]
    drafts: list[_Draft] = []
    best: list[_Draft] = []
    for allowed in _budgets(program, method):
        caps = [_caps_within(ordered, allowed) for ordered in prepared]
        least = min(cap[0] for cap in caps)
        before = len(drafts)
        for ordered, cap in zip(prepared, caps, strict=True):
            if cap[0] <= least + least // _WORTH_TRYING:
                drafts += _drafts(program, ordered, cap, method, allowed, drafts)
        best += sorted(drafts[before:], key=lambda draft: draft.rank(method))[:_FINALISTS]
        if _fills(method) and any(draft.rank(method)[0] == 0 for draft in best):
            break
    finished = [draft.improved(method.node_budget // _FINALISTS) for draft in best]
    winner = min(finished, key=lambda draft: draft.rank(method))
    return _placed(program, [winner.improved(method.node_budget), *finished], method)


def plan_groups(
    program: Program,
    order: Order,
    groups: Sequence[tuple[int, int | None]],
    method: Method = _BALANCED,
) -> StreamPlan:
    """The plan of a given order and given groups.

    A group is the number of its tasks (steps, and fed inputs right before their first reader) and
    its rows per turn; None, for a single task, means all at once.
    """
    _check_feeds(program, method.feeds)
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    choices = []
    end = 0
    for count, rows in groups:
        first, end = end, end + count
        effort = 0
        if rows is not None:
            effort = sum(extra_effort(task, rows, method.kernels) for task in tasks[first:end])
        choices.append(Choice(first, end, rows, 0, effort))
    if end != len(tasks) or any(c.rows is None and c.end - c.first > 1 for c in choices):
        raise ValueError(f"{list(groups)} are no groups of {len(tasks)} tasks")
    draft = _draft(program, order, tasks, tuple(choices), method)
    return _placed(program, [draft.improved(method.node_budget)], method)


def feedable(program: Program) -> tuple[int, ...]:
    """The inputs that are worth asking the caller for row by row: those that a step reads.

    The runtime counts the rows of the first ``MOST_FED`` inputs alone.
    """
    read = {operand.value for step in program.steps for operand in step.inputs}
    return tuple(
        index
        for index, port in enumerate(program.inputs[:MOST_FED])
        if port.value in read and _may_be_fed(program, index)
    )


def _may_be_fed(program: Program, port: int) -> bool:
    value = program.inputs[port].value
    is_output = value in {output.value for output in program.outputs}
    return program.values[value].role is Role.ACTIVATION and not is_output


def _check_feeds(program: Program, feeds: Sequence[int]) -> None:
    for port in feeds:
        if not _may_be_fed(program, port):
            raise ValueError(f"input {program.inputs[port].name!r} cannot be fed by rows")


def _budgets(program: Program, method: Method) -> list[int]:
    """Extra instructions to try: what the objective allows, and less where that may do as well."""
    kernels = method.kernels
    total = sum(kernels.instructions(step, step.output.h, step.output.h) for step in program.steps)
    if method.extra_percent is not None:
        return [total * method.extra_percent // 100]
    most = EXTRA_PERMILLE[method.objective]
    shares = _PERMILLES if _fills(method) else (*(p for p in _LESS if p < most), most)
    return [total * permille // 1_000 for permille in shares]


def _fills(method: Method) -> bool:
    """Whether the plan may be as large as the capacity."""
    return method.objective is Objective.SPEED and method.capacity_bytes is not None


def _ordered(program: Program, order: Order, method: Method) -> _Ordered:
    tasks = tasks_of(program, order, method.feeds, method.kernels)
    choices = _choices(program, tasks, method)
    return _Ordered(order, tasks, choices, caps_of(choices))


def _caps_within(ordered: _Ordered, allowed: int) -> list[int]:
    """The caps from the smallest on under which some cut takes no more than ``allowed``."""
    caps = ordered.caps
    low, high = 0, len(caps) - 1
    while low < high:
        middle = (low + high) // 2
        if _extra(ordered.choices, caps[middle]) <= allowed:
            high = middle
        else:
            low = middle + 1
    return caps[low:]


def _choices(program: Program, tasks: Sequence[Task], method: Method) -> list[list[Choice]]:
    """For each end all groups worth having; index 0 is empty.

    A group whose rings alone exceed the peak of whole steps is not among them, nor one that costs
    more bytes and more effort than another of the same tasks.
    """
    costs = Costs(Lives(program, tasks), tasks, method.kernels)
    whole = [costs.whole(end) for end in range(1, len(tasks) + 1)]
    limit = max(choice.cost_bytes for choice in whole)
    found: list[list[Choice]] = [[]]
    for end, single in enumerate(whole, 1):
        streamed = [c for rows in method.rows_per_turn for c in costs.streamed(end, rows, limit)]
        found.append(undominated([single, *streamed]))
    return found


def _extra(choices: Sequence[Sequence[Choice]], cap: int) -> int:
    found = cut(choices, cap, _by_effort)
    return 1 << 62 if found is None else instructions_of(found[0])


def _by_effort(choice: Choice) -> int:
    return choice.effort


def _by_streamed(choice: Choice) -> int:
    return 0 if choice.rows is None else choice.end - choice.first


def _by_bytes(choice: Choice) -> int:
    return choice.cost_bytes


def _by_peaks(choice: Choice) -> int:
    return choice.cost_bytes**4


_WEIGHERS: tuple[Weigher, ...] = (_by_effort, _by_streamed, _by_bytes, _by_peaks)


def _between(cap: int, shift: int) -> Weigher:
    """Effort and peaks in one: a group at the cap weighs as much as ``2**shift`` instructions."""
    return lambda c: c.effort + effort_of((c.cost_bytes**4 << shift) // cap**4, 0)


def _cuts(choices: Sequence[Sequence[Choice]], cap: int, allowed: int) -> Iterator[Cut]:
    """Cuts under one cap with different tie-breaks, none with more effort than allowed.

    Groups far below the cap leave their neighbours room. So the last has peaks as low as the
    allowed effort can buy.
    """
    for weigh in _WEIGHERS:
        found = cut(choices, cap, weigh)
        if found is not None and _extra_of(found[1]) <= allowed:
            yield found[1]
    low, high = 0, _SHIFTS
    best: Cut | None = None
    while low < high:
        middle = (low + high) // 2
        found = cut(choices, cap, _between(cap, middle))
        if found is not None and _extra_of(found[1]) <= allowed:
            best, low = found[1], middle + 1
        else:
            high = middle
    if best is not None:
        yield best


def _extra_of(groups: Cut) -> int:
    return instructions_of(sum(group.effort for group in groups))


def _drafts(
    program: Program,
    ordered: _Ordered,
    caps: list[int],
    method: Method,
    allowed: int,
    before: list[_Draft],
) -> Iterator[_Draft]:
    """Placed candidates of one order, from the smallest cap up, as long as they may be smaller."""
    best = min((draft.plan.arena_bytes for draft in before), default=1 << 62)
    seen: set[Cut] = set()
    for cap in [caps[0] + caps[0] * share // _SHARES for share in _MORE]:
        if cap > best + best // _ESTIMATE:
            return
        for groups in _cuts(ordered.choices, cap, allowed):
            if groups not in seen:
                seen.add(groups)
                draft = _draft(program, ordered.order, ordered.tasks, groups, method)
                best = min(best, draft.plan.arena_bytes)
                yield draft


@dataclass(frozen=True, slots=True)
class _Buffers:
    """The placement problem of a draft, and what its buffers stand for."""

    sliding: SlidingProblem
    values: dict[int, int]
    scratch: dict[int, int]
    sums: dict[int, int]
    counters: int | None


@dataclass(frozen=True, slots=True)
class _Draft:
    """Groups with their simulations and a quick placement."""

    order: Order
    tasks: tuple[Task, ...]
    groups: tuple[Choice, ...]
    runs: tuple[GroupRun, ...]
    buffers: _Buffers
    plan: ArenaPlan

    @property
    def extra(self) -> int:
        return instructions_of(sum(group.effort for group in self.groups))

    def rank(self, method: Method) -> tuple[int, int]:
        """Smaller is better: bytes, then effort; what a capacity to fill has room for is free."""
        effort, arena = sum(group.effort for group in self.groups), self.plan.arena_bytes
        if not _fills(method):
            return arena, effort
        assert method.capacity_bytes is not None
        return max(0, arena - method.capacity_bytes), effort

    def improved(self, node_budget: int) -> _Draft:
        """With more nodes spent on the offsets."""
        if self.plan.optimal or node_budget <= self.plan.nodes:
            return self
        plan = plan_sliding(self.buffers.sliding, node_budget=node_budget)
        return replace(self, plan=plan) if plan.arena_bytes <= self.plan.arena_bytes else self

    def finished(self, program: Program, method: Method) -> StreamPlan:
        """As a plan of the program's own values and steps."""
        return _stream_plan(program, self, method)


def _draft(
    program: Program,
    order: Order,
    tasks: tuple[Task, ...],
    groups: tuple[Choice, ...],
    method: Method,
) -> _Draft:
    lives = Lives(program, tasks)
    runs = tuple(
        run_group(tasks, group.first, group.end, group.rows, lives.alive(group.end))
        for group in groups
    )
    buffers = _buffers(program, tasks, groups, runs)
    plan = plan_sliding(buffers.sliding, node_budget=min(_DRAFT_NODES, method.node_budget))
    return _Draft(order, tasks, groups, runs, buffers, plan)


def _placed(program: Program, drafts: Sequence[_Draft], method: Method) -> StreamPlan:
    """The plan of the first draft, or of the one that costs least in the banks."""
    best = drafts[0].finished(program, method)
    if not method.banks:
        return best
    banks = preferred(method.banks)
    pins = pinned_values(program, banks, method.pins)
    placed: list[tuple[int, int, int, _Draft, Banked]] = []
    for draft in drafts:
        banked = _in_banks(program, draft, banks, pins, method)
        if banked is not None:
            placed.append((banked.cost, draft.extra, len(placed), draft, banked))
            if len(banked.banks) == 1:
                break
    if placed:
        *_, draft, banked = min(placed, key=lambda one: one[:3])
        return replace(
            replace(draft, plan=banked.plan).finished(program, method),
            banks=banked.banks,
            traffic_cost=banked.cost,
            least_traffic_cost=banked.least_cost,
        )
    if pins:
        buffers = drafts[0].buffers
        pinned = {buffers.values[value]: bank for value, bank in pins.items()}
        raise refusal(buffers.sliding, banks, pinned, best.arena_bytes)
    return best


def _in_banks(
    program: Program,
    draft: _Draft,
    banks: tuple[Bank, ...],
    pins: Mapping[int, int],
    method: Method,
) -> Banked | None:
    buffers = draft.buffers
    return in_banks(
        buffers.sliding,
        draft.plan,
        banks,
        _traffic(program, draft),
        {buffers.values[value]: bank for value, bank in pins.items()},
        method.node_budget,
    )


def _traffic(program: Program, draft: _Draft) -> tuple[int, ...]:
    """Bytes read and written of each buffer in an inference."""
    buffers, tasks = draft.buffers, draft.tasks
    traffic = [0] * len(buffers.sliding.problem.buffers)
    for value, size in value_traffic(program).items():
        if value in buffers.values:
            traffic[buffers.values[value]] += size
    for position, buffer in buffers.scratch.items():
        traffic[buffer] += scratch_traffic(tasks[position].scratch_bytes, tasks[position].h)
    for position, buffer in buffers.sums.items():
        traffic[buffer] += sums_traffic(tasks[position].accumulator_bytes, tasks[position].units)
    if buffers.counters is not None:
        counted = set(_streamed_tasks(tasks, draft.groups))
        turns = sum(task in counted for run in draft.runs for task, _, _ in run.stints)
        traffic[buffers.counters] += counter_traffic(turns)
    return tuple(traffic)


class _Layout:
    """Buffers as they are found, in turns of the whole inference."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []

    def add(self, name: str, first: int, end: int, size_bytes: int) -> int:
        self.buffers.append(Buffer(name, first, end, align_up(size_bytes)))
        return len(self.buffers) - 1


def _buffers(
    program: Program,
    tasks: Sequence[Task],
    groups: Sequence[Choice],
    runs: Sequence[GroupRun],
) -> _Buffers:
    total = max(1, sum(len(run.stints) for run in runs))
    layout = _Layout()
    born, dead = _lifetimes(program, runs, total)
    depths = {value: depth for run in runs for value, depth in run.depths.items()}
    row_bytes = {task.value: task.row_bytes for task in tasks}
    values: dict[int, int] = {}
    for value in program.values:
        if value.role is Role.CONSTANT:
            continue
        size = value.size_bytes
        if value.index in depths:
            size = depths[value.index] * row_bytes[value.index]
        first, end = (
            (0, total)
            if value.role is Role.STATE
            else (
                born.get(value.index, 0),
                dead.get(value.index, 1),
            )
        )
        values[value.index] = layout.add(value.name, first, end, size)
    scratch, sums = _inner_buffers(layout, tasks, groups, runs)
    streamed = _streamed_tasks(tasks, groups)
    counters = None
    if streamed:
        counters = layout.add("row counters", 0, total, _COUNTER_BYTES * len(streamed))
    slides = _slides(values, layout.buffers, runs)
    problem = Problem(tuple(layout.buffers))
    return _Buffers(SlidingProblem(problem, slides), values, scratch, sums, counters)


def _lifetimes(
    program: Program, runs: Sequence[GroupRun], total: int
) -> tuple[dict[int, int], dict[int, int]]:
    born: dict[int, int] = {}
    dead: dict[int, int] = {}
    start = 0
    for run in runs:
        born.update({value: start + time for value, time in run.born.items()})
        dead.update({value: start + time for value, time in run.dead.items()})
        start += len(run.stints)
    dead.update({port.value: total for port in program.outputs})
    return born, dead


def _inner_buffers(
    layout: _Layout,
    tasks: Sequence[Task],
    groups: Sequence[Choice],
    runs: Sequence[GroupRun],
) -> tuple[dict[int, int], dict[int, int]]:
    """One scratch a group, which its tasks use in turns, and the sums of tasks that have some."""
    scratch: dict[int, int] = {}
    sums: dict[int, int] = {}
    start = 0
    for group, run in zip(groups, runs, strict=True):
        times: dict[int, list[int]] = {}
        for time, (position, _, _) in enumerate(run.stints, start):
            times.setdefault(position, []).append(time)
        users = [p for p in times if tasks[p].scratch_bytes]
        if users:
            first = min(times[p][0] for p in users)
            end = max(times[p][-1] for p in users) + 1
            size = max(tasks[p].scratch_bytes for p in users)
            scratch.update(
                dict.fromkeys(
                    users, layout.add(f"scratch of group {group.first}", first, end, size)
                )
            )
        for position in times:
            if tasks[position].accumulator_bytes and group.rows is not None:
                span = times[position]
                size = tasks[position].accumulator_bytes
                name = f"sums of task {position}"
                sums[position] = layout.add(name, span[0], span[-1] + 1, size)
        start += len(run.stints)
    return scratch, sums


def _streamed_tasks(tasks: Sequence[Task], groups: Sequence[Choice]) -> list[int]:
    """Positions of the steps that take several turns: each needs a row counter."""
    return [
        position
        for group in groups
        for position in range(group.first, group.end)
        if group.rows is not None
        and tasks[position].step is not None
        and tasks[position].units > group.rows
    ]


def _slides(
    values: dict[int, int], buffers: Sequence[Buffer], runs: Sequence[GroupRun]
) -> tuple[Slide, ...]:
    slides = []
    for run in runs:
        for (source, target), distance in run.distances.items():
            a, b = buffers[values[source]], buffers[values[target]]
            if a.first < b.end and b.first < a.end:
                slides.append(Slide(values[source], values[target], distance))
    return tuple(slides)


def _stream_plan(program: Program, draft: _Draft, method: Method) -> StreamPlan:
    tasks, buffers, plan = draft.tasks, draft.buffers, draft.plan
    offsets = plan.offsets_bytes
    steps = len(program.steps)
    scratch: list[Span | None] = [None] * steps
    sums: list[Span | None] = [None] * steps
    counters: list[int | None] = [None] * steps
    for position, buffer in buffers.scratch.items():
        scratch[_step_index(tasks[position])] = Span(offsets[buffer], tasks[position].scratch_bytes)
    for position, buffer in buffers.sums.items():
        sums[_step_index(tasks[position])] = Span(
            offsets[buffer], tasks[position].accumulator_bytes
        )
    for counter, position in enumerate(_streamed_tasks(tasks, draft.groups)):
        counters[_step_index(tasks[position])] = counter
    count = sum(counter is not None for counter in counters)
    at = 0 if buffers.counters is None else offsets[buffers.counters]
    whole = sum(
        method.kernels.instructions(step, step.output.h, step.output.h) for step in program.steps
    )
    return StreamPlan(
        order=draft.order,
        groups=tuple(_group(tasks, choice) for choice in draft.groups),
        turns=tuple(_action(tasks, stint) for run in draft.runs for stint in run.stints),
        places=_places(program, draft, offsets),
        scratch=tuple(scratch),
        accumulators=tuple(sums),
        counters=tuple(counters),
        counters_span=Span(at, _COUNTER_BYTES * count),
        arena_bytes=plan.arena_bytes,
        lower_bound_bytes=plan.lower_bound_bytes,
        exhausted=plan.exhausted,
        instructions=whole + draft.extra,
        extra_instructions=draft.extra,
        nodes=plan.nodes,
    )


def _step_index(task: Task) -> int:
    assert task.step is not None
    return task.step.index


def _group(tasks: Sequence[Task], choice: Choice) -> Group:
    members = tasks[choice.first : choice.end]
    return Group(
        steps=tuple(task.step.index for task in members if task.step is not None),
        feeds=tuple(task.port for task in members if task.port is not None),
        rows_per_turn=choice.rows,
    )


def _action(tasks: Sequence[Task], stint: tuple[int, int, int]) -> Action:
    position, first, end = stint
    task = tasks[position]
    if task.step is not None:
        return Turn(task.step.index, end - first)
    assert task.port is not None
    return Feed(task.port, end - first)


def _places(program: Program, draft: _Draft, offsets: Sequence[int]) -> tuple[Place | None, ...]:
    makers = {task.value: task for task in draft.tasks}
    views = {read.value: read for task in draft.tasks for read in task.reads}
    depths = {value: depth for run in draft.runs for value, depth in run.depths.items()}
    places: list[Place | None] = []
    for value in program.values:
        if value.role is Role.CONSTANT:
            places.append(None)
            continue
        offset = offsets[draft.buffers.values[value.index]]
        maker = makers.get(value.index)
        read = views.get(value.index)
        if maker is None and read is not None:
            places.append(Place(offset, read.row_bytes, read.h, read.h))
        elif maker is None:
            places.append(Place(offset, value.size_bytes, 1, 1))
        else:
            depth = depths.get(value.index, maker.h)
            places.append(Place(offset, maker.row_bytes, depth, maker.h))
    return tuple(places)
