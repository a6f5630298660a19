"""One small model an operator on the emulated Cortex-M7: the board writes the oracle's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.pipeline.verify import verify
from tests.kernels.small_models import small_models

MODELS = small_models()


@pytest.mark.parametrize("operator", sorted(MODELS))
def test_an_operator_equals_the_oracle_on_the_board(operator: str, tmp_path: Path) -> None:
    path = tmp_path / f"{operator.lower()}.tflite"
    path.write_bytes(MODELS[operator])
    _, found = verify(path, "mps2-an500", board=None, inputs=3)
    assert found.first_difference is None
    assert found.coverage.uncovered == ()
