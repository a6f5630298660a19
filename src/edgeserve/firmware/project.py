"""What a firmware project consists of, and the exact commands that compile and link it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from edgeserve.errors import ConfigError
from edgeserve.strict_json import load_json

PROJECT_FILE = "firmware.json"
PLATFORMIO_BUILD_FOLDER = ".pio"
USER_FOLDER = "src"
"""The user's, but for ``MODEL_FOLDER``."""

MODEL_FOLDER = f"{USER_FOLDER}/model"
BENCH_FOLDER = "bench"
BUILD_FOLDER = "build"
LIBRARY_FOLDER = "lib/edgeserve"
"""All that applications share: a library as PlatformIO has them, and make as well."""

PORT_FOLDER = f"{LIBRARY_FOLDER}/port"
LOOP_FOLDER = f"{LIBRARY_FOLDER}/loop"
SENSORS_FOLDER = f"{LIBRARY_FOLDER}/sensors"
ADAPTERS_FOLDER = f"{LIBRARY_FOLDER}/adapters"
RUNTIME_FOLDER = f"{LIBRARY_FOLDER}/runtime"
PREPROCESS_FOLDER = f"{LIBRARY_FOLDER}/preprocess"
POSTPROCESS_FOLDER = f"{LIBRARY_FOLDER}/postprocess"
LIBC_FOLDER = f"{LIBRARY_FOLDER}/libc"
"""What stands in for a C library, on a board whose compiler comes without one."""

LINKER_SCRIPT = f"{PORT_FOLDER}/link.ld"
_NOT_GENERATED = (USER_FOLDER, BUILD_FOLDER, PLATFORMIO_BUILD_FOLDER)


class Part(StrEnum):
    """What a source belongs to, which decides how it is compiled and whose bytes it counts as."""

    CODE = "code"
    """Runtime, adapters and kernels: the same for every model that uses the kernel."""
    TABLE = "table"
    KERNEL_LIST = "kernel_list"
    SIGNAL = "signal"
    """Raw data to inputs and outputs to answers, where the bundle declares how."""
    LOOP = "loop"
    """The sensor loop and drivers: only what the application or the bench calls is linked."""
    PORT = "port"
    BENCH = "bench"
    APP = "app"


class ImageKind(StrEnum):
    """The programs that a project makes."""

    BENCH = "bench"
    """The model behind the serial protocol."""
    APP = "app"
    """The user's own ``src/app.c``."""


@dataclass(frozen=True, slots=True)
class ProjectSource:
    """``path`` is relative to the project's folder."""

    path: str
    part: Part


@dataclass(frozen=True, slots=True)
class ProjectEmulator:
    """What runs the board's images here."""

    program: str
    machine: str
    arguments: tuple[str, ...]
    icount_shift: int


@dataclass(frozen=True, slots=True)
class Project:
    """``firmware.json``: everything that building the folder takes.

    ``compiler`` is empty where PlatformIO alone builds it, with a vendor's framework.
    """

    symbol: str
    board: str
    port: str
    compiler: str
    cpu_flags: tuple[str, ...]
    libraries: tuple[str, ...]
    sources: tuple[ProjectSource, ...]
    kernels: tuple[str, ...]
    table_file: str
    arena_bytes: int
    table_bytes: int
    emulator: ProjectEmulator | None

    @property
    def is_host(self) -> bool:
        return self.port == "host"

    def sources_of(self, kind: ImageKind, *, partition: bool = False) -> tuple[ProjectSource, ...]:
        """The sources of an image; the table stays out when it lies in a partition."""
        left_out = {Part.APP if kind is ImageKind.BENCH else Part.BENCH}
        if partition:
            left_out.add(Part.TABLE)
        return tuple(source for source in self.sources if source.part not in left_out)


def read_project(firmware_dir: Path) -> Project:
    """The project at ``firmware_dir``. Raises ConfigError when there is none or it is damaged."""
    path = firmware_dir / PROJECT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{firmware_dir} holds no firmware project: {path.name} cannot be read",
            hint="write it again: edgeserve build",
        ) from error
    return load_json(Project, text, where=str(path))


