"""``auto`` with an accuracy budget: the first form that keeps it, what was tried, and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.bundle_store import Bundle, load_bundle
from edgeserve.convert.agreement import Runner
from edgeserve.convert.budget_worker import KEPT_FILE, BudgetJob, BudgetResult, search
from edgeserve.convert.precision import Precision
from edgeserve.convert.sample_files import SampleFiles
from edgeserve.graph import DType
from edgeserve.tflite.reader import read_model
from tests.accuracy.conftest import CALIBRATION, TEST, samples_of, silent

pytest.importorskip("ai_edge_quantizer")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """``convert`` into ``bundle`` in this process: exit code, standard output and error."""

    def call(source: Path, calibration: Path, *options: object) -> tuple[int, str, str]:
        capfd.readouterr()
        words = ("convert", source, "--calibration", calibration, "--target", "cortex-m7")
        code = cli.main([str(word) for word in (*words, "-o", tmp_path / "bundle", *options)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def right(model: bytes, path: Path, *, reference: bool = True) -> int:
    runner = Runner(model, reference=reference)
    with np.load(path) as data:
        labels = data["y"]
    samples = samples_of(path, len(labels))
    return sum(
        int(runner.run(one)[0].argmax()) == y for one, y in zip(samples, labels, strict=True)
    )


def job(bundle: Bundle, folder: Path, count: int = 40, **changes: object) -> BudgetJob:
    """The digits on their first test images; nothing but float answers is good enough."""
    with np.load(TEST) as data:
        np.save(folder / "x.npy", data["x"][:count])
        np.save(folder / "y.npy", data["y"][:count])
    files = SampleFiles((str(folder / "x.npy"),), str(folder / "y.npy"), tuple(range(count)))
    asked = {
        "exact": str(bundle.path / "float.tflite"),
        "int8": str(bundle.model_path),
        "calibration": files,
        "data": files,
        "max_drop": None,
        "max_error": 0.0,
        "edges": "",
        "folder": str(folder),
    }
    return BudgetJob(**(asked | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def all_tried(hard: Bundle, tmp_path_factory: pytest.TempPathFactory) -> BudgetResult:
    return search(job(hard, tmp_path_factory.mktemp("all")), silent)


def test_the_first_form_that_keeps_the_budget_is_taken(
    run: Run, hard_folder: Path, tmp_path: Path
) -> None:
    source = hard_folder / "hard.tflite"
    code, out, _ = run(source, CALIBRATION, "--max-drop", "1%", "--budget-data", TEST)
    assert code == 0
    bundle = load_bundle(tmp_path / "bundle")
    notes = bundle.facts.notes
    (head,) = (note for note in notes if note.startswith("accuracy budget: "))
    tried = [note for note in notes if note.startswith("tried ")]
    assert "on 360 samples of test.npz" in head
    assert tried[0].startswith("tried int8: ")
    assert "re_lu_1/Relu" in tried[1]
    assert [note.endswith("(kept)") for note in tried] == [False] * (len(tried) - 1) + [True]
    told = " ".join(out.split())
    assert all(" ".join(note.split()) in told for note in (head, *tried))
    dtypes = {tensor.dtype for tensor in read_model(bundle.model_bytes(), name="m").tensors}
    assert {DType.INT8, DType.INT16} <= dtypes
    exact = right(source.read_bytes(), TEST, reference=False)
    assert f"the float model has {exact} right" in head
    made = right(bundle.model_bytes(), TEST)
    assert f"{made} of 360 right, a drop of {(exact - made) / 360:.2%}" in tried[-1]
    assert (exact - made) / 360 <= 0.01
    agreement = bundle.facts.agreement
    assert agreement is not None
    assert agreement.int8_correct == right(bundle.model_bytes(), CALIBRATION)


def test_int8_is_taken_where_it_does(run: Run, digits: Bundle, tmp_path: Path) -> None:
    """The model is that of a conversion without a budget; the calibration samples are the data."""
    source = digits.path / "float.tflite"
    code, _, _ = run(source, CALIBRATION, "--max-drop", "1%")
    assert code == 0
    notes = load_bundle(tmp_path / "bundle").facts.notes
    assert any("on 200 calibration samples" in note for note in notes)
    assert next(note for note in notes if note.startswith("tried")).endswith("(kept)")
    kept = (tmp_path / "bundle" / "model.tflite").read_bytes()
    code, _, _ = run(source, CALIBRATION, "--force")
    assert (tmp_path / "bundle" / "model.tflite").read_bytes() == kept
    assert not [n for n in load_bundle(tmp_path / "bundle").facts.notes if n.startswith("tried")]


def test_models_without_classes_have_errors(run: Run, hard_folder: Path, tmp_path: Path) -> None:
    """What the last note says is what the bundle's model does."""
    source, data = hard_folder / "pair.tflite", hard_folder / "pair.npz"
    code, out, _ = run(source, data, "--max-error", "0.5%", "--format", "json")
    assert code == 0
    tried = [note for note in json.loads(out)["notes"] if note.startswith("tried")]
    assert len(tried) > 1
    exact = Runner(source.read_bytes(), reference=False)
    made = Runner((tmp_path / "bundle" / "model.tflite").read_bytes(), reference=True)
    with np.load(data) as arrays:
        samples = [[arrays["zeta"][i : i + 1], arrays["alpha"][i : i + 1]] for i in range(40)]
    shares = []
    for output in range(2):
        wanted = np.stack([exact.run(one)[output] for one in samples])
        got = np.stack([made.run(one)[output] for one in samples])
        shares.append(np.abs(wanted - got).max() / np.ptp(wanted))
    assert max(shares) <= 0.005
    assert f"a largest error of {max(shares):.2%}" in tried[-1]


