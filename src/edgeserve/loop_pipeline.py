"""The order of `edgeserve loop`: a question, the service time, the forecast, the emulated board."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgeserve.board import Board, Kind
from edgeserve.device.answers import LoopStats
from edgeserve.device.protocol import Dut
from edgeserve.errors import ConfigError
from edgeserve.firmware import unit_of
from edgeserve.measurement import Unit, read_measurements
from edgeserve.pipeline import Progress, board_of_target, open_model, opened, silent
from edgeserve.queueing.arrivals import (
    MOST_INTERVAL_TICKS,
    MOST_SPREAD_PERMILLE,
    Arrivals,
    Periodic,
    Random,
    Trace,
    read_trace,
)
from edgeserve.queueing.forecast import Forecast, Power, Scenario, forecast
from edgeserve.queueing.quantities import parse_permille
from edgeserve.queueing.service import Service, measured_service, stated_service, ticks_hz
from edgeserve.queueing.simulation import Ring, WhenFull
from edgeserve.stimulus import xorshift_stimulus

RANDOM = "random"
RANDOM_SPREAD = 1000
"""How the bench firmware calls exponential intervals."""

_LAPS = 5
_MOST_EMULATED_RING = 64
_FRAMES_A_SECOND = 20
"""Allowed for on an emulator, whatever the model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks, in hertz and seconds. ``jitter`` is a percentage, ``random`` or a file of
    intervals; None for frames that come on time. ``service`` None: as measured on ``board``.
    """

    model: Path
    board: str
    rate_hz: Fraction
    jitter: str | None = None
    ring: int = 4
    when_full: WhenFull = WhenFull.OLDEST
    deadline: Fraction | None = None
    service: Fraction | None = None
    clock_hz: int | None = None
    frames: int = 10_000
    seed: int = 1
    drop_goal: float = 0.001
    power: Power | None = None


@dataclass(frozen=True, slots=True)
class LoopAnswer:
    """``emulated`` is what the emulated board counted of the same frames; None unless asked."""

    model: str
    board: str
    service: Service
    scenario: Scenario
    forecast: Forecast
    emulated: LoopStats | None = None


def loop(question: Question) -> LoopAnswer:
    """Forecasts a model's sensor loop. Raises ConfigError for a question without an answer."""
    board = board_of_target(question.board)
    bundle = open_model(question.model)
    if question.service is not None:
        service = stated_service(question.service)
    else:
        measurements = read_measurements(bundle.measurements_path)
        service = measured_service(measurements, board, question.clock_hz)
    return _answer(question, bundle.name, board, service)


def loop_beside_emulator(question: Question, progress: Progress = silent) -> LoopAnswer:
    """The same, with the service time of the emulated board, which replays the frames as well.

    Raises ConfigError for a board that is not emulated, or frames that it cannot replay.
    """
    board = board_of_target(question.board)
    if board.kind is not Kind.EMULATED:
        raise ConfigError(
            f"{board.id} is not emulated", hint="name an emulated board, or leave out --emulate"
        )
    hertz = ticks_hz(Unit(unit_of(board)), board, question.clock_hz)
    arrivals = _arrivals(question, hertz)
    _require_replayable(question, arrivals)
    with opened(question.model, board.id, board=None, progress=progress) as target:
        stimulus = xorshift_stimulus(target.compiled.program)
        if stimulus.seed is None:
            target.dut.load(stimulus.data)
        else:
            target.dut.fill(stimulus.seed, stimulus.data)
        samples = target.dut.laps(_LAPS, 1).counts
        source = f"measured now, {len(samples)} laps"
        service = Service(samples, hertz, virtual=True, source=source)
        progress(None, f"replaying {question.frames:,} frames on {board.id}")
        answer = _answer(question, target.compiled.bundle.name, board, service)
        emulated = _replay(target.dut, answer.scenario)
    return LoopAnswer(
        answer.model, answer.board, service, answer.scenario, answer.forecast, emulated
    )


def _answer(question: Question, name: str, board: Board, service: Service) -> LoopAnswer:
    scenario = Scenario(
        arrivals=_arrivals(question, service.ticks_hz),
        service=service.samples,
        ring=Ring(
            question.ring,
            question.when_full,
            0 if question.deadline is None else round(question.deadline * service.ticks_hz),
        ),
        ticks_hz=service.ticks_hz,
        virtual=service.virtual,
        frames=question.frames,
        seed=question.seed,
    )
    seen = forecast(scenario, question.drop_goal, question.power)
    return LoopAnswer(name, board.id, service, scenario, seen)


def _arrivals(question: Question, hertz: int) -> Arrivals:
    period = round(hertz / question.rate_hz)
    if not 0 < period <= MOST_INTERVAL_TICKS:
        raise ConfigError(
            f"a frame each {period:,} ticks of {hertz:,} Hz cannot be counted in 32 bits",
            hint="choose a rate and a clock nearer to each other",
        )
    if question.jitter is None:
        return Periodic(period)
    if question.jitter == RANDOM:
        return Random(period)
    permille = parse_permille(question.jitter)
    if permille is None:
        return read_trace(Path(question.jitter), hertz)
    if permille > MOST_SPREAD_PERMILLE:
        raise ConfigError(
            f"a jitter of {question.jitter} would let frames overtake each other",
            hint="give 50% at most, or random",
        )
    return Periodic(period, permille)


def _require_replayable(question: Question, arrivals: Arrivals) -> None:
    if isinstance(arrivals, Trace):
        raise ConfigError(
            "a trace cannot be replayed on a board",
            hint="give a percentage or random with --emulate",
        )
    if question.ring > _MOST_EMULATED_RING:
        raise ConfigError(
            f"the bench firmware has a ring of {_MOST_EMULATED_RING} frames, not {question.ring}",
            hint="give a smaller --ring with --emulate",
        )


def _replay(dut: Dut, scenario: Scenario) -> LoopStats:
    arrivals, ring = scenario.arrivals, scenario.ring
    assert not isinstance(arrivals, Trace), "it is refused before a board is started"
    assert ring.capacity is not None, "a question has a ring"
    dut.start_loop(
        ring=ring.capacity,
        when_full=ring.when_full,
        deadline=ring.deadline,
        frames=scenario.frames,
        period=arrivals.period,
        spread_permille=(
            arrivals.spread_permille if isinstance(arrivals, Periodic) else RANDOM_SPREAD
        ),
        seed=scenario.seed,
    )
    return dut.await_loop(60 + scenario.frames / _FRAMES_A_SECOND)
