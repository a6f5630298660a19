"""One recorded trace through the ring of a board, and through the host's simulation beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve.board import load_board
from edgeserve.cli import main
from edgeserve.device.protocol import Arrival, Dut, arrivals_block
from edgeserve.errors import DeviceError
from edgeserve.firmware.build import build
from edgeserve.image import Image
from edgeserve.queueing.simulation import Ring, WhenFull, simulate_frames
from tests.e2e.bench_images import build_image, two_layers
from tests.e2e.firmware_fixtures import SANITIZERS, Conversation, open_image, write_tiny
from tests.e2e.test_documents import DOCUMENTED, agree
from tests.loop.test_replay import require_same
from tests.tiny_program import tiny_program
from tests.tools import need_board_tools

FRAMES, RING = 10_000, 64
UTILIZATIONS = (50, 80, 95, 120)
BURSTS, BURST, PAUSES = 6, 90, 5


def jittered_gaps(mean: float) -> list[int]:
    """Gaps between the frames of a recording, whole ticks of about ``mean``: random ones, a few
    bursts that no ring of 64 holds, and a few pauses of 100 frames' time. No generator of the board
    makes the like.
    """
    rng = np.random.default_rng(20)
    gaps = rng.exponential(1, FRAMES)
    for start in rng.choice(FRAMES // BURST, BURSTS, replace=False) * BURST:
        gaps[start : start + BURST] *= 0.01
    gaps[rng.choice(FRAMES, PAUSES, replace=False)] += 100
    return [int(gap) for gap in np.rint(gaps * mean / gaps.mean())]


def times_of(gaps: list[int]) -> list[int]:
    return [int(time) for time in np.cumsum(gaps)]


@dataclass(frozen=True, slots=True)
class Asked:
    """`edgeserve loop` on one model, whose bundle is made once."""

    model: str
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, Any]:
        code = main(["loop", self.model, *arguments, "--format", "json"])
        told = json.loads(self.capsys.readouterr().out)
        agree(told, DOCUMENTED["loop"])
        return code, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("trace")
    (made / "two.tflite").write_bytes(two_layers())
    return made


@pytest.fixture
def asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asked:
    monkeypatch.setenv("EDGESERVE_CACHE", str(folder / "cache"))
    return Asked(str(folder / "two.tflite"), capsys)


def require_equal_counts(told: Any) -> None:
    """Of the board and of the simulation: equal, but for the width of a histogram's class."""
    simulated, board = told["simulation"], told["emulated"]
    assert board["state"] == "done"
    assert board["damaged"] == 0
    assert board["arrived"] == told["frames"] == FRAMES
    for name in ("inferred", "dropped", "late", "most_waiting"):
        assert board[name] == simulated[name], name
    assert board["busy"] == simulated["busy_ticks"]
    assert board["asleep"] == simulated["asleep_ticks"]
    for name in ("wait_p99", "latency_p99"):
        assert board[name] == pytest.approx(simulated[f"{name}_ticks"], rel=0.01)


@pytest.mark.parametrize("percent", UTILIZATIONS)
def test_the_emulated_board_replays_a_recorded_trace(
    percent: int, asked: Asked, folder: Path
) -> None:
    """At a clock of 1 MHz a microsecond of the file is an instruction of the board, which infers
    each frame that its ring lets through.
    """
    need_board_tools(load_board("mps2-an500"))
    emulated = ("--clock", "1MHz", "--rate", "100Hz", "--emulate")
    _, one = asked(*emulated, "--frames", "1")
    service = one["service"]["samples"][0]
    gaps = jittered_gaps(service * 100 / percent)
    trace = folder / "trace.txt"
    trace.write_text("".join(f"{gap}\n" for gap in gaps))
    code, told = asked(
        *(*emulated, "--jitter", str(trace), "--ring", str(RING)),
        *("--deadline", f"{20 * service}us", "--frames", str(FRAMES)),
    )
    assert code == (1 if percent > 100 else 0)
    assert told["arrivals"]["intervals"] == gaps
    assert told["service"]["samples"] == [service] * 5
    assert told["utilization"] == pytest.approx(percent / 100, rel=0.001)
    require_equal_counts(told)
    assert told["emulated"]["dropped"] > 0, "the bursts at least"
    assert told["emulated"]["late"] > 0
    # The formula beside them: no answer where frames come faster than they go.
    rho = told["utilization"]
    formula = told["md1"]["mean_wait_ticks"]
    if percent > 100:
        assert formula is None
    else:
        assert formula == pytest.approx(rho * service / (2 * (1 - rho)))


