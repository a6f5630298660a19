"""edgeserve.toml, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.banks import Pin
from edgeserve.checkfile import Checkfile, Growth, ModelEntry, read_checkfile
from edgeserve.errors import ConfigError
from edgeserve.fit import Budget, Reserve
from edgeserve.planfile import Wish

FULL = """\
[check]
boards = ["nucleo_h743zi2", "boards/my_board.toml"]
reserve_ram_bytes = 32768
reserve_flash_bytes = 65536
baseline = "baseline.json"
max_arena_growth_bytes = 16
max_flash_growth_bytes = 2048

[[model]]
path = "out/digits"
max_arena_bytes = 8192
max_flash_bytes = 65536
pins = ["input_1=axi_sram"]

[[model]]
path = "models/wake_word.tflite"
boards = ["nano33ble"]
"""


def read(folder: Path, text: str) -> Checkfile:
    path = folder / "edgeserve.toml"
    path.write_text(text, encoding="utf-8")
    return read_checkfile(path)


def test_everything(tmp_path: Path) -> None:
    assert read(tmp_path, FULL) == Checkfile(
        models=(
            ModelEntry(
                path=tmp_path / "out/digits",
                label="out/digits",
                boards=("nucleo_h743zi2", str(tmp_path / "boards/my_board.toml")),
                budget=Budget(8192, 65536),
                wish=Wish(pins=(Pin("input_1", "axi_sram"),)),
            ),
            ModelEntry(
                path=tmp_path / "models/wake_word.tflite",
                label="models/wake_word.tflite",
                boards=("nano33ble",),
                budget=Budget(),
            ),
        ),
        reserve=Reserve(32768, 65536),
        baseline=tmp_path / "baseline.json",
        growth=Growth(16, 2048),
    )


def test_the_example_in_the_documentation_is_the_one_tested() -> None:
    text = (Path(__file__).parents[2] / "docs" / "CHECK.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    lines = [line.split("#")[0].rstrip() for line in example.splitlines()]
    keys = [line.split(" = ")[0] for line in lines if line]
    assert keys == [line.split(" = ")[0] for line in FULL.splitlines() if line]


def test_pins_are_a_wish(tmp_path: Path) -> None:
    text = "[[model]]\npath = 'm'\nboards = ['host']\npins = ['conv1=slow']"
    (model,) = read(tmp_path, text).models
    assert model.wish == Wish(pins=(Pin("conv1", "slow"),))


def test_flash_for_speed_is_a_wish(tmp_path: Path) -> None:
    text = "[[model]]\npath = 'm'\nboards = ['host']\nflash_for_speed_bytes = 65536"
    (model,) = read(tmp_path, text).models
    assert model.wish == Wish(flash_for_speed_bytes=65536)


def test_least(tmp_path: Path) -> None:
    checkfile = read(tmp_path, '[[model]]\npath = "m.tflite"\nboards = ["host"]\n')
    assert checkfile.reserve == Reserve()
    assert checkfile.growth == Growth()
    assert checkfile.baseline is None
    assert checkfile.models[0].budget == Budget()


def test_a_budget_of_nothing_is_a_budget(tmp_path: Path) -> None:
    text = '[[model]]\npath = "m"\nboards = ["host"]\nmax_arena_bytes = 0\n'
    assert read(tmp_path, text).models[0].budget == Budget(arena_bytes=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "model lists nothing to check"),
        ("model = []", "model lists nothing to check"),
        ("model = 3", "model must be an array of tables"),
        ("[[model]]\nboards = ['host']", "model[0].path is missing"),
        ("[[model]]\npath = 'm'", "model[0].boards is missing, and [check] names none"),
        ("[[model]]\npath = 'm'\nboards = 'host'", "model[0].boards must be a list of strings"),
        ("[[model]]\npath = \"m\\u0000\"\nboards = ['host']", "model[0].path must be a string"),
        ("[[model]]\npath = 'm'\nboards = ['host']\nmax_arena = 3", "model[0].max_arena is not"),
        ("[check]\nboard = ['host']\n[[model]]\npath = 'm'", "check.board is not a known key"),
        ("[check]\nreserve_ram_bytes = -1", "check.reserve_ram_bytes must be a whole number"),
        ("[check]\nreserve_ram_bytes = 1.5", "check.reserve_ram_bytes must be a whole number"),
        ("[checks]\n[[model]]\npath = 'm'\nboards = ['host']", "checks is not a known key"),
        ("check = 1", "check must be a table"),
        ("[check", "at end of document"),
        ("[[model]]\npath = 'm'\nboards = ['host']\npins = ['x']", "model[0].pins are wrong: 'x'"),
        ("[[model]]\npath = 'm'\nboards = ['host']\npins = 'x=y'", "model[0].pins must be a list"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert said in raised.value.what
    assert "edgeserve.toml" in raised.value.what
    assert "docs/CHECK.md" in raised.value.hint
