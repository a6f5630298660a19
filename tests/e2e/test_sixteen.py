"""int16 activations from the Keras model to the board: converted, built, verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from edgeserve.bundle_store import load_bundle
from edgeserve.convert.precision import Precision
from edgeserve.errors import ConfigError
from edgeserve.graph import DType
from edgeserve.pipeline.convert import convert
from edgeserve.pipeline.verify import verify
from tests.kernels.wide_models import of_both_widths, wide_models

DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"
BOARDS = ("host", "mps2-an500", "riscv-virt")
MODELS = {**wide_models(), "layers of both widths": of_both_widths()}


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits model with int16 activations, converted once a test run."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if base.name.startswith("popen-") else base
    bundle = root / "digits-int16x8"
    with FileLock(root / "digits-int16x8.lock"):
        if not bundle.exists():
            convert(
                DIGITS / "model.keras",
                bundle,
                target="mps2-an500",
                calibration=DIGITS / "calibration.npz",
                precision=Precision.INT16X8,
            )
    return bundle


def test_the_bundle_says_what_its_numbers_are(digits: Path) -> None:
    facts = load_bundle(digits).facts
    assert facts.quantization is not None
    assert (facts.quantization.activations, facts.quantization.weights) == (DType.INT16, DType.INT8)
    assert {port.dtype for port in (*facts.inputs, *facts.outputs)} == {DType.INT16}
    assert facts.agreement is not None
    (output,) = facts.agreement.outputs
    assert output.step == 1 / 32768
    assert output.mean_abs_error < 0.0002, "half of what int8 is off by"


@pytest.mark.parametrize("board", BOARDS)
def test_a_model_equals_the_oracle_on_the_board(digits: Path, board: str) -> None:
    _, found = verify(digits, board, board=None, inputs=2)
    assert found.first_difference is None
    assert found.coverage.uncovered == ()


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", ["TANH of int16", "SOFTMAX of int16", "layers of both widths"])
def test_a_layer_equals_the_oracle_on_the_board(name: str, board: str, tmp_path: Path) -> None:
    path = tmp_path / "layer.tflite"
    path.write_bytes(MODELS[name])
    _, found = verify(path, board, board=None, inputs=2)
    assert found.first_difference is None
    assert found.coverage.uncovered == ()


@pytest.mark.parametrize("precision", [Precision.FLOAT16, Precision.PALETTIZED4])
def test_forms_without_kernels_are_refused_with_what_to_do(
    precision: Precision, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"no {precision} kernels") as caught:
        convert(
            DIGITS / "model.keras",
            tmp_path / "bundle",
            target="mps2-an500",
            calibration=DIGITS / "calibration.npz",
            precision=precision,
        )
    assert "float32" in caught.value.hint
    assert "int16x8" in caught.value.hint
    assert not (tmp_path / "bundle").exists()
