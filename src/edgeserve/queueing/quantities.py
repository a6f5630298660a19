"""Rates, durations and shares as people write them: 30Hz, 4ms, 10%."""

from __future__ import annotations

import re
from fractions import Fraction

from edgeserve.errors import ConfigError

_NUMBER = r"(\d{1,12}(?:\.\d{1,9})?)"
_HERTZ = {"Hz": 1, "kHz": 1_000, "MHz": 1_000_000}
_SECONDS = {"s": Fraction(1), "ms": Fraction(1, 1_000), "us": Fraction(1, 1_000_000)}


def parse_hertz(text: str) -> Fraction:
    """``30Hz``, ``0.5Hz``, ``16kHz``, ``480MHz``. Raises ConfigError for anything else, and 0."""
    match = re.fullmatch(rf"{_NUMBER}(Hz|kHz|MHz)", text)
    if match is None or not Fraction(match[1]):
        raise ConfigError(f"{text[:40]!r} is no rate", hint="write it as 30Hz, 16kHz or 480MHz")
    return Fraction(match[1]) * _HERTZ[match[2]]


def parse_seconds(text: str) -> Fraction:
    """``0.1s``, ``4ms``, ``250us``. Raises ConfigError for anything else, and 0."""
    match = re.fullmatch(rf"{_NUMBER}(s|ms|us)", text)
    if match is None or not Fraction(match[1]):
        raise ConfigError(f"{text[:40]!r} is no duration", hint="write it as 0.1s, 4ms or 250us")
    return Fraction(match[1]) * _SECONDS[match[2]]


def parse_permille(text: str) -> int | None:
    """``10%`` or ``2.5%`` in thousandths; None where it is no percentage at all."""
    match = re.fullmatch(rf"{_NUMBER}%", text)
    return None if match is None else round(Fraction(match[1]) * 10)
