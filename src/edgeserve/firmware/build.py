"""Building a firmware project: its sources compiled (or found compiled), linked and weighed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from edgeserve.board_sources import BANK_SECTION
from edgeserve.cache import cache_root
from edgeserve.errors import ConfigError, MissingTool, ToolError, ToolFailed
from edgeserve.firmware.linkmap import Placed, parse_map
from edgeserve.firmware.project import (
    ADAPTERS_FOLDER,
    BUILD_FOLDER,
    INCLUDES,
    LIBC_FOLDER,
    LINKER_SCRIPT,
    RUNTIME_FOLDER,
    ImageKind,
    Part,
    Project,
    ProjectSource,
    compile_argv,
    link_argv,
    object_of,
    read_project,
)
from edgeserve.firmware.stack import (
    CallGraph,
    Deepest,
    add_disassembly,
    read_call_graphs,
    worst_case_stack,
)
from edgeserve.image import Image, Partition

APT_PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "gcc": "gcc libc6-dev",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "xtensa-lx106-elf-gcc": "gcc-xtensa-lx106",
}
_API = (
    *("es_init", "es_init_banks", "es_run", "es_reset", "es_input", "es_output", "es_input_bytes"),
    *("es_output_bytes", "es_input_info", "es_output_info", "es_name", "es_step_count"),
    *("es_step_kernel", "es_arena_bytes", "es_bank_bytes", "es_table_bytes", "es_table_sha256"),
    *("es_table_arena_bytes", "es_table_bank_bytes", "es_status_text", "es_input_count"),
    *("es_output_count",),
)
BUILT_FOLDER = f"{BUILD_FOLDER}/built"
"""Where objects go: not the Makefile's folder, where other flags may have made them."""

_SHARED = (Part.CODE, Part.PORT)
_TIMEOUT_S = 300.0
_ROOM = 1 << 24
_WORD_BYTES = 4
_TAIL_LINES = 20
_ERROR_SIGNS = ("error", "undefined", "will not fit")
"""What a line of a compiler or linker has that tells the cause."""


def build(
    firmware_dir: Path,
    *,
    kind: ImageKind = ImageKind.BENCH,
    partition: bool = False,
    energy: bool = False,
    extra_flags: Sequence[str] = (),
) -> Image:
    """Builds an image of the project at ``firmware_dir`` into its ``build/`` folder.

    ``partition`` leaves the model table out, for the board's model partition; ``energy`` is for
    MLPerf Tiny's energy mode (docs/MLPERF.md). ``extra_flags`` go to
    the compiler and the linker (such as a sanitizer's). Objects that no model changes are shared
    between projects in the cache. Raises ConfigError, MissingTool, or ToolFailed with what the
    compiler said.
    """
    folder = firmware_dir.resolve()
    project = read_project(folder)
    if not project.compiler:
        raise ConfigError(
            f"the firmware of {project.board} is built by PlatformIO",
            hint=f"pio run --project-dir {firmware_dir}; or edgeserve flash",
        )
    if (partition or energy) and kind is not ImageKind.BENCH:
        raise ConfigError("only the bench image has a partition or an energy mode")
    suffix = f"{'-partition' if partition else ''}{'-energy' if energy else ''}"
    objects_folder = f"{BUILT_FOLDER}{suffix}"
    sources = project.sources_of(kind, partition=partition)
    for source in sources:
        _compile(project, source, folder, objects_folder, partition, energy, tuple(extra_flags))
    objects = {object_of(source, objects_folder): source for source in sources}
    elf = f"{BUILD_FOLDER}/{kind}{suffix}.elf"
    script = (folder / LINKER_SCRIPT).is_file()
    temporary = f"{elf}.{os.getpid()}"
    run_tool(
        link_argv(
            project,
            objects,
            temporary,
            linker_script=script,
            partition=partition,
            extra_flags=extra_flags,
        ),
        cwd=folder,
    )
    (folder / f"{temporary}.map").rename(folder / f"{elf}.map")
    (folder / temporary).rename(folder / elf)
    return _weigh(project, folder, elf, objects, objects_folder, partition)