def test_nothing_that_keeps_it_is_told_with_the_best(
    run: Run, hard_folder: Path, tmp_path: Path
) -> None:
    code, out, err = run(hard_folder / "pair.tflite", hard_folder / "pair.npz", "--max-error", "0%")
    assert (code, out) == (1, "")
    told, hint = err.splitlines()
    assert "nothing keeps the budget" in told
    assert "40 calibration samples" in told
    assert "the best is" in told
    tried = told.partition("; tried: ")[2].split(", ")
    assert tried[0].startswith("int8 ")
    assert "layer in int16" in tried[1]
    assert tried[-1].startswith("int16x8 ")
    assert "--max-error" in hint
    assert not (tmp_path / "bundle").exists()


def test_forms_are_tried_from_the_cheapest_on(all_tried: BudgetResult) -> None:
    """Each number of the noisiest layers, alone and with those that read them; then all."""
    tries = all_tried.tries
    assert (tries[0].precision, tries[0].int16_layers) == (Precision.INT8, ())
    assert (tries[-1].precision, tries[-1].int16_layers) == (Precision.INT16X8, ())
    layers = [one.int16_layers for one in tries[1:-1]]
    assert len(set(layers)) == len(layers)
    assert len(layers[0]) == 1
    assert all(set(layers[0]) <= set(one) for one in layers)
    assert not any(one.kept for one in tries)
    errors = [one.error for one in tries if one.error is not None]
    assert errors[0] > 0.1 > min(errors) > 0
    assert all_tried.exact_right is None


def test_a_declaration_takes_no_int16_at_the_edges(hard: Bundle, tmp_path: Path) -> None:
    last = search(job(hard, tmp_path, 10, edges="it is for int8"), silent).tries[-1]
    assert last.precision is Precision.INT16X8
    assert (last.refused, last.error, last.kept) == ("it is for int8", None, False)


def test_a_limit_that_is_met_exactly_is_kept(
    hard: Bundle, all_tried: BudgetResult, tmp_path: Path
) -> None:
    """And the model that does is there."""
    found = next(one for one in all_tried.tries[1:] if (one.error or math.inf) < 0.1)
    result = search(job(hard, tmp_path, max_error=found.error), silent)
    assert result.tries[-1].kept
    assert result.tries[-1].error == found.error
    assert (tmp_path / KEPT_FILE).is_file()


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        (("--max-drop", "1"), "'1' is no percentage", "--help"),
        (("--max-drop", "1%", "--max-error", "1%"), "are two budgets", "--max-error for others"),
        (("--budget-data", "good.npz"), "--budget-data measures a budget", "--max-drop 1%"),
        (("--max-drop", "1%", "--quantization", "int16x8"), "int16x8 has chosen it", "leave out"),
        (("--max-error", "1%", "--int16-layers", "x"), "--max-error chooses", "--int16-layers"),
        (("--max-drop", "1%", "--calibration", "bare.npz"), "bare.npz has no labels", "'y'"),
        (("--max-drop", "1%", "--budget-data", "bare.npz"), "bare.npz has no labels", "'y'"),
        (("--max-drop", "1%", "--budget-data", "gone.npz"), "data gone.npz does", "--budget-data"),
        (("--max-drop", "1%", "--budget-data", "shape.npz"), "takes (8, 8, 1)", "batch"),
        (("--max-drop", "1%", "--budget-data", "labels.npz"), "from 5 to 77", "0 to 9"),
        (("--max-drop", "1%", "--target", "ios"), "an app has no --max-drop", "name a board"),
    ],
)
def test_wrong_inputs_are_one_line_and_a_hint(
    run: Run,
    digits: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    what: str,
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(CALIBRATION) as data:
        x, y = data["x"][:4], data["y"][:4]
    np.savez("good.npz", x=x, y=y)
    np.savez("bare.npz", x=x)
    np.savez("labels.npz", x=x, y=[5, 6, 7, 77])
    np.savez("shape.npz", x=np.zeros((2, 9), np.float32), y=[0, 1])
    code, out, err = run(digits.path / "float.tflite", Path("good.npz"), *options)
    assert (code, out) == (2, "")
    told, help_line = err.splitlines()
    assert what in told
    assert hint in help_line
    assert not Path("bundle").exists()


def test_a_drop_needs_classes_and_a_choice_needs_floats(
    run: Run, digits: Bundle, hard_folder: Path, tmp_path: Path
) -> None:
    with np.load(hard_folder / "pair.npz") as data:
        np.savez(tmp_path / "pair.npz", zeta=data["zeta"], alpha=data["alpha"], y=[0] * 40)
    code, _, err = run(hard_folder / "pair.tflite", tmp_path / "pair.npz", "--max-drop", "1%")
    assert code == 2
    assert "is no classifier" in err.splitlines()[0]
    assert "--max-error" in err.splitlines()[1]
    code, _, err = run(digits.model_path, CALIBRATION, "--max-drop", "1%")
    assert code == 2
    assert "is quantized already" in err.splitlines()[0]
