"""Writing the firmware project: a folder of C sources for one model and one board."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from edgeserve.board import Board, Toolchain
from edgeserve.board_sources import board_header, memory_script
from edgeserve.bundle import InputAdapter
from edgeserve.declaration_file import NOTHING_DECLARED, Declaration
from edgeserve.errors import ConfigError, ToolError
from edgeserve.firmware.codegen import (
    ModelNames,
    Source,
    c_literal,
    generate_sources,
    used_kernels,
)
from edgeserve.firmware.makefile import makefile
from edgeserve.firmware.platformio import library_manifest, platformio_files
from edgeserve.firmware.project import (
    LIBC_FOLDER,
    LIBRARY_FOLDER,
    MODEL_FOLDER,
    PORT_FOLDER,
    PROJECT_FILE,
    USER_FOLDER,
    Part,
    Project,
    ProjectEmulator,
    ProjectSource,
    is_generated,
    library_path,
)
from edgeserve.firmware.signal_sources import signal_files, signal_sources
from edgeserve.folder_swap import recover, replacing
from edgeserve.graph import DType
from edgeserve.kernels.record import Params
from edgeserve.program import Program
from edgeserve.resources import firmware_root
from edgeserve.strict_json import dump_json
from edgeserve.table import ModelTable

COMMAND_BYTES = 1024
_LIBC = "libc"
"""The folder of a port that becomes ``LIBC_FOLDER``."""

_SHARED = {"arduino": "esp", "espidf": "esp"}
"""A second folder of ports that are over the same maker's drivers."""

_log = logging.getLogger(__name__)
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.,+=/:@-]+")


def write_firmware(
    dest: Path,
    *,
    symbol: str,
    table: ModelTable,
    program: Program,
    board: Board,
    adapter: InputAdapter = InputAdapter.NONE,
    signals: Declaration = NOTHING_DECLARED,
    changes: list[str] | None = None,
) -> Project:
    """Writes the project of a model for a board at ``dest``: it builds with make and a compiler.

    ``symbol`` is the model's C identifier; ``signals`` suits the model. A project that stands
    there is replaced, but for ``src/``, which is the user's (all but ``src/model/``); nothing
    happens when it would be the same. What changes is logged and appended to ``changes``, a line a
    file: ``new``, ``changed`` or ``removed``, and its path. Raises ConfigError when the board has
    no port or ``dest`` holds something else, ToolError when the disk refuses.
    """
    project = make_project(
        symbol=symbol, table=table, program=program, board=board, signals=signals
    )
    files = project_files(project, table, program, board, adapter, signals)
    try:
        recover(dest)
        _require_replaceable(dest)
        if not _same(dest, files):
            found = list(_changes(dest, files))
            _replace(dest, files)
            for change in found:
                _log.info("%s", change)
            if changes is not None:
                changes += found
    except OSError as error:
        raise ToolError(
            f"cannot write {error.filename or dest}: {error.strerror}",
            hint="the firmware that stood there before is unchanged",
        ) from error
    return project


def project_files(
    project: Project,
    table: ModelTable,
    program: Program,
    board: Board,
    adapter: InputAdapter,
    signals: Declaration,
) -> dict[str, bytes]:
    """Every file of a project by its path, but for ``src/app.c``."""
    files = dict(_files(project, table, program, board, adapter))
    return files | signal_files(signals, program, project.symbol)


def user_application() -> dict[str, bytes]:
    """What the user starts from: ``src/app.c`` by its path."""
    return {f"{USER_FOLDER}/app.c": (firmware_root() / "app" / "app.c").read_bytes()}


