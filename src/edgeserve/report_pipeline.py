"""What `report` and `compare` need before they can do their own part."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeserve.accuracy_record import AccuracyRecord
from edgeserve.arena_map import arena_map
from edgeserve.board import board_ids, load_board
from edgeserve.bundle_store import CLAIMS_FILE, Bundle, open_bundle
from edgeserve.claims_file import read_claims
from edgeserve.compare.comparison import Comparison, compare_pair
from edgeserve.compare.metric import Metric
from edgeserve.compare.selection import Records, chosen, pairs, parse_side
from edgeserve.compilation import Compiled, compile_bundle, naming
from edgeserve.errors import ConfigError, EdgeserveError
from edgeserve.measurement import read_measurements
from edgeserve.phone.record import PhoneMeasurement
from edgeserve.phone.record_file import folder_of_tflite, read_phone_measurements
from edgeserve.pipeline import fit, open_model
from edgeserve.planfile import PLAN_FILE
from edgeserve.report.content import Report
from edgeserve.report.markdown import markdown_document
from edgeserve.report.page import html_document
from edgeserve.report.recorded import Battery, BoardView, Recorded, StepEstimate
from edgeserve.report.sections import make_report

REPORT_FILE = "report.html"
HOST = "host"
"""This machine: the last of all boards in a report."""


def report(path: Path, *, claims: Path | None = None, battery: Battery | None = None) -> Report:
    """The report of a bundle, or of the bundle of a ``.tflite``; nothing is written or measured.

    Raises ConfigError for records or claims that are damaged, or claims that are not there.
    """
    return make_report(_recorded(_any_bundle(path), path, claims, battery))


def write_report(made: Report, destination: Path) -> None:
    """Writes a report as HTML, whole or not at all.

    Raises MissingTool without the ``report`` extra, ConfigError when the disk refuses.
    """
    _write(html_document(made), destination)


def write_markdown(made: Report, destination: Path) -> None:
    """Likewise, as Markdown."""
    _write(markdown_document(made), destination)


def default_report_file(path: Path) -> Path:
    """``report.html`` in the bundle that ``path`` means."""
    return _any_bundle(path).path / REPORT_FILE


def _any_bundle(path: Path) -> Bundle:
    """Also one for iOS, which has facts to show."""
    with naming(path):
        return open_bundle(path)


@dataclass(frozen=True, slots=True)
class Answer:
    """All pairs that two sides have in common; ``budget`` is a share."""

    before: str
    after: str
    budget: float
    comparisons: tuple[Comparison, ...]

    @property
    def has_regressed(self) -> bool:
        return any(comparison.has_regressed for comparison in self.comparisons)


def compare(before: str, after: str, budget: float, metrics: Collection[Metric]) -> Answer:
    """Compares the measurements that two sides (``compare/selection.py``) have in common.

    Raises ConfigError where they have none, or none of the metrics.
    """
    found = pairs(_records(before), _records(after))
    comparisons = tuple(compare_pair(pair, budget, metrics) for pair in found)
    if not any(comparison.differences for comparison in comparisons):
        wanted = ", ".join(sorted(metric.value for metric in metrics))
        raise ConfigError(
            f"neither {before} nor {after} has measured {wanted} on a device of both",
            hint="leave out --metric to see what they have",
        )
    return Answer(before, after, budget, comparisons)


def _records(text: str) -> Records:
    side = parse_side(text)
    bundle = open_model(side.path)
    phones = _phone_measurements(side.path, bundle)
    return chosen(side, read_measurements(bundle.measurements_path), phones)


def _phone_measurements(path: Path, bundle: Bundle) -> tuple[PhoneMeasurement, ...]:
    """Those of a bundle lie in it; those of a ``.tflite`` in a folder of the cache."""
    folder = path if path.is_dir() else folder_of_tflite(path, bundle.facts.model_sha256)
    return read_phone_measurements(folder)


def _recorded(bundle: Bundle, path: Path, claims: Path | None, battery: Battery | None) -> Recorded:
    faults: list[str] = []
    own_claims = bundle.path / CLAIMS_FILE
    claims = claims or (own_claims if own_claims.exists() else None)
    accuracy, accuracy_fault = _accuracy(bundle)
    return Recorded(
        command_name=str(path),
        facts=bundle.facts,
        boards=tuple(_views(bundle, faults)),
        faults=tuple(faults),
        measurements=read_measurements(bundle.measurements_path),
        phones=_phone_measurements(path, bundle),
        claims=None if claims is None else read_claims(claims),
        battery=battery,
        accuracy=accuracy,
        accuracy_fault=accuracy_fault,
        ranges=bundle.ranges,
    )


def _accuracy(bundle: Bundle) -> tuple[AccuracyRecord | None, str]:
    """What was measured, or why that cannot be shown: it may be of an earlier model."""
    try:
        return bundle.accuracy(), ""
    except ConfigError as error:
        return None, f"{error.what} ({error.hint})"


def _views(bundle: Bundle, faults: list[str]) -> Iterator[BoardView]:
    """Each board that has a plan; a board that cannot be looked at is a fault, told in a line."""
    files = bundle.path.glob(f"boards/*/{PLAN_FILE}")
    for file in sorted(files, key=lambda file: (file.parent.name == HOST, file.parent.name)):
        board_id = file.parent.name
        if board_id not in board_ids():
            faults.append(f"{board_id}: its board file does not travel with edgeserve")
            continue
        try:
            yield _view(compile_bundle(bundle, load_board(board_id)))
        except EdgeserveError as error:
            faults.append(f"{board_id}: {error.what}")


def _view(compiled: Compiled) -> BoardView:
    return BoardView(
        board=compiled.board.id,
        fit=fit(compiled),
        picture=arena_map(compiled.planned, compiled.plan),
        optimal=compiled.plan.optimal,
        lower_bound_bytes=compiled.plan.lower_bound_bytes,
        steps=tuple(
            StepEstimate(
                step.index,
                step.label,
                step.kernel.name,
                step.macs,
                estimate.instructions,
                None if estimate.fit is None else estimate.fit.instructions.errors[1],
            )
            for step, estimate in zip(compiled.program.steps, compiled.estimates(), strict=True)
        ),
    )


def _write(document: str, destination: Path) -> None:
    draft = destination.with_name(f".{destination.name}.new")
    try:
        draft.write_text(document, encoding="utf-8")
        draft.replace(destination)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot write {destination}: {error.strerror}",
            hint="name a file in a folder that exists and that you may write to",
        ) from error
