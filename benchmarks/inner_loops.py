"""The inner loops of the assembly kernels by LLVM's model of a Cortex-M7: cycles a pass.

``python -m benchmarks.inner_loops`` assembles ``kernels/dsp/*.S``, takes every innermost loop out
of the objects (what lies between a branch back and its target), and asks ``llvm-mca``. That is a
model, not a measurement: it knows dual issue and latencies, and takes LDM and memory lightly. An
instruction count knows none of these.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeserve.board import load_board
from edgeserve.errors import ToolFailed
from edgeserve.firmware.build import run_tool
from edgeserve.resources import firmware_root
from edgeserve.show.console import columns, draw

BOARD = "mps2-an500"
PASSES = 100
_FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t[0-9a-f ]+\t(.+)$")
_BRANCH = re.compile(r"^b(?:ne|eq|cc|cs|hi|ls|lt|gt|le|ge|lo|hs|mi|pl)?(?:\.[nw])?\t([0-9a-f]+) ")
_CYCLES = re.compile(r"Total Cycles:\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Loop:
    """An innermost loop of a function: its instructions, the branch back the last of them."""

    function: str
    instructions: tuple[str, ...]

    @property
    def multiplications(self) -> int:
        """SMLAD and the like."""
        return sum(text.startswith(("smla", "smua")) for text in self.instructions)


def loops_of(listing: str) -> Iterator[Loop]:
    """The innermost loops of a disassembly by objdump, those that multiply."""
    function, seen_back = "", 0
    at: list[int] = []
    texts: list[str] = []
    for line in listing.splitlines():
        if found := _FUNCTION.match(line):
            function, at, texts, seen_back = found[1], [], [], 0
        elif found := _INSTRUCTION.match(line):
            address = int(found[1], 16)
            text = found[2].split("@")[0].split(";")[0].strip()
            at.append(address)
            texts.append(text)
            branch = _BRANCH.match(found[2])
            if branch and int(branch[1], 16) in at:
                first = at.index(int(branch[1], 16))
                if first >= seen_back:
                    loop = Loop(function, tuple(texts[first:]))
                    if loop.multiplications:
                        yield loop
                seen_back = len(at)


def cycles_of(loop: Loop, folder: Path) -> float | None:
    """Cycles a pass, by llvm-mca's Cortex-M7; the branch back is left to its predictor.

    None where llvm-mca cannot do it: version 14 crashes on a load that moves its base.
    """
    source = folder / "loop.s"
    source.write_text("\n".join((".syntax unified", *loop.instructions[:-1])) + "\n")
    argv = ("llvm-mca", "-mtriple=thumbv7em-none-eabihf", "-mcpu=cortex-m7")
    try:
        told = run_tool((*argv, f"-iterations={PASSES}", str(source)), cwd=folder)
    except ToolFailed:
        return None
    found = _CYCLES.search(told)
    assert found is not None
    return int(found[1]) / PASSES


def print_loops() -> None:
    """A line a loop; one line instead where llvm-mca is not installed."""
    if shutil.which("llvm-mca") is None:
        print("llvm-mca is not installed (apt-get install llvm): no cycles of inner loops")
        return
    toolchain = load_board(BOARD).toolchain
    assert toolchain is not None
    table = columns(
        "assembly", "loop in", "instructions", "multiplications", "cycles a pass (model)"
    )
    with tempfile.TemporaryDirectory(prefix="edgeserve-loops-") as name:
        folder = Path(name)
        for source in sorted((firmware_root() / "kernels" / "dsp").glob("*.S")):
            target = str(folder / f"{source.stem}.o")
            prefix = toolchain.prefix
            compiler = (f"{prefix}gcc", *toolchain.flags, f"-I{firmware_root() / 'include'}")
            run_tool((*compiler, "-c", str(source), "-o", target), cwd=folder)
            listing = run_tool((f"{prefix}objdump", "-d", target), cwd=folder)
            for loop in loops_of(listing):
                cycles = cycles_of(loop, folder)
                table.add_row(
                    source.name,
                    loop.function,
                    str(len(loop.instructions)),
                    str(loop.multiplications),
                    "llvm-mca fails" if cycles is None else f"{cycles:.1f}",
                )
    draw(table)
    print("Cycles: LLVM's scheduling model of a Cortex-M7, not a measurement.")


if __name__ == "__main__":
    print_loops()