def make_project(
    *,
    symbol: str,
    table: ModelTable,
    program: Program,
    board: Board,
    signals: Declaration = NOTHING_DECLARED,
) -> Project:
    """What a project consists of, before any file is written."""
    toolchain = Toolchain("", ()) if board.framework else board.toolchain
    if board.port is None or toolchain is None:
        raise ConfigError(
            f"firmware cannot be built for {board.id} yet: it has no port",
            hint="choose a board that `edgeserve devices` lists, or write a port (docs/PORTING.md)",
        )
    emulator = board.emulator
    words = [board.id, board.port, *toolchain.flags]
    words += [toolchain.prefix] if toolchain.prefix else []
    words += toolchain.libraries
    words += [emulator.program, emulator.machine, *emulator.arguments] if emulator else []
    for word in words:
        if not _PLAIN_WORD.fullmatch(word):
            raise ConfigError(
                f"board {board.id!r}: {word!r} cannot go into a Makefile",
                hint="use letters, digits and _ . , + = / : @ - alone",
            )
    kernels = used_kernels(program)
    return Project(
        symbol=symbol,
        board=board.id,
        port=board.port,
        compiler="" if board.framework else f"{toolchain.prefix}gcc",
        cpu_flags=toolchain.flags,
        libraries=toolchain.libraries,
        sources=(*_sources(symbol, kernels, board), *signal_sources(signals)),
        kernels=tuple(kind.SYMBOL for kind in kernels),
        table_file=f"{MODEL_FOLDER}/{ModelNames(symbol).table}.bin",
        arena_bytes=table.arena_bytes,
        table_bytes=len(table.data),
        emulator=None
        if emulator is None
        else ProjectEmulator(
            emulator.program, emulator.machine, emulator.arguments, emulator.icount_shift
        ),
    )


def _sources(
    symbol: str, kernels: tuple[type[Params], ...], board: Board
) -> Iterator[ProjectSource]:
    root = firmware_root()
    for path in sorted((root / "runtime").glob("*.c")):
        yield ProjectSource(library_path(f"runtime/{path.name}"), Part.CODE)
    for kind in kernels:
        yield from kernel_sources(kind, board)
    for path in _port_files(str(board.port)):
        if path.parent.name == _LIBC and path.suffix == ".c":
            yield ProjectSource(f"{LIBC_FOLDER}/{path.name}", Part.CODE)
    table = ModelNames(symbol).table
    yield ProjectSource(f"{MODEL_FOLDER}/{table}_table.c", Part.TABLE)
    yield ProjectSource(f"{MODEL_FOLDER}/{table}_kernels.c", Part.KERNEL_LIST)
    for path in _port_files(str(board.port)):
        if path.parent.name != _LIBC and path.suffix in (".c", ".cpp"):
            yield ProjectSource(f"{PORT_FOLDER}/{path.name}", Part.PORT)
    for folder in ("loop", "sensors"):
        for path in sorted((root / folder).glob("*.c")):
            yield ProjectSource(library_path(f"{folder}/{path.name}"), Part.LOOP)
    for path in sorted((root / "bench").glob("*.c")):
        yield ProjectSource(library_path(f"bench/{path.name}"), Part.BENCH)
    yield ProjectSource(f"{USER_FOLDER}/app.c", Part.APP)


def _port_files(port: str) -> Iterator[Path]:
    """The files of every folder along a port's path, the machine's core first; what stands in for
    a C library last.
    """
    folder = firmware_root() / "ports"
    for name in port.split("/"):
        folder /= name
        yield from sorted(path for path in folder.iterdir() if path.is_file())
    if port in _SHARED:
        yield from sorted((firmware_root() / "ports" / _SHARED[port]).iterdir())
    if (folder / _LIBC).is_dir():
        yield from sorted((folder / _LIBC).iterdir())


def kernel_sources(kind: type[Params], board: Board) -> Iterator[ProjectSource]:
    """The sources of a kernel in a board's project, its adapter first."""
    root = firmware_root()
    yield ProjectSource(library_path(f"adapters/{kind.SOURCE}.c"), Part.CODE)
    for path in kernel_files(root, kind, board.cpu.isa):
        yield ProjectSource(library_path(path.relative_to(root).as_posix()), Part.CODE)