PARTITION_FLAG = "-DES_MODEL_IN_PARTITION=1"
ENERGY_FLAG = "-DES_ENERGY_MODE=1"
WARNINGS = ("-Wall", "-Wextra")
COMMON_FLAGS = (
    "-std=c11",
    "-g",
    "-fno-common",
    "-ffunction-sections",
    "-fdata-sections",
    # Float kernels must round every operation, as the oracle does.
    "-ffp-contract=off",
)
HOST_FLAGS = ("-fno-pie",)
STACK_FLAGS = ("-fstack-usage", "-fcallgraph-info=su")
_API = f"{LIBRARY_FOLDER}/include"
INCLUDES = {
    Part.CODE: (_API, RUNTIME_FOLDER, ADAPTERS_FOLDER, f"{LIBRARY_FOLDER}/kernels"),
    Part.TABLE: (_API, MODEL_FOLDER),
    Part.KERNEL_LIST: (_API, MODEL_FOLDER),
    Part.SIGNAL: (PREPROCESS_FOLDER, POSTPROCESS_FOLDER),
    Part.LOOP: (_API, LOOP_FOLDER, SENSORS_FOLDER),
    Part.PORT: (_API, PORT_FOLDER),
    Part.BENCH: (_API, RUNTIME_FOLDER, BENCH_FOLDER, MODEL_FOLDER, LOOP_FOLDER),
    Part.APP: (
        *(_API, MODEL_FOLDER, LOOP_FOLDER, SENSORS_FOLDER),
        *(PREPROCESS_FOLDER, POSTPROCESS_FOLDER),
    ),
}


def optimization(part: Part) -> str:
    """What runs in an inference is built for speed, the rest for size.

    On a Cortex-M7 with GCC 12, -Os takes a third more instructions an inference and saves a sixth
    of the code; -O3 saves 2 % of the instructions for a fifth more code.
    """
    return "-O2" if part in (Part.CODE, Part.SIGNAL) else "-Os"


def part_flags(project: Project, part: Part) -> tuple[str, ...]:
    """The flags of a part's sources, without those that name files."""
    return (
        *project.cpu_flags,
        *COMMON_FLAGS,
        *(HOST_FLAGS if project.is_host else ()),
        *WARNINGS,
        optimization(part),
        *(f"-I{folder}" for folder in INCLUDES[part]),
    )


def compile_argv(
    project: Project,
    source: ProjectSource,
    output: str,
    *,
    folder: str,
    partition: bool = False,
    energy: bool = False,
    extra_flags: Iterable[str] = (),
) -> tuple[str, ...]:
    """The command that compiles a source, to be run in the project's ``folder``.

    ``folder`` itself does not reach the object file, so that equal sources give equal bytes.
    """
    return (
        project.compiler,
        *part_flags(project, source.part),
        *((PARTITION_FLAG,) if partition and source.part is Part.BENCH else ()),
        *((ENERGY_FLAG,) if energy and source.part is Part.BENCH else ()),
        *extra_flags,
        f"-ffile-prefix-map={folder}=.",
        *STACK_FLAGS,
        "-c",
        source.path,
        "-o",
        output,
    )


def link_flags(project: Project, *, linker_script: bool) -> tuple[str, ...]:
    """What every link of the project says, beside its files."""
    flags = ("-Wl,--gc-sections", "-Wl,--build-id=none")
    if project.is_host:
        return (*project.cpu_flags, *flags, "-no-pie", "-pthread")
    # The script includes memory.ld, which lies beside it.
    script = ("-T", LINKER_SCRIPT, f"-L{PORT_FOLDER}") if linker_script else ()
    return (*project.cpu_flags, *flags, "-nostartfiles", *script)


def link_argv(
    project: Project,
    objects: Iterable[str],
    output: str,
    *,
    linker_script: bool,
    partition: bool = False,
    extra_flags: Iterable[str] = (),
) -> tuple[str, ...]:
    """The command that links an image and writes its map beside it."""
    defined = ("-Wl,--defsym=es_model_in_partition=1",) if partition else ()
    return (
        project.compiler,
        *link_flags(project, linker_script=linker_script),
        *defined,
        *extra_flags,
        f"-Wl,-Map={output}.map",
        *objects,
        *project.libraries,
        "-o",
        output,
    )


def library_path(path: str) -> str:
    """Where a file of ``firmware/`` goes in a project: the library, or the bench beside it."""
    in_library = not path.startswith(f"{BENCH_FOLDER}/")
    return f"{LIBRARY_FOLDER}/{path}" if in_library else path


def is_generated(path: str) -> bool:
    """Whether a file of a project is ours to replace: not the user's, nor what was built."""
    return path.startswith(f"{MODEL_FOLDER}/") or path.split("/")[0] not in _NOT_GENERATED


def object_of(source: ProjectSource, folder: str) -> str:
    """Where the object of a source goes."""
    return str(PurePosixPath(folder) / f"{source.path}.o")
