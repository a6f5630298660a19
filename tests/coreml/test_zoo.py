"""Packages of five models within their bounds: digits, and four architectures of MLPerf Tiny."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from benchmarks.coreml import converted, make_sources
from benchmarks.coreml_source import NAMES, SAMPLES
from edgeserve.convert.coreml.evaluate import operator_counts, parameter_count
from edgeserve.convert.coreml_worker import BOUNDS
from edgeserve.coreml_facts import WeightsForm
from tests.coreml.evaluated import Evaluated, evaluated

WINDOWS = {
    "mobilenet_v1_025_96": {"conv": 27, "reduce_mean": 1, "softmax": 1},
    "resnet8": {"conv": 9, "add": 3, "avg_pool": 1, "softmax": 1},
    "ds_cnn": {"conv": 9, "avg_pool": 1, "softmax": 1},
    "autoencoder": {"linear": 10, "relu": 9},
}
CHECKED = 4
MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that ``benchmarks.coreml_source`` makes, once a test run."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if base.name.startswith("popen-") else base
    folder = root / "coreml-sources"
    with FileLock(root / "coreml-sources.lock"):
        if not folder.exists():
            draft = root / "coreml-sources.new"
            draft.mkdir()
            make_sources(draft)
            draft.rename(folder)
    return folder


def package(name: str, sources: Path, folder: Path, form: WeightsForm) -> Evaluated:
    samples = np.load(sources / f"{name}.npz")["x"]
    assert len(samples) == SAMPLES
    rows = [[samples[row : row + 1]] for row in range(CHECKED)]
    return evaluated((sources / f"{name}.tflite").read_bytes(), folder, rows, form)


@pytest.mark.parametrize("name", NAMES)
def test_a_float16_package_is_within_a_hundredth(name: str, sources: Path, tmp_path: Path) -> None:
    seen = package(name, sources, tmp_path / "m.mlpackage", WeightsForm.FLOAT16)
    assert 0 < seen.worst < 1e-2, seen.errors
    counts = {one.kind: one.count for one in operator_counts(seen.program)}
    assert {kind: counts.get(kind) for kind in WINDOWS[name]} == WINDOWS[name]
    # Core ML computes channels first: of all the builder's transposes only those at the edges stay.
    assert counts.get("transpose", 0) <= 2
    assert parameter_count(seen.program) * 2 <= seen.program.weights_bytes * 1.05


@pytest.mark.parametrize("form", [form for form in WeightsForm if form != "float16"])
@pytest.mark.parametrize("name", ["resnet8", "autoencoder"])
def test_other_forms_are_within_their_bounds(
    name: str, form: WeightsForm, sources: Path, tmp_path: Path
) -> None:
    seen = package(name, sources, tmp_path / "m.mlpackage", form)
    assert seen.worst < BOUNDS[form], seen.errors


def test_the_bounds_are_in_the_order_of_what_is_lost() -> None:
    bounds = [BOUNDS[WeightsForm(name)] for name in ("float32", "float16", "int8")]
    bounds += [BOUNDS[WeightsForm.PALETTIZED6], BOUNDS[WeightsForm.PALETTIZED4]]
    assert bounds == sorted(bounds)
    assert BOUNDS[WeightsForm.FLOAT16] == 1e-2


@pytest.mark.parametrize("name", ["anomaly", "gestures", "keywords"])
def test_trained_models_are_within_a_hundredth(name: str, tmp_path: Path) -> None:
    facts = converted(
        MODELS / name / "model.keras",
        MODELS / name / "calibration.npz",
        WeightsForm.FLOAT16,
        tmp_path / name,
    )
    assert facts is not None
    assert facts.check.outputs
    assert all(0 < one.relative < 1e-2 for one in facts.check.outputs)
