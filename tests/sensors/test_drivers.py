"""Drivers over simulated buses: what is read, what goes wrong, and how it mends.

What a chip's registers hold is said here, from its data sheet, and not taken from the C.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import pytest

from tests.told_runner import Told


class State(IntEnum):
    STOPPED, RUNNING, DOWN, DEAD = range(4)


class Fault(IntEnum):
    NONE, ABSENT, SETUP, NAK, STUCK, IDENTITY, HUNG, OVERRUN, GAP = range(9)


@dataclass(frozen=True)
class Chip:
    """``order`` is struct's; ``layout`` says which value lies where in the data registers: axes
    0..2 are acceleration (or a field), 3..5 rotation, None is something else.
    """

    index: int
    name: str
    identity: int
    status: tuple[int, int]
    runs: tuple[tuple[int, tuple[int | None, ...]], ...]
    order: str
    shift: int = 0

    @property
    def axes(self) -> int:
        return sum(axis is not None for _, layout in self.runs for axis in layout)


ROTATION_FIRST = (3, 4, 5, 0, 1, 2)
MPU_RUN = ((0x3B, (0, 1, 2, None, 3, 4, 5)),)
LSM6DSOX = Chip(0, "lsm6dsox", 0x0F, (0x1E, 3), ((0x22, ROTATION_FIRST),), "<")
LSM6DS3 = Chip(1, "lsm6ds3", 0x0F, (0x1E, 3), ((0x22, ROTATION_FIRST),), "<")
LSM6DS3TR_C = Chip(2, "lsm6ds3tr_c", 0x0F, (0x1E, 3), ((0x22, ROTATION_FIRST),), "<")
LSM9DS1 = Chip(3, "lsm9ds1", 0x0F, (0x17, 3), ((0x28, (0, 1, 2)), (0x18, (3, 4, 5))), "<")
MPU6050 = Chip(4, "mpu6050", 0x75, (0x3A, 1), MPU_RUN, ">")
MPU6500 = Chip(5, "mpu6500", 0x75, (0x3A, 1), MPU_RUN, ">")
LSM303 = Chip(6, "lsm303dlhc_mag", 0x0A, (0x09, 1), ((0x03, (0, 2, 1)),), ">", shift=4)
CHIPS = (LSM6DSOX, LSM6DS3, LSM6DS3TR_C, LSM9DS1, MPU6050, MPU6500, LSM303)
VALUES = (1000, -2000, 32767, -32768, 7, -1)
REST = 50


def registers(chip: Chip, values: Sequence[int]) -> list[object]:
    """The words that put a sample into the data registers, and say that it is new."""
    words: list[object] = ["reg", *chip.status]
    for first, layout in chip.runs:
        data = struct.pack(
            f"{chip.order}{len(layout)}h", *(4242 if a is None else values[a] for a in layout)
        )
        for at, byte in enumerate(data):
            words += ["reg", first + at, byte]
    return words


def imu(told: Told, chip: Chip, words: Iterable[object], *, fifo: bool = False) -> list[str]:
    """What a driver did, without what it wrote."""
    lines = told("imu", [chip.index, int(fifo), 1000, REST, *words])
    return [line for line in lines if not line.startswith("write")]


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_axes_come_in_their_order_and_width(chip: Chip, told: Told) -> None:
    values = [value >> chip.shift for value in VALUES[: chip.axes]]
    words = ["start", 0, *registers(chip, values), "poll", 1, 4, "reg", chip.status[0], 0]
    words += ["poll", 2, 4, "say"]
    started, new, old, say = imu(told, chip, words)
    assert started == "0"
    wanted = " ".join(str(value << chip.shift) for value in values)
    assert new == f"1 0 {wanted}"
    assert old == "0 0", "the same sample is not taken twice"
    assert say == f"{State.RUNNING:d} {Fault.NONE:d} 1 0 0 0"


def written(told: Told, chip: Chip, words: Iterable[object], *, fifo: bool = False) -> list[str]:
    lines = told("imu", [chip.index, int(fifo), 1000, REST, *words])
    return [line.removeprefix("write ") for line in lines if line.startswith("write")]


def test_a_chip_is_reset_before_it_is_set_up(told: Told) -> None:
    """The bit of the reset clears itself after some reads: what follows it waits."""
    wrote = written(told, LSM6DSOX, ["busy", 3, "start", 0, "stop"])
    assert wrote[:2] == [f"{0x12} 1", f"{0x12} {0x44}"]
    assert wrote[-2:] == [f"{0x10} 0", f"{0x11} 0"], "asleep"


@pytest.mark.parametrize("chip", [LSM6DSOX, LSM6DS3, LSM9DS1, MPU6050], ids=lambda chip: chip.name)
def test_a_reset_without_an_end_is_told(chip: Chip, told: Told) -> None:
    assert imu(told, chip, ["busy", 0, "start", 0]) == [f"{Fault.HUNG:d}"]
    assert len(written(told, chip, ["busy", 0, "start", 0])) == 1


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_another_device_is_told_from_the_chip(chip: Chip, told: Told) -> None:
    lines = imu(told, chip, ["reg", chip.identity, 0x55, "start", 0, "say", "bus"])
    assert lines[:2] == [f"{Fault.IDENTITY:d}", f"{State.DOWN:d} {Fault.IDENTITY:d} 0 0 1 0"]
    assert lines[2].split()[:2] == ["1", "400000"]
    wrote = written(told, chip, ["reg", chip.identity, 0x55, "start", 0])
    assert wrote == [], "nothing is written to a device that is another one"


def test_a_bus_that_is_not_there_does_not_mend(told: Told) -> None:
    lines = imu(told, MPU6050, ["nobus", "start", 0, "poll", 9999, 1, "say"])
    assert lines == [f"{Fault.ABSENT:d}", "0 0", f"{State.DEAD:d} {Fault.ABSENT:d} 0 0 1 0"]


def test_a_bus_with_too_short_reads_is_refused(told: Told) -> None:
    lines = imu(told, MPU6050, ["most", 13, "start", 0, "most", 14, "start", 0])
    assert lines == [f"{Fault.SETUP:d}", f"{Fault.NONE:d}"]


def test_a_chip_without_a_described_fifo_refuses_it(told: Told) -> None:
    assert imu(told, LSM9DS1, ["start", 0], fifo=True) == [f"{Fault.SETUP:d}"]


def sample(chip: Chip) -> list[object]:
    return registers(chip, [value >> chip.shift for value in VALUES])


def test_what_is_not_acknowledged_mends_at_once_and_leaves_a_gap(told: Told) -> None:
    words = [*sample(MPU6050), "start", 0, "poll", 5, 1, "nak", 1, "poll", 6, 1, "say"]
    words += ["poll", 7, 1, "say", *sample(MPU6050), "poll", 8, 1, "poll", 9, 1, "bus"]
    lines = imu(told, MPU6050, words)
    assert lines[1].startswith("1 0 1000")
    assert lines[2] == "0 0"
    assert lines[3] == f"{State.DOWN:d} {Fault.NAK:d} 1 0 1 0"
    assert lines[4].startswith("1 1 1000"), "the poll after it starts it again, and says the gap"
    assert lines[5] == f"{State.RUNNING:d} {Fault.NAK:d} 2 0 1 1"
    assert lines[6].startswith("1 0 1000"), "the gap is said once"
    assert lines[-1].split()[0] == "2", "the bus was started twice"


def test_attempts_are_a_rest_apart(told: Told) -> None:
    words: list[object] = ["start", 0, *sample(MPU6050), "poll", 10, 1, "nak", 1_000_000]
    for now in range(11, 11 + 10 * REST):
        words += ["poll", now, 1]
    words += ["bus", "say", "nak", 0, "poll", 11 + 11 * REST, 1, "say"]
    lines = imu(told, MPU6050, words)
    bus, say, _, mended = lines[-4:]
    # The one that was told to start, the one at once, and one each rest after it.
    assert bus.split()[0] == str(1 + 10)
    assert say == f"{State.DOWN:d} {Fault.NAK:d} 1 0 11 0"
    assert mended.startswith(f"{State.RUNNING:d} {Fault.NAK:d} ")
    assert mended.endswith(" 11 1")


@pytest.mark.parametrize("mends", [True, False])
def test_a_stuck_bus_is_clocked_free(mends: bool, told: Told) -> None:
    words = ["start", 0, *sample(MPU6050), "poll", 1, 1, "stuck", 1_000_000, int(mends)]
    words += ["poll", 2, 1, "say", *sample(MPU6050), "poll", 3, 1, "say", "bus"]
    _, _, nothing, down, _, after, bus = imu(told, MPU6050, words)
    assert nothing == "0 0"
    assert down == f"{State.DOWN:d} {Fault.STUCK:d} 1 0 1 0"
    state = State.RUNNING if mends else State.DOWN
    assert after.split()[0] == f"{state:d}"
    assert after.split()[-1] == str(int(mends))
    assert bus.split()[2] == "1", "clocks, once"


def test_a_sensor_that_says_nothing_is_hung(told: Told) -> None:
    words = ["start", 0, "poll", 999, 1, "say", "poll", 1000, 1, "say", "poll", 1001, 1, "say"]
    lines = imu(told, LSM6DSOX, words)
    assert lines[2] == f"{State.RUNNING:d} {Fault.NONE:d} 0 0 0 0"
    assert lines[4] == f"{State.DOWN:d} {Fault.HUNG:d} 0 0 1 0"
    assert lines[6] == f"{State.RUNNING:d} {Fault.HUNG:d} 0 0 1 1", "started again"


def tagged(values: Sequence[int], *, swapped: bool = False) -> bytes:
    words = [
        bytes([0x08]) + struct.pack("<3h", *values[3:]),
        bytes([0x10]) + struct.pack("<3h", *values[:3]),
    ]
    return b"".join(reversed(words) if swapped else words)


def untagged(values: Sequence[int]) -> bytes:
    return struct.pack("<6h", *values[3:], *values[:3])


def with_temperature(values: Sequence[int]) -> bytes:
    return struct.pack(">7h", *values[:3], 4242, *values[3:])


SAMPLES = [[i * 100 + axis for axis in range(6)] for i in range(5)]


def level(chip: Chip, count: int) -> list[object]:
    """What the registers of the FIFO's level say of so many samples."""
    if chip in (MPU6050, MPU6500):
        high, low = divmod(count * 14, 256)
        return ["reg", 0x72, high, "reg", 0x73, low]
    words = count * (2 if chip is LSM6DSOX else 6)
    return ["reg", 0x3A, words & 255, "reg", 0x3B, words >> 8]


