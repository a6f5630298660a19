"""Measured code and stack of the runtime and its kernels, so that `check` needs no compiler.

``sizes.json`` is made by ``make bench-sizes`` with the compiler that it names; a test holds it
against real builds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edgeserve.errors import ConfigError
from edgeserve.kernels.record import KernelId
from edgeserve.kernels.table import KERNELS

SIZES_FILE = Path(__file__).with_name("sizes.json")
_POINTER_BYTES = 4
_PACKAGER = re.compile(r"\([^)]*\)")
_SOURCE_OF = {params.KERNEL: params.SOURCE for params in KERNELS}


@dataclass(frozen=True, slots=True)
class StandIn:
    """A measured core in place of one that is not, and what is added for the difference."""

    core: str
    percent: int
    more_stack_bytes: int = 0


WINDOWS_BYTES = 16 * 12
"""What the windowed ABI of lx6 and lx7 takes more of the stack than lx106's: 16 bytes a call, into
which the caller's registers are spilled. No chain of the runtime's calls is twelve deep.
"""

# No compiler for Espressif's own cores is to be had from Debian or PyPI. The host's compiler is
# whatever is installed, and its pointers are twice as wide.
_STAND_INS = {
    "esp32-lx6": StandIn("lx106", 25, WINDOWS_BYTES),
    "esp32-lx7": StandIn("lx106", 25, WINDOWS_BYTES),
    # The same instructions as far as GCC 12 uses them: runtime, adapters and kernels have the same
    # size, with floating point in hardware a smaller one. It does not know Cortex-M85.
    "cortex-m0plus": StandIn("cortex-m0", 0),
    "cortex-m85": StandIn("cortex-m55", 10),
    "rv32imac": StandIn("rv32imc", 0),
    "rv32imafc": StandIn("rv32imc", 0),
    "host": StandIn("cortex-m7", 100),
}


@dataclass(frozen=True, slots=True)
class LoopStack:
    """Stack of es_init() or es_run(): without any kernel, and down to where it calls one."""

    alone_bytes: int
    above_kernels_bytes: int

    def with_kernels(self, kernel_bytes: int) -> int:
        return max(self.alone_bytes, self.above_kernels_bytes + kernel_bytes)


@dataclass(frozen=True, slots=True)
class KernelSize:
    """A kernel with its adapter: code, stack of check and run, and what it shares with others:
    members of libraries, and functions that the runtime has for adapters.
    """

    code_bytes: int
    check_stack_bytes: int
    run_stack_bytes: int
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreSizes:
    """One core's measurements; ``runtime_bytes`` is everything without any kernel."""

    compiler: str
    flags: tuple[str, ...]
    runtime_bytes: int
    ram_other_bytes: int
    init_stack: LoopStack
    run_stack: LoopStack
    shared_bytes: Mapping[str, int]
    kernels: Mapping[str, KernelSize]


@dataclass(frozen=True, slots=True)
class CodeSize:
    """What a set of kernels weighs; ``source`` names the compiler, or says estimate.

    ``kernel_list_bytes`` is a pointer for each, which lies beside the model table.
    """

    code_bytes: int
    kernel_list_bytes: int
    stack_bytes: int
    ram_other_bytes: int
    source: str


@cache
def measured_sizes() -> Mapping[str, CoreSizes]:
    """The table, by core."""
    document = json.loads(SIZES_FILE.read_text(encoding="utf-8"))
    return {core: _core_sizes(entry) for core, entry in document["cores"].items()}


def _core_sizes(entry: Mapping[str, Any]) -> CoreSizes:
    return CoreSizes(
        compiler=entry["compiler"],
        flags=tuple(entry["flags"]),
        runtime_bytes=entry["runtime_bytes"],
        ram_other_bytes=entry["ram_other_bytes"],
        init_stack=LoopStack(**entry["init_stack"]),
        run_stack=LoopStack(**entry["run_stack"]),
        shared_bytes=entry["shared_bytes"],
        kernels={
            name: KernelSize(
                code_bytes=kernel["code_bytes"],
                check_stack_bytes=kernel["check_stack_bytes"],
                run_stack_bytes=kernel["run_stack_bytes"],
                shared=tuple(kernel["shared"]),
            )
            for name, kernel in entry["kernels"].items()
        },
    )


def code_size(core: str, kernels: Iterable[KernelId]) -> CodeSize:
    """Code, stack and static RAM of the runtime with these kernels on a core.

    Raises ConfigError for a core that was never measured and has no stand-in, and for a kernel that
    was not measured.
    """
    measured = measured_sizes()
    stand_in = _STAND_INS.get(core, StandIn(core, 0))
    sizes = measured.get(stand_in.core)
    if sizes is None:
        raise ConfigError(
            f"no code sizes are known for core {core!r}",
            hint=f"known: {', '.join(sorted({*measured, *_STAND_INS}))}",
        )
    total = _total(sizes, [_kernel_size(sizes, kernel) for kernel in sorted(set(kernels))])
    if core in measured:
        return total
    return CodeSize(
        _raised(total.code_bytes, stand_in.percent),
        total.kernel_list_bytes,
        _raised(total.stack_bytes, stand_in.percent) + stand_in.more_stack_bytes,
        _raised(total.ram_other_bytes, stand_in.percent),
        f"estimate: {stand_in.core} by {_short(sizes.compiler)}, +{stand_in.percent} %",
    )


def _kernel_size(sizes: CoreSizes, kernel: KernelId) -> KernelSize:
    name = _SOURCE_OF[kernel]
    if name not in sizes.kernels:
        raise ConfigError(
            f"the size of kernel {name} was never measured", hint="measure it: make bench-sizes"
        )
    return sizes.kernels[name]


def _total(sizes: CoreSizes, parts: Sequence[KernelSize]) -> CodeSize:
    shared: set[str] = set().union(*(part.shared for part in parts))
    stacks = (
        sizes.init_stack.with_kernels(max((p.check_stack_bytes for p in parts), default=0)),
        sizes.run_stack.with_kernels(max((p.run_stack_bytes for p in parts), default=0)),
    )
    return CodeSize(
        code_bytes=sizes.runtime_bytes
        + sum(part.code_bytes for part in parts)
        + sum(sizes.shared_bytes[name] for name in shared),
        kernel_list_bytes=_POINTER_BYTES * max(1, len(parts)),
        stack_bytes=max(stacks),
        ram_other_bytes=sizes.ram_other_bytes,
        source=f"table: {_short(sizes.compiler)}",
    )


def _short(compiler: str) -> str:
    """Name and version of a compiler, without its packager's words: ``gcc (Debian 12) 12.2.0``."""
    name, *rest = _PACKAGER.sub(" ", compiler).split()
    return " ".join([name, *rest[:1]])


def _raised(size_bytes: int, percent: int) -> int:
    return -(-size_bytes * (100 + percent) // 100)
