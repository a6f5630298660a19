"""Rates, intervals and errors against textbook values and formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeserve.accuracy_record import Move, proportion
from edgeserve.bundle import TensorFacts
from edgeserve.convert import scores
from edgeserve.graph import DType


def wilson(right: int, total: int) -> tuple[float, float]:
    z, p = 1.959963984540054, right / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    return centre - half, centre + half


@pytest.mark.parametrize(("right", "total"), [(0, 10), (355, 360), (360, 360), (7, 12)])
def test_the_interval_is_wilsons(right: int, total: int) -> None:
    found = proportion(right, total)
    assert (found.low, found.high) == pytest.approx(wilson(right, total), abs=1e-9)
    assert found.low <= found.share <= found.high


def test_top_k_takes_the_lower_class_of_equal_scores() -> None:
    values = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.3, 0.3, 0.3]])
    rates = scores.rates(values, np.array([1, 2, 2]), 2)
    assert rates.top_1.right == 1
    assert rates.top_k is not None
    assert rates.top_k.right == 2
    assert scores.rates(values, np.array([0, 0, 0]), None).top_k is None


def test_pairs_by_mcnemar() -> None:
    labels = np.zeros(20, int)
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    exact = np.stack([right] * 19 + [wrong])
    quantized = np.stack([wrong] * 8 + [right] * 12)
    found = scores.paired(exact, quantized, labels)
    assert (found.lost, found.gained) == (8, 1)
    assert found.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert scores.paired(exact, exact, labels).p_value == 1.0


def test_moves_are_counted_by_pairs_of_classes() -> None:
    eye = np.eye(3)
    exact, quantized = eye[[0, 0, 1, 2, 2]], eye[[1, 1, 1, 0, 2]]
    assert scores.moves(exact, quantized, np.array([0, 2, 1, 2, 2])) == (
        Move(0, 1, 2, 1),
        Move(2, 0, 1, 1),
    )
    assert scores.moves(exact, quantized, None)[0].labelled is None
    assert scores.moves(exact, exact, None) == ()


def test_errors_of_an_output() -> None:
    facts = TensorFacts("y", (1, 2), DType.INT8, 0.5, 0)
    wanted = np.array([[[1.0, -2.0]], [[3.0, 0.0]]])
    (found,) = scores.output_errors([facts], [wanted], [wanted + np.array([0.5, 0.0])])
    assert (found.mean_abs_error, found.max_abs_error, found.step) == (0.25, 0.5, 0.5)
    assert found.sqnr_db == pytest.approx(10 * math.log10(14 / 0.5))
    assert scores.output_errors([facts], [wanted], [wanted])[0].sqnr_db is None
