"""`edgeserve verify`: a device against the oracle, or training against what is declared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeserve.cli.device import board_of_port_option, partition_option
from edgeserve.cli.shared import format_option, shown_progress
from edgeserve.cli.wish import wish_options
from edgeserve.show.console import print_json
from edgeserve.show.verification import (
    diagnosis_json,
    print_diagnosis,
    print_verification,
    verification_json,
)

if TYPE_CHECKING:
    from edgeserve.planfile import Wish


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--device", help="An emulated board (mps2-an500), host, or a port; not with --reference."
)
@board_of_port_option
@click.option("--inputs", type=click.IntRange(1), default=20, show_default=True)
@partition_option
@wish_options
@click.option(
    "--stream", is_flag=True, help="Send each row of the input when the device asks for it."
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Raw data and what training made of them: is that what is declared, and if not, what "
    "differs?",
)
@format_option
def verify(
    model: Path,
    device: str | None,
    board: str | None,
    inputs: int,
    partition: bool,
    wish: Wish | None,
    stream: bool,
    reference: Path | None,
    output_format: str,
) -> int:
    """Hold every step on a device against the oracle, bit for bit; exit 1 when a byte differs."""
    from edgeserve.pipeline.verify import verify as verify_model

    if (device is None) == (reference is None):
        raise click.UsageError("name a --device, or a --reference")
    if reference is not None:
        return _verify_reference(model, reference, output_format)
    assert device is not None
    with shown_progress("verifying", output_format) as progress:
        target, verification = verify_model(
            model,
            device,
            board=board,
            inputs=inputs,
            partition=partition,
            wish=wish,
            stream=stream,
            progress=progress,
        )
    if output_format == "json":
        print_json(verification_json(target, verification))
    else:
        print_verification(target, verification)
    return 0 if verification.equal else 1


def _verify_reference(model: Path, reference: Path, output_format: str) -> int:
    from edgeserve.pipeline.verify import reference as hold_reference

    bundle, diagnosis = hold_reference(model, reference)
    if output_format == "json":
        print_json(diagnosis_json(bundle.name, diagnosis))
    else:
        print_diagnosis(bundle.name, diagnosis)
    return 0 if diagnosis.agrees else 1
