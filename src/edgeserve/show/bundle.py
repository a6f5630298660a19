"""What `convert` made and `build` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edgeserve.graph import DType
from edgeserve.postprocess.declaration import told as told_back
from edgeserve.preprocess.declaration import told as told_front
from edgeserve.show.console import plain, say, shown_path

if TYPE_CHECKING:
    from edgeserve.bundle import BundleFacts
    from edgeserve.compilation import Compiled


def print_bundle(compiled: Compiled) -> None:
    """What `convert` made, and how far integers are from floats."""
    facts = compiled.bundle.facts
    form = "int8"
    if facts.quantization is not None and facts.quantization.activations is DType.INT16:
        form = "int16x8"
    say(
        f"{shown_path(compiled.bundle.path)}: {len(compiled.program.steps)} steps, "
        f"{compiled.program.macs:,} MACs, {len(compiled.table.data):,} bytes of model"
    )
    agreement = facts.agreement
    if agreement is not None:
        for output in agreement.outputs:
            say(
                f"  {form} against float on {agreement.samples} calibration samples, "
                f"{output.name}: "
                f"largest difference {output.max_abs_error:.4g}, mean {output.mean_abs_error:.4g}"
            )
        if agreement.top1_agreement is not None:
            say(f"  same class in {agreement.top1_agreement:.1%} of them")
        if agreement.float_accuracy is not None and agreement.int8_accuracy is not None:
            say(
                f"  accuracy on them: float {agreement.float_accuracy:.1%}, "
                f"{form} {agreement.int8_accuracy:.1%}"
            )
    print_declared(facts, indent="  ")
    for note in notes_of(compiled):
        say(f"  note: {note}")


def print_project_changes(changes: Sequence[str]) -> None:
    """What became of the files of a firmware project, a line each; of a new one their number."""
    if changes and all(change.startswith("new ") for change in changes):
        click.echo(f"  {len(changes)} files written; src/app.c is yours")
        return
    for change in changes:
        click.echo(f"    {plain(change)}")


def print_declared(facts: BundleFacts, indent: str = "") -> None:
    """What happens before and after the model."""
    if facts.preprocess is not None:
        say(f"{indent}input: {told_front(facts.preprocess.front)}")
    if facts.postprocess is not None:
        say(f"{indent}output: {told_back(facts.postprocess)}")


def notes_of(compiled: Compiled) -> tuple[str, ...]:
    """Of the bundle and of the program, each once."""
    return tuple(dict.fromkeys((*compiled.bundle.facts.notes, *compiled.program.notes)))
