"""What the ring of frames is to do, said once more with a deque: the oracle of its C."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

OLDEST, NEWEST, STOP = range(3)


@dataclass
class RingModel:
    """Frames as (sequence, time of arrival); the methods answer as the C's runner prints."""

    capacity: int
    policy: int
    deadline: int
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    hand: tuple[int, int, int] | None = None
    stopped: bool = False
    progressed: bool = False
    arrived: int = 0
    dropped: int = 0
    late: int = 0
    most_waiting: int = 0
    busy: int = 0
    asleep: int = 0
    waits: list[int] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)

    def a(self, now: int) -> str:
        frame = (self.arrived, now)
        self.arrived += 1
        full = len(self.waiting) == self.capacity
        if full and self.policy == STOP:
            self.stopped = True
        if self.stopped or (full and self.policy == NEWEST):
            self.dropped += 1
            return "0"
        if full:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(frame)
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        return "1"

    def b(self, now: int) -> str:
        if self.hand or not self.waiting:
            return "-1"
        sequence, arrived = self.waiting.popleft()
        self.hand = (sequence, arrived, now)
        self.waits.append(now - arrived)
        return str(sequence)

    def f(self, now: int) -> None:
        if self.hand:
            _, arrived, begun = self.hand
            self.busy += now - begun
            self.latencies.append(now - arrived)
            self.late += bool(self.deadline) and now - arrived > self.deadline
            self.hand, self.progressed = None, True

    def s(self, ticks: int) -> None:
        self.asleep += ticks

    def r(self, _: int) -> None:
        self.stopped = False

    def w(self, _: int) -> None:
        self.progressed = True

    def p(self, _: int) -> str:
        progressed, self.progressed = self.progressed, False
        return str(int(progressed))

    def counters(self) -> str:
        begun = len(self.waits)
        numbers = (self.arrived, self.dropped, begun, len(self.latencies), self.late)
        rest = (self.most_waiting, self.busy, self.asleep, int(self.stopped))
        return " ".join(map(str, (*numbers, *rest)))

    def heartbeat(self) -> str:
        counted = self.busy + self.asleep
        duty = self.busy * 1000 // counted if counted else 0
        return (
            f"loop in {self.arrived} done {len(self.latencies)} dropped {self.dropped} "
            f"late {self.late} waiting {len(self.waiting)} most {self.most_waiting} "
            f"duty {duty}/1000{' stopped' if self.stopped else ''}"
        )
