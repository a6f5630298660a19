"""A quantized ``.tflite`` as it is, and what its caller may do instead of it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeserve.bundle import GIVEN_AS_TFLITE
from edgeserve.convert.calibration import CalibrationSet, match_inputs, read_calibration
from edgeserve.convert.converted import Converted, Request, as_inputs
from edgeserve.convert.float_model import input_specs
from edgeserve.convert.precision import Precision
from edgeserve.convert.source import Source
from edgeserve.errors import ConfigError
from edgeserve.tflite.edges import Trimmed, without_float_edges, without_input_transposes
from edgeserve.tflite.reader import read_model


@dataclass(frozen=True, slots=True)
class Edges:
    """What the caller of a ``.tflite`` model does instead of it: ``integers`` handed in and out
    where the file has float32, ``transposed`` inputs in the layout that the model computes in.
    """

    integers: bool = False
    transposed: bool = False


AS_IN_THE_FILE = Edges()


def take_tflite(
    request: Request, model_tflite: bytes, edges: Edges
) -> tuple[Converted, CalibrationSet | None]:
    """The model unchanged but for its edges; calibration data, where given, are kept as samples.

    Raises ConfigError where an option has nothing to act on, or calibration data do not suit.
    """
    _require_no_choice(request)
    source = request.source
    trimmed = _trimmed(source, model_tflite, edges)
    graph = read_model(trimmed.model_tflite, name=request.name)
    samples = None
    if request.calibration is not None:
        source_data = read_calibration(request.calibration, request.front)
        samples = match_inputs(source_data, input_specs(graph), image_range=request.image_range)
    converted = Converted(
        name=request.name,
        model_tflite=trimmed.model_tflite,
        float_tflite=None,
        graph=graph,
        source=source.facts,
        tools=(),
        quantization=None,
        calibration=None if samples is None else samples.record(),
        samples=None if samples is None else as_inputs(graph, samples),
        agreement=None,
        absent_reason=GIVEN_AS_TFLITE,
        notes=trimmed.notes,
        declared=request.declared,
    )
    return converted, samples


def _require_no_choice(request: Request) -> None:
    given = {
        "--quantization": request.precision is not Precision.AUTO,
        "--int16-layers": bool(request.int16_layers),
        "--input-shape": bool(request.input_shapes),
    }
    for option, is_given in given.items():
        if is_given:
            raise ConfigError(
                f"{request.source.path} is quantized already: it is taken as it is",
                hint=f"leave out {option}, or convert the float model that it came from",
            )


def _trimmed(source: Source, model_tflite: bytes, edges: Edges) -> Trimmed:
    """The file without the edges that are left to the caller. ConfigError where it has none."""
    trimmed = Trimmed(model_tflite, ())
    for wanted, trim, option, what in (
        (edges.integers, without_float_edges, "--integer-edges", "no float32 input or output"),
        (edges.transposed, without_input_transposes, "--transposed-inputs", "no transposed input"),
    ):
        if wanted:
            found = trim(trimmed.model_tflite)
            if not found.notes:
                raise ConfigError(
                    f"{source.path} has {what} that can be left to the caller",
                    hint=f"leave out {option}",
                )
            trimmed = Trimmed(found.model_tflite, (*trimmed.notes, *found.notes))
    return trimmed
