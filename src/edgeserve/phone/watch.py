"""What a phone says of itself before and during a run: who it is, how warm, how fast it may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeserve.absent import Absent
from edgeserve.device.adb import Adb
from edgeserve.errors import DeviceError
from edgeserve.phone.cores import CAPS_COMMAND, parse_caps
from edgeserve.phone.harness import Sample
from edgeserve.phone.plan import Say
from edgeserve.phone.record import Identity, Onset, Sighting
from edgeserve.phone.thermal import Sensor, parse_thermal
from edgeserve.phone.throttling import Observation, steps_of, throttling_of

COOL_SKIN_C = 37.0
WATCH_S = 5.0


def identity_of(adb: Adb) -> Identity:
    """Which phone it is, by its own properties."""

    def ask(key: str) -> str:
        return adb.ask(f"getprop {key}").strip()

    return Identity(
        serial=adb.serial,
        model=ask("ro.product.model"),
        product=ask("ro.product.device"),
        soc=ask("ro.soc.model"),
        android=ask("ro.build.version.release"),
        build=ask("ro.build.fingerprint"),
    )


_MACHINES = {"arm64-v8a": 183, "x86_64": 62, "armeabi-v7a": 40}
"""ELF's e_machine by Android's ABI."""


def require_abi(adb: Adb, program: Path) -> None:
    """DeviceError where a program of this machine is not for the phone's processor."""
    abis = adb.ask("getprop ro.product.cpu.abilist").strip().split(",")
    with program.open("rb") as file:
        head = file.read(20)
        machine = int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None
    if not any(_MACHINES.get(abi) == machine for abi in abis):
        raise DeviceError(
            f"{program.name} is not for {adb.serial}, "
            f"which runs {', '.join(abis) or 'no known ABI'}",
            hint="take one that is built for that ABI: docs/PHONES.md tells how",
        )


def cooled(adb: Adb, wait_s: float, say: Say) -> bool:
    """Whether status is 0 and the skin cool; a phone that does not tell is taken for warm."""
    deadline = time.monotonic() + wait_s
    while True:
        reading = parse_thermal(adb.ask("dumpsys thermalservice"))
        if isinstance(reading, Absent):
            return False
        skin = reading.hottest(Sensor.SKIN)
        if reading.status == 0 and (skin is None or skin <= COOL_SKIN_C):
            return True
        if time.monotonic() + WATCH_S > deadline:
            return False
        say(f"waiting until the phone is cool: {skin} C, status {reading.status}")
        time.sleep(WATCH_S)


@contextmanager
def watched(adb: Adb, say: Say) -> Iterator[list[Sighting]]:
    """Asks the phone every few seconds how it is; the list grows until the block ends."""
    seen: list[Sighting] = []
    over = threading.Event()
    begin = time.monotonic()

    def watch() -> None:
        while not over.is_set():
            try:
                seen.append(_sighting(adb, time.monotonic() - begin))
            except DeviceError:
                return  # the run itself will tell
            say(_told(seen[-1]))
            over.wait(WATCH_S)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join(30.0)


def _sighting(adb: Adb, at_s: float) -> Sighting:
    thermal = parse_thermal(adb.ask("dumpsys thermalservice"))
    caps = parse_caps(adb.ask(CAPS_COMMAND))
    lowest = None if isinstance(caps, Absent) else min(c.allowed_khz / c.top_khz for c in caps)
    if isinstance(thermal, Absent):
        return Sighting(at_s, None, None, None, lowest)
    skin, cpu = thermal.hottest(Sensor.SKIN), thermal.hottest(Sensor.CPU)
    return Sighting(at_s, int(thermal.status), skin, cpu, lowest)


def _told(sighting: Sighting) -> str:
    skin = "" if sighting.skin_celsius is None else f", skin {sighting.skin_celsius:.1f} C"
    return f"measuring: {sighting.at_s:.0f} s{skin}"


def onset_of(samples: Sequence[Sample], sightings: tuple[Sighting, ...]) -> Onset | None:
    """Where a run began to throttle, by its latencies and what the phone said meanwhile."""
    if not samples:
        return None
    steps = steps_of([s.end_ns // 1000 for s in samples], [s.ns for s in samples])
    usual = max((s.lowest_cap for s in sightings if s.lowest_cap is not None), default=None)
    seen = [
        Observation(
            s.at_s,
            s.status,
            None if s.lowest_cap is None or usual is None else s.lowest_cap < usual,
        )
        for s in sightings
    ]
    found = throttling_of(steps, seen)
    if found is None:
        return None
    witnesses = tuple(witness.value for witness in found.witnesses)
    return Onset(found.step.at_s, found.step.rise, witnesses)
