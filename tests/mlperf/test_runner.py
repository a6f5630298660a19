"""A whole session as MLCommons' runner has it: performance, accuracy and energy mode.

The public models of MLPerf Tiny on an emulated Cortex-M7, their results held against LiteRT's
reference kernels; energy mode on the host, whose port writes down what happens to the pin.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeserve import cli
from edgeserve.board import load_board
from edgeserve.device.process import open_process
from edgeserve.firmware.build import build
from edgeserve.image import Image
from edgeserve.pipeline.build import build as build_model
from edgeserve.pipeline.opening import open_model
from tests.e2e.firmware_fixtures import WERROR, open_image, write_tiny
from tests.mlperf.runner import BYTES_A_LINE_BY_INTERFACE, Runner
from tests.tiny_program import tiny_program, tiny_steps
from tests.tools import need_board_tools

BOARD = "mps2-an500"
LAPS, WARM_UPS = 10, 1
PROFILE = "ULPMark for tinyML Firmware V0.0.1"
MICROSECOND_NS = 1000


@dataclass(frozen=True, slots=True)
class Official:
    """A model of MLPerf Tiny: what the runner calls it, its file, and what its data are."""

    id: str
    file: str
    adapter: str


OFFICIAL = (
    Official("kws01", "kws_ref_model", "none"),
    Official("ic01", "pretrainedResnet_quant", "uint8-to-int8"),
    Official("ad01", "ad01_int8", "float32-quantize"),
    Official("vww01", "vww_96_int8", "uint8-to-int8"),
)
MODELS = [
    pytest.param(one, id=one.id, marks=[pytest.mark.soak] if one.id == "vww01" else [])
    for one in OFFICIAL
]
"""Of vww01 27,648 bytes go over the line for each input: with the long runs."""


def sample(model: Official, seed: int, elements: int, scale: float) -> NDArray[Any]:
    """What the runner reads from a file of the data set: here random, of that model's kind."""
    random = np.random.default_rng(seed)
    if model.adapter == "float32-quantize":
        return (random.normal(size=elements) * 40 * scale).astype("<f4")
    kind = np.int8 if model.adapter == "none" else np.uint8
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return random.integers(low, high, size=elements, endpoint=True).astype(kind)


