"""Options of ``convert`` that concern how a source becomes integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


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
