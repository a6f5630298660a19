"""The worst-case stack of the runtime, proven from what the compiler says of every function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgeserve.errors import ToolError

INDIRECT = "__indirect_call"
_NODE = re.compile(r'node: \{ title: "([^"]*)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"')
_BYTES = re.compile(r"(\d+) bytes \(([a-z,]+)\)")
_FUNCTION = re.compile(r"^([0-9a-f]+) <([^>]+)>:$")
_FORMAT = re.compile(r"file format (\S+)")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a disassembly shows calls, jumps into other functions among them, and what makes room on
    the stack: lists of registers, and numbers of bytes.
    """

    call: re.Pattern[str]
    push: re.Pattern[str] | None
    grow: tuple[re.Pattern[str], ...]


# Where an address goes through a register first, naming a function counts as calling it.
_NAMED = re.compile(r"[0-9a-f]+ <([^>+]+)>")
_DIALECTS = {
    "elf32-littlearm": _Dialect(
        re.compile(r"\s(?:blx?|b|b\.[nw])(?:\.[nw])?\s+[0-9a-f]+ <([^>+]+)>"),
        re.compile(r"\s(?:push|stmdb\s+sp!,|vpush)\s*\{([^}]*)\}"),
        (
            re.compile(r"\ssub(?:w|\.w)?\s+sp(?:, sp)?, #(\d+)"),
            re.compile(r"\sstrd?\S*\s.*\[sp, #-(\d+)\]!"),
        ),
    ),
    "elf32-littleriscv": _Dialect(_NAMED, None, (re.compile(r"\saddi\s+sp,sp,-(\d+)"),)),
    "elf32-xtensa-le": _Dialect(_NAMED, None, (re.compile(r"\saddm?i\s+a1, a1, -(\d+)"),)),
}


@dataclass(slots=True)
class CallGraph:
    """Frames in bytes and calls, by the function's name; a static function's carries its file."""

    frames: dict[str, int] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=dict)

    def add_call(self, caller: str, callee: str) -> None:
        self.calls.setdefault(caller, set()).add(callee)


def read_call_graphs(texts: Iterable[str]) -> CallGraph:
    """The graph of several ``-fcallgraph-info=su`` files.

    Raises ToolError for a frame whose size is known only at run time.
    """
    graph = CallGraph()
    for text in texts:
        for title, label in _NODE.findall(text):
            match = _BYTES.search(label)
            if match is None:
                continue
            if "dynamic" in match.group(2) and "bounded" not in match.group(2):
                raise ToolError(f"the stack of {title} depends on its arguments")
            graph.frames[title] = int(match.group(1))
        for caller, callee in _EDGE.findall(text):
            graph.add_call(caller, callee)
    return graph


def add_disassembly(graph: CallGraph, text: str, symbols: Mapping[str, int]) -> None:
    """Adds functions of precompiled libraries from ``objdump -d`` of an image.

    A frame is the sum of everything that the function pushes anywhere: an upper bound. ``symbols``
    are the addresses of the image's: other names of a function are known by them, and calls to
    functions that are not in the image are dropped, as the compiler also names library functions
    that it thought of and did without. Raises ToolError for an architecture that nobody described.
    """
    known = set(graph.frames)
    dialect = _dialect(text)
    name_at: dict[int, str] = {}
    named: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if match := _FUNCTION.match(line):
            name = match.group(2)
            name_at[int(match.group(1), 16)] = name
            if name not in known:
                graph.frames[name] = 0
        elif name and name not in known:
            graph.frames[name] += _pushed_bytes(dialect, line)
            for callee in dialect.call.findall(line):
                if callee != name:
                    named.setdefault(name, set()).add(callee)
    for caller, callees in named.items():
        # What is named and has no frame is data.
        graph.calls.setdefault(caller, set()).update(callees & set(graph.frames))
    for alias, address in symbols.items():
        if alias not in graph.frames and address in name_at:
            graph.frames[alias] = 0
            graph.add_call(alias, name_at[address])
    for callees in graph.calls.values():
        callees -= {c for c in callees if c not in graph.frames and c not in symbols} - {INDIRECT}


def _dialect(text: str) -> _Dialect:
    match = _FORMAT.search(text)
    name = match.group(1) if match else "no format"
    if name not in _DIALECTS:
        raise ToolError(f"the stack of library functions cannot be read from {name}")
    return _DIALECTS[name]


def _pushed_bytes(dialect: _Dialect, line: str) -> int:
    if dialect.push and (match := dialect.push.search(line)):
        return sum(_registers(item.strip()) for item in match.group(1).split(","))
    for pattern in dialect.grow:
        if match := pattern.search(line):
            return int(match.group(1))
    return 0


def _registers(item: str) -> int:
    first, _, last = item.partition("-")
    count = int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count * (8 if first.startswith("d") else 4)


@dataclass(frozen=True, slots=True)
class Deepest:
    """The deepest chain of calls below a function, with itself."""

    stack_bytes: int
    chain: tuple[str, ...]


def worst_case_stack(graph: CallGraph, root: str, indirect: Mapping[str, Iterable[str]]) -> Deepest:
    """The most stack that calling ``root`` can take, its own frame included.

    ``indirect`` lists what each function may call through a pointer. Raises ToolError for
    recursion, for a function without a record, and for a pointer that is not listed.
    """
    return _deepest(graph, root, {k: tuple(v) for k, v in indirect.items()}, (), {})


def _deepest(
    graph: CallGraph,
    name: str,
    indirect: Mapping[str, tuple[str, ...]],
    above: tuple[str, ...],
    known: dict[str, Deepest],
) -> Deepest:
    if name in known:
        return known[name]
    if name in above:
        raise ToolError(f"{name} calls itself: {' -> '.join((*above, name))}")
    if name not in graph.frames:
        raise ToolError(
            f"the stack of {name} is not known (called by {above[-1] if above else 'nobody'})"
        )
    worst = Deepest(0, ())
    for callee in sorted(_callees(graph, name, indirect)):
        worst = max(
            worst, _deepest(graph, callee, indirect, (*above, name), known), key=_stack_bytes
        )
    known[name] = Deepest(graph.frames[name] + worst.stack_bytes, (name, *worst.chain))
    return known[name]


def _stack_bytes(deepest: Deepest) -> int:
    return deepest.stack_bytes


def _callees(graph: CallGraph, name: str, indirect: Mapping[str, tuple[str, ...]]) -> set[str]:
    callees = set(graph.calls.get(name, ()))
    if INDIRECT in callees:
        callees.remove(INDIRECT)
        if name not in indirect:
            raise ToolError(f"{name} calls through a pointer that nobody listed")
        callees.update(indirect[name])
    return callees