class Reference:
    """LiteRT's reference kernels, with inputs and results as the runner has them."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = OpResolverType.BUILTIN_REF
        self._model = Interpreter(str(path), experimental_op_resolver_type=resolver)
        self._model.allocate_tensors()
        (self._input,) = self._model.get_input_details()
        (self._output,) = self._model.get_output_details()
        self.elements = int(np.prod(self._input["shape"]))
        self.scale, self._zero = self._input["quantization"]

    def results(self, model: Official, data: NDArray[Any]) -> NDArray[Any]:
        if model.adapter == "uint8-to-int8":
            data = (data.astype(np.int16) - 128).astype(np.int8)
        elif model.adapter == "float32-quantize":
            real = data.astype(np.float32) / np.float32(self.scale)
            whole = np.sign(real) * np.floor(np.abs(real) + 0.5) + self._zero
            data = np.clip(whole, -128, 127).astype(np.int8)
        self._model.set_tensor(self._input["index"], data.reshape(self._input["shape"]))
        self._model.invoke()
        scale, zero = self._output["quantization"]
        raw: NDArray[Any] = self._model.get_tensor(self._output["index"]).ravel()
        dequantized: NDArray[Any] = (raw.astype(np.float64) - zero) * scale
        return dequantized


@pytest.mark.parametrize("model", MODELS)
def test_a_session_in_performance_and_accuracy_mode(
    model: Official, shared_data: Path, tmp_path: Path
) -> None:
    need_board_tools(load_board(BOARD))
    path = shared_data / "models" / f"{model.file}.tflite"
    bundle = tmp_path / model.id
    argv = ["convert", str(path), "--target", BOARD, "-o", str(bundle)]
    assert cli.main([*argv, "--input-adapter", model.adapter]) == 0
    _, image = build_model(open_model(bundle), load_board(BOARD))
    reference = Reference(path)
    with closing(open_image(BOARD, image)) as link:
        runner = Runner(link)
        mode, stamp, *rest = runner.greeting
        assert mode == "m-timestamp-mode-performance"
        assert stamp.startswith("m-lap-us-")
        assert rest == ["m-init-done", "m-ready"]
        told = runner.identify()
        assert told == {"name": load_board(BOARD).name, "profile": PROFILE, "model": model.id}
        for seed in range(2):
            data = sample(model, seed, reference.elements, reference.scale)
            assert runner.load(data.tobytes()) == ["m-load-done", "m-ready"]
            accuracy = runner.infer(1, 0)
            want = reference.results(model, data)
            assert np.abs(np.array(accuracy.results) - want).max() <= 0.0005 + 1e-6
        performance = runner.infer(LAPS, WARM_UPS)
        assert performance.results == accuracy.results
        # Virtual time of an emulator: that there is some, and ten times as much of ten.
        assert accuracy.elapsed_us is not None
        assert performance.elapsed_us is not None
        assert 9 <= performance.elapsed_us / accuracy.elapsed_us <= 11
    assert not [line for line in runner.transcript if line.startswith("e-")]


Built = Callable[[str], Image]


@pytest.fixture(scope="module")
def energy_image(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("energy")

    @cache
    def image(board: str) -> Image:
        need_board_tools(load_board(board))
        project = write_tiny(folder, board, tiny_program())
        return build(project, energy=True, extra_flags=WERROR)

    return image


def test_a_session_in_energy_mode(energy_image: Built, tmp_path: Path) -> None:
    """The pin falls once at start, for a timestamp, and before and after the inferences."""
    log = tmp_path / "pulses"
    values = (5, -7, 127, -128)
    image = energy_image("host")
    with closing(open_process(image.elf, arguments=("--pulses", str(log)))) as link:
        runner = Runner(link, bytes_a_line=BYTES_A_LINE_BY_INTERFACE)
        assert runner.greeting == ["m-timestamp-mode-energy", "m-init-done", "m-ready"]
        assert runner.identify()["profile"] == PROFILE
        assert runner.load(bytes(value & 0xFF for value in values))[0] == "m-load-done"
        assert runner.command("timestamp") == ["m-ready"]
        inferred = runner.infer(1000, 10)
    assert inferred.elapsed_us is None
    assert inferred.results == tuple(0.25 * (v + 7) for v in tiny_steps(values)[-1])
    assert not [line for line in runner.transcript if line.startswith(("m-lap-us", "e-"))]
    events = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    assert [what for _, what in events] == ["baud 9600", "high", *["low", "high"] * 4]
    times = [int(at) for at, _ in events]
    pulses = list(zip(times[2::2], times[3::2], strict=True))
    assert all(rise - fall >= MICROSECOND_NS for fall, rise in pulses)
    (_, _, (_, begin), (end, _)) = pulses
    assert end > begin, "the inferences lie between them"


def test_energy_mode_on_an_stm32(energy_image: Built) -> None:
    """QEMU's STM32F405 has no pins, so the pulses go nowhere; the rest of the session is there."""
    board = "netduinoplus2"
    with closing(open_image(board, energy_image(board))) as link:
        runner = Runner(link, bytes_a_line=BYTES_A_LINE_BY_INTERFACE)
        assert runner.greeting[0] == "m-timestamp-mode-energy"
        assert runner.load(bytes(4))[0] == "m-load-done"
        assert runner.command("timestamp") == ["m-ready"]
        assert runner.infer(3, 1).elapsed_us is None
    assert not [line for line in runner.transcript if line.startswith(("m-lap-us", "e-"))]


def test_a_port_without_a_pin_says_so(energy_image: Built) -> None:
    with closing(open_image(BOARD, energy_image(BOARD))) as link:
        line = link.read_line(time.monotonic() + 10)
    assert line == "e-[energy mode: this port cannot change its baud rate]"


def test_an_inference_without_numbers_is_one_after_ten(tmp_path: Path) -> None:
    image = build(write_tiny(tmp_path, "host", tiny_program()))
    with closing(open_image("host", image)) as link:
        lines = Runner(link).command("infer")
    assert lines[0] == "m-warmup-start-10"
    assert lines[2] == "m-infer-start-1"


@pytest.mark.parametrize("board", ["nucleo_h743zi2", "nucleo_f746zg", "nucleo_f446re"])
def test_energy_images_of_real_boards_compile(board: str, tmp_path: Path) -> None:
    """Compiled, not run."""
    need_board_tools(load_board(board))
    image = build(write_tiny(tmp_path, board, tiny_program()), energy=True, extra_flags=WERROR)
    assert image.elf.name == "bench-energy.elf"
