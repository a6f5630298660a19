"""Models that run row by row and are fed by rows, on the host and on the emulated board."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeserve.device.protocol import Dut
from edgeserve.device.start import start_image
from edgeserve.plan.streaming import Method, Objective, feedable, plan_stream
from edgeserve.program import Program
from edgeserve.stimulus import Rows, random_stimuli
from edgeserve.stream_plan import StreamPlan
from edgeserve.verify import verify
from tests.e2e.bench_images import BenchImage, build_image
from tests.e2e.firmware_fixtures import Conversation
from tests.kernels.random_models import random_model
from tests.kernels.streamed import in_one_group
from tests.kernels.test_models import acceptable_to_the_oracle

BOARDS = ("host", "mps2-an500")
SEED = 18
"""Of a random model that streams eight values, has two fed inputs and takes sums."""


def by_rows(program: Program) -> StreamPlan:
    plan = in_one_group(program, 1)
    assert plan.streamed_steps > 2
    assert any(plan.accumulators)
    return plan


def smallest(program: Program) -> StreamPlan:
    method = Method(objective=Objective.SIZE, feeds=feedable(program), node_budget=2_000)
    return plan_stream(program, method)


def verified(built: BenchImage, dut: Dut, inputs: int, streamed: StreamPlan | None = None) -> bool:
    stimuli = random_stimuli(built.program, inputs)
    return verify(built.program, built.table, built.model, dut, stimuli, streamed=streamed).equal


def verify_image(built: BenchImage, inputs: int) -> None:
    """Every step equals the oracle, and no more of the arena is written than planned."""
    dut = built.start()
    try:
        assert verified(built, dut, inputs)
        info = dut.info()
        assert info.fed_inputs == len(feedable(built.program))
        marks = dut.memory()
        assert marks.guards_intact
        assert info.arena_bytes - 16 < marks.arena_bytes <= info.arena_bytes
    finally:
        dut.close()


@pytest.mark.parametrize("board", BOARDS)
def test_a_model_in_one_group(board: str, tmp_path: Path) -> None:
    verify_image(build_image(random_model(SEED), board, tmp_path, plan=by_rows), inputs=5)


@pytest.mark.parametrize("name", ["micro_speech_quantized", "pretrainedResnet_quant"])
def test_a_reference_model_fed_by_rows(name: str, shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "models" / f"{name}.tflite").read_bytes()
    model = acceptable_to_the_oracle(data)
    verify_image(build_image(model, "mps2-an500", tmp_path, plan=smallest), inputs=3)


@pytest.mark.parametrize("board", BOARDS)
def test_rows_sent_as_the_device_asks_for_them(board: str, tmp_path: Path) -> None:
    built = build_image(random_model(SEED), board, tmp_path, plan=by_rows)
    dut = built.start()
    try:
        assert verified(built, dut, 2, streamed=by_rows(built.program))
        dut.stop_stream()
        assert verified(built, dut, 2), "and from the loaded input again"
    finally:
        dut.close()


def asked(line: str) -> tuple[int, int]:
    port, row = line.removeprefix("m-es-row-").split("-")
    return int(port), int(row)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda row: row[:-2] + "%", "too short"),
        (lambda row: row + "00%", "too long"),
        (lambda row: "zz" + row[2:] + "%", "bad hexadecimal digit"),
        (lambda row: row, "in time"),
    ],
)
def test_a_row_that_is_none_ends_the_run(
    tmp_path: Path, spoil: Callable[[str], str], said: str
) -> None:
    """The device says so, is ready again, and the next run is right."""
    built = build_image(random_model(SEED), "host", tmp_path, plan=by_rows)
    (stimulus,) = random_stimuli(built.program, 1)
    rows = Rows(built.program, by_rows(built.program), stimulus.data)
    link = start_image(built.board, built.image)
    try:
        talk = Conversation(link)
        assert talk.ask("es stream 300") == ["m-es-stream-on"]
        for refused in ("es lap 1", "infer 1", "es memory", "es dump 0 0 1"):
            assert talk.ask(refused) == [
                "e-[the input comes row by row over the line: es rows ends that]"
            ]
        for good in (False, True):
            link.send("es run%")
            lines = []
            while (line := link.read_line(time.monotonic() + 10)) != "m-ready":
                if not line.startswith("m-es-row-"):
                    lines.append(line)
                    continue
                data = rows.row(*asked(line))
                assert data is not None
                first = not good and asked(line) == (0, 1)
                link.send(spoil(data.hex()) if first else f"{data.hex()}%")
            if good:
                assert lines[0] == "m-es-run-done"
            else:
                assert said in lines[0]
    finally:
        link.close()


def test_a_model_that_takes_no_rows(tmp_path: Path) -> None:
    built = build_image(random_model(SEED), "host", tmp_path)
    link = start_image(built.board, built.image)
    try:
        assert Conversation(link).ask("es stream") == ["e-[this model takes no input by rows]"]
    finally:
        link.close()