def run_tool(argv: Sequence[str], *, cwd: Path) -> str:
    """Runs a tool to its end and returns what it printed.

    Raises MissingTool, or ToolFailed when it fails or takes longer than five minutes.
    """
    tool = argv[0]
    if shutil.which(tool) is None:
        raise missing_tool(tool)
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolFailed(tool, status=f"no end within {_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.splitlines()
        errors = [line for line in lines if any(sign in line for sign in _ERROR_SIGNS)]
        tail = (*lines[-_TAIL_LINES:], *errors[:1])
        raise ToolFailed(
            tool, status=f"exit {done.returncode}", tail=tail, hint=f"the sources are in {cwd}"
        )
    return done.stdout


def missing_tool(tool: str) -> MissingTool:
    """The error for a tool that is not installed, with the line that installs it."""
    packages = APT_PACKAGES.get(tool.replace("-objdump", "-gcc").replace("-nm", "-gcc"), "")
    install = f"sudo apt-get install {packages}" if packages else f"put {tool} on the PATH"
    return MissingTool(tool, install=install)


@cache
def compiler_version(compiler: str) -> str:
    """The first line that a compiler says of itself. Raises MissingTool."""
    return run_tool((compiler, "--version"), cwd=Path("/")).splitlines()[0]


def _compile(
    project: Project,
    source: ProjectSource,
    folder: Path,
    objects_folder: str,
    partition: bool,
    energy: bool,
    extra_flags: tuple[str, ...],
) -> None:
    """Makes the object (with its call graph beside it), or takes it from the cache."""
    target = folder / object_of(source, objects_folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    cached = cache_root() / "objects" / _key(project, source, folder, extra_flags)
    if source.part not in _SHARED or not (cached / "object.o").is_file():
        output = object_of(source, objects_folder)
        run_tool(
            compile_argv(
                project,
                source,
                output,
                folder=str(folder),
                partition=partition,
                energy=energy,
                extra_flags=extra_flags,
            ),
            cwd=folder,
        )
        if source.part in _SHARED:
            _keep(target, cached)
        return
    shutil.copyfile(cached / "object.o", target)
    if (cached / "object.ci").is_file():
        shutil.copyfile(cached / "object.ci", target.with_suffix(".ci"))


def _keep(target: Path, cached: Path) -> None:
    staged = cached.with_name(f"{cached.name}.{os.getpid()}")
    staged.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target, staged / "object.o")
    if target.with_suffix(".ci").is_file():
        shutil.copyfile(target.with_suffix(".ci"), staged / "object.ci")
    try:
        staged.rename(cached)
    except OSError:
        # Another process has put the same object there.
        shutil.rmtree(staged, ignore_errors=True)


def _key(
    project: Project, source: ProjectSource, folder: Path, extra_flags: tuple[str, ...]
) -> str:
    """What an object depends on: compiler, command, source, and every header it could include."""
    argv = compile_argv(project, source, "object.o", folder="", extra_flags=extra_flags)
    digest = hashlib.sha256(repr((compiler_version(project.compiler), argv)).encode())
    digest.update((folder / source.path).read_bytes())
    for include in (*INCLUDES[source.part], LIBC_FOLDER):
        for header in sorted((folder / include).rglob("*.h")):
            digest.update(header.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(header.read_bytes())
    return digest.hexdigest()[:32]


def _weigh(
    project: Project,
    folder: Path,
    elf: str,
    objects: dict[str, ProjectSource],
    objects_folder: str,
    partition: bool,
) -> Image:
    pieces = parse_map((folder / f"{elf}.map").read_text())
    code_objects = [name for name, source in objects.items() if source.part is Part.CODE]
    code_elf = f"{objects_folder}/code.elf"
    library = library_members(project, folder, code_objects, code_elf)
    flash, ram = dict.fromkeys(Part, 0), dict.fromkeys(Part, 0)
    for piece in pieces:
        part = _part_of(piece, objects, library)
        flash[part] += in_words(piece.flash_bytes)
        ram[part] += in_words(piece.ram_bytes)
    arena = sum(piece.ram_bytes for piece in pieces if piece.section.startswith(BANK_SECTION))
    arena_bytes = min(arena, project.arena_bytes)
    state_bytes = sum(
        in_words(piece.ram_bytes)
        for piece in pieces
        if piece.section == ".bss.model" and piece.origin in objects
    )
    # What is left over is the harness's, padding between pieces with it.
    core = (Part.CODE, Part.TABLE, Part.KERNEL_LIST)
    harness_bytes = sum(piece.flash_bytes for piece in pieces) - sum(flash[part] for part in core)
    ram_other_bytes = sum(ram[part] for part in core) + state_bytes
    bench_ram_bytes = sum(piece.ram_bytes for piece in pieces) - arena_bytes - ram_other_bytes
    table_bytes = project.table_bytes if partition else flash[Part.TABLE]
    deepest = None if project.is_host else _deepest(project, folder, objects, code_elf)
    return Image(
        elf=folder / elf,
        compiler=compiler_version(project.compiler),
        code_bytes=flash[Part.CODE],
        model_bytes=table_bytes + flash[Part.KERNEL_LIST],
        harness_bytes=harness_bytes,
        arena_bytes=project.arena_bytes,
        ram_other_bytes=ram_other_bytes,
        bench_ram_bytes=bench_ram_bytes,
        stack_bytes=deepest.stack_bytes if deepest else None,
        stack_chain=deepest.chain if deepest else (),
        partition=_partition(project, folder, elf) if partition else None,
    )


def in_words(size_bytes: int) -> int:
    """What a piece counts as: up to the next word. The padding that the linker really puts after it
    depends on what comes next, and the same kernel would weigh more in one image than in another.
    """
    return -(-size_bytes // _WORD_BYTES) * _WORD_BYTES


def _part_of(piece: Placed, objects: dict[str, ProjectSource], library: frozenset[str]) -> Part:
    """What the runtime needs of libraries counts as code, all else of them as the harness's."""
    name = library_name(piece)
    if name is None and piece.origin in objects:
        return objects[piece.origin].part
    return Part.CODE if name in library else Part.PORT


def library_name(piece: Placed) -> str | None:
    """What a piece of a library is known by: the archive's member, or the section of a function
    that stands in for a C library's; None for all that is no library's.
    """
    if piece.origin.startswith(f"{BUILD_FOLDER}/") and f"/{LIBC_FOLDER}/" in piece.origin:
        return piece.section
    return piece.member


def library_members(
    project: Project, folder: Path, code_objects: Sequence[str], output: str
) -> frozenset[str]:
    """The names of what runtime and kernels pull in of libraries, found by linking them alone
    into ``output``.
    """
    if project.is_host:
        return frozenset()
    roots = (*_API, *project.kernels)
    argv = (
        project.compiler,
        *project.cpu_flags,
        *("-nostartfiles", "-Wl,--gc-sections", "-Wl,-e,es_run", f"-Wl,-Map={output}.map"),
        *(f"-Wl,-u,{name}" for name in roots),
        # Picolibc's own linker script has room for 64 KiB, and this image never runs.
        *(f"-Wl,--defsym=__{memory}_size={_ROOM}" for memory in ("flash", "ram")),
        *code_objects,
        *(*project.libraries, "-o", output),
    )
    run_tool(argv, cwd=folder)
    pieces = parse_map((folder / f"{output}.map").read_text())
    return frozenset(
        name for piece in pieces if (name := library_name(piece)) and piece.flash_bytes
    )


def _deepest(
    project: Project, folder: Path, objects: dict[str, ProjectSource], code_elf: str
) -> Deepest:
    """The worst of es_init() and es_run()."""
    graph = call_graph(project, folder, objects, code_elf)
    adapters = [s.path for s in objects.values() if s.path.startswith(f"{ADAPTERS_FOLDER}/")]
    checks = [f"{path}:check" for path in adapters]
    runs = [name for path in adapters for name in runs_of(graph, path)]
    found = (init_stack(graph, checks), run_stack(graph, runs))
    return max(found, key=lambda deepest: deepest.stack_bytes)


def call_graph(
    project: Project, folder: Path, objects: Mapping[str, ProjectSource], code_elf: str
) -> CallGraph:
    """Who calls whom in runtime, kernels and the library functions linked into ``code_elf``."""
    graphs = [
        (folder / name).with_suffix(".ci").read_text()
        for name, source in objects.items()
        if source.part is Part.CODE and source.path.endswith(".c")
    ]
    graph = read_call_graphs(graphs)
    objdump = project.compiler.removesuffix("gcc") + "objdump"
    disassembly = run_tool((objdump, "-d", "--no-show-raw-insn", code_elf), cwd=folder)
    add_disassembly(graph, disassembly, _symbols(project, folder, code_elf))
    return graph


def init_stack(graph: CallGraph, checks: Sequence[str]) -> Deepest:
    """The worst of es_init(), which reaches the adapters' ``checks`` through pointers:
    ``es_kernel_x`` in the adapters' ``x.c`` names that file's static ``check`` and ``run``.
    """
    # The compiler may clone a function, or inline it into its only caller: any of them may call.
    static = [
        name for name in graph.frames if name.startswith(f"{RUNTIME_FOLDER}/es_init.c:check_")
    ]
    callers = ("es_init", "es_init_banks", *static)
    return worst_case_stack(graph, "es_init", dict.fromkeys(callers, checks))


def run_stack(graph: CallGraph, runs: Sequence[str]) -> Deepest:
    """The worst of es_run(), which reaches the adapters' ``runs`` through pointers.

    What observers and sources of the caller take is the caller's.
    """
    file = f"{RUNTIME_FOLDER}/es_runtime.c"
    own = {f"{file}:feed": [f"{file}:read_zeros"], f"{file}:tell": []}
    return worst_case_stack(graph, "es_run", {"es_run": runs, **own})


def runs_of(graph: CallGraph, adapter: str) -> list[str]:
    """An adapter's ``run``, and its ``sum`` where it can accumulate."""
    return [f"{adapter}:run", *({f"{adapter}:sum"} & set(graph.frames))]


def _partition(project: Project, folder: Path, elf: str) -> Partition:
    table = folder / project.table_file
    if project.is_host:
        return Partition(table, 0, project.table_bytes)
    symbols = _symbols(project, folder, elf)
    if "es_partition_start" not in symbols or "es_partition_bytes" not in symbols:
        raise ConfigError(
            f"{project.board} has no model partition", hint="link the model in, as is the default"
        )
    if project.table_bytes > symbols["es_partition_bytes"]:
        raise ToolError(
            f"the model table ({project.table_bytes:,} bytes) is larger than the partition "
            f"({symbols['es_partition_bytes']:,} bytes)",
            hint="link the model in, as is the default",
        )
    return Partition(table, symbols["es_partition_start"], symbols["es_partition_bytes"])


def _symbols(project: Project, folder: Path, elf: str) -> dict[str, int]:
    """The defined symbols of an image with their addresses."""
    nm = project.compiler.removesuffix("gcc") + "nm"
    return {
        words[2]: int(words[0], 16)
        for line in run_tool((nm, elf), cwd=folder).splitlines()
        if len(words := line.split()) == 3
    }
