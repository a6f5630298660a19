"""The command line's part of accuracy."""

from __future__ import annotations

from pathlib import Path

import click

from edgeserve.cli.shared import Percent, shown_progress
from edgeserve.show.accuracy import accuracy_json, print_accuracy
from edgeserve.show.console import print_json

_data_type = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_data_type)
@click.option(
    "--data",
    type=_data_type,
    required=True,
    help="Samples as for calibration: .npz (labels 'y'), .npy, folders of images or sounds.",
)
@click.option("--limit", type=click.IntRange(1), help="Samples at most, evenly spaced.")
@click.option(
    "--max-drop",
    type=Percent(),
    metavar="PERCENT",
    help="Exit 1 where the quantized model is right in this many percent of the samples less.",
)
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--layers",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    metavar="SAMPLES",
    help="Samples on which layers are compared; 0 leaves them out.",
)
@click.option(
    "--traffic",
    type=_data_type,
    metavar="DATA",
    help="Samples like those that the model will be served, held against the calibration.",
)
@click.option(
    "--improve",
    is_flag=True,
    help="Try int16 for the noisiest layers, and measure what it recovers and takes.",
)
@click.option(
    "--calibration",
    type=_data_type,
    metavar="DATA",
    help="Other samples: measure what calibrating with them would recover (goes with --improve).",
)
@click.option(
    "--target",
    default="cortex-m7",
    show_default=True,
    help="What --improve is priced on: cortex-m7, esp32, a board id or a board file.",
)
@click.option(
    "--device", help="Also run on an emulated board, host or a port (see edgeserve devices)."
)
@click.option("--board", help="What board is on the port.")
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How many the device runs, evenly spaced.",
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
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="json prints one document on standard output and nothing else.",
)
def accuracy(
    model: Path,
    data: Path,
    limit: int | None,
    max_drop: float | None,
    top_k: int,
    layers: int,
    traffic: Path | None,
    improve: bool,
    calibration: Path | None,
    target: str,
    device: str | None,
    board: str | None,
    samples: int,
    image_range: tuple[float, float],
    output_format: str,
) -> int:
    """Measure what quantization costs: float, quantized and device on labelled data, by layers.

    Exit 1 when the drop exceeds --max-drop, or the device gives other bytes than this computer.
    """
    from edgeserve.pipeline.accuracy import Asked, is_good
    from edgeserve.pipeline.accuracy import accuracy as measure_accuracy

    asked = Asked(
        model=model,
        data=data,
        limit=limit,
        image_range=image_range,
        top_k=top_k,
        layer_samples=layers,
        traffic=traffic,
        device=device,
        board=board,
        device_samples=samples,
        max_drop=max_drop,
        improve=improve,
        calibration=calibration,
        cost_board=target,
    )
    with shown_progress("measuring", output_format) as progress:
        bundle, record = measure_accuracy(asked, progress)
    good = is_good(asked, record)
    if output_format == "json":
        print_json(accuracy_json(bundle, record))
    else:
        print_accuracy(bundle, record, max_drop, markdown=output_format == "markdown")
    return 0 if good else 1
