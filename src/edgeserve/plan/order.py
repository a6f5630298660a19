"""Orders in which the steps of a program can run, for graphs with branches.

With several heads the order decides how many values wait for each other. A beam search looks for
orders that keep the sum over time of live bytes, or of their squares, small; others go deep first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from edgeserve.arena import align_up
from edgeserve.program import Program, Role

Order: TypeAlias = tuple[int, ...]

BEAM = 12


class _State(NamedTuple):
    """A partial order and, as bits, its steps; ``left`` counts each value's readers to come."""

    cost: int
    order: Order
    done: int
    live_bytes: int
    ready: tuple[int, ...]
    left: tuple[int, ...]
    waits: tuple[int, ...]


class _Graph:
    """Who writes and who reads what; constants and state do not count."""

    def __init__(self, program: Program) -> None:
        values, steps = program.values, program.steps
        self.count = len(steps)
        self.size_bytes = [
            align_up(v.size_bytes) if v.role is Role.ACTIVATION else 0 for v in values
        ]
        self.output = [step.output.value for step in steps]
        self.inputs = [
            tuple(sorted({o.value for o in s.inputs if values[o.value].role is Role.ACTIVATION}))
            for s in steps
        ]
        self.readers: list[list[int]] = [[] for _ in values]
        for index, inputs in enumerate(self.inputs):
            for value in inputs:
                self.readers[value].append(index)
        self.lasting = {port.value for port in program.outputs}
        made = {value: index for index, value in enumerate(self.output)}
        self.makers = [tuple(made[v] for v in i if v in made) for i in self.inputs]
        self.waits = tuple(len(set(makers)) for makers in self.makers)
        given = [port.value for port in program.inputs]
        self.start_bytes = sum(self.size_bytes[v] for v in given)


def orders_of(program: Program, beam: int = BEAM) -> tuple[Order, ...]:
    """Different orders worth planning, the program's own first; it alone where state is kept."""
    graph = _Graph(program)
    own = tuple(range(graph.count))
    if _stateful(program) or _is_chain(graph):
        return (own,)
    found = [
        own,
        _deep_first(graph, largest_first=True),
        _deep_first(graph, largest_first=False),
        _beam(graph, beam, lambda live: live),
        _beam(graph, beam, lambda live: live * live),
    ]
    return tuple(dict.fromkeys(found))


def _stateful(program: Program) -> bool:
    return any(value.role is Role.STATE for value in program.values)


def _is_chain(graph: _Graph) -> bool:
    return all(
        makers == (index - 1,) or (index == 0 and not makers)
        for index, makers in enumerate(graph.makers)
    )


def _deep_first(graph: _Graph, *, largest_first: bool) -> Order:
    """Each sink after all that it needs, its inputs in the order of their size."""
    order: list[int] = []
    done: set[int] = set()
    sinks = [i for i in range(graph.count) if not graph.readers[graph.output[i]]]
    stack = list(reversed(sinks))
    while stack:
        step = stack[-1]
        open_makers = [m for m in dict.fromkeys(graph.makers[step]) if m not in done]
        if step in done:
            stack.pop()
        elif open_makers:
            open_makers.sort(key=lambda m: (graph.size_bytes[graph.output[m]], m))
            stack.append(open_makers[-1] if largest_first else open_makers[0])
        else:
            done.add(step)
            order.append(step)
            stack.pop()
    return tuple(order)


def _beam(graph: _Graph, width: int, weigh: Callable[[int], int]) -> Order:
    """The order with the least sum of ``weigh(live bytes)`` that a beam of partial orders finds."""
    ready = tuple(i for i in range(graph.count) if graph.waits[i] == 0)
    left = tuple(len(readers) for readers in graph.readers)
    states = [_State(0, (), 0, graph.start_bytes, ready, left, graph.waits)]
    for _ in range(graph.count):
        grown: dict[int, _State] = {}
        for state in states:
            for step in state.ready:
                after = _after(graph, state, step, weigh)
                if after.done not in grown or after[:2] < grown[after.done][:2]:
                    grown[after.done] = after
        states = sorted(grown.values(), key=lambda s: (s.cost, s.order))[:width]
    return states[0].order


def _after(graph: _Graph, state: _State, step: int, weigh: Callable[[int], int]) -> _State:
    left, waits = list(state.left), list(state.waits)
    output = graph.output[step]
    live = state.live_bytes + graph.size_bytes[output]
    cost = state.cost + weigh(live)
    for value in graph.inputs[step]:
        left[value] -= 1
        if left[value] == 0 and value not in graph.lasting:
            live -= graph.size_bytes[value]
    if not graph.readers[output] and output not in graph.lasting:
        live -= graph.size_bytes[output]
    ready = [other for other in state.ready if other != step]
    for reader in graph.readers[output]:
        waits[reader] -= 1
        if waits[reader] == 0:
            ready.append(reader)
    order, done = (*state.order, step), state.done | 1 << step
    return _State(cost, order, done, live, tuple(ready), tuple(left), tuple(waits))


def follows(program: Program, order: Sequence[int]) -> bool:
    """Whether each step comes once, after the makers of all that it reads."""
    graph = _Graph(program)
    place = {step: at for at, step in enumerate(order)}
    return sorted(order) == list(range(graph.count)) and all(
        place[maker] < place[step] for step in order for maker in graph.makers[step]
    )
