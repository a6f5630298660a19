"""TOML files read strictly: a wrong type, a missing or an unknown key is an error that names it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from sys import float_info
from typing import Any, TypeVar

from edgeserve.errors import ConfigError

_Choice = TypeVar("_Choice", bound=StrEnum)
_GREATEST = float_info.max


def read_toml(path: Path, *, hint: str) -> TomlTable:
    """The root table of a file; ``hint`` goes with every error. Raises ConfigError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", hint=hint) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply", hint=hint) from None
    return TomlTable(str(path), document, hint=hint)


class TomlTable:
    """A TOML table that must be used up: what nobody asked for is an unknown key."""

    def __init__(
        self, path: str, values: Mapping[str, Any], *, hint: str, prefix: str = ""
    ) -> None:
        self._path = path
        self._prefix = prefix
        self._values = dict(values)
        self._hint = hint

    def error(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self._path}: {self._prefix}{key} {why}", hint=self._hint)

    def text(self, key: str) -> str:
        value = self._take(key)
        if not _is_text(value):
            raise self.error(key, "must be a string on one line")
        return str(value)

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._values else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise self.error(key, "must be a list of strings, each on one line")
        return tuple(value)

    def number(self, key: str) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(key, "must be a whole number, not negative")
        return value

    def optional_number(self, key: str) -> int | None:
        return self.number(key) if key in self._values else None

    def numbers(self, key: str) -> tuple[int, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(
            isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value
        ):
            raise self.error(key, "must be a list of whole numbers, none negative")
        return tuple(value)

    def real(self, key: str) -> float:
        value = self._take(key)
        if not _is_real(value):
            raise self.error(key, "must be a number")
        return float(value)

    def optional_real(self, key: str) -> float | None:
        return self.real(key) if key in self._values else None

    def reals(self, key: str) -> tuple[float, ...]:
        """A number, or a list of them."""
        value = self._take(key)
        items = value if isinstance(value, list) else [value]
        if not items or not all(map(_is_real, items)):
            raise self.error(key, "must be a number or a list of numbers")
        return tuple(float(item) for item in items)

    def optional_flag(self, key: str) -> bool | None:
        value = self._values.pop(key, None)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def choice(self, key: str, kind: type[_Choice]) -> _Choice:
        return self.parse_choice(key, kind, self.text(key))

    def parse_choice(self, key: str, kind: type[_Choice], text: str) -> _Choice:
        if text not in [member.value for member in kind]:
            known = ", ".join(member.value for member in kind)
            raise self.error(key, f"is {text!r}, not one of {known}")
        return kind(text)

    def table(self, key: str) -> TomlTable:
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        return self._inner(f"{self._prefix}{key}.", value)

    def optional_table(self, key: str) -> TomlTable | None:
        return self.table(key) if key in self._values else None

    def optional_texts(self, key: str) -> tuple[str, ...]:
        return self.texts(key) if key in self._values else ()

    def optional_tables(self, key: str) -> tuple[TomlTable, ...]:
        return self.tables(key) if key in self._values else ()

    def tables(self, key: str) -> tuple[TomlTable, ...]:
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, "must be an array of tables")
        return tuple(
            self._inner(f"{self._prefix}{key}[{i}].", item) for i, item in enumerate(value)
        )

    def names(self) -> tuple[str, ...]:
        """What has not been taken yet, in the file's order."""
        return tuple(self._values)

    def finish(self) -> None:
        for key in self._values:
            raise self.error(key, "is not a known key")

    def _inner(self, prefix: str, values: Mapping[str, Any]) -> TomlTable:
        return TomlTable(self._path, values, hint=self._hint, prefix=prefix)

    def _take(self, key: str) -> Any:
        if key not in self._values:
            raise self.error(key, "is missing")
        return self._values.pop(key)


def _is_real(value: Any) -> bool:
    """An integer may be too large for a float, and TOML knows nan and inf."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _GREATEST
    )


def _is_text(value: Any) -> bool:
    """Control characters have no place in names, and a path must not hold a NUL."""
    return isinstance(value, str) and value.isprintable()
