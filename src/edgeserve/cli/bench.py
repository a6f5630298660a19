"""`edgeserve bench`: measurements on boards and phones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve.cli.device import board_of_port_option, device_option, partition_option
from edgeserve.cli.phone import BOARD_OPTIONS, bench_phone, is_phone, phone_options
from edgeserve.cli.shared import format_option, require_none_of, shown_progress
from edgeserve.cli.wish import wish_options
from edgeserve.show.console import print_json
from edgeserve.show.measurement import measurement_json, print_measurement

if TYPE_CHECKING:
    from edgeserve.planfile import Wish


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@device_option
@board_of_port_option
@phone_options
@click.option("--laps", type=click.IntRange(1), default=10, show_default=True)
@click.option("--warmup", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--input",
    "stimulus",
    type=click.Choice(["xorshift"]),
    default="xorshift",
    help="What the model is given.",
)
@click.option(
    "--seed", type=click.IntRange(1, 2**32 - 1), default=0x12345678, help="Of xorshift32."
)
@partition_option
@wish_options
@format_option
def bench(
    model: Path,
    device: str,
    board: str | None,
    laps: int,
    warmup: int,
    stimulus: str,
    seed: int,
    partition: bool,
    wish: Wish | None,
    output_format: str,
    **phone: Any,
) -> int:
    """Measure a model on a device: a board (per inference and per step, memory and flash), or a
    phone over adb (latency, cold start, energy, heat).

    On a board the output is held against the oracle first: a wrong answer is not measured. The
    record goes to the bundle's measurements.jsonl, that of a phone to phone_measurements.jsonl.
    """
    if is_phone(device):
        require_none_of(BOARD_OPTIONS, "a phone has no use for")
        return bench_phone(model, device, output_format, **phone)
    meter = phone.pop("meter")
    require_none_of(phone, "only a phone has a use for")
    from edgeserve.metering.wish import meter_wish
    from edgeserve.pipeline.bench import bench as bench_model

    with shown_progress("measuring", output_format) as progress:
        target, measurement = bench_model(
            model,
            device,
            board=board,
            laps=laps,
            warmup=warmup,
            seed=seed,
            partition=partition,
            wish=wish,
            progress=progress,
            meter=None if meter is None else meter_wish(meter),
        )
    if output_format == "json":
        print_json(measurement_json(target, measurement))
    else:
        print_measurement(target, measurement)
    return 0