@pytest.mark.parametrize("board", ["host", pytest.param("mps2-an500", marks=pytest.mark.soak)])
def test_a_board_replays_a_recording_that_it_has_inferred(
    board: str, asked: Asked, folder: Path
) -> None:
    """Each frame of the file takes what its own inference took: on the host never the same."""
    need_board_tools(load_board(board))
    clock = () if board == "host" else ("--clock", "20MHz")
    rng = np.random.default_rng(4)
    frames = rng.integers(-128, 128, (FRAMES, 48)).astype(np.int8)
    gaps = jittered_gaps(3 if board == "host" else 180)
    np.savez(folder / "recording.npz", frames=frames, times_us=times_of(gaps))
    sensor = f"file:{folder / 'recording.npz'}"
    _, told = asked("--sensor", sensor, "--board", board, *clock, "--emulate", "--ring", str(RING))
    require_equal_counts(told)
    assert told["emulated"]["dropped"] > 0
    assert len(told["service"]["samples"]) == FRAMES
    assert len(told["sensor"]["inferred_frames"]) == told["emulated"]["inferred"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dut]:
    started = build_image(two_layers(), "host", tmp_path_factory.mktemp("host")).start()
    started.load(bytes(48))
    yield started
    started.close()


@pytest.mark.parametrize("percent", UTILIZATIONS)
@pytest.mark.parametrize("when_full", list(WhenFull))
def test_the_host_replays_a_recorded_trace(when_full: WhenFull, percent: int, host: Dut) -> None:
    service = [int(ticks) for ticks in np.random.default_rng(9).integers(900, 1100, FRAMES)]
    times = times_of(jittered_gaps(1000 * 100 / percent))
    ring = Ring(RING, when_full, deadline=20_000)
    handed_over: list[int] = []
    stats = host.trace_loop(
        ring=RING,
        when_full=when_full,
        deadline=ring.deadline,
        arrivals=tuple(map(Arrival, times, service)),
        asked=handed_over.append,
    )
    outcome = simulate_frames(times, service, ring)
    assert outcome.dropped > 0
    require_same(stats, outcome)
    assert handed_over == list(range(0, FRAMES, 16))


def test_times_beyond_32_bits(host: Dut) -> None:
    """Frames an hour of nanoseconds apart, at a hundred years of them."""
    hour, start = 3600 * 10**9, 100 * 365 * 86400 * 10**9
    arrivals = [Arrival(start + i * hour, 5) for i in range(20)]
    stats = host.trace_loop(ring=1, when_full="newest", deadline=0, arrivals=arrivals)
    assert (stats.inferred, stats.dropped, stats.busy) == (20, 0, 100)
    assert stats.asleep == start + 19 * hour - 19 * 5