def queued(chip: Chip, data: bytes) -> list[object]:
    register = {0: 0x78, 1: 0x3E, 2: 0x3E, 4: 0x74, 5: 0x74}[chip.index]
    return ["fifo", register, len(data), *data]


def encode(chip: Chip, values: Sequence[int]) -> bytes:
    if chip is LSM6DSOX:
        return tagged(values, swapped=values[0] == 200)
    return with_temperature(values) if chip in (MPU6050, MPU6500) else untagged(values)


WITH_FIFO = (LSM6DSOX, LSM6DS3, LSM6DS3TR_C, MPU6050, MPU6500)


@pytest.mark.parametrize("chip", WITH_FIFO, ids=lambda chip: chip.name)
def test_a_fifo_is_drained_as_far_as_there_is_room(chip: Chip, told: Told) -> None:
    data = b"".join(encode(chip, values) for values in SAMPLES)
    words = ["start", 0, *queued(chip, data), *level(chip, 5), "poll", 1, 3, *level(chip, 2)]
    words += ["poll", 2, 9, *level(chip, 0), "poll", 3, 9, "say"]
    _, first, rest, none, say = imu(told, chip, words, fifo=True)
    flat = [str(value) for values in SAMPLES for value in values]
    assert first.split() == ["3", "0", *flat[:18]]
    assert rest.split() == ["2", "0", *flat[18:]]
    assert none == "0 0"
    assert say.split()[2] == "5"


