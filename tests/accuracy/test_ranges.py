"""What calibration fills, and whether traffic is like it: on the digits model and on numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.stats import ks_2samp

from edgeserve.bundle_store import Bundle
from edgeserve.convert.ranges import (
    calibration_ranges,
    distance,
    half_shortfall,
    settled_after,
    traffic,
)
from edgeserve.errors import ConversionError
from edgeserve.tensor_ranges import RangeRecord
from tests.accuracy.conftest import CALIBRATION, TEST, samples_of, silent


def models(bundle: Bundle) -> tuple[bytes, bytes]:
    exact = bundle.float_bytes()
    assert exact is not None
    return exact, bundle.model_bytes()


@pytest.fixture(scope="session")
def ranges(digits: Bundle) -> RangeRecord:
    return calibration_ranges(*models(digits), samples_of(CALIBRATION, 200), silent)


def test_convert_records_what_the_samples_give(digits: Bundle, ranges: RangeRecord) -> None:
    assert digits.ranges == ranges
    assert ranges.samples == 200
    assert ranges.unmatched == ()
    assert len(ranges.tensors) == 10


def test_ranges_and_counts_are_those_of_the_float_model(
    digits: Bundle, ranges: RangeRecord
) -> None:
    """Against the output as the model gives it, without any tensor kept."""
    model = Interpreter(model_content=models(digits)[0])
    model.allocate_tensors()
    answers = []
    for (sample,) in samples_of(CALIBRATION, 200):
        model.set_tensor(model.get_input_details()[0]["index"], sample)
        model.invoke()
        answers.append(model.get_tensor(model.get_output_details()[0]["index"]))
    values, output = np.stack(answers), ranges.tensors[-1]
    assert output.name == "Identity"
    assert (output.minimum, output.maximum) == pytest.approx((values.min(), values.max()), abs=1e-6)
    counts, _ = np.histogram(values, 64, (output.low, output.high))
    assert output.histogram[1:-1].sum() + output.histogram[-1] == values.size
    assert np.abs(output.histogram[1:-1] - counts).sum() <= 4
    facts = digits.facts.outputs[0]
    assert facts.scale is not None
    assert output.high == pytest.approx(255 * facts.scale)


def test_settling_needs_the_extremes_whatever_the_order() -> None:
    rare, common = np.zeros(100), np.full(100, 5.0)
    rare[7] = -1.0
    rare_settled = settled_after(rare, common)
    assert 30 <= rare_settled <= 70
    assert settled_after(np.roll(rare, 40), common) == pytest.approx(rare_settled, abs=30)
    assert half_shortfall(rare, common) in (0.0, pytest.approx(1 / 6))
    assert (settled_after(np.zeros(100), common), half_shortfall(np.zeros(100), common)) == (1, 0)
    assert half_shortfall(np.zeros(1), np.ones(1)) == 1.0


def test_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    random = np.random.default_rng(4)
    one, two = random.integers(0, 20, 500), random.integers(3, 22, 300)
    counts = (np.bincount(one, minlength=25), np.bincount(two, minlength=25))
    assert distance(*counts) == pytest.approx(ks_2samp(one, two).statistic)


def test_traffic_like_the_calibration_agrees(digits: Bundle, ranges: RangeRecord) -> None:
    seen = traffic(*models(digits), ranges, samples_of(TEST, 100), silent)
    assert (seen.samples, len(seen.tensors), seen.differing) == (100, 10, ())
    itself = traffic(*models(digits), ranges, samples_of(CALIBRATION, 200), silent)
    assert {(one.distance, one.shift, one.beyond_share) for one in itself.tensors} == {(0, 0, 0)}


def test_inverted_images_are_told_from_the_calibration(digits: Bundle, ranges: RangeRecord) -> None:
    seen = traffic(*models(digits), ranges, samples_of(TEST, 40, inverted=True), silent)
    first = seen.differing[0]
    assert first.name == "image"
    assert first.distance > 0.3
    assert first.shift > 0.3
    assert any(one.clipped_share > 0.001 for one in seen.differing)


def test_scarce_calibration_clips_and_says_so(few: Bundle, digits: Bundle) -> None:
    assert few.ranges is not None
    assert not few.ranges.enough
    assert few.ranges.clipping == ()
    seen = traffic(*models(few), few.ranges, samples_of(TEST, 100), silent)
    worst = max(seen.tensors, key=lambda one: one.clipped_share)
    assert worst.clipped_share > 0.01
    assert worst.beyond_share > 0.5
    assert not worst.agrees
    mismatched = calibration_ranges(models(digits)[0], few.model_bytes(), _hundred(), silent)
    assert mismatched.clipping[0].clipped_share > 0.01


def _hundred() -> list[list[np.ndarray]]:
    return samples_of(TEST, 100)


def test_a_float_model_that_gives_nan_is_refused(digits: Bundle) -> None:
    bad = [[np.full((1, 8, 8, 1), np.nan, np.float32)]]
    with pytest.raises(ConversionError, match="'image' becomes NaN or Inf on sample 0"):
        calibration_ranges(*models(digits), bad, silent)