def test_arrivals_that_say_what_they_take_stand_beside_others(host: Dut) -> None:
    """One in two is inferred, the others take what they say."""
    second = 10**9
    arrivals = [Arrival(i * second, second // 2 if i % 2 else 0) for i in range(40)]
    stats = host.trace_loop(ring=4, when_full="oldest", deadline=0, arrivals=arrivals)
    assert (stats.inferred, stats.dropped, stats.damaged) == (40, 0, 0)
    assert 0 < stats.busy - 20 * (second // 2) < second


# What is no trace.

TRACE = tuple(Arrival(100 * (i + 1), 30) for i in range(40))


@pytest.fixture(scope="module")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """The host's under sanitizers."""
    images = {}
    for board, flags in (("host", SANITIZERS), ("mps2-an500", ())):
        need_board_tools(load_board(board))
        project = write_tiny(tmp_path_factory.mktemp(board), board, tiny_program())
        images[board] = build(project, extra_flags=flags)
    return images


@pytest.fixture(params=["host", "mps2-an500"])
def talk(request: pytest.FixtureRequest, tiny_images: dict[str, Image]) -> Iterator[Conversation]:
    link = open_image(request.param, tiny_images[request.param])
    try:
        yield Conversation(link)
    finally:
        link.close()


def good(first: int, count: int) -> bytes:
    return arrivals_block(first, TRACE[first : first + count])


def replayed(
    talk: Conversation, answer: Callable[[int, int], str], *, wait_ms: int = 60_000
) -> list[str]:
    """The lines of a replay of TRACE but those that ask; ``answer`` gives what is sent then."""
    talk.link.send(f"es loop trace {len(TRACE)} {wait_ms}%")
    lines = []
    while (line := talk.link.read_line(time.monotonic() + 20)) != "m-ready":
        if not line.startswith("m-es-arrivals-"):
            lines.append(line)
            continue
        first, count = map(int, line.removeprefix("m-es-arrivals-").split("-"))
        talk.link.send(answer(first, count))
    return [line for line in lines if not line.startswith("m-es-check-")]


def counted(talk: Conversation) -> dict[str, str]:
    lines = [line.removeprefix("m-es-loop-").split("-[") for line in talk.ask("es loop stats")]
    return {key: value.removesuffix("]") for key, value in lines}


def flipped(block: bytes) -> bytes:
    """One bit in its middle."""
    middle = len(block) // 2
    return block[:middle] + bytes([block[middle] ^ 4]) + block[middle + 1 :]


def back_in_time(first: int, count: int) -> bytes:
    """A block whose last arrival lies before the others."""
    return arrivals_block(first, (*TRACE[first : first + count - 1], Arrival(TRACE[first].at - 1)))


def before_the_last_block(first: int, count: int) -> bytes:
    """A block whose first arrival lies before the last one of the block before it."""
    early = Arrival(TRACE[first - 1].at - 1)
    return arrivals_block(first, (early, *TRACE[first + 1 : first + count]))


SPOILED: dict[str, tuple[Callable[[int, int], str], str]] = {
    "too few": (lambda first, count: f"{good(first, count - 1).hex()}%", "too short"),
    "too many": (lambda first, count: f"{good(first, count + 1).hex()}%", "too long"),
    "none": (lambda first, count: "%", "too short"),
    "half a byte": (lambda first, count: f"{good(first, count).hex()[:-1]}%", "too short"),
    "another one": (
        lambda first, count: f"{arrivals_block(first + 1, TRACE[first : first + count]).hex()}%",
        "other arrivals than those asked for",
    ),
    "the last one again": (
        lambda first, count: f"{good(first - count, count).hex()}%",
        "other arrivals than those asked for",
    ),
    "damaged": (
        lambda first, count: f"{flipped(good(first, count)).hex()}%",
        "damaged on the line",
    ),
    "no digits": (lambda first, count: f"zz{good(first, count).hex()[2:]}%", "hexadecimal digit"),
    "back in time": (
        lambda first, count: f"{back_in_time(first, count).hex()}%",
        "an arrival before the one before it",
    ),
    "before the last block": (
        lambda first, count: f"{before_the_last_block(first, count).hex()}%",
        "an arrival before the one before it",
    ),
    "another command": (lambda first, count: "es info%", "hexadecimal digit"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_block_that_is_none_ends_the_replay(spoiled: str, talk: Conversation) -> None:
    """In one line; nothing of the block was used, and the next replay is right."""
    spoil, said = SPOILED[spoiled]
    (line,) = replayed(
        talk,
        lambda first, count: spoil(first, count) if first == 16 else f"{good(first, count).hex()}%",
    )
    assert line.startswith("e-[")
    assert said in line
    seen = counted(talk)
    assert (seen["state"], seen["in"], seen["damaged"]) == ("stopped", "16", "0")
    assert replayed(talk, lambda first, count: f"{good(first, count).hex()}%") == [
        "m-es-loop-traced"
    ]
    seen = counted(talk)
    assert (seen["state"], seen["in"], seen["inferred"]) == ("done", "40", "40")
    assert (seen["busy"], seen["asleep"]) == (str(40 * 30), str(100 + 39 * 70))


def test_a_block_that_does_not_come_in_time(talk: Conversation) -> None:
    lines = replayed(talk, lambda first, count: "", wait_ms=300)
    assert lines == ["e-[the answer did not come in time]"]
    assert counted(talk)["state"] == "stopped"


def test_a_host_that_left_in_the_middle(talk: Conversation) -> None:
    """The device is in the middle of a block when the next host asks for its name."""
    talk.link.send(f"es loop trace {len(TRACE)} 600000%")
    while talk.link.read_line(time.monotonic() + 10) != "m-es-arrivals-0-16":
        pass
    talk.link.send(good(0, 16).hex()[:100])
    next_host = Dut(talk.link)
    next_host.wait_ready()
    assert next_host.loop_stats().state == "stopped"
    assert next_host.info().model == "tiny"


def test_a_trace_and_a_generated_replay_take_turns(talk: Conversation) -> None:
    """Neither has left anything to the other."""
    assert talk.ask("es loop start 4000000000 1000000 0 1") == ["m-es-loop-started"]
    assert replayed(talk, lambda first, count: f"{good(first, count).hex()}%") == [
        "m-es-loop-traced"
    ]
    assert counted(talk)["in"] == "40"
    assert talk.ask("es loop start 7 1000000 0 1") == ["m-es-loop-started"]
    while counted(talk)["state"] == "running":
        pass
    assert counted(talk)["in"] == "7"


@pytest.mark.parametrize(
    "command",
    [
        *("es loop trace", "es loop trace 0", "es loop trace x", "es loop trace 1 0"),
        *("es loop trace 1 4294967295", "es loop trace 1 2 3", "es loop trace 4294967296"),
    ],
)
def test_a_trace_that_cannot_be(command: str, talk: Conversation) -> None:
    (line,) = talk.ask(command)
    assert line.startswith("e-[")
    assert counted(talk) == {"state": "never started"}


def test_a_trace_of_an_input_that_is_not_whole(talk: Conversation) -> None:
    talk.ask("es load 4")
    assert talk.ask("es loop trace 1") == ["e-[the input is not complete]"]


def test_a_trace_that_goes_back_is_refused_by_the_board_too(host: Dut) -> None:
    with pytest.raises(DeviceError, match="an arrival before the one before it"):
        host.trace_loop(
            ring=4, when_full="oldest", deadline=0, arrivals=[Arrival(5, 1), Arrival(4, 1)]
        )
