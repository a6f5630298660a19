"""The file of a bundle's phone measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeserve.bundle_store import PHONE_MEASUREMENTS_FILE
from edgeserve.cache import cache_root
from edgeserve.measurement import read_records
from edgeserve.phone.record import SCHEMA_VERSION, Asked, PhoneMeasurement

PhoneSetup = tuple[str, str, Asked]
"""Model and chip of a phone, and what was asked of it: measurements of one setup are alike."""


def read_phone_measurements(folder: Path) -> tuple[PhoneMeasurement, ...]:
    """All phone measurements of a bundle's folder, oldest first; none when there is no file.

    Raises ConfigError, with the line's number, for anything but whole records of this schema.
    """
    return read_records(folder / PHONE_MEASUREMENTS_FILE, PhoneMeasurement, SCHEMA_VERSION)


def folder_of_tflite(path: Path, sha256: str) -> Path:
    """Where the phone measurements of a ``.tflite`` lie that is no bundle, by its hash."""
    return cache_root() / "phones" / f"{sha256[:16]}-{path.stem}"


def folder_of_records(path: Path, sha256: str) -> Path:
    """Where a model's phone measurements lie: a bundle's in it, a ``.tflite``'s in the cache."""
    return path if path.is_dir() else folder_of_tflite(path, sha256)


def cold_starts_ns(measurement: PhoneMeasurement) -> tuple[int, ...]:
    """Each cold start from the library to the first inference, of those that tell every part.

    What starting the process took is not in it: not every phone tells that.
    """
    starts = (
        (cold.library_ns, cold.load_ns, cold.compile_ns, cold.first_ns) for cold in measurement.cold
    )
    known = ([part for part in parts if part is not None] for parts in starts)
    return tuple(sum(parts) for parts in known if len(parts) == 4)


def setup_of(measurement: PhoneMeasurement) -> PhoneSetup:
    """What two measurements must share to be compared."""
    return measurement.phone.model, measurement.phone.soc, measurement.asked


def latest_of_setups(
    measurements: Sequence[PhoneMeasurement],
) -> dict[PhoneSetup, PhoneMeasurement]:
    """The last measurement of each setup, in the order of their first ones."""
    return {setup_of(measurement): measurement for measurement in measurements}


def told_setup(measurement: PhoneMeasurement) -> str:
    """Phone, accelerator and scenario, in a few words."""
    asked = measurement.asked
    words = [measurement.phone.model, asked.accelerator.value, asked.scenario.value]
    words += [f"{asked.threads} threads"] if asked.threads else []
    words += [f"cores {asked.cores:x}"] if asked.cores is not None else []
    words += [f"every {asked.period_us / 1000:g} ms"] if asked.period_us else []
    words += [f"{asked.streams} streams"] if asked.streams is not None else []
    return ", ".join(words)
