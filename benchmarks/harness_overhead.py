"""What the phones' harness adds to LiteRT, on this machine: beside a bare loop over the same model.

``make bench-harness`` prints it. Both run in turns, so that a machine that is busy now and then is
so for both; batches of a round are compared at their tenth percentile, which is what is left when
nobody disturbs, and the median over rounds is told with its 95 % interval, from order statistics.
A sample is what the harness reports of an inference; a turn is that and all that lies between two
inferences: input put back, output copied, a line written. The bare loop does none of that, and an
application has to do most of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeserve.distribution import percentile
from edgeserve.oracle_worker import mend_quantized_dimensions
from edgeserve.resources import firmware_root, harness_root
from tests.tflite_builder import ModelBuilder

GOAL = 0.01
LEAST_NS = 1e6
"""The goal is for models that take a millisecond or more."""

BATCH_NS = 2e6
"""A batch is so long, or one inference: short beside what disturbs, long beside a clock."""

QUANTILE = 10.0
_AT = re.compile(r"m-es-at-\d+-(\d+)-(\d+)")
_SOURCES = ("model.c", "litert.c")


@dataclass(frozen=True)
class Row:
    """Nanoseconds of an inference, bare, and by how much of it each round of the harness was above
    that round's bare loop, in millionths: as it samples it, and from one inference to the next.
    """

    model: str
    bare_ns: float
    samples_ppm: tuple[int, ...]
    turns_ppm: tuple[int, ...]


def build(folder: Path) -> tuple[Path, Path]:
    """The harness and the bare loop, both with CMake's flags of a release."""
    source, firmware = harness_root(), firmware_root()
    for command in (
        ["cmake", "-S", str(source), "-B", str(folder), f"-DFIRMWARE={firmware}"],
        ["cmake", "--build", str(folder)],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    bare = folder / "bare_loop"
    files = [str(Path(__file__).with_name("bare_loop.c")), *(str(source / f) for f in _SOURCES)]
    flags = ["-std=gnu11", "-O3", "-DNDEBUG", f"-I{source}"]
    subprocess.run(["cc", *flags, *files, "-ldl", "-o", str(bare)], check=True)
    return folder / "edgeserve_harness", bare


def convolutions(folder: Path, layers: int) -> Path:
    """Layers of 64 channels at 56x56, 3x3, then a mean: the public models are all below 1 ms.

    The input is as large as a picture of 258x258, the output as small as a classifier's.
    """
    builder, rng = ModelBuilder(), np.random.default_rng(layers)
    shape = (1, 56, 56, 64)
    first = value = builder.tensor("x", shape, "int8", scale=0.05, zero_point=-3)
    weights = builder.tensor(
        "w", (64, 3, 3, 64), "int8", scale=0.007, data=rng.integers(-127, 128, (64, 3, 3, 64))
    )
    bias = builder.tensor("b", (64,), "int32", scale=0.05 * 0.007, data=rng.integers(-999, 999, 64))
    for layer in range(layers):
        after = builder.tensor(f"y{layer}", shape, "int8", scale=0.05, zero_point=-3)
        options = {"padding": "SAME", "strideW": 1, "strideH": 1, "fusedActivationFunction": "RELU"}
        builder.op("CONV_2D", [value, weights, bias], [after], options, version=3)
        value = after
    axes = builder.tensor("axes", (2,), "int32", data=[1, 2])
    mean = builder.tensor("z", (1, 64), "int8", scale=0.05, zero_point=-3)
    builder.op("MEAN", [value, axes], [mean], {"keepDims": False})
    file = folder / f"{layers}_convolutions.tflite"
    file.write_bytes(builder.finish([first], [mean]))
    return file


def bare_ns(program: Path, library: Path, model: Path, ms: int, batch: int) -> list[float]:
    """Means of batches."""
    argv = [str(program), str(library), str(model), str(ms), str(batch)]
    done = subprocess.run(
        argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return [float(line) for line in done.stdout.split()]


def harness_ns(
    program: Path, library: Path, model: Path, ms: int, batch: int
) -> tuple[list[float], list[float]]:
    """Means of batches: of samples, and of turns."""
    argv = [str(program), "--library", str(library), "--model", str(model), "--threads", "1"]
    with tempfile.TemporaryFile("w+") as out:  # a reader would want the processor as well
        command = f"es fill 1%es sustain {ms}%"
        subprocess.run(
            argv, input=command, check=True, stdout=out, stderr=subprocess.DEVNULL, text=True
        )
        out.seek(0)
        rows = np.array([match.groups() for match in _AT.finditer(out.read())], dtype=np.int64)
    count = (len(rows) - 1) // batch
    samples = rows[1 : 1 + count * batch, 1].reshape(count, batch).mean(axis=1)
    turns = np.diff(rows[: count * batch + 1 : batch, 0]) / batch
    return samples.tolist(), turns.tolist()


def measure(harness: Path, bare: Path, library: Path, model: Path, rounds: int, ms: int) -> Row:
    """One model, in turns."""
    probe = min(bare_ns(bare, library, model, 200, 1))
    batch = max(1, round(BATCH_NS / probe))
    alone: list[float] = []
    samples: list[int] = []
    turns: list[int] = []
    for _ in range(rounds):
        bare_low = low(bare_ns(bare, library, model, ms, batch))
        sampled, turned = harness_ns(harness, library, model, ms, batch)
        alone.append(bare_low)
        samples.append(round(1e6 * (low(sampled) / bare_low - 1)))
        turns.append(round(1e6 * (low(turned) / bare_low - 1)))
    return Row(model.stem, min(alone), tuple(samples), tuple(turns))


def low(values: list[float]) -> float:
    """What a batch takes when nobody disturbs."""
    return float(np.percentile(values, QUANTILE))


def told(row: Row) -> str:
    """A line of the table."""
    parts = [verdict(ppm, held=row.bare_ns >= LEAST_NS) for ppm in (row.samples_ppm, row.turns_ppm)]
    return f"{row.model:<24}{row.bare_ns / 1e6:>9.4f}" + "".join(f"  {part:<40}" for part in parts)


def verdict(ppm: tuple[int, ...], *, held: bool) -> str:
    """The median over rounds with its 95 % interval, and what that says of the goal."""
    middle = percentile(ppm, 50)
    assert middle.low is not None
    assert middle.high is not None
    if not held:
        said = ""
    elif middle.high < GOAL * 1e6:
        said = "met"
    else:
        said = "missed" if middle.low > GOAL * 1e6 else "undecided"
    bounds = f"({middle.low / 1e4:+.2f} to {middle.high / 1e4:+.2f})"
    return f"{middle.value / 1e4:+.2f} % {bounds} {said:<9}"


def patched(model: Path, folder: Path) -> Path:
    """The model, in the form that LiteRT takes."""
    file = folder / model.name
    file.write_bytes(mend_quantized_dimensions(model.read_bytes())[0])
    return file


def main() -> int:
    """Prints the table."""
    import ai_edge_litert

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="a folder of .tflite files")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--ms", type=int, default=300, help="of a round")
    given = parser.parse_args()
    library = Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
    print(f"harness against a bare loop, ms an inference, goal < {GOAL:.0%} from 1 ms on")
    print(f"{'model':<24}{'bare':>9}  {'sample':<40}  {'turn':<40}")
    with tempfile.TemporaryDirectory() as folder:
        harness, bare = build(Path(folder))
        files = [patched(model, Path(folder)) for model in sorted(given.models.glob("*.tflite"))]
        for file in [*files, *(convolutions(Path(folder), layers) for layers in (8, 16, 64))]:
            row = measure(harness, bare, library, file, given.rounds, given.ms)
            print(told(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
