"""The order of a report's sections."""

from __future__ import annotations

from edgeserve.report.accuracy import accuracy_section
from edgeserve.report.boards import arena_section, fit_section
from edgeserve.report.claims import claims_section
from edgeserve.report.content import Report
from edgeserve.report.energy import energy_section
from edgeserve.report.head import head_section
from edgeserve.report.heat import heat_section
from edgeserve.report.latency import latency_section
from edgeserve.report.phases import phases_section
from edgeserve.report.recorded import Recorded
from edgeserve.report.steps import steps_section

_SECTIONS = (
    head_section,
    fit_section,
    claims_section,
    accuracy_section,
    latency_section,
    steps_section,
    arena_section,
    phases_section,
    energy_section,
    heat_section,
)
_OF_AN_APP = (head_section, claims_section)
"""Of a bundle for iOS: its model is float, and no device of ours measures it."""


def make_report(seen: Recorded) -> Report:
    """The whole report of what was recorded."""
    devices = {one.place.board for one in seen.measurements}
    devices |= {one.phone.model for one in seen.phones}
    measured = ", ".join(sorted(devices)) or "nothing yet"
    boards = ", ".join(view.board for view in seen.boards) or "none"
    summary: tuple[str, ...] = (f"Measured on: {measured}.", f"Planned for: {boards}.")
    if seen.facts.coreml is not None:
        summary = (f"A package for {seen.facts.coreml.minimum_os} or later.",)
    sections = _SECTIONS if seen.facts.coreml is None else _OF_AN_APP
    return Report(seen.facts.name, summary, tuple(make(seen) for make in sections))
