"""Growth against an earlier check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeserve.baseline import Sizes, against_baseline, read_baseline
from edgeserve.checkfile import Growth
from edgeserve.errors import ConfigError
from edgeserve.fit import Shortage
from edgeserve.show.fit_formats import fit_json
from tests.unit.fits import footprint, made_fit

KEY = ("kws", "nucleo_h743zi2")
ARENA, FLASH = footprint().arena_bytes, footprint().flash_bytes


def written(folder: Path, document: Any) -> Path:
    path = folder / "baseline.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_what_check_writes_is_read_back(tmp_path: Path) -> None:
    path = written(tmp_path, [fit_json(made_fit())])
    assert read_baseline(path) == {KEY: Sizes(ARENA, FLASH)}


@pytest.mark.parametrize("growth", [Growth(), Growth(16, 100)])
@pytest.mark.parametrize("over", [0, 1])
def test_growth_up_to_the_budget_is_good(growth: Growth, over: int) -> None:
    before = Sizes(ARENA - growth.arena_bytes - over, FLASH - growth.flash_bytes - over)
    (fit,) = against_baseline([made_fit()], {KEY: before}, growth)
    assert fit.fits == (not over)
    if over:
        assert fit.shortages == (
            Shortage("arena growth", ARENA, ARENA - 1),
            Shortage("flash growth", FLASH, FLASH - 1),
        )


def test_shrinking_is_good() -> None:
    (fit,) = against_baseline([made_fit()], {KEY: Sizes(ARENA + 1, FLASH + 1)}, Growth())
    assert fit.fits


def test_other_models_and_boards_have_no_baseline() -> None:
    others = {("kws", "host"): Sizes(0, 0), ("x", KEY[1]): Sizes(0, 0)}
    (fit,) = against_baseline([made_fit()], others, Growth())
    assert fit == made_fit()


def test_earlier_shortages_stay() -> None:
    small = made_fit(budget_arena=ARENA - 1)
    (fit,) = against_baseline([small], {KEY: Sizes(0, FLASH)}, Growth())
    assert [shortage.where for shortage in fit.shortages] == ["arena budget", "arena growth"]


GOOD = fit_json(made_fit())


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"error": {}}, "is not a list of checks"),
        ([3], "row 0 is not a check"),
        ([GOOD, {}], "row 1 has no model"),
        ([{**GOOD, "board": None}], "row 0 has no board"),
        ([{**GOOD, "arena_bytes": "12"}], "row 0 has no arena_bytes"),
        ([{**GOOD, "arena_bytes": True}], "row 0 has no arena_bytes"),
        ([{**GOOD, "code_bytes": float("inf")}], "row 0 has no code_bytes"),
        ([{**GOOD, "model_bytes": -1}], "row 0 has no model_bytes"),
        ([GOOD, GOOD], "row 1 stands there twice"),
    ],
)
def test_what_is_refused(tmp_path: Path, document: Any, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_baseline(written(tmp_path, document))
    assert said in raised.value.what
    assert "--format json" in raised.value.hint


def test_files_that_are_no_baseline(tmp_path: Path) -> None:
    for name, data in (("a", b"\xff\xfe"), ("b", b"{"), ("c", b"[" * 100_000), ("d", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match="is not JSON"):
            read_baseline(tmp_path / name)
    with pytest.raises(ConfigError, match="No such file"):
        read_baseline(tmp_path / "absent")
