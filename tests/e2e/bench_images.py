"""Bench images of small models, built for the tests by the real code generator and compiler."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeserve.bench import Candidate
from edgeserve.board import Board, load_board
from edgeserve.device.protocol import Dut, limits_for
from edgeserve.device.start import start_image
from edgeserve.firmware.build import build
from edgeserve.firmware.writing import write_firmware
from edgeserve.image import Image
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import ModelTable, write_table
from edgeserve.tflite.reader import read_model
from tests.tflite_builder import ModelBuilder
from tests.tools import need_board_tools


@dataclass(frozen=True, slots=True)
class BenchImage:
    """A model and its image for one board."""

    model: bytes
    program: Program
    table: ModelTable
    board: Board
    image: Image

    def start(self) -> Dut:
        """The device, started and ready."""
        dut = Dut(start_image(self.board, self.image), limits_for(self.program, None))
        dut.wait_ready()
        return dut

    @property
    def candidate(self) -> Candidate:
        return Candidate(
            bundle="test",
            model_tflite=self.model,
            model_sha256=hashlib.sha256(self.model).hexdigest(),
            program=self.program,
            table=self.table,
            board=self.board,
            image=self.image,
            flags=("-O2",),
        )


def build_image(
    model: bytes,
    board_id: str,
    folder: Path,
    *,
    partition: bool = False,
    passes: Callable[[Program], Program] = lambda program: program,
    plan: Callable[[Program], StreamPlan] = whole_plan,
) -> BenchImage:
    """Lowers, plans, generates and builds; skips the test where the board's tools are missing."""
    board = load_board(board_id)
    need_board_tools(board)
    program = passes(lower(read_model(model, name="test")))
    table = write_table(program, plan(program))
    project = folder / board_id
    write_firmware(project, symbol="test", table=table, program=program, board=board)
    return BenchImage(model, program, table, board, build(project, partition=partition))


def two_layers(*, second_bias: int = 0, width: int = 40) -> bytes:
    """Two fully connected layers, 48 -> ``width`` -> 10; ``second_bias`` shifts one output."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    x = b.tensor("x", (1, 48), "int8", scale=0.05, zero_point=-3)
    hidden = b.tensor("hidden", (1, width), "int8", scale=0.1, zero_point=4)
    y = b.tensor("y", (1, 10), "int8", scale=1.5, zero_point=1)
    for number, (source, target, units, depth) in enumerate(
        [(x, hidden, width, 48), (hidden, y, 10, width)]
    ):
        weights = rng.integers(-127, 128, (units, depth))
        biases = rng.integers(-2000, 2000, units)
        biases[7] += second_bias if number == 1 else 0
        w = b.tensor(f"w{number}", (units, depth), "int8", scale=0.01, data=weights)
        c = b.tensor(f"b{number}", (units,), "int32", scale=0.0005, data=biases)
        b.op("FULLY_CONNECTED", [source, w, c], [target])
    return b.finish([x], [y])


def with_memory() -> bytes:
    """One SVDF: its output depends on the inputs of five inferences."""
    rng = np.random.default_rng(6)
    b = ModelBuilder()
    x = b.tensor("x", (1, 8), "int8", scale=0.05, zero_point=2)
    feature = b.tensor("f", (4, 8), "int8", scale=0.01, data=rng.integers(-127, 128, (4, 8)))
    time = b.tensor("t", (4, 5), "int16", scale=2**-11, data=rng.integers(-3000, 3000, (4, 5)))
    bias = b.tensor("b", (4,), "int32", scale=1e-6, data=rng.integers(-90000, 90000, 4))
    state = b.tensor("s", (1, 20), "int16", scale=2**-9, is_variable=True)
    y = b.tensor("y", (1, 4), "int8", scale=0.2, zero_point=-5)
    options = {"rank": 1, "fusedActivationFunction": "RELU"}
    b.op("SVDF", [x, feature, time, bias, state], [y], options, version=3)
    return b.finish([x], [y])
