"""The zoo: its folders are what they say, and its figures are what a board gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from edgeserve.board import load_board
from edgeserve.bundle_store import write_bundle
from edgeserve.convert.precision import Precision
from edgeserve.errors import ConfigError
from edgeserve.pipeline.device import opened
from edgeserve.pipeline.opening import open_model
from edgeserve.preprocess.host import real
from models import make
from models.entry import Entry, digests, names, parse_entry, read_entry
from models.evidence import (
    Outputs,
    area_under_roc,
    convert,
    figure,
    on_device,
    outputs,
    stimuli,
)
from models.keywords import voices
from models.training import load_samples
from tests.preprocess.harness import Case, on_board, write_project
from tests.tools import need_board_tools, need_programs

LARGEST_BYTES = 300_000
BOARD = "mps2-an500"
QUANTIZED = {Precision.INT8: 0.01, Precision.INT16X8: 0.002}
"""How far from the float model's a quantized model's figure on held-out data may be."""
EVERY_ENTRY = pytest.mark.parametrize("name", names())


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Precision], Path]:
    """A folder with ``bundle``, ``float.npy`` and ``quantized.npy``, made once a test run: what the
    float and the quantized model answer to the held-out samples.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if base.name.startswith("popen-") else base

    def made(name: str, precision: Precision) -> Path:
        folder = root / f"zoo-{name}-{precision}"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                draft = folder.with_suffix(".new")
                (draft / "work").mkdir(parents=True)
                _answer(read_entry(name), precision, draft)
                draft.rename(folder)
        return folder

    return made


def _answer(entry: Entry, precision: Precision, folder: Path) -> None:
    forms = convert(entry, precision, folder / "work")
    write_bundle(folder / "bundle", forms.converted.contents())
    x = load_samples(entry.test).x
    np.save(folder / "float.npy", outputs(forms.float_model, x, reference=False))
    np.save(folder / "quantized.npy", outputs(forms.model, x, reference=True))


def test_the_zoo_is_all_there() -> None:
    assert names() == ("anomaly", "digits", "gestures", "keywords")


@EVERY_ENTRY
def test_a_folder_holds_what_its_facts_say(name: str) -> None:
    entry = read_entry(name)
    assert digests(entry.folder, entry.files) == dict(entry.made.sha256)
    sizes = {file: (entry.folder / file).stat().st_size for file in entry.files}
    assert max(sizes.values()) <= LARGEST_BYTES, sizes
    for path in (entry.calibration, entry.test):
        samples = load_samples(path)
        assert len(samples) >= 200
        assert samples.x.shape[1:] == entry.taken.shape[1:]
        assert samples.y.max() < len(entry.labels)
    assert set(load_samples(entry.test).y) == set(range(len(entry.labels)))
    declared = entry.declaration()
    if declared.postprocess is not None:
        assert declared.postprocess.labels == entry.labels


def test_facts_are_read_strictly(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    facts = (read_entry("digits").folder / "model.toml").read_text()
    (folder / "model.toml").write_text(facts)
    assert parse_entry(folder).id == "digits"
    for spoiled, why in (
        (facts.replace("[input]", '[input]\ncolour = "red"'), r"input\.colour is not a known key"),
        (facts.replace('id = "digits"', 'id = "other"'), "the folder is 'digits'"),
        (facts.replace('"test.npz" = "x', '"tests.npz" = "x'), "must list the same files"),
        (facts.replace("classification", "guessing"), "not one of classification, anomaly"),
    ):
        (folder / "model.toml").write_text(spoiled)
        with pytest.raises(ConfigError, match=why):
            parse_entry(folder)


def test_a_record_takes_the_place_of_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(read_entry("digits").folder, folder)
    before = (folder / "model.toml").read_text()
    make.write_record(folder / "model.toml", parse_entry(folder).made)
    assert (folder / "model.toml").read_text() == before


@pytest.mark.parametrize(
    "arguments", [["nobody"], ["--retrain"], ["mlperf_tiny_ad01", "--retrain"]]
)
def test_the_command_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@EVERY_ENTRY
def test_the_float_figure_is_the_recorded_one(
    name: str, answers: Callable[[str, Precision], Path]
) -> None:
    entry = read_entry(name)
    found = np.load(answers(name, Precision.INT8) / "float.npy")
    recorded = pytest.approx(entry.made.float_held_out, abs=6e-5)
    assert figure(entry, load_samples(entry.test), found) == recorded


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, Precision.INT8) for name in names()),
        *((name, Precision.INT16X8) for name in ("digits", "keywords")),
        pytest.param("anomaly", Precision.INT16X8, marks=pytest.mark.soak),
        pytest.param("gestures", Precision.INT16X8, marks=pytest.mark.soak),
    ],
)
def test_quantizing_costs_next_to_nothing_on_held_out_data(
    name: str, precision: Precision, answers: Callable[[str, Precision], Path]
) -> None:
    entry, folder = read_entry(name), answers(name, precision)
    test = load_samples(entry.test)
    exact, quantized = (
        figure(entry, test, np.load(folder / file)) for file in ("float.npy", "quantized.npy")
    )
    assert 0.85 < exact < 1.0, "a figure that can move"
    assert abs(quantized - exact) <= QUANTIZED[precision]