@pytest.mark.parametrize("chip", WITH_FIFO, ids=lambda chip: chip.name)
def test_a_fifo_that_ran_over_starts_anew(chip: Chip, told: Told) -> None:
    status, bit = (0x3A, 0x10) if chip in (MPU6050, MPU6500) else (0x3B, 0x40)
    data = encode(chip, SAMPLES[1])
    words = ["start", 0, *level(chip, 4), "reg", status, bit, "poll", 1, 9, "reg", status, 0]
    words += [*queued(chip, data), *level(chip, 1), "poll", 2, 9, "say"]
    _, over, after, say = imu(told, chip, words, fifo=True)
    assert over == "0 0"
    assert after.split() == ["1", "1", *map(str, SAMPLES[1])], "behind a gap"
    assert say == f"{State.RUNNING:d} {Fault.OVERRUN:d} 1 1 1 0"
    cleared = written(told, chip, words, fifo=True)[-2:]
    assert cleared == ([f"{0x6A} 4", f"{0x6A} {0x40}"] if status == 0x3A else cleared)
    assert {word.split()[0] for word in cleared} == {str(0x6A if status == 0x3A else 0x0A)}


def test_a_fifo_whose_words_have_shifted_starts_anew(told: Told) -> None:
    """A sample of two words of one kind is none."""
    data = tagged(SAMPLES[0]) + tagged(SAMPLES[1])[7:] + tagged(SAMPLES[1])[7:]
    words = ["start", 0, *queued(LSM6DSOX, data), *level(LSM6DSOX, 2), "poll", 1, 9, "say"]
    _, none, say = imu(told, LSM6DSOX, words, fifo=True)
    assert none == "0 0"
    assert say == f"{State.RUNNING:d} {Fault.OVERRUN:d} 0 1 1 0"


