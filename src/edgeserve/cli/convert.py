"""The command line of ``convert``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve.cli.apple import IOS, Asked, apple_options, convert_for_ios, refuse_apple_options
from edgeserve.cli.shared import Percent, format_option, shown_progress
from edgeserve.cli.wish import wish_options_without_pins
from edgeserve.show.bundle import print_bundle
from edgeserve.show.console import print_json
from edgeserve.show.fits import print_fits

if TYPE_CHECKING:
    from edgeserve.convert.budget import AccuracyBudget
    from edgeserve.planfile import Wish


def _source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--int16-layers`` and ``--input-shape``."""
    for option in (
        click.option(
            "--input-shape",
            multiple=True,
            metavar="NAME=1,3,224,224",
            help="Of PyTorch and ONNX: the shape of an input that the model leaves open.",
        ),
        click.option(
            "--int16-layers",
            multiple=True,
            metavar="NAME|REGEX",
            help="Layers of an int8 model that compute in int16, by the tensor that they write; "
            "may be repeated.",
        ),
    ):
        command = option(command)
    return command


def _budget_options(command: Callable[..., int]) -> Callable[..., int]:
    """``--max-drop``, ``--max-error`` and ``--budget-data``, which ``command`` gets as one
    ``budget`` (None where none is given).
    """

    @wraps(command)
    def gathered(
        *arguments: Any,
        max_drop: float | None,
        max_error: float | None,
        budget_data: Path | None,
        **others: Any,
    ) -> int:
        from edgeserve.convert.budget import asked_budget

        budget = asked_budget(max_drop, max_error, budget_data)
        return command(*arguments, budget=budget, **others)

    for option in (
        click.option(
            "--budget-data",
            type=click.Path(path_type=Path),
            metavar="DATA",
            help="Samples on which the budget is measured [default: the calibration samples].",
        ),
        click.option(
            "--max-error",
            type=Percent(),
            metavar="PERCENT",
            help="Budget of auto for models without classes: no output value further from the "
            "float model's, in percent of the output's range.",
        ),
        click.option(
            "--max-drop",
            type=Percent(),
            metavar="PERCENT",
            help="Budget of auto: the first of int8, int8 with the noisiest layers in int16, and "
            "int16x8 that is right in at most so many percent of the samples less.",
        ),
    ):
        gathered = option(gathered)
    return gathered


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="cortex-m7, esp32, a board id or a board file, ios.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The bundle [default: out/NAME]."
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Samples of real input: .npz, .npy, .csv, or a folder of images or sounds.",
)
@click.option(
    "--quantization",
    type=click.Choice(
        ["auto", "int8", "int16x8", "float16", "float32", "palettized6", "palettized4"]
    ),
    default="auto",
    show_default=True,
    help="int16x8: int16 activations and int8 weights; float32 quantizes nothing. auto is int8 for "
    "boards (with a budget: the first form that keeps it), float16 for ios, whose int8 and "
    "palettes are of weights alone.",
)
@click.option(
    "--image-range",
    nargs=2,
    type=float,
    default=(0.0, 1.0),
    show_default=True,
    help="What pixel values 0..255 become, for a folder of images.",
)
@click.option(
    "--preprocess",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="How raw data become the input, and outputs answers (docs/PREPROCESSING.md).",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE.txt",
    help="Names of the classes, one a line.",
)
@wish_options_without_pins
@click.option(
    "--integer-edges",
    is_flag=True,
    help="Of a quantized .tflite: hand in and take out int8 where it has float32.",
)
@click.option(
    "--transposed-inputs",
    is_flag=True,
    help="Of a quantized .tflite: hand in inputs in the layout to which it transposes them.",
)
@_source_options
@_budget_options
@click.option(
    "--input-adapter",
    type=click.Choice(["none", "uint8-to-int8", "float32-quantize"]),
    default="none",
    help="What `db` data are over the serial line: the tensors' bytes, pixels, or float32.",
)
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option(
    "--trust-source", is_flag=True, help="Load models that may run code, such as Lambda layers."
)
@apple_options
@format_option
def convert(
    source: Path,
    target: str,
    output: Path | None,
    calibration: Path | None,
    quantization: str,
    image_range: tuple[float, float],
    preprocess: Path | None,
    labels: Path | None,
    wish: Wish | None,
    integer_edges: bool,
    transposed_inputs: bool,
    int16_layers: tuple[str, ...],
    input_shape: tuple[str, ...],
    budget: AccuracyBudget | None,
    input_adapter: str,
    force: bool,
    trust_source: bool,
    output_format: str,
    **apple: str,
) -> int:
    """Turn SOURCE into a bundle: Keras, SavedModel, PyTorch .pt2, ONNX, or .tflite.

    For ios the model stays float, and calibration data only check the package.
    """
    from edgeserve.bundle import InputAdapter
    from edgeserve.convert.calibration import UNIT_RANGE
    from edgeserve.convert.input_shape import parse_input_shapes
    from edgeserve.convert.precision import Precision
    from edgeserve.convert.tflite_source import Edges
    from edgeserve.declaration_file import read_declaration
    from edgeserve.pipeline.convert import convert as convert_model

    declared = read_declaration(preprocess, labels)
    if declared.preprocess is not None and image_range != UNIT_RANGE:
        raise click.UsageError("--image-range has no say beside --preprocess: mean and scale do it")
    destination = output or Path("out") / source.stem
    if target == IOS:
        asked = Asked(
            source,
            destination,
            calibration,
            quantization,
            image_range,
            declared,
            parse_input_shapes(input_shape),
            force,
            trust_source,
            output_format,
        )
        return convert_for_ios(asked, **apple)
    refuse_apple_options()
    with shown_progress("converting", output_format) as progress:
        compiled, fit = convert_model(
            source,
            destination,
            target=target,
            calibration=calibration,
            image_range=image_range,
            force=force,
            trust_source=trust_source,
            edges=Edges(integer_edges, transposed_inputs),
            wish=wish,
            declared=declared,
            precision=Precision(quantization),
            int16_layers=int16_layers,
            input_shapes=parse_input_shapes(input_shape),
            budget=budget,
            input_adapter=InputAdapter(input_adapter),
            progress=progress,
        )
    if output_format == "json":
        from edgeserve.show.fit_formats import fit_json
        from edgeserve.strict_json import to_json

        print_json(
            {
                "bundle": str(compiled.bundle.path),
                **to_json(compiled.bundle.facts),
                "fit": fit_json(fit),
            }
        )
    else:
        print_bundle(compiled)
        print_fits([fit], plans=False)
    return 0 if fit.fits else 1
