"""Kinds of phones: what a phone of a name has, read strictly from its TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeserve.errors import ConfigError
from edgeserve.resources import phones_root
from edgeserve.strict_toml import TomlTable, read_toml

_GROUPS = ("cpu", "gpu", "npu", "memory", "board")
"""``board`` is the supply of all, where a development board measures it."""


@dataclass(frozen=True, slots=True)
class Rails:
    """Power rails by what they feed."""

    group: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhoneKind:
    """``product`` is what the phone calls itself in ``ro.product.device``.

    ``cores`` are masks by the names of their groups.
    """

    id: str
    name: str
    product: str
    cores: tuple[tuple[str, int], ...]
    rails: tuple[Rails, ...]

    def mask(self, group: str) -> int:
        """The cores of a group; ConfigError for a group that the phone has not."""
        masks = dict(self.cores)
        if group not in masks:
            raise ConfigError(
                f"{self.id} has no cores {group!r}", hint=f"it has: {', '.join(masks)}"
            )
        return masks[group]


def phone_ids() -> tuple[str, ...]:
    """The kinds of phones that travel with edgeserve, sorted."""
    return tuple(sorted(path.stem for path in phones_root().glob("*.toml")))


def load_phone(name: str) -> PhoneKind:
    """A kind of phone by its id, or by the path of its file (anything that ends in ``.toml``).

    Raises ConfigError for an unknown one or a file that is not right.
    """
    if not name.endswith(".toml") and name not in phone_ids():
        raise ConfigError(f"unknown phone {name!r}", hint=f"known: {', '.join(phone_ids())}")
    path = Path(name) if name.endswith(".toml") else phones_root() / f"{name}.toml"
    table = read_toml(path, hint="docs/PHONES.md describes phone files")
    cores, rails = table.table("cores"), table.table("rails")
    kind = PhoneKind(
        id=path.stem,
        name=table.text("name"),
        product=table.text("product"),
        cores=_cores(cores),
        rails=_rails(rails),
    )
    table.finish()
    return kind


def _cores(table: TomlTable) -> tuple[tuple[str, int], ...]:
    table.text("source")
    cores = tuple((name, table.number(name)) for name in table.names() if name != "source")
    table.finish()
    return cores


def _rails(table: TomlTable) -> tuple[Rails, ...]:
    table.text("source")
    rails = tuple(
        Rails(group, names) for group in _GROUPS for names in [table.optional_texts(group)] if names
    )
    table.finish()
    return rails
