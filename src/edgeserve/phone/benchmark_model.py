"""What Google's two tools ``benchmark_model`` print, as numbers.

TensorFlow Lite's (tensorflow/lite/tools/benchmark) prints its statistics as text: ``count=`` lines
of the warm-up and of the run, a line ``Inference timings in us`` (before 2020 ``Average inference
timings``), what a delegate took of the graph, what memory grew by, and a table of operators where
it was asked for one. LiteRT 2's (litert/tools) is built upon it, and ends with ``BENCHMARK
RESULTS`` instead of the line of timings: a figure a line, in milliseconds with two decimals. Of
delegates it tells the nodes that each replaced. Lines may have a prefix, as in a log.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgeserve.absent import Absent

_NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_OLD_TIMINGS = re.compile(
    rf"Average inference timings in us: Warmup: {_NUMBER}, Init: {_NUMBER}, "
    rf"(?:no stats|Inference): {_NUMBER}"
)
_STAT = re.compile(r"\bcount=(\d{1,12})((?: \w+=\S+)*)")
_FIELD = re.compile(rf"(\w+)={_NUMBER}(?=\s|$)")
_APPLIED = re.compile(
    r"(?:Explicitly a|A)pplied (\w+) delegate, and the model graph will be "
    r"(completely|partially) executed"
)
_IGNORED = re.compile(
    r"Though (\w+) delegate is explicitly applied, the model graph will not be executed"
)
_MEMORY = re.compile(
    rf"(?:Peak memory footprint|Memory footprint delta from the start of the tool) \(MB\): "
    rf"init={_NUMBER} overall={_NUMBER}"
)
_CLOSING = "Benchmarking failed."
"""Its last line after any error."""

_RESULTS = "= BENCHMARK RESULTS ="
_RESULT = re.compile(
    r"(Model initialization|(?:Warmup|Inference) \(\w+\)|(?:Init|Overall) footprint): +"
    rf"{_NUMBER}(?: (?:ms|MB))?(?: \((\d{{1,12}}) runs\))?"
)
_REPLACED = re.compile(
    r"Replacing (\d{1,12}) out of (\d{1,12}) node\(s\) with delegate \((\w+)\) node"
)

_TABLE = "Run Order ="
_REGULAR = "for Regular Benchmark Runs"
_MB = 1 << 20
_NS_PER_US = 1000
_NS_PER_MS = 1_000_000
_MOST_US = 1e12


class Layout(StrEnum):
    """Whose tool printed it."""

    TFLITE = "TensorFlow Lite"
    LITERT = "LiteRT"


class Coverage(StrEnum):
    """How much of the graph a delegate took."""

    COMPLETE = "completely"
    PARTIAL = "partially"
    NONE = "not"


@dataclass(frozen=True, slots=True)
class Delegate:
    """A delegate by the tool's name for it, such as GPU, NNAPI or XNNPACK; LITERT_CL in LiteRT."""

    name: str
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Stat:
    """A ``count=`` line, in nanoseconds, or what stands for it among LiteRT's results. None for
    what that version of the tool does not print.
    """

    count: int
    mean_ns: float
    first_ns: int | None
    last_ns: int | None
    least_ns: int | None
    most_ns: int | None
    deviation_ns: float | None
    p5_ns: int | None
    median_ns: int | None
    p95_ns: int | None


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """A row of the table of operators, in the order in which they ran."""

    kind: str
    name: str
    mean_ns: float
    share: float | None
    times_called: int | None


@dataclass(frozen=True, slots=True)
class ToolReport:
    """A run of the tool. ``memory_*_bytes`` are what its memory grew by since its start, which it
    calls approximate, after initialization and at the end.
    """

    init_ns: int
    first_ns: int
    warmup: Stat | None
    inference: Stat
    delegates: tuple[Delegate, ...]
    memory_init_bytes: int | None
    memory_overall_bytes: int | None
    operators: tuple[OperatorTime, ...]


