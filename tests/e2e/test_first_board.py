"""docs/FIRST_BOARD.md shows what the commands print: its `console` blocks are run again."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.cli import main
from edgeserve.device.ports import present_devices
from edgeserve.firmware.build import compiler_version
from tests.tools import need_board_tools

DOCUMENT = Path(__file__).parents[2] / "docs" / "FIRST_BOARD.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
NUMBER = re.compile(r"\d[\d,.]*")


def shown() -> list[tuple[str, list[str]]]:
    """The commands in order, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
    return found


def told(text: str, *, exactly: bool) -> list[str]:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─")]
    return lines if exactly else [NUMBER.sub("N", line) for line in lines]


def test_the_commands_print_what_is_shown(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    need_board_tools(load_board("mps2-an500"))
    if any(present.device.startswith("/dev/ttyACM") for present in present_devices()):
        pytest.skip("a board is on the cable: what is shown is without one")
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(shared_data / "models" / "kws_ref_model.tflite", "kws.tflite")
    # Sizes are those of one compiler.
    exactly = compiler_version("arm-none-eabi-gcc") in TEXT
    commands = shown()
    assert len(commands) >= 8
    for command, lines in commands:
        program, *arguments = shlex.split(command)
        assert program == "edgeserve"
        main(arguments)
        said = capfd.readouterr()
        printed = (said.out + said.err).replace(f"{tmp_path}/", "")
        wanted = told("\n".join(lines), exactly=exactly)
        assert told(printed, exactly=exactly) == wanted, command


def test_what_nobody_ran_is_marked() -> None:
    """A block that is no `console` shows output of a board only below the word."""
    for match in re.finditer(r"```\n\$ .*?```", TEXT, re.DOTALL):
        before = TEXT[: match.start()].rstrip().rsplit("\n\n", 1)[-1]
        assert "Expected, not run on the board" in before, match[0]
