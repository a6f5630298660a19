"""float32 from the source to the board: left as it is, built, and held to a tolerance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.bench import bench
from edgeserve.bundle_store import load_bundle
from edgeserve.closeness import TOLERANCE, near_values
from edgeserve.convert.precision import Precision
from edgeserve.errors import ConfigError, WrongOutput
from edgeserve.graph import DType
from edgeserve.pipeline.accuracy import Asked, accuracy, is_good
from edgeserve.pipeline.convert import convert
from edgeserve.pipeline.verify import verify as verify_model
from edgeserve.stimulus import random_stimuli, xorshift_stimulus
from edgeserve.verify import verify
from tests.e2e.bench_images import BenchImage, build_image
from tests.kernels.float_models import dense, network
from tests.kernels.streamed import in_one_group

# One cached bundle serves several tests: processes that share it would wait for each other.
pytestmark = pytest.mark.xdist_group("the network of floats")

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
BOARDS = ("host", "mps2-an500", "mps2-an385")
"""The last one has no floating-point unit."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(network(), "host", tmp_path_factory.mktemp("floats"))


@pytest.fixture(scope="module")
def dense_image(tmp_path_factory: pytest.TempPathFactory) -> BenchImage:
    return build_image(dense(1, 12, 5), "host", tmp_path_factory.mktemp("dense"))


@pytest.mark.parametrize("board", BOARDS)
def test_a_network_is_near_the_oracle_on_the_board(board: str, tmp_path: Path) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(network())
    _, found = verify_model(path, board, board=None, inputs=2)
    assert found.first_difference is None
    assert found.coverage.uncovered == ()
    padding, *others = range(found.steps)
    assert [one.step for one in found.near] == others, "PAD alone moves what is exact"
    assert padding == 0
    assert 0 < max(one.distance for one in found.near) <= TOLERANCE


def test_rows_that_are_asked_for_are_near_too(tmp_path: Path) -> None:
    image = build_image(network(), "host", tmp_path, plan=lambda p: in_one_group(p, 1))
    dut = image.start()
    plan = in_one_group(image.program, 1)
    inputs = random_stimuli(image.program, 2)
    found = verify(image.program, image.table, image.model, dut, inputs, streamed=plan)
    dut.close()
    assert found.equal
    assert max(one.distance for one in found.near) > 0, "a step was read out in between"


def other_bias(change: float) -> bytes:
    """``dense(1, 12, 5)`` with one bias changed by this, relative."""
    model = dense(1, 12, 5)
    rng = np.random.default_rng(12)
    rng.normal(size=(5, 12))
    biases = rng.normal(size=5).astype(np.float32)
    wrong = biases.copy()
    wrong[3] *= 1 + change
    assert model.count(biases.tobytes()) == 1
    return model.replace(biases.tobytes(), wrong.tobytes())


@pytest.mark.parametrize(("change", "is_right"), [(1e-6, True), (1e-3, False)])
def test_what_is_too_far_is_a_difference(
    dense_image: BenchImage, change: float, is_right: bool
) -> None:
    dut = dense_image.start()
    inputs = random_stimuli(dense_image.program, 2)
    model = other_bias(change)
    found = verify(dense_image.program, dense_image.table, model, dut, inputs)
    stimulus = xorshift_stimulus(dense_image.program)
    wrong = replace(dense_image.candidate, model_tflite=model)
    if is_right:
        assert found.equal
        assert 0 < found.near[0].distance <= TOLERANCE
        (note,) = bench(wrong, dut, stimulus, laps=1).notes
        assert "1 steps of float32 arithmetic are within 1e-05" in note
    else:
        first = found.first_difference
        assert first is not None
        assert (first.step, first.offset, first.differing_bytes) == (0, 12, 4)
        with pytest.raises(WrongOutput, match="step 0"):
            bench(wrong, dut, stimulus, laps=1)
    dut.close()


def test_bench_says_how_near_it_was(image: BenchImage) -> None:
    dut = image.start()
    measured = bench(image.candidate, dut, xorshift_stimulus(image.program), laps=2)
    dut.close()
    near = near_values(image.program)
    count = sum(step.output.value in near for step in image.program.steps)
    assert measured.notes[-1].startswith(f"{count} steps of float32 arithmetic are within 1e-05")
    assert len(measured.steps) == len(image.program.steps)


def test_a_float_tflite_is_left_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "network.tflite"
    source.write_bytes(network())
    target = tmp_path / "bundle"
    convert(source, target, target="mps2-an500", calibration=None, precision=Precision.FLOAT32)
    bundle = load_bundle(target)
    assert bundle.model_bytes() == network()
    assert bundle.facts.quantization is None
    assert bundle.facts.absent_reason == "the model was left in float32"
    assert {port.dtype for port in (*bundle.facts.inputs, *bundle.facts.outputs)} == {DType.FLOAT32}


def test_a_keras_model_runs_in_floats(tmp_path: Path) -> None:
    target = tmp_path / "digits"
    convert(
        DIGITS / "model.keras",
        target,
        target="mps2-an500",
        calibration=DIGITS / "calibration.npz",
        precision=Precision.FLOAT32,
    )
    _, found = verify_model(target, "mps2-an500", board=None, inputs=2)
    assert found.equal
    assert found.near
    assert any("calibration" in label for label in found.inputs)
    asked = Asked(target, DIGITS / "test.npz", device="host", device_samples=3)
    _, record = accuracy(asked)
    assert record.device is not None
    assert (record.device.samples, record.device.near, record.device.same_class) == (3, 3, 3)
    assert is_good(asked, record)


def test_layers_of_a_float_model_are_not_int16(tmp_path: Path) -> None:
    source = tmp_path / "network.tflite"
    source.write_bytes(network())
    with pytest.raises(ConfigError, match="not float32"):
        convert(
            source,
            tmp_path / "bundle",
            target="mps2-an500",
            calibration=None,
            precision=Precision.FLOAT32,
            int16_layers=("x",),
        )
