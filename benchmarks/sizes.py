"""Measures code and stack of the runtime and of every kernel, for ``edgeserve check``.

``python -m benchmarks.sizes`` writes ``sizes.json`` of ``edgeserve.firmware``; ``--check`` compares
it with a new measurement instead and fails where they differ. Nothing runs: a project that lists
every kernel is compiled and linked as any model's is, and its map and call graph are read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeserve.board import Board, load_board
from edgeserve.firmware.build import (
    BUILT_FOLDER,
    build,
    call_graph,
    in_words,
    init_stack,
    library_members,
    library_name,
    run_stack,
    runs_of,
)
from edgeserve.firmware.linkmap import Placed, parse_map
from edgeserve.firmware.project import (
    LIBC_FOLDER,
    LIBRARY_FOLDER,
    PROJECT_FILE,
    RUNTIME_FOLDER,
    Part,
    Project,
    ProjectSource,
    object_of,
)
from edgeserve.firmware.sizes import SIZES_FILE
from edgeserve.firmware.stack import CallGraph, worst_case_stack
from edgeserve.firmware.writing import kernel_sources, write_firmware
from edgeserve.kernels.record import Params
from edgeserve.kernels.table import KERNELS
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.resources import firmware_root
from edgeserve.strict_json import dump_json
from edgeserve.table import write_table

BOARDS = {
    "cortex-m0": "microbit",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
    "rv32imc": "riscv-virt",
    "lx106": "xtensa-sim",
}
"""Which board's port and compiler flags stand for a core."""

_IN_EVERY_IMAGE = (f"{RUNTIME_FOLDER}/", f"{LIBC_FOLDER}/")
_OF_SEVERAL = ".text.shared."
_PROBE = "probe"
_PROBE_BYTES = 1 << 20
_SYMBOL = "sizes"


def present_kernels() -> tuple[type[Params], ...]:
    """The kernels that have an adapter and a reference source, in rising order of id."""
    root = firmware_root()
    return tuple(
        kind
        for kind in sorted(KERNELS, key=lambda kind: kind.KERNEL)
        if (root / "adapters" / f"{kind.SOURCE}.c").is_file()
        and (root / "kernels" / "ref" / f"{kind.SOURCE}.c").is_file()
    )


@dataclass(frozen=True, slots=True)
class Workshop:
    """A project on disk that lists every kernel, its objects by name, and who calls whom."""

    folder: Path
    project: Project
    objects: dict[str, ProjectSource]
    kernels: dict[type[Params], tuple[str, ...]]
    """The sources of each: its adapter first."""

    def code_objects(self, kinds: Iterable[type[Params]]) -> list[str]:
        """The objects of the runtime with some kernels."""
        wanted = {path for kind in kinds for path in self.kernels[kind]}
        return [
            name
            for name, source in self.objects.items()
            if source.part is Part.CODE
            and (source.path.startswith(_IN_EVERY_IMAGE) or source.path in wanted)
        ]


def write_workshop(folder: Path, board: Board, kinds: Sequence[type[Params]]) -> Workshop:
    """Writes the project of a model without steps, and adds every kernel to it."""
    empty = Program(name=_SYMBOL, values=(), steps=(), inputs=(), outputs=(), folded=())
    table = write_table(empty, whole_plan(empty))
    project = write_firmware(folder, symbol=_SYMBOL, table=table, program=empty, board=board)
    found = {kind: tuple(kernel_sources(kind, board)) for kind in kinds}
    kernels = {kind: tuple(source.path for source in own) for kind, own in found.items()}
    extra = [source for own in found.values() for source in own]
    for source in extra:
        target = folder / source.path
        target.parent.mkdir(exist_ok=True, parents=True)
        origin = source.path.removeprefix(f"{LIBRARY_FOLDER}/")
        target.write_bytes((firmware_root() / origin).read_bytes())
    first = [source for source in project.sources if source.part is Part.CODE]
    rest = [source for source in project.sources if source.part is not Part.CODE]
    project = replace(
        project,
        sources=(*first, *extra, *rest),
        kernels=tuple(kind.SYMBOL for kind in kinds),
    )
    (folder / PROJECT_FILE).write_text(dump_json(project))
    _list_kernels(folder, project)
    objects = {object_of(source, BUILT_FOLDER): source for source in project.sources}
    return Workshop(folder, project, objects, kernels)


def _list_kernels(folder: Path, project: Project) -> None:
    """Writes the kernel list anew, as codegen writes it for a model that uses them all."""
    (path,) = (folder / s.path for s in project.sources if s.part is Part.KERNEL_LIST)
    lines = ['#include "edgeserve.h"']
    lines += [f"extern const es_kernel_t {symbol};" for symbol in project.kernels]
    entries = ", ".join(f"&{symbol}" for symbol in project.kernels)
    lines.append(f"const es_kernel_t *const {path.stem}[] = {{{entries}}};")
    path.write_text("\n".join(lines) + "\n")


