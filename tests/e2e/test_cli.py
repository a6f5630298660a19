"""The command line as users meet it: what it says, its exit codes, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from edgeserve import cli
from edgeserve.board import board_ids, load_board
from edgeserve.errors import ModelError
from tests.e2e.bench_images import two_layers
from tests.kernels.random_models import random_model
from tests.kernels.test_convolution import Case, conv2d
from tests.kernels.test_edges import edged
from tests.tflite_builder import ModelBuilder
from tests.tools import need_programs, take_interrupts

ROOT = Path(__file__).parents[2]
STREAMING_SEED = 18
"""Of a random model that streams eight values and has two inputs that can come by rows."""
COMMAND = (sys.executable, "-m", "edgeserve")
FRAMEWORKS = ("numpy", "tensorflow", "keras", "ai_edge_litert", "rich", "edgeserve.pipeline")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def refused(self, code: int, *said: str) -> None:
        """One line and a hint, and no trace of Python."""
        assert self.code == code, self.err
        lines = self.err.splitlines()
        assert len(lines) == 2, self.err
        assert lines[0].startswith("edgeserve: error: ")
        assert lines[1].startswith("  hint: ")
        for text in said:
            assert text in self.err


def command(*arguments: object, env: dict[str, str] | None = None) -> Answer:
    """The real command, in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Answer(done.returncode, done.stdout, done.stderr)