def kernel_files(root: Path, kind: type[Params], isa: tuple[str, ...]) -> list[Path]:
    """The first folder of the board's list that has the kernel wins."""
    for folder in isa:
        found = [root / "kernels" / folder / f"{kind.SOURCE}{end}" for end in (".c", ".S")]
        present = [path for path in found if path.is_file()]
        if present:
            return present
    raise ConfigError(
        f"kernel {kind.SOURCE} has no source for {', '.join(isa)}",
        hint="add it to firmware/kernels/, or mend the board's isa list",
    )


def _files(
    project: Project,
    table: ModelTable,
    program: Program,
    board: Board,
    adapter: InputAdapter,
) -> Iterator[tuple[str, bytes]]:
    """Every generated or copied file by its path in the project."""
    root = firmware_root()
    for source in project.sources:
        if source.part in (Part.CODE, Part.LOOP, Part.BENCH) and not source.path.startswith(
            LIBC_FOLDER
        ):
            origin = source.path.removeprefix(f"{LIBRARY_FOLDER}/")
            yield source.path, (root / origin).read_bytes()
    for folder in ("include", "runtime", "adapters", "kernels", "loop", "sensors", "bench"):
        for path in sorted((root / folder).glob("*.h")):
            yield library_path(f"{folder}/{path.name}"), path.read_bytes()
    for isa in board.cpu.isa:
        for path in sorted((root / "kernels" / isa).glob("*.h")):
            yield library_path(f"kernels/{isa}/{path.name}"), path.read_bytes()
    for path in _port_files(project.port):
        place = LIBC_FOLDER if path.parent.name == _LIBC else PORT_FOLDER
        yield f"{place}/{path.name}", path.read_bytes()
    has_script = any(path.name == "link.ld" for path in _port_files(project.port))
    if has_script:
        yield f"{PORT_FOLDER}/memory.ld", memory_script(board).encode()
    yield f"{PORT_FOLDER}/board.h", board_header(board).encode()
    for generated in generate_sources(table, program, symbol=project.symbol):
        yield f"{MODEL_FOLDER}/{generated.name}", generated.text.encode()
    config = bench_config(program, board, adapter)
    yield f"{MODEL_FOLDER}/{config.name}", config.text.encode()
    yield project.table_file, table.data
    yield f"{LIBRARY_FOLDER}/library.json", library_manifest(project).encode()
    if board.platformio is not None:
        for name, text in platformio_files(project, board.platformio, board.framework).items():
            yield name, text.encode()
    if board.framework is None:
        yield "Makefile", makefile(project, linker_script=has_script).encode()
    yield PROJECT_FILE, dump_json(project).encode()


def bench_config(program: Program, board: Board, adapter: InputAdapter) -> Source:
    """``bench_config.h``: what the bench image knows of its model and board.

    Raises ConfigError when the adapter does not suit the inputs.
    """
    input_bytes = sum(_port_bytes(port.dtype, port.shape) for port in program.inputs)
    load_bytes = input_bytes
    if adapter is not InputAdapter.NONE:
        if any(port.dtype is not DType.INT8 or port.quant is None for port in program.inputs):
            raise ConfigError(
                f"the input adapter {adapter} takes int8 inputs with one scale",
                hint="use the adapter none",
            )
        load_bytes *= 4 if adapter is InputAdapter.FLOAT32_QUANTIZE else 1
    emulator = board.emulator
    ratio = emulator.instructions_per_tick if emulator else _ticks_of_framework(board)
    names = ", ".join(f'[{int(k.KERNEL)}] = "{k.SOURCE}"' for k in used_kernels(program))
    lines = [
        "/* Generated by edgeserve: what the bench image knows of its model and board. */",
        "#ifndef BENCH_CONFIG_H",
        "#define BENCH_CONFIG_H",
        "",
        '#include "model.h"',
        "",
        "#define BENCH_TABLE        MODEL_TABLE",
        "#define BENCH_TABLE_BYTES  MODEL_TABLE_BYTES",
        "#define BENCH_KERNELS      MODEL_KERNELS",
        "#define BENCH_KERNEL_COUNT MODEL_KERNEL_COUNT",
        "#define BENCH_BANKS        MODEL_BANKS",
        "#define BENCH_STEP_COUNT   MODEL_STEP_COUNT",
        "#define BENCH_INPUT_BYTES  MODEL_INPUT_BYTES",
        f"#define BENCH_LOAD_BYTES   {load_bytes}",
        f"#define BENCH_BOARD_ID     {c_literal(board.id)}",
        f"#define BENCH_BOARD_NAME   {c_literal(board.name)}",
        "#define BENCH_ADAPTER_NONE             0",
        "#define BENCH_ADAPTER_UINT8_TO_INT8    1",
        "#define BENCH_ADAPTER_FLOAT32_QUANTIZE 2",
        f"#define BENCH_ADAPTER      {list(InputAdapter).index(adapter)}",
        f"#define BENCH_ADAPTER_NAME {c_literal(adapter)}",
        f"#define BENCH_UNIT              {c_literal(unit_of(board))}",
        f"#define BENCH_UNITS_NUMERATOR   {ratio.numerator if ratio else 1}u",
        f"#define BENCH_UNITS_DENOMINATOR {ratio.denominator if ratio else 1}u",
        f"#define BENCH_COMMAND_BYTES     {COMMAND_BYTES}",
        f"#define BENCH_KERNEL_NAMES      {{{names or '0'}}}",
        "",
        "#endif",
    ]
    return Source("bench_config.h", "\n".join(lines) + "\n")


