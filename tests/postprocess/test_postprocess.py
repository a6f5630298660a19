"""Classes and boxes: the integers against plain floats, and the C against the integers."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.board_runner import SEMIHOSTING, emulator_argv
from edgeserve.board import Board, load_board
from edgeserve.declaration_file import Declaration
from edgeserve.firmware.build import build
from edgeserve.firmware.project import POSTPROCESS_FOLDER, ImageKind
from edgeserve.firmware.writing import write_firmware
from edgeserve.graph import Quant
from edgeserve.postprocess.declaration import Activation, Boxes, BoxForm, Classes, Postprocess
from edgeserve.postprocess.host import NONE_OF_THESE, ONE, Scale, classify, detect
from edgeserve.program import Program
from edgeserve.table import write_table
from tests.preprocess.harness import build_on_host
from tests.tiny_program import tiny_memory, tiny_program
from tests.tools import need_board_tools

RUNNER = Path(__file__).with_name("runner.c")
SCALE = Scale(0.03, 7)
"""Probabilities of different scores stay different in 16 bits."""
BOX_SCALE = Scale(1 / 200, -100)
FEW, MANY = 10, 300
CLASSES = 12
COUNT = 40


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    declared: Postprocess


def of_classes(name: str, **fields: Any) -> Case:
    one = Classes(activation=Activation.SOFTMAX, top=3, threshold=0.1)
    return Case(name, Postprocess(replace(one, **fields), None, ()))


def of_boxes(name: str, **fields: Any) -> Case:
    one = Boxes(
        boxes=0,
        scores=1,
        form=BoxForm.CORNERS,
        activation=Activation.SIGMOID,
        background=False,
        threshold=0.6,
        overlap=0.3,
        per_class=True,
        most=20,
    )
    return Case(name, Postprocess(None, replace(one, **fields), ()))


CASES = (
    of_classes("softmax"),
    of_classes("sigmoid", activation=Activation.SIGMOID, top=12, threshold=0.5),
    of_classes("as they are", activation=Activation.NONE, top=1, threshold=0.999),
    of_classes("strict", threshold=0.9),
    of_boxes("corners"),
    of_boxes("centre", form=BoxForm.CENTRE, per_class=False, background=True),
    of_boxes("softmax boxes", activation=Activation.SOFTMAX, threshold=0.2, most=3),
)
by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def outputs(case: Case, seed: int, count: int) -> list[tuple[NDArray[np.int8], ...]]:
    """Scores, or boxes and scores; every third inference is all ties."""
    rng = np.random.default_rng(seed)
    made: list[tuple[NDArray[np.int8], ...]] = []
    for number in range(count):
        rows = 1 if case.declared.classes else COUNT
        low = -8 if number % 3 == 2 else -128
        scores = rng.integers(low, -low, (rows, CLASSES)).astype(np.int8)
        if case.declared.classes:
            made.append((scores,))
        else:
            made.append((rng.integers(-128, 128, (COUNT, 4)).astype(np.int8), scores))
    return made


def found_by_host(case: Case, one: Sequence[NDArray[np.int8]]) -> list[tuple[int, ...]]:
    if case.declared.classes:
        return [astuple(score) for score in classify(case.declared.classes, SCALE, one[0])]
    assert case.declared.boxes
    return [astuple(box) for box in detect(case.declared.boxes, BOX_SCALE, SCALE, *one)]


def softmax(x: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def activated(activation: Activation, scores: NDArray[np.int8]) -> NDArray[Any]:
    x = (scores.astype(np.float64) - SCALE.zero_point) * SCALE.step
    match activation:
        case Activation.SOFTMAX:
            return softmax(x)
        case Activation.SIGMOID:
            return np.asarray(1 / (1 + np.exp(-x)))
        case Activation.NONE:
            return np.clip(x, 0, 1)


@pytest.mark.parametrize("case", [c for c in CASES if c.declared.classes], ids=lambda c: c.name)
def test_probabilities_are_those_of_floats(case: Case) -> None:
    declared = case.declared.classes
    assert declared
    refused = 0
    for (scores,) in outputs(case, 1, MANY):
        exact = activated(declared.activation, scores[0])
        for score in classify(declared, SCALE, scores):
            if score.index == NONE_OF_THESE:
                assert score.probability / ONE == pytest.approx(exact.max(), abs=2e-5)
                assert exact.max() < declared.threshold + 2e-5
                refused += 1
            else:
                assert score.probability / ONE == pytest.approx(exact[score.index], abs=2e-5)
        told = [s.index for s in classify(declared, SCALE, scores) if s.index >= 0]
        certain = int((exact > declared.threshold + 2e-5).sum())
        assert len(told) >= min(certain, declared.top)
    assert declared.threshold < 0.9 or refused


def suppressed_by_hand(
    declared: Boxes, boxes: NDArray[np.int8], scores: NDArray[np.int8]
) -> list[tuple[float, ...]]:
    """Greedy non-maximum suppression in floats, as in any textbook."""
    found = activated(declared.activation, scores)
    if declared.background:
        found[:, 0] = -1
    x = (boxes.astype(np.float64) - BOX_SCALE.zero_point) * BOX_SCALE.step
    if declared.form is BoxForm.CENTRE:
        across, down, half_width, half_height = x[:, 0], x[:, 1], x[:, 2] / 2, x[:, 3] / 2
        corners = (down - half_height, across - half_width, down + half_height, across + half_width)
        x = np.stack(corners, axis=1)
    x = np.clip(x, 0, 1)
    x[:, 2:] = np.maximum(x[:, 2:], x[:, :2])
    best = found.argmax(axis=1)
    order = np.argsort(-found.max(axis=1), kind="stable")
    kept: list[int] = []
    for i in order:
        if found[i].max() < declared.threshold:
            continue
        rivals = [k for k in kept if not declared.per_class or best[k] == best[i]]
        if all(overlap(x[k], x[i]) <= declared.overlap for k in rivals):
            kept.append(int(i))
    return [(*x[i], float(best[i]), float(found[i].max())) for i in kept[: declared.most]]


def overlap(a: NDArray[Any], b: NDArray[Any]) -> float:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(height, 0.0) * max(width, 0.0)
    both = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)) - shared
    return shared / both if both > 0 else 0.0


@pytest.mark.parametrize("case", [c for c in CASES if c.declared.boxes], ids=lambda c: c.name)
def test_boxes_are_those_of_floats(case: Case) -> None:
    declared = case.declared.boxes
    assert declared
    told = 0
    for one in outputs(case, 2, 60):
        got = np.array(found_by_host(case, one), float).reshape(-1, 6)
        want = np.array(suppressed_by_hand(declared, *one)).reshape(-1, 6)
        assert got.shape == want.shape
        assert np.allclose(got[:, :4] / ONE, want[:, :4], atol=5e-5)
        assert np.array_equal(got[:, 4], want[:, 4])
        assert np.allclose(got[:, 5] / ONE, want[:, 5], atol=5e-5)
        told += len(got)
    assert told > 20


def write_project(folder: Path, case: Case, board: Board) -> Path:
    program = with_outputs(tiny_program(), case)
    project = folder / f"{case.name} on {board.id}"
    write_firmware(
        project,
        symbol="tiny",
        table=write_table(tiny_program(), tiny_memory(tiny_program())),
        program=program,
        board=board,
        signals=Declaration(None, case.declared),
    )
    for source, name in ((RUNNER, "app.c"), (SEMIHOSTING, SEMIHOSTING.name)):
        (project / "src" / name).write_bytes(source.read_bytes())
    return project


def with_outputs(program: Program, case: Case) -> Program:
    (port,) = program.outputs
    scores = (1, CLASSES) if case.declared.classes else (1, COUNT, CLASSES)
    quant = Quant((SCALE.step,), (SCALE.zero_point,))
    ports = [replace(port, shape=scores, quant=quant)]
    if case.declared.boxes:
        box_quant = Quant((BOX_SCALE.step,), (BOX_SCALE.zero_point,))
        ports.insert(0, replace(port, shape=(1, COUNT, 4), quant=box_quant))
    return replace(program, outputs=tuple(ports))


def defines(case: Case) -> tuple[str, ...]:
    rows = 1 if case.declared.classes else COUNT
    return (f"-DRUNNER_SCORES={rows * CLASSES}", f"-DRUNNER_BOXES={COUNT * 4}")


def answers(
    folder: Path, argv: Sequence[str], case: Case, given: list[tuple[NDArray[np.int8], ...]]
) -> list[list[tuple[int, ...]]]:
    (folder / "cases").write_bytes(b"".join(part.tobytes() for one in given for part in one))
    subprocess.run(argv, cwd=folder, check=True, timeout=600)
    data, at, found = (folder / "answers").read_bytes(), 0, []
    record = struct.Struct("<iI" if case.declared.classes else "<iiiiII")
    while at < len(data):
        (count,) = struct.unpack_from("<I", data, at)
        end = at + 4 + count * record.size
        found.append(list(record.iter_unpack(data[at + 4 : end])))
        at = end
    return found


@by_name
def test_sanitized_c_on_the_host(case: Case, tmp_path: Path) -> None:
    project = write_project(tmp_path, case, load_board("host"))
    folder = project / POSTPROCESS_FOLDER
    sources = [project / "src/app.c", *sorted(folder.glob("*.c"))]
    binary = build_on_host(project, sources, [folder], defines(case))
    given = outputs(case, 3, MANY)
    assert answers(project, [str(binary)], case, given) == [
        found_by_host(case, one) for one in given
    ]


@by_name
def test_on_an_emulated_cortex_m7(case: Case, tmp_path: Path) -> None:
    board = load_board("mps2-an500")
    need_board_tools(board)
    project = write_project(tmp_path, case, board)
    flags = (*defines(case), "-Werror")
    elf = build(project, kind=ImageKind.APP, extra_flags=flags).elf
    given = outputs(case, 4, FEW)
    assert answers(project, emulator_argv(board, elf), case, given) == [
        found_by_host(case, one) for one in given
    ]