class Runner:
    """Commands within this process, which saves the start of Python."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: object) -> Answer:
        self._capfd.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        captured = self._capfd.readouterr()
        assert "Traceback" not in captured.err
        return Answer(code, captured.out, captured.err)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with one good model outside of it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "two.tflite"
    path.write_bytes(two_layers())
    return path


@pytest.fixture
def bundle(run: Runner, work: Path, model: Path) -> Path:
    path = work / "bundle"
    assert run("convert", model, "--target", "cortex-m7", "-o", path).code == 0
    return path


def resnet50_sized() -> bytes:
    """25 million weights of 3 x 3 convolutions on 7 x 7 pixels, behind a wide input."""
    b = ModelBuilder()
    channels = 970
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (3, channels, 3, 3, channels)).astype(np.int8)
    x = b.tensor("image", (1, 7, 7, channels), "int8", scale=0.05)
    source = x
    for number in range(3):
        data = weights[number]
        w = b.tensor(f"weights {number}", data.shape, "int8", scale=0.01, data=data)
        bias = b.tensor(f"bias {number}", (channels,), "int32", scale=0.0005, data=[0] * channels)
        y = b.tensor(f"conv {number}", (1, 7, 7, channels), "int8", scale=0.1)
        options = {"padding": "SAME", "strideW": 1, "strideH": 1}
        b.op("CONV_2D", [source, w, bias], [y], options)
        source = y
    return b.finish([x], [source])


@pytest.fixture(scope="module")
def big_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "resnet50_sized.tflite"
    path.write_bytes(resnet50_sized())
    return path


# Start


def test_help_is_quick() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        answer = command("--help")
        times.append(time.perf_counter() - start)
        assert answer.code == 0
        for verb in ("convert", "check", "build", "bench", "verify", "plan", "inspect", "boards"):
            assert verb in answer.out
    print(f"edgeserve --help: {min(times):.3f} s")
    assert min(times) < 2, "half a second on a machine at rest"


@pytest.mark.parametrize(
    "statement", ["import edgeserve", "import edgeserve.cli as c; c.main(['--help'])"]
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    code = f"import sys\n{statement}\nprint([m for m in {FRAMEWORKS} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_has_help(run: Runner) -> None:
    for verb in cli.cli.commands:
        answer = run(verb, "--help")
        assert answer.code == 0
        assert answer.out.startswith(f"Usage: edgeserve {verb}")


def test_no_command_shows_help(run: Runner) -> None:
    answer = run()
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: edgeserve" in answer.err


def test_version(run: Runner) -> None:
    from edgeserve import __version__

    assert __version__ in run("--version").out


# Mistakes


@pytest.fixture
def files(work: Path, model: Path) -> Path:
    """What the mistakes below name."""
    (work / "folder").mkdir()
    data = model.read_bytes()
    (work / "good.tflite").write_bytes(data)
    (work / "truncated.tflite").write_bytes(data[: len(data) // 2])
    (work / "empty.tflite").write_bytes(b"")
    (work / "text.tflite").write_text("not a model")
    shutil.copyfile(ROOT / "models" / "digits" / "model.keras", work / "float.keras")
    (work / "unknown_key.toml").write_text("[checks]\n")
    (work / "no_toml.toml").write_text("[")
    (work / "empty.toml").write_text("")
    (work / "absent_model.toml").write_text('[[model]]\npath = "x.tflite"\nboards = ["host"]\n')
    (work / "baseline.json").write_text("{}")
    return work


MISTAKES: list[tuple[str, str]] = [
    ("nosuch", "No such command 'nosuch'"),
    ("check --nosuch", "No such option '--nosuch'"),
    ("check good.tflite --board", "'--board' requires an argument"),
    ("check good.tflite --board host --max-arena x", "'x' is not a valid integer"),
    ("check good.tflite --board host --max-arena -1", "-1 is not in the range"),
    ("check good.tflite", "name a --board, or --all-boards"),
    ("check good.tflite --board host --all-boards", "name a --board, or --all-boards"),
    ("check good.tflite --board nosuch", "unknown board 'nosuch'"),
    ("check good.tflite --board nosuch.toml", "nosuch.toml: No such file"),
    ("check good.tflite --board host --config empty.toml", "leave out MODEL"),
    ("check --board host", "name a MODEL"),
    ("check --max-arena 0", "name a MODEL"),
    ("check absent.tflite --board host", "absent.tflite does not exist"),
    ("check folder --board host", "has no bundle.json"),
    ("check truncated.tflite --board host", "truncated.tflite: "),
    ("check empty.tflite --board host", "empty.tflite: the file has 0 bytes"),
    ("check text.tflite --board host", "text.tflite: the file is not a TFLite model"),
    ("check good.tflite --board host --baseline absent.json", "baseline absent.json: No such"),
    ("check good.tflite --board host --baseline baseline.json", "is not a list of checks"),
    ("check", "edgeserve.toml does not exist"),
    ("check --config unknown_key.toml", "checks is not a known key"),
    ("check --config no_toml.toml", "no_toml.toml"),
    ("check --config empty.toml", "model lists nothing to check"),
    ("check --config absent_model.toml", "x.tflite does not exist"),
    ("check --config folder", "folder: Is a directory"),
    ("convert good.tflite", "Missing option '--target'"),
    ("convert good.tflite --target nosuch", "unknown target 'nosuch'"),
    ("convert good.tflite --target cortex-m7 -o folder", "folder exists"),
    ("convert good.tflite --target cortex-m7 -o good.tflite/x", "good.tflite is a file"),
    ("convert good.tflite --target cortex-m7 -o good.tflite --force", "is not a bundle"),
    ("convert absent.keras --target cortex-m7 -o new", "absent.keras does not exist"),
    ("convert truncated.tflite --target cortex-m7 -o new", "truncated.tflite: "),
    ("convert float.keras --target cortex-m7 -o new", "calibration"),
    ("convert float.keras --target esp32 --calibration absent.npz -o new", "absent.npz"),
    ("plan good.tflite --board nosuch", "nosuch"),
    ("plan good.tflite --pin x", "'x' is no TENSOR=BANK"),
    ("plan good.tflite --pin nothing=data", "cannot pin 'nothing': the arena has no tensor"),
    ("plan good.tflite --pin x=tape", "cannot pin 'x': there is no bank 'tape'"),
    ("check good.tflite --board host --pin nothing=memory", "cannot pin 'nothing'"),
    ("plan good.tflite --map arena.png", "--map draws .svg and .html alone"),
    ("plan good.tflite --map absent/arena.svg", "cannot write absent/arena.svg"),
    ("inspect truncated.tflite", "truncated.tflite: "),
    ("build good.tflite --board nrf5340dk", "firmware cannot be built for nrf5340dk"),
    ("bench good.tflite", "Missing option '--device'"),
    ("bench good.tflite --device nosuch", "unknown device 'nosuch'"),
    ("bench good.tflite --device /dev/nosuch", "what board is on it"),
    ("bench good.tflite --device host --meter joulescope", "no meter can tell its energy apart"),
    ("bench good.tflite --device host --meter wattmeter", "names no meter"),
    ("bench good.tflite --device host --laps 0", "0 is not in the range"),
    ("verify truncated.tflite --device host", "truncated.tflite: "),
    ("verify good.tflite --device nucleo_h7a3zi_q", "firmware cannot be built"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES)
def test_mistakes(run: Runner, files: Path, line: str, said: str) -> None:
    before = sorted(files.rglob("*"))
    answer = run(*line.split())
    answer.refused(2, said)
    assert answer.out == ""
    assert sorted(files.rglob("*")) == before, "something was left behind"


@pytest.mark.parametrize("line", [line for line, _ in MISTAKES if "--nosuch" not in line])
def test_mistakes_as_json(run: Runner, files: Path, line: str) -> None:
    arguments = line.split()
    answer = run(arguments[0], "--format", "json", *arguments[1:])
    assert answer.code == 2
    error = answer.document["error"]
    assert set(error) == {"kind", "what", "hint", "exit_code"}
    assert error["exit_code"] == 2
    assert f"edgeserve: error: {error['what']}" in answer.err
    assert error["hint"]


def test_ports_that_are_not_there(run: Runner, files: Path) -> None:
    answer = run("bench", "good.tflite", "--device", "/dev/nosuch", "--board", "host")
    answer.refused(4, "/dev/nosuch")


def test_a_name_may_not_spoil_the_line(run: Runner, work: Path) -> None:
    answer = run("check", "a\nb\x1b[31m.tflite", "--board", "host")
    answer.refused(2, "a\\nb\\x1b[31m.tflite does not exist")


def test_files_that_the_system_refuses(run: Runner, work: Path, model: Path) -> None:
    (work / "file").write_text("")
    answer = run("convert", model, "--target", "cortex-m7", "-o", "file/below")
    assert answer.code in (2, 3)
    assert answer.err.startswith("edgeserve: error: ")
    assert [path.name for path in work.iterdir()] == ["file"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_bug_is_one_line(
    run: Runner, monkeypatch: pytest.MonkeyPatch, model: Path, as_json: bool
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.delenv("EDGESERVE_DEBUG", raising=False)
    monkeypatch.setattr("edgeserve.pipeline.opening.open_bundle", broken)
    formats = ("--format", "json") if as_json else ()
    answer = run("check", model, "--board", "host", *formats)
    answer.refused(3, "internal error: ZeroDivisionError: first\\nsecond", "EDGESERVE_DEBUG=1")
    assert bool(answer.out) == as_json


def test_errors_of_every_kind_keep_their_code(
    run: Runner, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    failures: list[tuple[BaseException, int]] = [
        (ModelError("m", hint="h"), 2),
        (MemoryError(), 3),
        (PermissionError(13, "Permission denied", "some/file"), 3),
        (KeyboardInterrupt(), 130),
    ]
    for failure, code in failures:

        def fails(*_: object, failure: BaseException = failure) -> None:
            raise failure

        monkeypatch.setattr("edgeserve.pipeline.opening.open_bundle", fails)
        answer = run("check", model, "--board", "host", "--format=json")
        assert answer.code == answer.document["error"]["exit_code"] == code
        assert answer.err.lstrip().startswith("edgeserve: error: ")


# Tools that are missing


@pytest.fixture
def no_tools(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin")}


def test_compiler_missing(no_tools: dict[str, str], work: Path, bundle: Path) -> None:
    answer = command("build", bundle, env=no_tools)
    answer.refused(3, "arm-none-eabi-gcc", "sudo apt-get install gcc-arm-none-eabi")


def test_emulator_missing(no_tools: dict[str, str], work: Path, bundle: Path) -> None:
    need_programs("arm-none-eabi-gcc")
    for tool in ("gcc", "objdump", "nm", "as", "ld"):
        name = f"arm-none-eabi-{tool}"
        (Path(no_tools["PATH"]) / name).symlink_to(str(shutil.which(name)))
    answer = command("bench", bundle, "--device", "mps2-an500", env=no_tools)
    answer.refused(3, "qemu-system-arm", "sudo apt-get install")


def test_check_and_plan_need_no_tools(
    no_tools: dict[str, str], work: Path, model: Path, run: Runner
) -> None:
    alone = command("check", model, "--all-boards", "--format", "json", env=no_tools)
    assert alone.code == 0
    assert alone.document == run("check", model, "--all-boards", "--format", "json").document
    assert command("plan", model, env=no_tools).code == 0


# Answers


def test_a_model_that_fits(run: Runner, model: Path) -> None:
    answer = run("check", model, "--all-boards")
    assert (answer.code, answer.err) == (0, "")
    for name in board_ids():
        assert name in answer.out
    assert "table: arm-none-eabi-gcc" in answer.out
    assert "estimate: lx106" in answer.out


def test_a_model_that_does_not_fit(run: Runner, big_model: Path) -> None:
    boards = ("nucleo_h743zi2", "esp32dev")
    arguments = [word for board in boards for word in ("--board", board)]
    rows = run("check", big_model, *arguments, "--format", "json")
    assert rows.code == 1
    text = run("check", big_model, *arguments)
    assert (text.code, text.err) == (1, "")
    for row, name in zip(rows.document, boards, strict=True):
        assert (row["board"], row["fits"]) == (name, False)
        flash = next(s for s in row["shortages"] if s["where"] == "region flash")
        (region,) = (r for r in load_board(name).regions if r.name == "flash")
        assert flash["have_bytes"] == region.free_bytes
        assert flash["need_bytes"] == row["code_bytes"] + row["model_bytes"] > 25_000_000
        assert flash["missing_bytes"] == flash["need_bytes"] - flash["have_bytes"]
        assert f"{big_model.stem} does not fit {name}:" in text.out
        assert (
            f"region flash: needs {flash['need_bytes']:,} bytes, has {flash['have_bytes']:,}, "
            f"{flash['missing_bytes']:,} missing"
        ) in text.out
    assert "weights and tables" in text.out


def test_the_peak_is_named(run: Runner, model: Path) -> None:
    answer = run("check", model, "--board", "host", "--max-arena", "1")
    assert answer.code == 1
    assert "arena budget: needs 96 bytes, has 1, 95 missing" in answer.out
    assert "'x' (48) and 'hidden' (40)" in answer.out


def test_names_from_models_cannot_spoil_a_terminal(run: Runner, work: Path) -> None:
    b = ModelBuilder()
    name = "\x1b[31m[red]\u202e\nend"
    x = b.tensor(f"x {name}", (1, 4), "int8", scale=0.05)
    y = b.tensor(f"y {name}", (1, 4), "int8", scale=0.05)
    b.op("RELU", [x], [y])
    path = work / "hostile.tflite"
    path.write_bytes(b.finish([x], [y]))
    for line in (("inspect", path), ("plan", path), ("check", path, "--board", "host")):
        answer = run(*line)
        assert answer.code == 0
        assert all(character.isprintable() for character in answer.out.replace("\n", ""))
    assert "[red]" in run("inspect", path).out, "brackets are no markup"


def test_a_plan_is_drawn_the_same_each_time(run: Runner, work: Path, model: Path) -> None:
    said = run("plan", model, "--map", "arena.svg")
    assert said.code == 0
    assert "step  0" in said.out, "the map in text"
    assert "= this plan" in said.out
    root = ET.fromstring((work / "arena.svg").read_bytes())
    assert root.get("aria-label") == "two on mps2-an500: arena of 96 bytes"
    assert run("plan", model, "--map", "arena.html", "--format", "json").document["schema"] == 4
    first = (work / "arena.html").read_bytes()
    assert b"two on mps2-an500: arena of 96 bytes" in first
    run("plan", model, "--map", "arena.html")
    assert (work / "arena.html").read_bytes() == first
    assert sorted(path.name for path in work.iterdir()) == ["arena.html", "arena.svg"]


@pytest.mark.parametrize("how", ["junit", "github"])
def test_formats_for_ci(run: Runner, model: Path, how: str) -> None:
    arguments = ("check", model, "--board", "host", "--board", "teensy41", "--max-arena", "95")
    answer = run(*arguments, "--format", how)
    assert answer.code == 1
    if how == "junit":
        suite = ET.fromstring(answer.out.encode())
        assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    else:
        lines = answer.out.splitlines()
        assert [line.split("::")[1] for line in lines] == [
            "error title=two on host",
            "error title=two on teensy41",
        ]


def test_a_board_named_twice_is_checked_once(run: Runner, model: Path) -> None:
    boards = ("--board", "host") * 2
    assert len(run("check", model, *boards, "--format", "json").document) == 1


def test_models_of_one_name_are_told_apart(run: Runner, work: Path) -> None:
    for folder, width in (("a", 40), ("b", 8)):
        (work / folder).mkdir()
        (work / folder / "m.tflite").write_bytes(two_layers(width=width))
    answer = run("check", "a/m.tflite", "b/m.tflite", "--board", "host", "--format", "json")
    assert [row["model"] for row in answer.document] == ["a/m.tflite", "b/m.tflite"]


# edgeserve.toml and baselines


def test_checkfile(run: Runner, work: Path, model: Path) -> None:
    shutil.copyfile(model, work / "m.tflite")
    (work / "boards").mkdir()
    shutil.copyfile(ROOT / "boards" / "nano33ble.toml", work / "boards" / "mine.toml")
    text = '[check]\nboards = ["host", "boards/mine.toml"]\n\n[[model]]\npath = "m.tflite"\n'
    (work / "edgeserve.toml").write_text(text)
    answer = run("check", "--format", "json")
    assert answer.code == 0
    assert [row["board"] for row in answer.document] == ["host", "mine"]
    (work / "edgeserve.toml").write_text(text + "max_arena_bytes = 95\n")
    assert run("check").code == 1


def test_checkfile_is_relative_to_itself(
    run: Runner, work: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = work / "project"
    project.mkdir()
    shutil.copyfile(model, project / "m.tflite")
    shutil.copyfile(ROOT / "boards" / "nano33ble.toml", project / "mine.toml")
    (project / "ci.toml").write_text('[[model]]\npath = "m.tflite"\nboards = ["mine.toml"]\n')
    assert run("check", "--config", "project/ci.toml").code == 0


def test_baseline(run: Runner, work: Path) -> None:
    path = work / "m.tflite"
    path.write_bytes(two_layers(width=40))
    arguments = ("check", path, "--board", "teensy41")
    first = run(*arguments, "--format", "json")
    (work / "baseline.json").write_text(first.out)
    against = (*arguments, "--baseline", "baseline.json")
    assert run(*against).code == 0
    path.write_bytes(two_layers(width=60))
    answer = run(*against)
    assert answer.code == 1
    assert "arena growth: needs 112 bytes, has 96, 16 missing" in answer.out
    assert "flash growth: needs " in answer.out
    assert run(*against, "--arena-growth", "16").code == 1
    assert run(*against, "--arena-growth", "16", "--flash-growth", "4096").code == 0


def test_a_stored_plan_that_somebody_touched(run: Runner, bundle: Path) -> None:
    arguments = ("check", bundle, "--board", "mps2-an500")
    assert run(*arguments).code == 0
    path = bundle / "boards" / "mps2-an500" / "plan.json"
    document = json.loads(path.read_text())
    for value in document["values"]:
        value["offset_bytes"] = 0
    path.write_text(json.dumps(document))
    run(*arguments).refused(2, "plan.json", "remove the file")
    path.write_text("{")
    run(*arguments).refused(2, "plan.json", "remove the file")
    assert run("check", bundle, "--board", "host").code == 0, "that board has no plan stored"
    path.unlink()
    assert run("plan", bundle, "--board", "mps2-an500").code == 0
    assert run(*arguments).code == 0


def test_the_wish_of_a_bundle_is_kept(run: Runner, work: Path) -> None:
    """Until another is given."""
    (work / "model.tflite").write_bytes(random_model(STREAMING_SEED))
    convert = ("convert", "model.tflite", "--target", "mps2-an500", "-o", "new")
    assert run(*convert, "--objective", "size", "--by-rows").code == 0
    wish = {"objective": "size", "by_rows": True, "pins": [], "flash_for_speed_bytes": 0}
    assert run("plan", "new", "--format", "json").document["wish"] == wish
    assert run("build", "new", "--format", "json").code == 0
    path = work / "new" / "boards" / "mps2-an500" / "plan.json"
    assert json.loads(path.read_text())["wish"] == wish
    (row,) = run("check", "new", "--board", "mps2-an500", "--format", "json").document
    assert "the inputs come row by row" in row["plan"]
    changed = run("plan", "new", "--objective", "speed", "--format", "json").document
    assert changed["wish"] == {**wish, "objective": "speed", "by_rows": False}
    assert changed["arena_bytes"] > row["arena_bytes"]


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("0", 0), ("700", 700), ("64K", 65_536), ("2m", 2 << 20)]
)
def test_sizes_as_they_are_typed(run: Runner, model: Path, text: str, size_bytes: int) -> None:
    arguments = ("plan", model, "--flash-for-speed", text, "--format", "json")
    assert run(*arguments).document["wish"]["flash_for_speed_bytes"] == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "1.5K", "64KB", "K", "\u0664K", "9" * 10])
def test_what_is_no_size(run: Runner, model: Path, text: str) -> None:
    run("plan", model, "--flash-for-speed", text).refused(2, "is no size")


def test_what_flash_buys_is_told(run: Runner, work: Path) -> None:
    (work / "tiles.tflite").write_bytes(conv2d(Case(16, 16, 16, 16)))
    for arguments in (("plan",), ("inspect",)):
        option = ("--flash-for-speed", "1M") if arguments == ("plan",) else ()
        answer = run(*arguments, "tiles.tflite", *option)
        assert answer.code == 0
        assert "CONV_WINOGRAD" in answer.out
        assert "saved instructions" in answer.out
    (bought,) = run("inspect", "tiles.tflite", "--format", "json").document["bought"]
    assert bought["step"] == 0
    assert bought["extra_bytes"] > 16 * 16 * 9
    assert bought["saved_instructions"] > 0
    # A byte less than it takes buys nothing.
    short = str(bought["extra_bytes"] - 1)
    assert "CONV_WINOGRAD" not in run("plan", "tiles.tflite", "--flash-for-speed", short).out


def test_convert_says_whether_it_fits(run: Runner, work: Path, model: Path) -> None:
    answer = run("convert", model, "--target", "esp32", "-o", "new")
    assert answer.code == 0
    assert "esp32dev" in answer.out
    run("convert", model, "--target", "esp32", "-o", "new").refused(2, "new exists", "--force")
    assert run("convert", model, "--target", "esp32", "-o", "new", "--force").code == 0


def test_convert_of_what_does_not_fit(run: Runner, work: Path, big_model: Path) -> None:
    answer = run("convert", big_model, "--target", "esp32", "-o", "new", "--format", "json")
    assert answer.code == 1
    assert answer.document["fit"]["fits"] is False
    assert (work / "new" / "bundle.json").is_file(), "it may fit another board"


# Pipes and interrupts


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, "boards"], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_pipe_to_head() -> None:
    shell = f"{COMMAND[0]} -m edgeserve boards --format json | head -1"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b"[\n", b"")


def test_a_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "boards"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == ["edgeserve: error: No space left on device"]


def test_ascii_terminals(run: Runner, work: Path) -> None:
    path = work / "caf\u00e9.tflite"
    path.write_bytes(two_layers())
    answer = command("check", path, "--board", "host", env={"PYTHONIOENCODING": "ascii"})
    assert (answer.code, answer.err) == (0, "")
    assert "caf\\xe9" in answer.out


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def running_program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except FileNotFoundError:
        return ""


@pytest.fixture
def endless_bench(work: Path, model: Path) -> Iterator[subprocess.Popen[str]]:
    """A benchmark on the host that is in its laps and would take hours."""
    need_programs("gcc")
    if not Path("/proc/self/task").is_dir():
        pytest.skip("needs Linux's /proc")
    arguments: Sequence[str] = ("bench", str(model), "--device", "host", "--laps", "100000000")
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_interrupts,
    )
    deadline = time.monotonic() + 60
    while not any("bench.elf" in running_program(child) for child in children(process.pid)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "process"])
def test_interrupt(endless_bench: subprocess.Popen[str], to_group: bool) -> None:
    """A terminal interrupts the whole group; `kill -INT` the process alone."""
    devices = children(endless_bench.pid)
    if to_group:
        os.killpg(endless_bench.pid, signal.SIGINT)
    else:
        os.kill(endless_bench.pid, signal.SIGINT)
    out, err = endless_bench.communicate(timeout=30)
    assert endless_bench.returncode == 130
    assert out == ""
    assert err.strip() == "edgeserve: error: interrupted"
    for device in devices:
        assert "bench.elf" not in running_program(device), "the device was left running"


def test_edges_left_to_the_caller(run: Runner, tmp_path: Path) -> None:
    """Asked for by an option, told by convert and inspect, refused where there is nothing to do."""
    path, bundle = tmp_path / "edged.tflite", tmp_path / "bundle"
    path.write_bytes(edged())
    options = ("--integer-edges", "--transposed-inputs")
    made = run("convert", path, "--target", "cortex-m7", *options, "-o", bundle)
    assert made.code == 0
    for told in (made.out, run("inspect", bundle).out):
        assert told.count("is left to the caller") == 3
    again = ("convert", bundle / "model.tflite", "--target", "cortex-m7", "-o", tmp_path / "more")
    run(*again, "--integer-edges").refused(2, "no float32 input or output", "--integer-edges")
    assert not (tmp_path / "more").exists()
