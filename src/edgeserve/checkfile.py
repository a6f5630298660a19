"""``edgeserve.toml``: the models, boards and budgets that a project checks in CI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeserve.banks import Pin, parse_pins
from edgeserve.errors import ConfigError
from edgeserve.fit import Budget, Reserve
from edgeserve.plan.streaming import Objective
from edgeserve.planfile import Wish
from edgeserve.strict_toml import TomlTable, read_toml

DEFAULT_NAME = "edgeserve.toml"


@dataclass(frozen=True, slots=True)
class Growth:
    """How much more than the baseline is still good, in bytes."""

    arena_bytes: int = 0
    flash_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model to check: a bundle or a ``.tflite``. ``label`` is the path as the user wrote it.

    Without a ``wish`` the bundle's own plan, or a balanced one, is checked.
    """

    path: Path
    label: str
    boards: tuple[str, ...]
    budget: Budget
    wish: Wish | None = None


@dataclass(frozen=True, slots=True)
class Checkfile:
    """Everything that `edgeserve check` without arguments does."""

    models: tuple[ModelEntry, ...]
    reserve: Reserve
    baseline: Path | None
    growth: Growth


def read_checkfile(path: Path) -> Checkfile:
    """Reads the file strictly. Raises ConfigError naming file and key."""
    root = read_toml(path, hint="docs/CHECK.md describes edgeserve.toml")
    check = root.optional_table("check")
    boards: tuple[str, ...] = ()
    reserve, growth, baseline = Reserve(), Growth(), None
    if check is not None:
        boards = _boards(check, path.parent)
        reserve = Reserve(
            check.optional_number("reserve_ram_bytes") or 0,
            check.optional_number("reserve_flash_bytes") or 0,
        )
        growth = Growth(
            check.optional_number("max_arena_growth_bytes") or 0,
            check.optional_number("max_flash_growth_bytes") or 0,
        )
        name = check.optional_text("baseline")
        baseline = path.parent / name if name else None
        check.finish()
    models = tuple(_model(entry, path.parent, boards) for entry in root.optional_tables("model"))
    root.finish()
    if not models:
        raise root.error("model", "lists nothing to check")
    return Checkfile(models, reserve, baseline, growth)


def _boards(table: TomlTable, folder: Path) -> tuple[str, ...]:
    """Board ids, and board files relative to the file that names them."""
    return tuple(
        str(folder / name) if name.endswith(".toml") else name
        for name in table.optional_texts("boards")
    )


def _model(table: TomlTable, folder: Path, default_boards: tuple[str, ...]) -> ModelEntry:
    boards = _boards(table, folder) or default_boards
    if not boards:
        raise table.error("boards", "is missing, and [check] names none for all models")
    label = table.text("path")
    entry = ModelEntry(
        path=folder / label,
        label=label,
        boards=boards,
        budget=Budget(
            table.optional_number("max_arena_bytes"), table.optional_number("max_flash_bytes")
        ),
        wish=_wish(table),
    )
    table.finish()
    return entry


def _pins(table: TomlTable) -> tuple[Pin, ...]:
    try:
        return parse_pins(table.optional_texts("pins"))
    except ConfigError as error:
        raise table.error("pins", f"are wrong: {error.what}") from None


def _wish(table: TomlTable) -> Wish | None:
    objective, by_rows = table.optional_text("objective"), table.optional_flag("by_rows")
    flash_for_speed = table.optional_number("flash_for_speed_bytes")
    pins = _pins(table)
    if objective is None and by_rows is None and flash_for_speed is None and not pins:
        return None
    chosen = Objective.BALANCED
    if objective is not None:
        chosen = table.parse_choice("objective", Objective, objective)
    return Wish(chosen, bool(by_rows), pins, flash_for_speed or 0)
