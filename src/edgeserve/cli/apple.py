"""The command line's part that only ``--target ios`` has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeserve.cli.shared import require_none_of, shown_progress
from edgeserve.show.apple import package_json, print_package
from edgeserve.show.console import print_json

if TYPE_CHECKING:
    from edgeserve.bundle_store import Bundle
    from edgeserve.convert.input_shape import InputShape
    from edgeserve.declaration_file import Declaration

IOS = "ios"
APPLE_OPTIONS = ("minimum_ios", "author", "license", "model_version", "description")
_BOARD_OPTIONS = (
    "objective",
    "by_rows",
    "flash_for_speed",
    "integer_edges",
    "transposed_inputs",
    "int16_layers",
    "max_drop",
    "max_error",
    "budget_data",
)


def apple_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of ``convert`` that only an app has."""
    for option in reversed(
        (
            click.option(
                "--minimum-ios",
                type=click.Choice(["16", "17"]),
                default="16",
                show_default=True,
                help="For ios: the oldest system that runs the package.",
            ),
            click.option("--author", default="", help="For ios: whose model it is."),
            click.option("--license", default="", help="For ios: the model's licence."),
            click.option("--model-version", default="", help="For ios: shown by Xcode."),
            click.option("--description", default="", help="For ios: shown by Xcode."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``convert`` was asked, beside the options of :func:`apple_options`."""

    source: Path
    output: Path
    calibration: Path | None
    quantization: str
    image_range: tuple[float, float]
    declared: Declaration
    input_shapes: tuple[InputShape, ...]
    force: bool
    trust_source: bool
    output_format: str


def refuse_apple_options() -> None:
    """ConfigError for an option of ``--target ios`` beside another target."""
    hint = f"leave it out, or name --target {IOS}"
    require_none_of(APPLE_OPTIONS, "boards have no", hint=hint)


def convert_for_ios(
    asked: Asked,
    *,
    minimum_ios: str,
    author: str,
    license: str,  # noqa: A002 - the option's name
    model_version: str,
    description: str,
) -> int:
    """``convert --target ios``: the exit code."""
    from edgeserve.convert.apple import AppleWish
    from edgeserve.convert.coreml.package import Metadata
    from edgeserve.convert.precision import Precision
    from edgeserve.pipeline.apple import convert_for_ios as convert_model

    require_none_of(_BOARD_OPTIONS, "an app has no", hint="leave it out, or name a board")
    with shown_progress("converting", asked.output_format) as progress:
        bundle = convert_model(
            asked.source,
            asked.output,
            calibration=asked.calibration,
            force=asked.force,
            trust_source=asked.trust_source,
            image_range=asked.image_range,
            declared=asked.declared,
            input_shapes=asked.input_shapes,
            wish=AppleWish(
                Precision(asked.quantization),
                int(minimum_ios),
                Metadata(author, license, model_version, description),
            ),
            progress=progress,
        )
    _print(bundle, asked.output_format)
    return 0


def inspect_for_ios(model: Path, output_format: str) -> bool:
    """``inspect`` of a bundle with a Core ML package; False where ``model`` is none."""
    from edgeserve.pipeline.apple import ios_bundle

    bundle = ios_bundle(model)
    if bundle is None:
        return False
    _print(bundle, output_format)
    return True


def _print(bundle: Bundle, output_format: str) -> None:
    if output_format == "json":
        print_json(package_json(bundle))
    else:
        print_package(bundle)