def layout_of(text: str) -> Layout:
    """Whose tool printed a text that is a report: LiteRT's alone has results and no timings."""
    timed = _TIMINGS.search(text) or _OLD_TIMINGS.search(text)
    return Layout.LITERT if _RESULTS in text and not timed else Layout.TFLITE


def parse_benchmark_model(text: str) -> ToolReport | Absent:
    """Reads all that the tool printed; Absent without timings or results, with its last words."""
    found = [*_OLD_TIMINGS.finditer(text), *_TIMINGS.finditer(text)]
    if found:
        return _tflite(text, found[-1])
    before, results, after = text.rpartition(_RESULTS)
    if results:
        return _litert(before, after)
    return Absent(_last_words(text))


def _tflite(text: str, timings: re.Match[str]) -> ToolReport | Absent:
    stats = _stats(text[: timings.start()])
    if not stats:
        return Absent("benchmark_model prints no line count=")
    if timings.re is _TIMINGS:
        init, first, _warmup, mean = (_ns(number) for number in timings.groups())
    else:  # the first inference is the first of the warm-up
        _warmup, init, mean = (_ns(number) for number in timings.groups())
        first = None if len(stats) < 2 else stats[-2].first_ns
    if init is None or first is None or mean is None:
        return Absent("benchmark_model prints times that are none")
    memory = _MEMORY.search(text)
    return ToolReport(
        init_ns=round(init),
        first_ns=round(first),
        warmup=stats[-2] if len(stats) > 1 else None,
        inference=stats[-1],
        delegates=tuple(_delegates(text)),
        memory_init_bytes=None if memory is None else _bytes(memory[1]),
        memory_overall_bytes=None if memory is None else _bytes(memory[2]),
        operators=tuple(_operators(text.splitlines())),
    )


def _litert(before: str, results: str) -> ToolReport | Absent:
    """The ``count=`` lines before the results have more digits: these stand in where none are."""
    told: dict[str, tuple[str, str]] = {}
    for name, number, runs in _RESULT.findall(results):
        told.setdefault(name, (number, runs))
    stats = _stats(before)
    inference = stats[-1] if stats else _result(told, "Inference")
    warmup = stats[-2] if len(stats) > 1 else _result(told, "Warmup")
    if inference is None:
        return Absent("benchmark_model tells of no inference")
    init = _told_ns(told, "Model initialization")
    first = (warmup or inference).first_ns
    if init is None or first is None:
        return Absent("benchmark_model prints times that are none")
    return ToolReport(
        init_ns=round(init),
        first_ns=first,
        warmup=warmup,
        inference=inference,
        delegates=tuple(_replaced(before)),
        memory_init_bytes=_bytes(told.get("Init footprint", ("", ""))[0]),
        memory_overall_bytes=_bytes(told.get("Overall footprint", ("", ""))[0]),
        operators=tuple(_operators(results.splitlines())),
    )


def _result(told: dict[str, tuple[str, str]], phase: str) -> Stat | None:
    """``Warmup`` or ``Inference``; None where it had no run, for which the tool prints zeros."""
    _, runs = told.get(f"{phase} (avg)", ("", ""))
    mean = _told_ns(told, f"{phase} (avg)")
    if mean is None or int(runs or 0) < 1:
        return None
    return Stat(
        count=int(runs),
        mean_ns=mean,
        first_ns=_whole(_told_ns(told, f"{phase} (first)")),
        last_ns=None,
        least_ns=_whole(_told_ns(told, f"{phase} (min)")),
        most_ns=_whole(_told_ns(told, f"{phase} (max)")),
        deviation_ns=_told_ns(told, f"{phase} (std)"),  # without a unit, and in ms like the others
        p5_ns=None,
        median_ns=None,
        p95_ns=None,
    )


def _told_ns(told: dict[str, tuple[str, str]], name: str) -> float | None:
    milliseconds = _finite(told.get(name, ("", ""))[0])
    return None if milliseconds is None else milliseconds * _NS_PER_MS


