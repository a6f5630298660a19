"""What ``--meter`` says: which meter, and what has to be known of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgeserve.errors import ConfigError
from edgeserve.metering.csv_file import TIME_UNITS, UNITS, Column, Layout
from edgeserve.metering.csv_meter import CsvMeter, CsvWish
from edgeserve.metering.instruments import joulescope_meter, ppk2_meter
from edgeserve.metering.meter import Meter

_HINT = "csv:FILE,start=TIME | ppk2:PORT,volts=V | joulescope; docs/PHONES.md, external meters"
_CSV_KEYS = (
    "time",
    "time-unit",
    "current",
    "voltage",
    "power",
    "unit",
    "volts",
    "start",
    "slack",
    "wait",
)


@dataclass(frozen=True, slots=True)
class Ppk2Wish:
    """A port, the supply's volts, and whether the instrument is that supply."""

    port: str
    volts: float
    source: bool


@dataclass(frozen=True, slots=True)
class JoulescopeWish:
    """The only Joulescope that is connected."""


MeterWish = CsvWish | Ppk2Wish | JoulescopeWish


def meter_wish(text: str) -> MeterWish:
    """Reads ``KIND[:PLACE][,KEY=VALUE...]``. Raises ConfigError, which names what is wrong."""
    head, *rest = text.split(",")
    kind, _, place = head.partition(":")
    values = _values(rest, text)
    if kind == "csv" and place:
        return _csv(Path(place), values)
    if kind == "ppk2" and place:
        _only(values, ("volts", "mode"), kind)
        mode = values.get("mode", "ampere")
        if mode not in ("ampere", "source"):
            raise ConfigError(f"--meter: mode={mode} is no mode", hint="mode=ampere or mode=source")
        volts = _number(values, "volts")
        if volts is None or not 0.8 <= volts <= 5:
            raise ConfigError(
                "--meter ppk2 needs volts= from 0.8 to 5", hint="the supply's, such as volts=3.3"
            )
        return Ppk2Wish(place, volts, mode == "source")
    if kind == "joulescope" and not place:
        _only(values, (), kind)
        return JoulescopeWish()
    raise ConfigError(f"--meter {text!r} names no meter", hint=_HINT)


@contextmanager
def wished_meter(wish: MeterWish | None) -> Iterator[Meter | None]:
    """As ``opened_meter``; None where none was wished for."""
    if wish is None:
        yield None
    else:
        with opened_meter(wish) as meter:
            yield meter


@contextmanager
def opened_meter(wish: MeterWish) -> Iterator[Meter]:
    """The meter, running. Raises MissingTool without its package, DeviceError without it."""
    if isinstance(wish, CsvWish):
        yield CsvMeter(wish)
    elif isinstance(wish, Ppk2Wish):
        with ppk2_meter(wish.port, wish.volts, source=wish.source) as meter:
            yield meter
    else:
        with joulescope_meter() as meter:
            yield meter


def _csv(file: Path, values: dict[str, str]) -> CsvWish:
    _only(values, _CSV_KEYS, "csv")
    slack, wait = _number(values, "slack"), _number(values, "wait")
    return CsvWish(
        file,
        _layout(values),
        volts=_number(values, "volts"),
        time_scale=_scale(values, "time-unit", TIME_UNITS),
        start_s=_start(values),
        slack_s=1.0 if slack is None else slack,
        wait_s=600.0 if wait is None else wait,
    )


def _layout(values: dict[str, str]) -> Layout | None:
    """The columns that were named; None where none was, and the header has to tell."""
    named = [key for key in ("time", "current", "voltage", "power") if key in values]
    if not named:
        if "unit" in values:
            raise ConfigError("--meter: unit= needs current= or power=", hint=_HINT)
        return None
    if "time" not in values or ("power" in values) == ("current" in values):
        raise ConfigError(
            "--meter: name the column of time, and that of power or of current",
            hint="time=COLUMN,current=COLUMN,unit=mA,volts=3.85",
        )
    power = "power" in values
    scale = _scale(values, "unit", UNITS)
    if scale is None or values["unit"][-1] != ("W" if power else "A"):
        raise ConfigError(
            f"--meter: unit= must be {'W, mW or uW' if power else 'A, mA, uA or nA'}", hint=_HINT
        )
    what = Column(values["power" if power else "current"], scale)
    voltage = values.get("voltage")
    return Layout(
        "the named columns",
        Column(values["time"], _scale(values, "time-unit", TIME_UNITS) or 1.0),
        power=what if power else None,
        current=None if power else what,
        voltage=None if voltage is None or power else Column(voltage, 1.0),
    )


def _start(values: dict[str, str]) -> float | None:
    text = values.get("start")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--meter: start={text} is no time", hint="such as start=2026-01-31T12:00:00.5Z"
        ) from None
    if moment.tzinfo is None:
        raise ConfigError(
            f"--meter: start={text} has no time zone", hint=f"such as start={text}Z for UTC"
        )
    return moment.astimezone(UTC).timestamp()


def _values(parts: list[str], text: str) -> dict[str, str]:
    values = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not value or key in values:
            raise ConfigError(f"--meter {text!r}: {part!r} is not KEY=VALUE, once", hint=_HINT)
        values[key] = value
    return values


def _only(values: dict[str, str], known: tuple[str, ...], kind: str) -> None:
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"--meter {kind} knows no {unknown[0]}=",
            hint=f"it knows: {', '.join(known) or 'nothing'}",
        )


def _number(values: dict[str, str], key: str) -> float | None:
    if key not in values:
        return None
    try:
        number = float(values[key])
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ConfigError(f"--meter: {key}={values[key]} is no such number", hint=_HINT)
    return number


def _scale(values: dict[str, str], key: str, units: dict[str, float]) -> float | None:
    if key not in values:
        return None
    if values[key] not in units:
        raise ConfigError(
            f"--meter: {key}={values[key]} is no unit", hint=f"it may be {', '.join(units)}"
        )
    return units[values[key]]
