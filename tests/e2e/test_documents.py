"""The JSON documents of commands, and the files of a bundle, have the keys that FORMAT.md lists."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from edgeserve import cli
from edgeserve.accuracy_record import AccuracyRecord
from edgeserve.board import load_board
from edgeserve.bundle import BundleFacts, CalibrationFile
from edgeserve.image import Image
from edgeserve.measurement import Unit
from edgeserve.planfile import PlanRecord
from edgeserve.verify import Verification
from tests.e2e.bench_images import two_layers
from tests.kernels.test_convolution import Case, conv2d
from tests.narrow_layers import Layers
from tests.simulated_runs import simulated_bundle
from tests.tools import need_programs

Keys = dict[str, dict[str, bool]]
"""Of each object in a document by its path: its keys, and whether they are always there."""

FORMAT = Path(__file__).parents[2] / "docs" / "FORMAT.md"
_PATHS = re.compile(r"(`[\w.]+`(?:, `[\w.]+`)*):")
_ROW = re.compile(r"\| (\w+) \| (.*) \|")


def _documented() -> dict[str, Keys]:
    """What sections 4 and 5 say, by heading."""
    text = FORMAT.read_text(encoding="utf-8")
    body = text[text.index("# 4. JSON documents") :]
    sections: dict[str, Keys] = {}
    keys: Keys = {}
    paths = [""]
    for line in body.splitlines():
        if line.startswith("## "):
            keys = sections.setdefault(line[3:], {})
            paths = [""]
        elif match := _PATHS.fullmatch(line):
            paths = re.findall(r"`([\w.]+)`", match.group(1))
        elif (match := _ROW.fullmatch(line)) and match.group(1) != "key":
            for path in paths:
                keys.setdefault(path, {})[match.group(1)] = " only: " not in match.group(2)
    return sections


DOCUMENTED = _documented()


def _objects(document: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of a document with its path; the items of a list have the list's path."""
    if isinstance(document, list):
        for item in document:
            yield from _objects(item, path)
    elif isinstance(document, dict):
        yield path, document
        for key, value in document.items():
            yield from _objects(value, f"{path}.{key}".lstrip("."))


def agree(document: Any, documented: Keys) -> None:
    """Every object has all keys that are always there, and none that is not documented."""
    for path, value in _objects(document):
        keys = documented.get(path)
        assert keys is not None, f"{path!r} is not documented"
        assert set(value) <= set(keys), f"keys of {path!r} that are not documented"
        assert {key for key, always in keys.items() if always} <= set(value)


def _of_dataclass(cls: type, path: str = "") -> Iterator[tuple[str, list[str]]]:
    yield path, [field.name for field in dataclasses.fields(cls)]
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        for inner in _dataclasses(hints[field.name]):
            yield from _of_dataclass(inner, f"{path}.{field.name}".lstrip("."))


