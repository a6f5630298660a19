"""The order of `report`: all that is recorded in a bundle, what its boards need, the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeserve.accuracy_record import AccuracyRecord
from edgeserve.arena_map import arena_map
from edgeserve.board import board_ids, load_board
from edgeserve.bundle_store import CLAIMS_FILE, Bundle, open_bundle
from edgeserve.claims_file import read_claims
from edgeserve.compilation import Compiled, compile_bundle, naming
from edgeserve.errors import ConfigError, EdgeserveError
from edgeserve.file_swap import write_where_asked
from edgeserve.measurement import read_measurements
from edgeserve.phone.record_file import folder_of_records, read_phone_measurements
from edgeserve.pipeline.fit import fit
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
    write_where_asked(destination, html_document(made).encode())


def write_markdown(made: Report, destination: Path) -> None:
    """Likewise, as Markdown."""
    write_where_asked(destination, markdown_document(made).encode())


def default_report_file(path: Path) -> Path:
    """``report.html`` in the bundle that ``path`` means."""
    return _any_bundle(path).path / REPORT_FILE


def _any_bundle(path: Path) -> Bundle:
    """Also one for iOS, which has facts to show."""
    with naming(path):
        return open_bundle(path)


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
        phones=read_phone_measurements(folder_of_records(path, bundle.facts.model_sha256)),
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
