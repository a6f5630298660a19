"""The phone's settings for a measurement: kept, changed, and always put back.

What they were is written down on this machine before anything is changed, so that a run whose host
died is repaired by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgeserve.cache import cache_root
from edgeserve.device.adb import Adb
from edgeserve.errors import ConfigError, DeviceError
from edgeserve.strict_json import dump_json, load_json

_SLEEP, _WAKE = 223, 224  # android.view.KeyEvent
_AWAKE = re.compile(r"^\s*\w*Wakeful\w*(?:\(\))?=Awake\b", re.MULTILINE)
"""``mWakefulness`` as a rule; Samsung's phones print ``getWakefullnessLocked()``."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Settings:
    """What has to be put back: the screen, if it was on, and the radios, if they are turned off.

    The fixed performance mode is always ended: Android tells nobody whether it was on, and it is
    off unless a benchmark turned it on.
    """

    screen_on: bool
    radios_on: bool


@contextmanager
def for_measuring(adb: Adb, *, airplane: bool) -> Iterator[tuple[str, ...]]:
    """Within it the phone is quiet and steady; the notes tell what it would not do.

    ``airplane`` turns its radios off as well, which a wireless connection does not survive.
    """
    repair(adb)
    kept = _read(adb, airplane)
    path = _path(adb.serial)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_json(kept), encoding="utf-8")
    try:
        yield _change(adb, airplane)
    finally:
        # Without a connection the note stays, and the next run puts the settings back.
        with suppress(DeviceError):
            _restore(adb, kept)
            path.unlink(missing_ok=True)


def repair(adb: Adb) -> bool:
    """Puts back what a run that died has left; whether there was anything."""
    path = _path(adb.serial)
    try:
        kept = load_json(Settings, path.read_text(encoding="utf-8"), where=str(path))
    except FileNotFoundError:
        return False
    except ConfigError:  # cut when that run died: nothing had been changed yet
        path.unlink()
        return False
    _restore(adb, kept)
    path.unlink()
    return True


def screen_is_on(power: str) -> bool:
    """Reads ``dumpsys power``; a screen that is not told to be on is left as it was turned: off."""
    return _AWAKE.search(power) is not None


def _read(adb: Adb, airplane: bool) -> Settings:
    radios = airplane and adb.ask("settings get global airplane_mode_on").strip() == "0"
    return Settings(screen_is_on(adb.ask("dumpsys power")), radios)


def _change(adb: Adb, airplane: bool) -> tuple[str, ...]:
    wishes = {
        "no fixed performance mode": "cmd power set-fixed-performance-mode-enabled true",
        "the screen could not be turned off": f"input keyevent {_SLEEP}",
    }
    if airplane:
        wishes["no airplane mode"] = "cmd connectivity airplane-mode enable"
    return tuple(note for note, command in wishes.items() if adb.shell(command).code != 0)


def _restore(adb: Adb, kept: Settings) -> None:
    adb.shell("cmd power set-fixed-performance-mode-enabled false")
    if kept.screen_on:
        adb.shell(f"input keyevent {_WAKE}")
    if kept.radios_on:
        adb.shell("cmd connectivity airplane-mode disable")


def _path(serial: str) -> Path:
    return cache_root() / "phones" / f"{_UNSAFE.sub('_', serial)}.json"