def measure_core(board: Board, kinds: Sequence[type[Params]], folder: Path) -> dict[str, Any]:
    """A row of the table from a linked image."""
    shop = write_workshop(folder, board, kinds)
    image = build(folder)
    pieces = parse_map(image.elf.with_name(f"{image.elf.name}.map").read_text())
    own, shared = _weights(pieces, shop)
    nothing = _needed(shop, [])
    always = nothing.keys() & set(shared)
    more: dict[str, frozenset[str]] = {}
    for kind in kinds:
        needed = _needed(shop, [kind])
        # A library may have a larger member for all kernels than for this one alone, such as
        # multiplication with division; a model of both kernels is then told a little too much.
        alone = {n: size for n, size in needed.items() if n not in nothing and size is not None}
        shared = {**alone, **shared}
        more[kind.SOURCE] = frozenset(needed.keys() & set(shared)) - always
    graph = call_graph(shop.project, folder, shop.objects, f"{BUILT_FOLDER}/code.elf")
    return {
        "compiler": image.compiler,
        "flags": list(shop.project.cpu_flags),
        "runtime_bytes": sum(shared[name] for name in always),
        "ram_other_bytes": image.ram_other_bytes,
        **_loops(graph),
        "shared_bytes": {name: shared[name] for name in sorted(set().union(*more.values()))},
        "kernels": {
            kind.SOURCE: _kernel(graph, shop.kernels[kind], own, more[kind.SOURCE])
            for kind in kinds
        },
    }


def _weights(pieces: Iterable[Placed], shop: Workshop) -> tuple[dict[str, int], dict[str, int]]:
    """Flash bytes of each kernel's sources by path, and of what several may share by name."""
    own: dict[str, int] = {}
    shared: dict[str, int] = {}
    for piece in pieces:
        source = shop.objects.get(piece.origin)
        name = _shared_name(piece, shop)
        if name is not None:
            shared[name] = shared.get(name, 0) + in_words(piece.flash_bytes)
        elif source is not None:
            own[source.path] = own.get(source.path, 0) + in_words(piece.flash_bytes)
    return own, shared


def _shared_name(piece: Placed, shop: Workshop) -> str | None:
    """A piece of a library, a function of the runtime, which some images do without, or one that
    several kernels have.
    """
    source = shop.objects.get(piece.origin)
    if source is not None and (
        source.path.startswith(f"{RUNTIME_FOLDER}/") or piece.section.startswith(_OF_SEVERAL)
    ):
        return piece.section
    return library_name(piece)


def _needed(shop: Workshop, kinds: Sequence[type[Params]]) -> dict[str, int | None]:
    """What the runtime with some kernels shares, found by linking them alone, and its flash bytes;
    None where it leaves no piece of its own.
    """
    project = replace(shop.project, kernels=tuple(kind.SYMBOL for kind in kinds))
    output = f"{BUILT_FOLDER}/some.elf"
    members = library_members(project, shop.folder, shop.code_objects(kinds), output)
    pieces = parse_map((shop.folder / f"{output}.map").read_text())
    weighed = {name: size for name, size in _weights(pieces, shop)[1].items() if size}
    return {**dict.fromkeys(members), **weighed}


def _loops(graph: CallGraph) -> dict[str, Any]:
    """es_init() and es_run() without kernels, and down to where they call one."""
    graph.frames[_PROBE] = _PROBE_BYTES
    return {
        name: {
            "alone_bytes": stack_of(graph, []).stack_bytes,
            "above_kernels_bytes": stack_of(graph, [_PROBE]).stack_bytes - _PROBE_BYTES,
        }
        for name, stack_of in (("init_stack", init_stack), ("run_stack", run_stack))
    }


def _kernel(
    graph: CallGraph, paths: Sequence[str], own: dict[str, int], shared: frozenset[str]
) -> dict[str, Any]:
    adapter = paths[0]
    return {
        "code_bytes": sum(own[path] for path in paths),
        "check_stack_bytes": worst_case_stack(graph, f"{adapter}:check", {}).stack_bytes,
        "run_stack_bytes": max(
            worst_case_stack(graph, run, {}).stack_bytes for run in runs_of(graph, adapter)
        ),
        "shared": sorted(shared),
    }


def measure(kinds: Sequence[type[Params]]) -> dict[str, Any]:
    """The whole document."""
    cores: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edgeserve-sizes-") as work:
        for core, board in BOARDS.items():
            cores[core] = measure_core(load_board(board), kinds, Path(work) / core)
    return {"cores": cores}


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What differs between two documents, one line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{where}/{key}")
    elif old != new:
        yield f"{where}: {old} -> {new}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 with ``--check`` when the committed table is not what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    kinds = present_kernels()
    for kind in KERNELS:
        if kind not in kinds:
            print(f"{kind.SOURCE}: has no adapter or no reference kernel, left out")
    document = measure(kinds)
    old = json.loads(SIZES_FILE.read_text()) if SIZES_FILE.exists() else {}
    changed = list(differences(old, document))
    for line in changed:
        print(line)
    print(f"{SIZES_FILE.name}: {len(changed)} figures differ of {len(kinds)} kernels' measurement")
    if options.check:
        return 1 if changed else 0
    temporary = SIZES_FILE.with_suffix(".new")
    temporary.write_text(json.dumps(document, indent=1) + "\n")
    temporary.replace(SIZES_FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
