"""Fits as JSON, JUnit and GitHub annotations, with names that try to break out."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest

from edgeserve.fit import Fit
from edgeserve.show.fit_formats import fit_json, github_lines, junit_xml
from tests.unit.fits import made_fit

HOSTILE = [
    "plain",
    "a,b:c%0A::error title=x::y",
    "</testcase><!-- \"' & ]]>",
    "line\nbreak\r\n::error::",
    "\x00\x07\x1b[31mred\x7f\x85",
    "halves \ud800 and \udc80, noncharacters \ufffe \uffff",
    "emoji \U0001f600, accents é",
]


def too_big(model: str = "kws") -> Fit:
    return made_fit(model=model, tensor=model, model_bytes=3_000_000)


def test_json_keys() -> None:
    document = fit_json(made_fit())
    assert {
        *("model", "board", "fits", "arena_bytes", "live_bound_bytes", "model_bytes"),
        *("code_bytes", "ram_other_bytes", "stack_bytes", "peak_tensors", "source"),
    } <= set(document)
    assert document["fits"] is True
    assert document["peak_tensors"][0] == {"name": "conv1", "size_bytes": 12_000}
    assert document["shortages"] == document["advice"] == []
    assert json.loads(json.dumps(document)) == document


def test_json_of_a_model_that_does_not_fit() -> None:
    document = fit_json(too_big())
    assert document["fits"] is False
    (shortage,) = document["shortages"]
    assert shortage == {
        "where": "region flash",
        "need_bytes": 3_008_000,
        "have_bytes": 2_097_152,
        "missing_bytes": 910_848,
    }
    (flash,) = (region for region in document["regions"] if region["region"] == "flash")
    assert flash == {
        "region": "flash",
        "need_bytes": 3_008_000,
        "have_bytes": 2_097_152,
        "left_bytes": -910_848,
        "parts": [{"what": "model", "bytes": 3_000_000}, {"what": "code", "bytes": 8_000}],
    }


def parsed(fits: list[Fit]) -> ET.Element:
    text = junit_xml(fits)
    # Bytes, so that the declared encoding is used.
    return ET.fromstring(text.encode("utf-8"))


def test_junit() -> None:
    suite = parsed([made_fit(), too_big(), made_fit(board="host")])
    assert suite.tag == "testsuite"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    cases = suite.findall("testcase")
    assert [(c.get("classname"), c.get("name")) for c in cases] == [
        ("kws", "nucleo_h743zi2"),
        ("kws", "nucleo_h743zi2"),
        ("kws", "host"),
    ]
    assert [len(case) for case in cases] == [0, 1, 0]
    failure = cases[1].find("failure")
    assert failure is not None
    assert "910,848 missing" in str(failure.get("message"))
    assert "it would fit mps2-an500" in str(failure.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_junit_escapes(name: str) -> None:
    suite = parsed([made_fit(model=name), too_big(name)])
    assert len(suite) == 2
    for case in suite:
        told = str(case.get("classname"))
        assert len(told) == len(name), "every character stands for one"
        kept = [a for a, b in zip(told, name, strict=True) if a == b]
        assert len(kept) >= len([c for c in name if " " <= c < "\x7f"])
    assert [len(case) for case in suite] == [0, 1]


COMMAND = re.compile(r"::(error|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(code, character)
    return text.replace("%25", "%")


@pytest.mark.parametrize("name", HOSTILE)
def test_github_escapes(name: str) -> None:
    lines = re.split("[\r\n]", github_lines([made_fit(model=name), too_big(name)]))
    assert len(lines) == 2
    for line, kind in zip(lines, ("notice", "error"), strict=True):
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        assert match.group(1) == kind
        assert unescaped(match.group(2)) == f"{name} on nucleo_h743zi2"
    assert "910,848 missing" in lines[1]
