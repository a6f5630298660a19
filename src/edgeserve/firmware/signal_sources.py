"""What a declaration adds to a firmware project: its kernels, and its tables for one model."""

from __future__ import annotations

from collections.abc import Iterator

from edgeserve.declaration_file import Declaration
from edgeserve.firmware.codegen import c_literal
from edgeserve.firmware.project import (
    LIBRARY_FOLDER,
    POSTPROCESS_FOLDER,
    PREPROCESS_FOLDER,
    Part,
    ProjectSource,
)
from edgeserve.graph import DType
from edgeserve.postprocess import c_source as back_source
from edgeserve.postprocess.declaration import Postprocess
from edgeserve.postprocess.host import Scale
from edgeserve.postprocess.suit import Output
from edgeserve.preprocess import c_source as front_source
from edgeserve.preprocess.declaration import Front
from edgeserve.preprocess.host import affines
from edgeserve.program import Port, Program
from edgeserve.resources import firmware_root

_FRONT_TABLES = f"{PREPROCESS_FOLDER}/preprocess_tables.c"
_BACK_TABLES = f"{POSTPROCESS_FOLDER}/postprocess_tables.c"


def signal_sources(declared: Declaration) -> Iterator[ProjectSource]:
    """The sources that a project has beside its model's."""
    if declared.preprocess is not None:
        for name in front_source.kernel_sources(declared.preprocess.front):
            yield ProjectSource(f"{PREPROCESS_FOLDER}/{name}", Part.SIGNAL)
        yield ProjectSource(_FRONT_TABLES, Part.SIGNAL)
    if declared.postprocess is not None:
        for name in back_source.kernel_sources(declared.postprocess):
            yield ProjectSource(f"{POSTPROCESS_FOLDER}/{name}", Part.SIGNAL)
        yield ProjectSource(_BACK_TABLES, Part.SIGNAL)


def signal_files(declared: Declaration, program: Program, symbol: str) -> dict[str, bytes]:
    """Every file of them by its path in the project. ``declared`` suits the program's model."""
    files: dict[str, bytes] = {}
    if declared.preprocess is not None:
        files |= _front(declared.preprocess.front, program.inputs[0], symbol)
    if declared.postprocess is not None:
        files |= _back(declared.postprocess, program, symbol)
    return files


def _front(front: Front, port: Port, symbol: str) -> dict[str, bytes]:
    assert port.quant is not None, "convert refuses a declaration for an input without a scale"
    last = affines(front, step=port.quant.scale, zero_point=port.quant.zero_point)
    made = front_source.preprocess_sources(front, last, f"es_preprocess_{symbol}")
    return {
        **_kernels(PREPROCESS_FOLDER, front_source.kernel_sources(front)),
        f"{PREPROCESS_FOLDER}/{front_source.HEADER}": made.header.encode(),
        _FRONT_TABLES: made.tables.encode(),
    }


def _back(declared: Postprocess, program: Program, symbol: str) -> dict[str, bytes]:
    outputs = tuple(output_of(port) for port in program.outputs)
    made = back_source.postprocess_sources(declared, outputs, f"es_postprocess_{symbol}", c_literal)
    return {
        **_kernels(POSTPROCESS_FOLDER, back_source.kernel_sources(declared)),
        f"{POSTPROCESS_FOLDER}/{back_source.HEADER}": made.header.encode(),
        _BACK_TABLES: made.tables.encode(),
    }


def output_of(port: Port) -> Output:
    """An output as postprocessing sees it."""
    is_int8 = port.dtype is DType.INT8 and port.quant is not None
    scale = Scale(port.quant.scale, port.quant.zero_point) if is_int8 and port.quant else None
    return Output(port.name, port.shape, scale)


def _kernels(folder: str, names: tuple[str, ...]) -> dict[str, bytes]:
    root = firmware_root() / folder.removeprefix(f"{LIBRARY_FOLDER}/")
    paths = [*sorted(root.glob("*.h")), *(root / name for name in names)]
    return {f"{folder}/{path.name}": path.read_bytes() for path in paths}