def test_a_report_is_cut_to_fit(told: Told) -> None:
    lines = imu(told, MPU6050, ["start", 0, *sample(MPU6050), "poll", 1, 1, "report"])
    whole = "imu: running, samples 1, lost 0, faults 0, recoveries 0, last fault: none"
    for room, line in zip(range(0, 141, 20), lines[2:], strict=True):
        cut = whole[: max(0, room - 1)]
        assert line == f"{len(cut)}:{cut}"


def sampled(told: Told, words: Iterable[object], **setup: int) -> list[str]:
    """16 samples a half, windows of 10 of which 4 are kept, unless told otherwise."""
    told_of = {
        "half": 16,
        "samples": 10,
        "keep": 4,
        "middle": 0,
        "shift": 0,
        "mhz": 0,
        "silence": 0,
    }
    return told("sampled", [*(told_of | setup).values(), *words])


def frames(lines: Iterable[str]) -> list[list[int]]:
    found = [line.split(":") for line in lines if line.startswith("frame")]
    return [[int(word) for word in values.split()] for _, values in found]


def test_windows_slide_over_halves(told: Told) -> None:
    words: list[object] = []
    for _ in range(6):
        words += ["put", 16, "feed", 1]
    lines = sampled(told, words)
    wanted = [list(range(first, first + 10)) for first in range(0, 96 - 10 + 1, 6)]
    assert frames(lines) == wanted
    assert lines[-1] == "broken 0"


def test_no_window_spans_samples_that_were_lost(told: Told) -> None:
    """40 samples come before anybody looks: half 0 is overwritten, half 1 is there."""
    lines = sampled(told, ["put", 16, "feed", 1, "put", 40, "feed", 2, "put", 8, "feed", 3, "say"])
    assert frames(lines) == [
        *([*range(first, first + 10)] for first in (0, 6, 32, 38, 44, 50)),
    ]
    assert lines[-2] == "broken 1"
    # Of the first half all were taken, of the second none.
    assert lines[-1] == f"{State.RUNNING:d} {Fault.OVERRUN:d} 48 16 1 0"


def test_values_are_centred_and_widened(told: Told) -> None:
    """Of an ADC of 12 bits: 2048 becomes 0. Here 3 is the middle, and 13 bits more saturate."""
    lines = sampled(told, ["put", 16, "feed", 1], keep=0, middle=3, shift=13)
    assert frames(lines)[0] == [-24576, -16384, -8192, 0, 8192, 16384, 24576, *[32767] * 3]


@pytest.mark.parametrize(("mhz", "fault"), [(16_160_000, 0), (16_161_000, 2), (15_625_000, 2)])
def test_a_rate_that_is_off_is_refused(mhz: int, fault: int, told: Told) -> None:
    assert sampled(told, [], mhz=mhz) == [str(fault)]


def test_a_shift_that_is_none_is_refused(told: Told) -> None:
    assert sampled(told, [], shift=16) == [f"{Fault.SETUP:d}"]


def test_a_microphone_that_stops_is_hung_and_started_again(told: Told) -> None:
    words = ["put", 16, "feed", 1, "feed", 100, "feed", 101, "say", "feed", 102, "say"]
    lines = sampled(told, [*words, "put", 16, "feed", 103], silence=100)
    assert f"{State.DOWN:d} {Fault.HUNG:d} 16 0 1 0" in lines
    assert f"{State.RUNNING:d} {Fault.HUNG:d} 16 0 1 1" in lines
    assert frames(lines)[-1] == list(range(22, 32)), "the window begins anew behind the gap"
    assert lines[-1] == "broken 1"


def test_a_producer_of_its_own_is_never_read_torn(told: Told) -> None:
    at, accounted, has_any = map(int, told("thread", [])[0].split())
    assert (at, accounted, has_any) == (2_000_000, 2_000_000, 1)