def _replaced(text: str) -> Iterator[Delegate]:
    """A line a subgraph: a delegate has the whole graph where it has the whole of each."""
    shares: dict[str, list[tuple[int, int]]] = {}
    for nodes, of, name in _REPLACED.findall(text):
        shares.setdefault(name, []).append((int(nodes), int(of)))
    for name, counts in shares.items():
        if all(nodes == of > 0 for nodes, of in counts):
            yield Delegate(name, Coverage.COMPLETE)
        elif any(nodes > 0 for nodes, _ in counts):
            yield Delegate(name, Coverage.PARTIAL)
        else:
            yield Delegate(name, Coverage.NONE)


def _stats(text: str) -> list[Stat]:
    return [one for one in map(_stat, _STAT.finditer(text)) if one is not None]


def _stat(match: re.Match[str]) -> Stat | None:
    fields = {name: _ns(number) for name, number in _FIELD.findall(match[2])}
    count, last = int(match[1]), fields.get("curr")
    mean = fields.get("avg", last)  # of equal samples the tool prints one
    if count < 1 or mean is None:
        return None
    return Stat(
        count=count,
        mean_ns=mean,
        first_ns=_whole(fields.get("first", last if count == 1 else None)),
        last_ns=_whole(last),
        least_ns=_whole(fields.get("min")),
        most_ns=_whole(fields.get("max")),
        deviation_ns=fields.get("std"),
        p5_ns=_whole(fields.get("p5")),
        median_ns=_whole(fields.get("median")),
        p95_ns=_whole(fields.get("p95")),
    )


def _delegates(text: str) -> Iterator[Delegate]:
    for name, much in _APPLIED.findall(text):
        yield Delegate(name, Coverage(much))
    for name in _IGNORED.findall(text):
        yield Delegate(name, Coverage.NONE)


def _operators(lines: Sequence[str]) -> Iterator[OperatorTime]:
    """Rows of the last table in run order: an earlier one is of the initialization."""
    heads = [index for index, line in enumerate(lines) if _TABLE in line]
    regular = [index for index, line in enumerate(lines) if _REGULAR in line]
    heads = [head for head in heads if not regular or head > regular[0]]
    if not heads:
        return
    names: list[str] = []
    for line in lines[heads[0] + 1 :]:
        cells = [cell.strip() for cell in line.split("\t")[1:]]
        if "[node type]" in cells:
            names = cells
        elif not names or len(cells) != len(names):
            return
        else:
            row = _operator(dict(zip(names, cells, strict=True)))
            if row is not None:
                yield row


def _operator(row: dict[str, str]) -> OperatorTime | None:
    mean = _finite(row.get("[avg ms]", ""))
    share = _finite(row.get("[%]", "").removesuffix("%"))
    called = row.get("[times called]", "")
    if mean is None or "[node type]" not in row:
        return None
    return OperatorTime(
        kind=row["[node type]"],
        name=row.get("[Name]", ""),
        mean_ns=mean * 1e6,
        share=None if share is None else share / 100,
        times_called=int(called) if re.fullmatch(r"[0-9]{1,12}", called) else None,
    )


def _last_words(text: str) -> str:
    """The last line that tells of an error and says which, or the last at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [
        line
        for line in lines
        if re.search(r"ERROR|[Ff]ail|cannot|not found", line) and not line.endswith(_CLOSING)
    ]
    said = [*lines[-1:], *errors[-1:]]
    return "".join(c if c.isprintable() else "?" for c in said[-1])[:200] if said else "no output"


def _finite(text: str) -> float | None:
    if not re.fullmatch(_NUMBER, text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) and 0 <= number <= _MOST_US else None


def _ns(microseconds: str) -> float | None:
    number = _finite(microseconds)
    return None if number is None else number * _NS_PER_US


def _whole(nanoseconds: float | None) -> int | None:
    return None if nanoseconds is None else round(nanoseconds)


def _bytes(megabytes: str) -> int | None:
    number = _finite(megabytes)
    return None if number is None else round(number * _MB)
