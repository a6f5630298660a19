"""The figures of ``models/README.md``: ``python -m models.figures [--whole] [NAME...]``.

For each model: its metric on held-out data as float, int8 and int16x8, by LiteRT; the samples
whose answers on an emulated Cortex-M7 are the host's; executed instructions, arena, flash and stack
there. ``--whole`` takes all held-out samples, made when they are not in the cache, instead of
``test.npz``. Of an architecture twin: multiply-adds, model, arena, and what
``edgeserve convert`` cost: seconds of all its processes, and the memory of the largest.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve.bundle_store import write_bundle
from edgeserve.convert.precision import Precision
from edgeserve.errors import EdgeserveError, ToolFailed
from edgeserve.pipeline.bench import bench
from edgeserve.pipeline.device import opened
from edgeserve.pipeline.fit import footprint
from edgeserve.pipeline.opening import board_of_target
from edgeserve.pipeline.plan import plan
from edgeserve.xorshift import FIRST_SEED
from models.entry import Entry, names, read_entry
from models.evidence import Forms, convert, figure, input_facts, on_device, outputs, stimuli
from models.make import twin_source, whole_held_out
from models.training import load_samples
from models.twins.catalogue import TWINS
from models.twins.source import CALIBRATION_FILE, MODEL_FILE

DEVICE = "mps2-an500"
COMPARED = 200
ENTRY_HEADER = (
    f"| model | parameters | metric | samples | float | int8 | int16x8 | answers on {DEVICE} that "
    "are the host's | instructions | arena | flash | stack |"
)
TWIN_HEADER = (
    "| twin | MACs | model, bytes | arena | convert: CPU seconds | elapsed seconds | peak MB |"
)


@dataclass(frozen=True, slots=True)
class OnDevice:
    """``equal`` of ``compared`` answers are the host's, byte for byte; sizes in bytes."""

    equal: int
    compared: int
    instructions: int
    arena_bytes: int
    flash_bytes: int
    stack_bytes: int


def entry_row(entry: Entry, *, whole: bool) -> str:
    """The line of a trained model. Raises the errors of its conversion and of the device."""
    test = load_samples(whole_held_out(entry) if whole else entry.test)
    with tempfile.TemporaryDirectory(prefix=f"{entry.id}-") as folder:
        forms = {}
        for precision in (Precision.INT8, Precision.INT16X8):
            work = Path(folder) / precision
            work.mkdir()
            forms[precision] = convert(entry, precision, work)
        narrow, wide = forms[Precision.INT8], forms[Precision.INT16X8]
        values = [
            figure(entry, test, outputs(narrow.float_model, test.x, reference=False)),
            figure(entry, test, outputs(narrow.model, test.x, reference=True)),
            figure(entry, test, outputs(wide.model, test.x, reference=True)),
        ]
        seen = _on_device(entry, narrow, Path(folder) / "bundle")
    cells = [
        *(entry.id, f"{entry.made.parameters:,}", entry.metric, f"{len(test):,}"),
        *(f"{100 * value:.2f} %" for value in values),
        f"{seen.equal} of {seen.compared}",
        *(f"{n:,}" for n in (seen.instructions, seen.arena_bytes, seen.flash_bytes)),
        f"{seen.stack_bytes:,}",
    ]
    return "| " + " | ".join(cells) + " |"


def _on_device(entry: Entry, forms: Forms, folder: Path) -> OnDevice:
    write_bundle(folder, forms.converted.contents())
    samples = load_samples(entry.test)
    inputs = stimuli(input_facts(forms.converted), samples, min(COMPARED, len(samples)))
    with opened(folder, DEVICE, board=None) as target:
        answers = on_device(target, inputs)
        needs = footprint(target.compiled)
    _, measured = bench(folder, DEVICE, board=None, laps=1, warmup=0, seed=FIRST_SEED)
    return OnDevice(
        equal=answers.equal,
        compared=len(inputs),
        instructions=measured.samples[0],
        arena_bytes=needs.arena_bytes,
        flash_bytes=needs.flash_bytes,
        stack_bytes=needs.stack_bytes,
    )


def twin_row(name: str) -> str:
    """The line of a twin; runs ``edgeserve convert`` in a process of its own."""
    source = twin_source(TWINS[name])
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        bundle = Path(folder) / name
        seconds, elapsed, peak_bytes = _cost_of(
            [
                *(sys.executable, "-m", "edgeserve", "convert", str(source / MODEL_FILE)),
                *("--calibration", str(source / CALIBRATION_FILE), "--target", DEVICE),
                *("-o", str(bundle)),
            ]
        )
        compiled = plan(bundle, board_of_target(DEVICE))
        cells = [
            name,
            f"{sum(step.macs for step in compiled.program.steps):,}",
            f"{len(compiled.table.data):,}",
            f"{compiled.plan.arena_bytes:,}",
            *(f"{seconds:.0f}", f"{elapsed:.0f}", f"{peak_bytes / 1e6:,.0f}"),
        ]
    return "| " + " | ".join(cells) + " |"


def _cost_of(argv: list[str]) -> tuple[float, float, int]:
    """Seconds of user and system time, seconds elapsed, and the largest process in bytes."""
    began = time.monotonic()
    child = os.posix_spawn(
        argv[0],
        argv,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    # 1: the bundle is there, and does not fit the board, as no ResNet-50 does.
    if code not in (0, 1):
        raise ToolFailed("edgeserve convert", status=f"exit status {code}")
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss * 1024


def _table(header: str) -> None:
    print(f"{header}\n|{'---|' * (header.count('|') - 1)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code is edgeserve's."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m models.figures")
    known = [*names(), *TWINS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--whole", action="store_true", help="all held-out samples")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = options.names or list(names())
    try:
        entries = [read_entry(name) for name in wanted if name not in TWINS]
        if entries:
            _table(ENTRY_HEADER)
        for entry in entries:
            print(entry_row(entry, whole=options.whole), flush=True)
        twins = [name for name in wanted if name in TWINS]
        if twins:
            _table(TWIN_HEADER)
        for name in twins:
            print(twin_row(name), flush=True)
    except EdgeserveError as error:
        print(f"{error.what}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
