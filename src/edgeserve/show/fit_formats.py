"""Fits as JSON, as JUnit XML for CI dashboards, and as GitHub annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from edgeserve.fit import Fit
from edgeserve.strict_json import to_json

_XML = re.compile("[\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fit_json(fit: Fit) -> dict[str, Any]:
    """One row of ``check --format json`` (schema in docs/FORMAT.md)."""
    footprint = fit.footprint
    return {
        "model": fit.model,
        "board": fit.board,
        "fits": fit.fits,
        "arena_bytes": footprint.arena_bytes,
        "live_bound_bytes": footprint.live_bound_bytes,
        "model_bytes": footprint.model_bytes,
        "code_bytes": footprint.code_bytes,
        "ram_other_bytes": footprint.ram_other_bytes,
        "stack_bytes": footprint.stack_bytes,
        "plan": fit.plan,
        "peak_step": fit.peak_step,
        "peak_tensors": to_json(fit.peak_tensors),
        "source": footprint.source,
        "regions": [
            {
                "region": use.region,
                "need_bytes": use.need_bytes,
                "have_bytes": use.have_bytes,
                "left_bytes": use.left_bytes,
                "parts": [{"what": what, "bytes": size} for what, size in use.parts],
            }
            for use in fit.regions
        ],
        "shortages": [
            {**to_json(shortage), "missing_bytes": shortage.missing_bytes}
            for shortage in fit.shortages
        ],
        "advice": list(fit.advice),
    }


def junit_xml(fits: Sequence[Fit]) -> str:
    """One test case a model and board; a model that does not fit is a failure."""
    failures = sum(not fit.fits for fit in fits)
    suite = ET.Element(
        "testsuite",
        name="edgeserve check",
        tests=str(len(fits)),
        failures=str(failures),
        errors="0",
    )
    for fit in fits:
        case = ET.SubElement(
            suite, "testcase", classname=_printable(fit.model), name=_printable(fit.board)
        )
        if not fit.fits:
            lines = [str(shortage) for shortage in fit.shortages]
            failure = ET.SubElement(case, "failure", message=_printable(lines[0]))
            failure.text = _printable("\n".join([*lines, *fit.advice]))
    ET.indent(suite)
    # Not ElementTree's own declaration, which would name the locale's encoding.
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suite, encoding="unicode")}'


def github_lines(fits: Sequence[Fit]) -> str:
    """Workflow commands: an error a shortage, a notice for each that fits."""
    lines = []
    for fit in fits:
        title = _property(f"{fit.model} on {fit.board}")
        if fit.fits:
            text = f"fits: arena {fit.footprint.arena_bytes:,} bytes"
            lines.append(f"::notice title={title}::{_data(text)}")
        for shortage in fit.shortages:
            text = " | ".join([str(shortage), *fit.advice])
            lines.append(f"::error title={title}::{_data(text)}")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """XML has no way to write control characters, halves of surrogate pairs and noncharacters."""
    return "".join(c if _XML.fullmatch(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
