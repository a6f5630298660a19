"""The ring of frames in whole ticks: the same decisions as ``firmware/loop/es_loop.c``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from edgeserve.xorshift import xorshift32


class WhenFull(StrEnum):
    """What to drop when a frame arrives and the ring is full, as ``es_full_t`` has it."""

    OLDEST = "oldest"
    NEWEST = "newest"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Ring:
    """At most ``capacity`` frames wait (None: any number), beside the one that is worked on.

    ``deadline`` is in ticks from arrival to the end of the inference; 0: none.
    """

    capacity: int | None
    when_full: WhenFull = WhenFull.OLDEST
    deadline: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all frames. ``served`` are indices of frames, ``waits`` and ``latencies`` are
    in ticks, all in order of service.
    """

    arrived: int
    dropped: int
    late: int
    most_waiting: int
    busy: int
    asleep: int
    served: tuple[int, ...]
    waits: tuple[int, ...]
    latencies: tuple[int, ...]


Run: TypeAlias = Callable[[Sequence[int], Sequence[int], Ring], Outcome]
"""``simulate`` or ``simulate_frames``."""


def resampled(samples: Sequence[int], seed: int) -> Iterator[int]:
    """Service times drawn from measured ones, each as likely."""
    for draw in xorshift32(seed):
        yield samples[draw * len(samples) >> 32]


def simulate(arrivals: Sequence[int], service: Iterable[int], ring: Ring) -> Outcome:
    """Frames that arrive at ``arrivals``, served one after the other until none waits: the n-th
    that is served takes the n-th of ``service``.

    What arrives at the tick at which a service ends is there before the next begins.
    """
    ticks = iter(service)
    return _run(arrivals, lambda frame: next(ticks), ring)


def simulate_frames(arrivals: Sequence[int], service: Sequence[int], ring: Ring) -> Outcome:
    """Likewise, but each frame has its own service, whether or not it is dropped."""
    return _run(arrivals, service.__getitem__, ring)


def _run(arrivals: Sequence[int], ticks_of: Callable[[int], int], ring: Ring) -> Outcome:
    queue = _Queue(ring, arrivals)
    now = 0
    while not queue.is_over():
        now = queue.serve(now, ticks_of)
    return queue.outcome()


class _Queue:
    """The state of a run."""

    def __init__(self, ring: Ring, arrivals: Sequence[int]) -> None:
        self._ring = ring
        self._arrivals = arrivals
        self._next = 0
        self._waiting: deque[int] = deque()
        self._dropped = self._most = self._busy = self._asleep = 0
        self._stopped = False
        self._served: list[int] = []
        self._waits: list[int] = []
        self._latencies: list[int] = []

    def is_over(self) -> bool:
        return not self._waiting and self._next == len(self._arrivals)

    def serve(self, now: int, ticks_of: Callable[[int], int]) -> int:
        """Works on the next frame for as long as that one takes; when that ends."""
        self._let_in(now)
        while not self._waiting:
            if self._next == len(self._arrivals):
                return now
            self._asleep += self._arrivals[self._next] - now
            now = self._arrivals[self._next]
            self._let_in(now)
        frame = self._waiting.popleft()
        arrived, ticks = self._arrivals[frame], ticks_of(frame)
        end = now + ticks
        self._served.append(frame)
        self._waits.append(now - arrived)
        self._latencies.append(end - arrived)
        self._busy += ticks
        self._let_in(end)
        return end

    def _let_in(self, now: int) -> None:
        while self._next < len(self._arrivals) and self._arrivals[self._next] <= now:
            self._arrive(self._next)
            self._next += 1

    def _arrive(self, frame: int) -> None:
        full = len(self._waiting) == self._ring.capacity
        if full and self._ring.when_full is WhenFull.STOP:
            self._stopped = True
        if full or self._stopped:
            self._dropped += 1
            if self._ring.when_full is not WhenFull.OLDEST:
                return
            self._waiting.popleft()
        self._waiting.append(frame)
        self._most = max(self._most, len(self._waiting))

    def outcome(self) -> Outcome:
        deadline = self._ring.deadline
        return Outcome(
            arrived=self._next,
            dropped=self._dropped,
            late=sum(latency > deadline for latency in self._latencies) if deadline else 0,
            most_waiting=self._most,
            busy=self._busy,
            asleep=self._asleep,
            served=tuple(self._served),
            waits=tuple(self._waits),
            latencies=tuple(self._latencies),
        )


def needed_capacity(
    arrivals: Sequence[int],
    service: Sequence[int],
    drop_share: float,
    run: Run = simulate,
) -> int:
    """The least capacity at which no larger share of the frames is dropped, by bisection.

    For a queue that only grows it says how many these frames take, and nothing of longer runs.
    """
    unbounded = run(arrivals, service, Ring(None))
    low, high = 1, max(1, unbounded.most_waiting)
    while low < high:
        middle = (low + high) // 2
        outcome = run(arrivals, service, Ring(middle, WhenFull.NEWEST))
        if outcome.dropped <= drop_share * len(arrivals):
            high = middle
        else:
            low = middle + 1
    return low
