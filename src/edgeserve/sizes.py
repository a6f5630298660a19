"""Measured code and stack of the runtime and its kernels, so that `check` needs no compiler.

``sizes.json`` is made by ``make bench-sizes`` with the compiler that it names; a test holds it
against real builds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeserve.errors import ConfigError
from edgeserve.kernels import KERNELS, KernelId

SIZES_FILE = Path(__file__).with_name("sizes.json")
ESTIMATE_PERCENT = 25
"""What is added where a core's own compiler is not to be had."""

_STAND_IN = {"esp32-lx6": "lx106", "esp32-lx7": "lx106", "host": "cortex-m7"}
_SOURCE_OF = {params.KERNEL: params.SOURCE for params in KERNELS}


@dataclass(frozen=True, slots=True)
class KernelSize:
    """A kernel with its adapter: code, worst stack below the loop, library members pulled in."""

    code_bytes: int
    stack_bytes: int
    library: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreSizes:
    """One core's measurements; ``stack_bytes`` is the loop's own, without kernels."""

    compiler: str
    runtime_bytes: int
    stack_bytes: int
    ram_other_bytes: int
    library_bytes: dict[str, int]
    library: tuple[str, ...]
    kernels: dict[str, KernelSize]


@dataclass(frozen=True, slots=True)
class CodeSize:
    """What a set of kernels weighs; ``source`` names the compiler, or says estimate."""

    code_bytes: int
    stack_bytes: int
    ram_other_bytes: int
    source: str


@cache
def measured_sizes() -> dict[str, CoreSizes]:
    """The table, by core."""
    document = json.loads(SIZES_FILE.read_text())
    return {
        core: CoreSizes(
            compiler=entry["compiler"],
            runtime_bytes=entry["runtime_bytes"],
            stack_bytes=entry["stack_bytes"],
            ram_other_bytes=entry["ram_other_bytes"],
            library_bytes=entry["library_bytes"],
            library=tuple(entry["library"]),
            kernels={
                name: KernelSize(k["code_bytes"], k["stack_bytes"], tuple(k["library"]))
                for name, k in entry["kernels"].items()
            },
        )
        for core, entry in document["cores"].items()
    }


def code_size(core: str, kernels: Iterable[KernelId]) -> CodeSize:
    """Code, stack and static RAM of the runtime with these kernels on a core.

    Raises ConfigError for a core that was never measured and has no stand-in.
    """
    measured = measured_sizes()
    stand_in = _STAND_IN.get(core)
    sizes = measured.get(core) or measured.get(stand_in or "")
    if sizes is None:
        raise ConfigError(
            f"no code sizes are known for core {core!r}",
            hint=f"known: {', '.join(sorted({*measured, *_STAND_IN}))}",
        )
    parts = [sizes.kernels[_SOURCE_OF[kernel]] for kernel in sorted(set(kernels))]
    members = set(sizes.library).union(*(part.library for part in parts))
    code_bytes = (
        sizes.runtime_bytes
        + sum(part.code_bytes for part in parts)
        + sum(sizes.library_bytes[member] for member in members)
    )
    stack_bytes = sizes.stack_bytes + max((part.stack_bytes for part in parts), default=0)
    if core in measured:
        source = f"table: {sizes.compiler}"
        return CodeSize(code_bytes, stack_bytes, sizes.ram_other_bytes, source)
    return CodeSize(
        _raised(code_bytes),
        _raised(stack_bytes),
        _raised(sizes.ram_other_bytes),
        f"estimate: {stand_in} with {sizes.compiler}, +{ESTIMATE_PERCENT} %",
    )


def _raised(size_bytes: int) -> int:
    return -(-size_bytes * (100 + ESTIMATE_PERCENT) // 100)