def _dataclasses(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    elif get_origin(hint) in (Union, types.UnionType, tuple):
        for argument in get_args(hint):
            yield from _dataclasses(argument)


@pytest.mark.parametrize(
    ("heading", "cls"),
    [
        ("bundle.json", BundleFacts),
        ("calibration.json", CalibrationFile),
        ("accuracy.json", AccuracyRecord),
        ("plan.json", PlanRecord),
        ("build", Image),
    ],
)
def test_records(heading: str, cls: type) -> None:
    """The tables list exactly the fields, in their order, of every object down to the leaves."""
    documented = {path: list(keys) for path, keys in DOCUMENTED[heading].items()}
    if cls is Image:  # the command adds it to the record
        assert documented[""].pop() == "project_changes"
    assert documented == dict(_of_dataclass(cls))


def test_difference_of_verify() -> None:
    told = dict(_of_dataclass(Verification))
    assert list(DOCUMENTED["verify"]["first_difference"]) == told["first_difference"]
    assert set(told[""]) <= set(DOCUMENTED["verify"][""])


class Documents:
    """Runs commands and reads the one document that each prints."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: object) -> Any:
        self._capfd.readouterr()
        cli.main([*map(str, arguments), "--format", "json"])
        out = self._capfd.readouterr().out
        assert out.isascii()
        return json.loads(out)


@pytest.fixture
def document(capfd: pytest.CaptureFixture[str]) -> Documents:
    return Documents(capfd)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "two.tflite"
    path.write_bytes(two_layers())
    return path


@pytest.fixture
def reshaping(tmp_path: Path) -> Path:
    """A model with tensors that are folded away, and a channel that is always the same."""
    b = Layers()
    x = b.image(4, 5, 3)
    path = tmp_path / "reshaping.tflite"
    path.write_bytes(b.done(x, [b.dense(b.conv(x, ".z."), "..")]))
    return path


def test_check(document: Documents, model: Path) -> None:
    fits = document("check", model, "--all-boards")
    too_big = document("check", model, "--all-boards", "--max-arena", 1)
    agree([*fits, *too_big], DOCUMENTED["check"])
    assert {path for path, _ in _objects(too_big)} == set(DOCUMENTED["check"])
    assert {row["fits"] for row in fits} == {True}
    assert {row["fits"] for row in too_big} == {False}


def test_errors(document: Documents, tmp_path: Path) -> None:
    agree(document("check", tmp_path / "absent", "--board", "host"), DOCUMENTED["errors"])


def test_convert(document: Documents, model: Path, tmp_path: Path) -> None:
    told = document("convert", model, "--target", "cortex-m7", "-o", tmp_path / "out")
    agree(told.pop("fit"), DOCUMENTED["check"])
    assert told.pop("bundle") == str(tmp_path / "out")
    assert set(DOCUMENTED["convert"][""]) == {"bundle", "fit"}
    agree(told, DOCUMENTED["bundle.json"])
    assert told == json.loads((tmp_path / "out" / "bundle.json").read_text())


def test_plan(document: Documents, model: Path, reshaping: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "out"
    document("convert", model, "--target", "cortex-m7", "-o", bundle)
    plan = document("plan", bundle)
    agree(plan, DOCUMENTED["plan.json"])
    assert plan == json.loads((bundle / "boards" / "mps2-an500" / "plan.json").read_text())
    options = ("--tflm", tmp_path / "planned.tflite", "--share", reshaping)
    more = document("plan", bundle, *options)
    also = {key: more.pop(key) for key in DOCUMENTED["plan"][""]}
    assert more == plan
    agree(also, DOCUMENTED["plan"])


def test_inspect(document: Documents, reshaping: Path, tmp_path: Path) -> None:
    told = document("inspect", reshaping)
    agree(told, DOCUMENTED["inspect"])
    tiles = reshaping.with_name("tiles.tflite")
    tiles.write_bytes(conv2d(Case(16, 16, 16, 16)))
    document("plan", tiles, "--flash-for-speed", "64K")
    bought = document("inspect", tiles)
    agree(bought, DOCUMENTED["inspect"])
    measured, board = tmp_path / "measured", load_board("esp32dev")
    simulated_bundle(measured, two_layers(), board, 4.0, Unit.NANOSECONDS)
    timed = document("inspect", reshaping, "--board", board.id, "--calibrate", measured)
    agree(timed, DOCUMENTED["inspect"])
    seen = {path for one in (told, bought, timed) for path, _ in _objects(one)}
    assert seen == set(DOCUMENTED["inspect"])


def test_boards(document: Documents) -> None:
    told = document("boards")
    agree(told, DOCUMENTED["boards"])
    assert {path for path, _ in _objects(told)} == set(DOCUMENTED["boards"])
    (emulated,) = (board for board in told if board["id"] == "mps2-an500")
    assert emulated["emulator"]["instructions_per_tick"] == "5/16"


def test_devices(document: Documents) -> None:
    agree(document("devices"), DOCUMENTED["devices"])


def test_build_bench_and_verify(document: Documents, reshaping: Path) -> None:
    need_programs("gcc")
    agree(document("build", reshaping, "--board", "host"), DOCUMENTED["build"])
    partition = document("build", reshaping, "--board", "host", "--partition")
    agree(partition, DOCUMENTED["build"])
    assert partition["partition"] is not None
    bench = document("bench", reshaping, "--device", "host", "--laps", 3)
    agree(bench, DOCUMENTED["bench"])
    assert set(DOCUMENTED["bench"]) == {"", "p50", "p90", "p99", "steps", "banks"}
    verify = document("verify", reshaping, "--device", "host", "--inputs", 2)
    agree(verify, DOCUMENTED["verify"])
    assert verify["coverage"]["folded"]
    assert verify["coverage"]["narrowed"]
    assert verify["equal"] is True


def test_bench_in_two_banks(document: Documents, model: Path) -> None:
    need_programs("arm-none-eabi-gcc", "qemu-system-arm")
    tensor = document("plan", model, "--board", "mps2-an500-banks")["values"][0]["name"]
    pin = ("--pin", f"{tensor}=slow")
    plan = document("plan", model, "--board", "mps2-an500-banks", *pin)
    agree(plan, DOCUMENTED["plan.json"])
    assert plan["wish"]["pins"] == [{"tensor": tensor, "bank": "slow"}]
    assert [bank["name"] for bank in plan["banks"]] == ["fast", "slow"]
    bench = document("bench", model, "--device", "mps2-an500-banks", "--laps", 3)
    agree(bench, DOCUMENTED["bench"])
    assert [bank["name"] for bank in bench["banks"]] == ["fast", "slow"]
