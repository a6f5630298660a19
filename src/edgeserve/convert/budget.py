"""What quantization may cost in accuracy, and on which data that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeserve.convert.precision import Precision
from edgeserve.errors import ConfigError


@dataclass(frozen=True, slots=True)
class AccuracyBudget:
    """One of two limits is given, as a share. ``max_drop``: of the samples, how many fewer the
    quantized model may get right than the float one. ``max_error``: of the width of an output's
    range over the data, how far any of its values may be from the float model's.

    ``data`` are samples that calibration has not seen; None for the calibration samples.
    """

    max_drop: float | None
    max_error: float | None
    data: Path | None

    @property
    def told(self) -> str:
        """The limit in words."""
        if self.max_drop is not None:
            return f"at most {self.max_drop:.2%} fewer right answers than the float model"
        return f"no value further than {self.max_error:.2%} of its output's range from the float's"

    @property
    def option(self) -> str:
        """The option that sets the limit."""
        return "--max-drop" if self.max_drop is not None else "--max-error"

    @property
    def told_data(self) -> str:
        """The data in words."""
        return "calibration samples" if self.data is None else f"samples of {self.data.name}"


def asked_budget(
    max_drop: float | None, max_error: float | None, data: Path | None
) -> AccuracyBudget | None:
    """The budget that options ask for. Raises ConfigError where they do not go together."""
    if max_drop is None and max_error is None:
        if data is not None:
            raise ConfigError(
                "--budget-data measures a budget, and there is none",
                hint="add --max-drop 1%, or --max-error 5% for models without classes",
            )
        return None
    if max_drop is not None and max_error is not None:
        raise ConfigError(
            "--max-drop and --max-error are two budgets, and one is kept",
            hint="--max-drop for models with classes and labelled data, --max-error for others",
        )
    return AccuracyBudget(max_drop, max_error, data)


def require_budget(budget: AccuracyBudget, wanted: Precision, int16_layers: Sequence[str]) -> None:
    """Raises ConfigError where a form that is asked for leaves nothing to choose."""
    given = f"--quantization {wanted}" if wanted is not Precision.AUTO else ""
    given = given or ("--int16-layers" if int16_layers else "")
    if given:
        raise ConfigError(
            f"{budget.option} chooses the form, and {given} has chosen it",
            hint=f"leave out {given}, or measure what it costs with edgeserve accuracy",
        )