class Unit(StrEnum):
    """What a board's counts count."""

    INSTRUCTIONS = "instructions"
    NANOSECONDS = "ns"
    CYCLES = "cycles"


def unit_of(board: Board) -> Unit:
    """The unit of the counts that a board's bench image reports."""
    if board.emulator is not None:
        return Unit.INSTRUCTIONS
    in_time = board.port == "host" or board.framework is not None
    return Unit.NANOSECONDS if in_time else Unit.CYCLES


def _ticks_of_framework(board: Board) -> Fraction | None:
    """Nanoseconds in a tick where the clock is a framework's: it counts microseconds."""
    return None if board.framework is None else Fraction(1000)


def _port_bytes(dtype: DType, shape: tuple[int, ...]) -> int:
    elements = 1
    for extent in shape:
        elements *= extent
    return elements * dtype.size_bytes


def _require_replaceable(dest: Path) -> None:
    # A bundle that is written again keeps the user's sources alone of its firmware.
    is_ours = not dest.exists() or (
        dest.is_dir() and all(path.name == USER_FOLDER for path in dest.iterdir())
    )
    if not is_ours and not (dest / PROJECT_FILE).is_file():
        raise ConfigError(
            f"{dest} exists and is not a firmware project, so it is not replaced",
            hint="name another place, or remove it yourself",
        )


def _same(dest: Path, files: dict[str, bytes]) -> bool:
    """Whether the generated files stand there already, and no others."""
    return (dest / USER_FOLDER / "app.c").is_file() and not any(_changes(dest, files))


def _changes(dest: Path, files: dict[str, bytes]) -> Iterator[str]:
    """What writing the files would do to those that stand there, a line each; the user's and the
    builders' are not among them.
    """
    present = {
        path.relative_to(dest).as_posix()
        for path in dest.rglob("*")
        if path.is_file() and is_generated(path.relative_to(dest).as_posix())
    }
    for name in sorted(present | set(files)):
        if name not in files:
            yield f"removed {name}"
        elif name not in present:
            yield f"new {name}"
        elif (dest / name).read_bytes() != files[name]:
            yield f"changed {name}"


def _replace(dest: Path, files: dict[str, bytes]) -> None:
    """Puts a new folder in the place of the old one, carrying the user's sources over."""
    with replacing(dest) as staged:
        if (dest / USER_FOLDER).is_dir():
            shutil.copytree(dest / USER_FOLDER, staged / USER_FOLDER)
            shutil.rmtree(staged / MODEL_FOLDER, ignore_errors=True)
        for name, data in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name, data in user_application().items():
            if not (staged / name).is_file():
                (staged / name).write_bytes(data)
