"""The sizes that check tells without a compiler, against images that a compiler made."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import sizes as measuring
from edgeserve.board import Board, board_ids, load_board
from edgeserve.firmware.build import build, compiler_version
from edgeserve.firmware.sizes import SIZES_FILE, WINDOWS_BYTES, CodeSize, code_size, measured_sizes
from edgeserve.firmware.writing import write_firmware
from edgeserve.image import Image
from edgeserve.kernels.record import KernelId
from edgeserve.kernels.table import KERNELS
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.table import ModelTable, write_table
from edgeserve.tflite.reader import read_model
from edgeserve.tune import tuned
from tests.kernels.conformance import forms_of
from tests.kernels.float_models import float_models
from tests.kernels.small_models import conv_of_quads, many_sums, small_models
from tests.kernels.test_convolution import Case as Window
from tests.kernels.test_convolution import depthwise
from tests.kernels.wide_models import wide_models
from tests.tools import need_programs

ELSEWHERE_PERCENT = 10
"""Another compiler than the recorded one makes other code, but not much other."""
RELAXING_CORES = ("rv32imc", "lx106")
WORD_BYTES = 4
RELAXED_PERCENT = 1
"""Their linkers make a call shorter where the callee is near, which differs by image."""


def _boards() -> list[str]:
    """One board for each choice of compiler and flags, one with a port of its own first."""
    boards = [load_board(name) for name in board_ids()]
    first = {
        (board.toolchain.prefix, board.toolchain.flags): board.id
        for board in sorted(boards, key=lambda board: board.port is not None)
        if board.toolchain is not None and board.toolchain.prefix and _is_built_here(board)
    }
    return sorted(first.values())


def _is_built_here(board: Board) -> bool:
    """By us, not by PlatformIO alone, and for a core that was measured itself."""
    is_ours = board.port is None or board.port.startswith("bare/")
    return is_ours and board.cpu.core in measured_sizes()


def _program(model: bytes, isa: tuple[str, ...] = ()) -> Program:
    return tuned(lower(read_model(model, name="sizes")), isa)


def _image(program: Program, board: Board, folder: Path) -> tuple[ModelTable, Image]:
    """An image with the board's flags; an emulated board's port does for every Cortex-M."""
    assert board.toolchain is not None
    need_programs(f"{board.toolchain.prefix}gcc")
    table = write_table(program, whole_plan(program))
    if board.port is None:
        board = replace(load_board("mps2-an500"), toolchain=board.toolchain, cpu=board.cpu)
    write_firmware(folder, symbol="sizes", table=table, program=program, board=board)
    return table, build(folder)


def _kernels(program: Program) -> frozenset[KernelId]:
    return frozenset(step.kernel for step in program.steps)


def _programs_of_every_kernel() -> dict[str, Program]:
    """Few of the small models that use all kernels, by name."""
    chosen: dict[str, Program] = {}
    seen: set[frozenset[KernelId]] = set()
    models = {**small_models(), "ADD of many": many_sums(), "CONV_2D of quads": conv_of_quads()}
    models |= {**wide_models(), **float_models()}
    relu = Window(5, 6, 5, 5, activation="RELU", zero_points=(3, -128))
    models["DEPTHWISE_CONV_2D with RELU"] = depthwise(relu)
    for model_name, model in models.items():
        for program in forms_of(lower(read_model(model, name=model_name))):
            if _kernels(program) not in seen:
                seen.add(_kernels(program))
                chosen[program.name] = program
    assert frozenset().union(*seen) == {kind.KERNEL for kind in KERNELS}
    return chosen


def _assert_equal(core: str, told: CodeSize, table: ModelTable, image: Image) -> None:
    assert image.stack_bytes is not None
    pairs = {
        "code": (told.code_bytes, image.code_bytes),
        "stack": (told.stack_bytes, image.stack_bytes),
        "other RAM": (told.ram_other_bytes, image.ram_other_bytes),
        "model": (len(table.data) + told.kernel_list_bytes, image.model_bytes),
    }
    relaxed = RELAXED_PERCENT if core in RELAXING_CORES else 0
    if image.compiler == measured_sizes()[core].compiler:
        code, built = pairs.pop("code")
        # The linker merges the runtime's strings with the bench's: a word more or less.
        assert abs(code - built) <= WORD_BYTES + built * relaxed / 100
        assert {k: t for k, (t, _) in pairs.items()} == {k: b for k, (_, b) in pairs.items()}
        return
    for what, (table_bytes, built_bytes) in pairs.items():
        allowed = built_bytes * ELSEWHERE_PERCENT / 100
        assert abs(table_bytes - built_bytes) <= allowed, f"{what} on {core} by {image.compiler}"


@pytest.mark.parametrize("board_id", _boards())
def test_table_equals_images(board_id: str, tmp_path: Path) -> None:
    """Each program on one board, so that together they try every kernel."""
    boards, programs = _boards(), _programs_of_every_kernel()
    hold(board_id, list(programs.values())[boards.index(board_id) :: len(boards)], tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("board_id", _boards())
def test_table_equals_all_images(board_id: str, tmp_path: Path) -> None:
    hold(board_id, list(_programs_of_every_kernel().values()), tmp_path)


def hold(board_id: str, programs: list[Program], folder: Path) -> None:
    board = load_board(board_id)
    for number, program in enumerate(programs):
        table, image = _image(program, board, folder / str(number))
        told = code_size(board.cpu.core, _kernels(program))
        _assert_equal(board.cpu.core, told, table, image)


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "person_detect"])
def test_table_equals_images_of_public_models(name: str, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    board = load_board("mps2-an500")
    program = _program(path.read_bytes(), board.cpu.isa)
    table, image = _image(program, board, tmp_path / "firmware")
    _assert_equal(board.cpu.core, code_size(board.cpu.core, _kernels(program)), table, image)


def test_table_is_what_its_compilers_make() -> None:
    """The whole committed table, measured again."""
    for core, row in measured_sizes().items():
        compiler = row.compiler.split()[0]
        if shutil.which(compiler) is None or compiler_version(compiler) != row.compiler:
            pytest.skip(f"{core} was measured with {row.compiler}, which is not here")
    document = measuring.measure(measuring.present_kernels())
    committed = json.loads(SIZES_FILE.read_text())
    assert list(measuring.differences(committed, document)) == []


def test_every_board_has_sizes_of_every_kernel() -> None:
    every = [kind.KERNEL for kind in KERNELS]
    for name in board_ids():
        board = load_board(name)
        size = code_size(board.cpu.core, every)
        assert size.code_bytes > 16_000
        measured = board.cpu.core in measured_sizes()
        assert re.fullmatch(
            r"table: \S+ [\d.]+" if measured else r"estimate: \S+ by \S+ [\d.]+, \+(0|10|25|100) %",
            size.source,
        ), size.source


def test_the_hosts_images_stay_below_their_estimate(tmp_path: Path) -> None:
    board = load_board("host")
    programs = _programs_of_every_kernel()
    for number, name in enumerate(sorted(programs)[::6]):
        program = programs[name]
        table = write_table(program, whole_plan(program))
        folder = tmp_path / str(number)
        write_firmware(folder, symbol="sizes", table=table, program=program, board=board)
        image, told = build(folder), code_size(board.cpu.core, _kernels(program))
        assert image.code_bytes < told.code_bytes
        assert image.ram_other_bytes <= told.ram_other_bytes


def test_estimates_are_raised_by_a_quarter() -> None:
    kernels: Iterable[KernelId] = [KernelId.CONV_2D]
    lx106, esp32 = code_size("lx106", kernels), code_size("esp32-lx6", kernels)
    for measured, estimated in (
        (lx106.code_bytes, esp32.code_bytes),
        (lx106.stack_bytes, esp32.stack_bytes - WINDOWS_BYTES),
        (lx106.ram_other_bytes, esp32.ram_other_bytes),
    ):
        assert 1.25 * measured <= estimated < 1.25 * measured + 1
