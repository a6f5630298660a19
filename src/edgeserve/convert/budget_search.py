"""The first form that keeps an accuracy budget: int8, int8 with layers in int16, int16x8."""

from __future__ import annotations

from dataclasses import replace

from edgeserve.convert.budget import AccuracyBudget
from edgeserve.convert.budget_worker import KEPT_FILE, MODULE, BudgetJob, BudgetResult, Try
from edgeserve.convert.calibration import CalibrationSet, read_calibration
from edgeserve.convert.converted import Converted, Request
from edgeserve.convert.integer_source import integers_of
from edgeserve.convert.keras_front import calibrated
from edgeserve.convert.precision import Precision
from edgeserve.convert.quantized import Integers, assembled, quantized
from edgeserve.convert.sample_files import write_samples
from edgeserve.convert.served import named_by
from edgeserve.convert.worker import run_worker
from edgeserve.errors import AccuracyError, ConfigError, ConversionError
from edgeserve.identifier import short_name

_OPTION = "--budget-data"


def within_budget(request: Request, budget: AccuracyBudget) -> tuple[Converted, CalibrationSet]:
    """The first of int8, int8 with some layers in int16, and int16x8 that keeps ``budget``; its
    notes tell all that were tried. ``request.precision`` is INT8.

    Raises AccuracyError where none does, ConfigError for data that do not suit, and what
    ``integers_of`` does.
    """
    _require_labels(request, budget)
    int8 = integers_of(request)
    converted, samples = assembled(request, int8)
    result = _searched(request, budget, int8, samples)
    last = result.tries[-1]
    if not last.kept:
        raise _lost(budget, result)
    if last.precision is not Precision.INT8 or last.int16_layers:
        asked = replace(request, precision=last.precision, int16_layers=last.int16_layers)
        made = quantized(asked, int8.floats)
        if made.tflite != (request.work_dir / "budget" / KEPT_FILE).read_bytes():
            raise ConversionError(
                "the quantizer made another model the second time than the one that was measured",
                hint="this is a fault of the quantizer: give --int16-layers without a budget",
            )
        converted, samples = assembled(asked, made)
    notes = (*converted.notes, *_told(budget, result))
    return replace(converted, notes=notes), samples


def _require_labels(request: Request, budget: AccuracyBudget) -> None:
    """Before a conversion, which takes longer."""
    path = request.calibration if budget.data is None else budget.data
    if budget.data is None:
        source = read_calibration(path, request.front)
    else:
        with named_by(_OPTION):
            source = read_calibration(path, request.front)
    if budget.max_drop is not None and source.labels is None:
        raise ConfigError(
            f"--max-drop counts right answers, and {path} has no labels",
            hint="add an array 'y' of class numbers to the .npz, or one folder a class",
        )


def _searched(
    request: Request, budget: AccuracyBudget, int8: Integers, samples: CalibrationSet
) -> BudgetResult:
    folder = request.work_dir / "budget"
    folder.mkdir()
    (folder / "exact.tflite").write_bytes(int8.floats.tflite)
    (folder / "int8.tflite").write_bytes(int8.tflite)
    calibration = write_samples(folder, "calibration", samples)
    data = calibration
    if budget.data is not None:
        floats = int8.floats
        with named_by(_OPTION):
            held_out = calibrated(budget.data, floats.inputs, request.image_range, floats.taken)
        data = write_samples(folder, "data", held_out)
    is_declared = int8.floats.taken.preprocess or request.declared.postprocess
    job = BudgetJob(
        exact=str(folder / "exact.tflite"),
        int8=str(folder / "int8.tflite"),
        calibration=calibration,
        data=data,
        max_drop=budget.max_drop,
        max_error=budget.max_error,
        edges="what is declared before or after the model is for int8" if is_declared else "",
        folder=str(folder),
    )
    return run_worker(MODULE, job, BudgetResult, work_dir=folder, progress=request.progress)


def _told(budget: AccuracyBudget, result: BudgetResult) -> list[str]:
    """A note of the budget, and one a try."""
    exact = ""
    if result.exact_right is not None:
        exact = f", of which the float model has {result.exact_right:,} right"
    head = f"accuracy budget: {budget.told}, on {result.samples:,} {budget.told_data}{exact}"
    tries = (
        f"tried {_form(one)}: {_figure(one, result)}"
        + ("" if one.refused else f" ({'kept' if one.kept else 'too much'})")
        for one in result.tries
    )
    return [head, *result.notes, *tries]


def _lost(budget: AccuracyBudget, result: BudgetResult) -> AccuracyError:
    made = [one for one in result.tries if not one.refused]
    best = min(made, key=lambda one: _loss(one, result))
    tried = ", ".join(
        f"{_short_form(one)} {'not made' if one.refused else f'{_loss(one, result):.2%}'}"
        for one in result.tries
    )
    return AccuracyError(
        f"nothing keeps the budget ({budget.told}, on {result.samples:,} {budget.told_data}): "
        f"the best is {_short_form(best)} with {_figure(best, result)}; tried: {tried}",
        hint=f"raise {budget.option}, calibrate with samples more like the real ones, or train "
        "with quantization in the loop",
    )


def _form(one: Try) -> str:
    if not one.int16_layers:
        return str(one.precision)
    names = ", ".join(short_name(name) for name in one.int16_layers)
    return f"{one.precision} with int16 in {names}"


def _short_form(one: Try) -> str:
    count = len(one.int16_layers)
    return f"{count} {'layer' if count == 1 else 'layers'} in int16" if count else one.precision


def _figure(one: Try, result: BudgetResult) -> str:
    if one.refused:
        return f"not made, as {one.refused}"
    loss = _loss(one, result)
    if one.right is None:
        return f"a largest error of {loss:.2%} of the output's range"
    return f"{one.right:,} of {result.samples:,} right, a drop of {loss:.2%}"


def _loss(one: Try, result: BudgetResult) -> float:
    """What the budget limits, as a share; of a try that was made."""
    if one.right is None or result.exact_right is None:
        assert one.error is not None
        return one.error
    return (result.exact_right - one.right) / result.samples
