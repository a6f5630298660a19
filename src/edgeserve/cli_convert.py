"""Options of ``convert`` that concern how a source becomes integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from edgeserve.cli_shared import Percent


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


def budget_options(command: Callable[..., int]) -> Callable[..., int]:
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
