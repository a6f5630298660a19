"""Builds and drives ``runner.c``: model tables executed by the C kernels under ASan and UBSan."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeserve.kernels.table import KERNELS
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import write_table

REPO = Path(__file__).resolve().parents[2]
FIRMWARE = REPO / "firmware"
ES_OK, ES_ARENA_TOO_SMALL, ES_OUT_OF_BOUNDS, ES_BAD_RECORD = 0, 5, 6, 8
_JOB = struct.Struct("<6I")
SANITIZERS = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")


def present_kernels() -> list[str]:
    """Symbols of the kernels whose adapter exists, in rising order of id."""
    rows = sorted((k for k in KERNELS), key=lambda k: k.KERNEL)
    return [k.SYMBOL for k in rows if (FIRMWARE / "adapters" / f"{k.SOURCE}.c").exists()]


def build_runner(folder: Path, *, cc: str = "gcc", flags: Sequence[str] = SANITIZERS) -> Path:
    """Compiles every kernel and the runner; reuses the result while no source changed."""
    sources = sorted(
        [
            *FIRMWARE.glob("runtime/*.c"),
            *FIRMWARE.glob("adapters/*.c"),
            *FIRMWARE.glob("kernels/ref/*.c"),
            Path(__file__).with_name("runner.c"),
        ]
    )
    headers = sorted([*FIRMWARE.glob("*/*.h"), *FIRMWARE.glob("kernels/*/*.h")])
    symbols = present_kernels()
    digest = hashlib.sha256(repr((cc, flags, symbols)).encode())
    for path in (*sources, *headers):
        digest.update(path.read_bytes())
    runner = folder / f"runner-{digest.hexdigest()[:16]}"
    if runner.exists():
        return runner
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / f"{runner.name}.{os.getpid()}"
    work.mkdir()
    externs = "".join(f"extern const es_kernel_t {s};\n" for s in symbols)
    (work / "es_all_kernels.h").write_text(
        f"{externs}static const es_kernel_t *const es_all_kernels[] = "
        f"{{{', '.join('&' + s for s in symbols)}}};\n"
        f"enum {{ es_all_kernel_count = {len(symbols)} }};\n"
    )
    includes = [f"-I{FIRMWARE / d}" for d in ("include", "runtime", "kernels")]
    subprocess.run(
        [
            *(cc, "-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"),
            *flags,
            *includes,
            f"-I{work}",
            *map(str, sources),
            *("-o", str(work / "runner"), "-lm"),
        ],
        check=True,
    )
    (work / "runner").rename(runner)
    return runner


@dataclass(frozen=True, slots=True)
class Ran:
    """What a table did: its status, then for each run the bytes that each step wrote."""

    status: int
    steps: tuple[tuple[bytes, ...], ...]


class HostRunner:
    """One runner process that executes table after table; dies with the first sanitizer report."""

    def __init__(self, runner: Path) -> None:
        self._process = subprocess.Popen(
            [str(runner)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run_table(self, table: bytes, inputs: Sequence[bytes], step_count: int) -> Ran:
        """Executes a table once for each element of ``inputs`` (all model inputs, concatenated)."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(_JOB.pack(len(table), len(inputs), 0, 0, 0, 0) + table)
            self._process.stdin.flush()
            (status,) = struct.unpack("<I", self._read(4))
            if status != ES_OK:
                return Ran(status, ())
            runs = []
            for data in inputs:
                self._process.stdin.write(data)
                self._process.stdin.flush()
                runs.append(tuple(self._read_block() for _ in range(step_count)))
            return Ran(status, tuple(runs))
        except BrokenPipeError:
            raise self._died() from None

    def try_table(self, table: bytes, bank_bytes: Sequence[int], *, runs: int = 2) -> int:
        """Offers a table that may be damaged to a device with four banks of so many bytes; its
        status.

        A table that is accepted is run on random inputs. AssertionError when it leaves its memory,
        is undefined in C, or takes longer than any sound table of its size.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(_JOB.pack(len(table), runs, *bank_bytes) + table)
            self._process.stdin.flush()
            status, _ = struct.unpack("<II", self._read(8))
        except BrokenPipeError:
            raise self._died() from None
        return int(status)

    def run(
        self,
        program: Program,
        inputs: Sequence[Sequence[npt.NDArray[np.generic]]],
        plan: StreamPlan | None = None,
    ) -> tuple[tuple[bytes, ...], ...]:
        """Executes a program by a plan, by default of whole tensors; for each run, the bytes that
        each step wrote.
        """
        table = write_table(program, plan or whole_plan(program))
        data = [b"".join(array.tobytes() for array in one) for one in inputs]
        ran = self.run_table(table.data, data, len(program.steps))
        assert ran.status == ES_OK, f"es_init refuses the table: status {ran.status}"
        return ran.steps

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def _read_block(self) -> bytes:
        (size,) = struct.unpack("<I", self._read(4))
        return self._read(size)

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) != size:
            raise self._died()
        return data

    def _died(self) -> AssertionError:
        assert self._process.stderr is not None
        return AssertionError(f"the runner died:\n{self._process.stderr.read().decode()[-4000:]}")