def camera(
    told: Told, words: Iterable[object], *, width: int = 4, height: int = 5, depth: int = 8,
    pixels: int = 0, each_poll: int = 0,
) -> list[str]:  # fmt: skip
    return told("camera", [width, height, depth, pixels, each_poll, *words])


def rows(*numbers: int, count: int = 4) -> list[object]:
    return [word for y in numbers for word in ("row", y, count)]


WHOLE = " ".join(str(y * 10) for y in range(5))


def test_frames_are_whole_and_begin_with_row_0(told: Told) -> None:
    """The camera is in the middle of a frame when it is started."""
    words = [*rows(3, 4, 0, 1, 2), "window", *rows(3, 4, 0), "window", *rows(1, 2, 3, 4), "window"]
    lines = [line for line in camera(told, words) if line != "1"]
    assert lines == ["0", "0 0 0", f"1 0 0 {WHOLE}", f"1 0 0 {WHOLE}"]


@pytest.mark.parametrize(
    ("torn", "lost"), [((0, 1, 3, 4), 1), ((0, 1, 2), 2), ((0, 1, 4), 2), ((0, 2, 3, 4), 1)]
)
def test_a_frame_with_missing_rows_is_dropped(torn: tuple[int, ...], lost: int, told: Told) -> None:
    words = [*rows(*torn), "window", *rows(0, 1, 2), "window", *rows(3, 4), "window", "say"]
    lines = [line for line in camera(told, words) if line not in ("1", "0")]
    assert lines[-2].startswith("1 ")
    assert lines[-2].endswith(f" 1 {WHOLE}")
    assert lines[-1] == f"{State.RUNNING:d} {Fault.GAP:d} {lines[-1].split()[2]} {lost} 1 0"


def test_a_ring_that_is_full_refuses_rows(told: Told) -> None:
    lines = camera(told, [*rows(0, 1, 2, 3, 4), "window", *rows(0, 1, 2), "window"], depth=4)
    assert lines[:6] == ["0", "1", "1", "1", "1", "0"]
    assert lines[6].startswith("0 0 0")
    assert lines[-1] == "0 1 1", "row 4 was lost: the next one is row 0"


def test_rows_of_another_length_are_none(told: Told) -> None:
    words = [*rows(0), "row", 1, 3, *rows(2, 3, 4), "window", *rows(0, 1, 2, 3, 4), "window"]
    lines = camera(told, words)
    assert lines[-1].startswith("1 ")
    assert lines[-1].endswith(f" 1 {WHOLE}")


def test_rows_of_a_bus_that_is_polled_wait_for_room(told: Told) -> None:
    words: list[object] = ["wait", 10, *range(5), *range(5)]
    lines = camera(told, [*words, *["window"] * 8], depth=2, each_poll=3)
    assert lines.count(f"1 0 0 {WHOLE}") == 2
    assert {line.split()[2] for line in lines[1:]} == {"0"}


@pytest.mark.parametrize("bad", [{"depth": 3}, {"depth": 0}, {"width": 0}, {"height": 0}])
def test_a_camera_without_a_ring_of_a_power_of_two_is_refused(
    bad: dict[str, int], told: Told
) -> None:
    assert camera(told, [], **bad) == [f"{Fault.SETUP:d}"]


LEVELS = " ".join(str(y * 10 - 128) for y in range(5))


def test_a_model_reads_rows_straight_from_the_camera(told: Told) -> None:
    """It begins with row 0, whatever comes before, and its pixels are the model's levels."""
    words = ["wait", 7, 3, 4, *range(5), "feed", 1000, 1]
    assert camera(told, words, each_poll=1)[-1] == f"0 {LEVELS}"


@pytest.mark.parametrize(
    ("waiting", "kept"), [((0, 1, 3, 4), 2), ((0, 1), 2), ((), 0), ((0, 1, 2, 3, 0, 1), 4)]
)
def test_a_torn_frame_says_so(waiting: tuple[int, ...], kept: int, told: Told) -> None:
    words = ["wait", len(waiting), *waiting, "feed", 100, 1]
    torn, *levels = camera(told, words, each_poll=1)[-1].split()
    assert torn == "1"
    assert levels == [*LEVELS.split()[:kept], *["0"] * (5 - kept)]


def test_rows_of_another_model_are_torn(told: Told) -> None:
    words = ["wait", 5, *range(5), "feed", 100, 3]
    assert camera(told, words, each_poll=1)[-1].startswith("1 0 ")