def compare(folder: Path, entry: Entry, count: int) -> None:
    """The device's answers to ``count`` held-out samples are the host's, byte for byte."""
    need_board_tools(load_board(BOARD))
    test = load_samples(entry.test)
    with opened(folder / "bundle", BOARD, board=None) as target:
        (facts,) = target.compiled.bundle.facts.inputs
        seen = on_device(target, stimuli(facts, test, count))
    assert len(seen.device) == count
    # Confident answers of a classifier have few different bytes.
    assert len(set(seen.device)) >= len(entry.labels), "answers differ from input to input"
    assert seen.device == seen.host
    wanted: Outputs = np.load(folder / "quantized.npy")[:count]
    classes = [np.frombuffer(one, np.int8).argmax() for one in seen.device]
    assert classes == wanted.argmax(axis=1).tolist()


@EVERY_ENTRY
def test_a_board_answers_as_the_host(name: str, answers: Callable[[str, Precision], Path]) -> None:
    compare(answers(name, Precision.INT8), read_entry(name), 20)


@pytest.mark.soak
@EVERY_ENTRY
def test_a_board_answers_as_the_host_200_times(
    name: str, answers: Callable[[str, Precision], Path]
) -> None:
    compare(answers(name, Precision.INT8), read_entry(name), 200)


def test_the_board_hears_what_the_host_hears(
    answers: Callable[[str, Precision], Path], tmp_path: Path
) -> None:
    """Spoken words through the declaration: the C on a Cortex-M7, the host, and the test set."""
    board = load_board(BOARD)
    need_board_tools(board)
    entry = read_entry("keywords")
    preprocess = entry.declaration().preprocess
    assert preprocess is not None
    with np.load(entry.folder / "sounds.npz") as data:
        clips, labels = list(data["x"]), data["y"]
    assert sorted(labels) == list(range(len(entry.labels)))
    bundle = open_model(answers("keywords", Precision.INT8) / "bundle")
    (facts,) = bundle.facts.inputs
    assert facts.scale is not None
    assert facts.zero_point is not None
    case = Case("keywords", preprocess.front, facts.scale, facts.zero_point)
    wanted = [case.wanted(clip) for clip in clips]
    assert on_board(write_project(tmp_path, case, board), case, board, clips) == wanted
    test = load_samples(entry.test)
    heard = np.stack([real(preprocess.front, clip) for clip in clips])[..., np.newaxis]
    np.testing.assert_allclose(test.x[: len(clips)], heard, rtol=1e-3, atol=1e-3)
    assert test.y[: len(clips)].tolist() == labels.tolist()


def test_no_speaker_of_the_test_was_heard_in_training() -> None:
    def family(speaker: str) -> str:
        return speaker if len(speaker) == 2 else speaker.rstrip("0123456789").lower()

    training = {family(speaker) for speaker in voices.TRAINING_SPEAKERS}
    test = {family(speaker) for speaker in voices.TEST_SPEAKERS}
    assert not training & test
    assert not set(voices.TRAINING_OTHERS) & set(voices.TEST_OTHERS)
    assert not set(voices.KEYWORDS) & {*voices.TRAINING_OTHERS, *voices.TEST_OTHERS}


@pytest.mark.soak
@EVERY_ENTRY
def test_the_recipe_makes_the_committed_test_set(name: str) -> None:
    """Of the same version of eSpeak NG, where words are spoken."""
    if name == "keywords":
        need_programs("espeak-ng")
    entry = read_entry(name)
    held_out = make.recipe(name).held_out()
    test = load_samples(entry.test)
    whole = {row.astype(np.float16).tobytes() for row in held_out.x}
    assert {row.astype(np.float16).tobytes() for row in test.x} <= whole


def test_the_area_under_a_curve() -> None:
    y = np.array([0, 0, 1, 1])
    assert area_under_roc(np.array([1.0, 2.0, 3.0, 4.0]), y) == 1.0
    assert area_under_roc(np.array([4.0, 3.0, 2.0, 1.0]), y) == 0.0
    assert area_under_roc(np.array([1.0, 1.0, 1.0, 1.0]), y) == 0.5
    assert area_under_roc(np.array([1.0, 3.0, 2.0, 4.0]), y) == 0.75
