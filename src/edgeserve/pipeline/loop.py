"""The order of `loop`: a question, the service time, the forecast, the emulated board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from edgeserve.board import Board, Kind
from edgeserve.compilation import Compiled
from edgeserve.device.answers import LoopStats
from edgeserve.device.protocol import Arrival, Dut
from edgeserve.errors import ConfigError
from edgeserve.firmware.writing import unit_of
from edgeserve.measurement import Unit, read_measurements
from edgeserve.pipeline.device import OpenDevice, opened
from edgeserve.pipeline.inspect import inspect
from edgeserve.pipeline.opening import board_of_target, open_model
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.queueing.arrivals import (
    MOST_INTERVAL_TICKS,
    MOST_SPREAD_PERMILLE,
    Arrivals,
    Periodic,
    Random,
    Trace,
    arrival_times,
    read_trace,
)
from edgeserve.queueing.forecast import Forecast, Power, Scenario, forecast
from edgeserve.queueing.quantities import parse_permille
from edgeserve.queueing.service import Service, measured_service, stated_service, ticks_hz
from edgeserve.queueing.simulation import Ring, WhenFull
from edgeserve.sensor.frames import NUMPY_TYPES as OUTPUT_TYPES
from edgeserve.sensor.frames import input_bytes, window_of
from edgeserve.sensor.recording import read_recording
from edgeserve.sensor.spec import FromFile, FromProtocol, Sensor
from edgeserve.stimulus import xorshift_stimulus
from edgeserve.xorshift import seeds, xorshift_input

RANDOM = "random"
RANDOM_SPREAD = 1000
"""How the bench firmware calls exponential intervals."""

_LAPS = 5
_MOST_BOARD_RING = 64
_MOST_BOARD_DEADLINE = 2**32 - 1
"""Ticks."""

_FRAMES_A_SECOND = 20
"""Allowed for on an emulator, whatever the model."""


@dataclass(frozen=True, slots=True)
class Sensed:
    """``intervals_us`` before each frame; ``frames`` makes the model's input of each, in order."""

    source: str
    intervals_us: tuple[int, ...]
    frames: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks, in hertz and seconds. A ``sensor`` with times of its own takes the place
    of ``rate_hz``, which is None then. ``jitter`` is a percentage, ``random`` or a file of
    intervals; None for frames that come on time. ``service`` None: as measured on ``board``.
    """

    model: Path
    board: str
    rate_hz: Fraction | None
    sensor: Sensor | None = None
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
    sensed: Sensed | None = None
    """What the sensor was found to deliver: not the user's to say."""


@dataclass(frozen=True, slots=True)
class SensorRun:
    """Frames of a sensor that a device inferred, each once. ``classes`` are indices of the largest
    element of the first output, frame by frame.
    """

    source: str
    device: str
    frames: int
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoopAnswer:
    """``emulated`` is what the ring on the emulated board, or on the host, counted of the same
    frames, ``sensed`` what it made of a sensor's; None unless asked.
    """

    model: str
    board: str
    service: Service
    scenario: Scenario
    forecast: Forecast
    emulated: LoopStats | None = None
    sensed: SensorRun | None = None


def loop(question: Question) -> LoopAnswer:
    """Forecasts a model's sensor loop. Raises ConfigError for a question without an answer."""
    board = board_of_target(question.board)
    bundle = open_model(question.model)
    if question.sensor is not None:
        question = replace(question, sensed=_sensed(question, inspect(question.model, board)))
    if question.service is not None:
        service = stated_service(question.service)
    else:
        measurements = read_measurements(bundle.measurements_path)
        service = measured_service(measurements, board, question.clock_hz)
    return _answer(question, bundle.name, board, service)


def loop_on_sensor(question: Question, progress: Progress = silent) -> LoopAnswer:
    """The same for frames of a file or of the serial line, each of which the emulated board or the
    host infers once; then they go through its ring at their own times, each taking what it took.

    Raises ConfigError for another board, or frames that do not suit.
    """
    board = board_of_target(question.board)
    if board.kind is Kind.PHYSICAL:
        raise ConfigError(
            f"{board.id} is neither emulated nor the host",
            hint="name such a board, or leave out --emulate",
        )
    hertz = ticks_hz(Unit(unit_of(board)), board, question.clock_hz)
    _require_replayable(question, hertz)
    with opened(question.model, board.id, board=None, progress=progress) as target:
        question = replace(question, sensed=_sensed(question, target.compiled))
        assert question.sensed is not None
        samples, classes = _inferred(target, question.sensed, progress)
        service = Service(
            samples,
            hertz,
            virtual=board.kind is Kind.EMULATED,
            source=f"measured now, each of {len(samples)} frames",
        )
        answer = _answer(question, target.compiled.bundle.name, board, service, by_frame=True)
        emulated = _replay(target.dut, answer.scenario, progress)
    run = SensorRun(question.sensed.source, board.id, len(samples), classes)
    return replace(answer, emulated=emulated, sensed=run)


def _sensed(question: Question, compiled: Compiled) -> Sensed:
    """When the frames of the question's sensor come, and how to get them."""
    bundle, program = compiled.bundle, compiled.program
    front = bundle.facts.preprocess.front if bundle.facts.preprocess else None
    match question.sensor:
        case FromFile(path):
            recording = read_recording(path, window_of(program, front))
            return Sensed(
                str(path),
                recording.intervals_us(),
                lambda: input_bytes(program, front, recording),
            )
        case FromProtocol(baud):
            size = sum(program.values[port.value].size_bytes for port in program.inputs)
            interval = question.sensor.interval_us(size)
            return Sensed(
                f"the serial line at {baud:,} baud",
                (interval,) * question.frames,
                lambda: (xorshift_input(program.inputs, seed) for seed in seeds(question.frames)),
            )
        case _:
            raise AssertionError("a synthetic sensor is a rate")


def _inferred(
    target: OpenDevice, sensed: Sensed, progress: Progress
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What each frame took, in the device's unit, and its class."""
    counts, classes = [], []
    output = target.compiled.program.outputs[0]
    size = target.compiled.program.values[output.value].size_bytes
    dtype = OUTPUT_TYPES.get(output.dtype)
    if dtype is None:
        raise ConfigError(
            f"an output of {output.dtype} has no class", hint="leave out --emulate for this model"
        )
    target.dut.reset()
    for done, data in enumerate(sensed.frames(), 1):
        target.dut.load(data)
        counts.append(target.dut.laps(1, 0).counts[0])
        classes.append(int(np.frombuffer(target.dut.out(size)[:size], dtype).argmax()))
        progress(done / len(sensed.intervals_us), f"frame {done} of {len(sensed.intervals_us)}")
    return tuple(counts), tuple(classes)


def loop_beside_emulator(question: Question, progress: Progress = silent) -> LoopAnswer:
    """The same, with the service time of the emulated board, which replays the frames as well.

    Raises ConfigError for a board that is not emulated, or a ring that it does not have.
    """
    board = board_of_target(question.board)
    if board.kind is not Kind.EMULATED:
        raise ConfigError(
            f"{board.id} is not emulated", hint="name an emulated board, or leave out --emulate"
        )
    hertz = ticks_hz(Unit(unit_of(board)), board, question.clock_hz)
    _arrivals(question, hertz)  # what cannot be is refused before anything is built
    _require_replayable(question, hertz)
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
        emulated = _replay(target.dut, answer.scenario, progress)
    return replace(answer, emulated=emulated)


def _answer(
    question: Question, name: str, board: Board, service: Service, *, by_frame: bool = False
) -> LoopAnswer:
    scenario = Scenario(
        arrivals=_arrivals(question, service.ticks_hz),
        service=service.samples,
        ring=Ring(
            question.ring,
            question.when_full,
            _deadline(question, service.ticks_hz),
        ),
        ticks_hz=service.ticks_hz,
        virtual=service.virtual,
        frames=len(question.sensed.intervals_us) if question.sensed else question.frames,
        seed=question.seed,
        by_frame=by_frame,
    )
    seen = forecast(scenario, question.drop_goal, question.power)
    return LoopAnswer(name, board.id, service, scenario, seen)


def _arrivals(question: Question, hertz: int) -> Arrivals:
    if question.sensed is not None:
        intervals = tuple(us * hertz // 1_000_000 for us in question.sensed.intervals_us)
        if not sum(intervals):
            raise ConfigError("all frames come at once", hint="give a recording with times")
        return Trace(intervals)
    assert question.rate_hz is not None, "the command line asks for a rate or a sensor"
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


def _deadline(question: Question, hertz: int) -> int:
    """In ticks; 0: none."""
    return 0 if question.deadline is None else round(question.deadline * hertz)


def _require_replayable(question: Question, hertz: int) -> None:
    if question.ring > _MOST_BOARD_RING:
        raise ConfigError(
            f"the bench firmware has a ring of {_MOST_BOARD_RING} frames, not {question.ring}",
            hint="give a smaller --ring with --emulate",
        )
    if _deadline(question, hertz) > _MOST_BOARD_DEADLINE:
        raise ConfigError(
            f"the bench firmware counts a deadline in 32 bits, {_MOST_BOARD_DEADLINE:,} ticks of "
            f"{hertz:,} Hz",
            hint="give a shorter --deadline with --emulate",
        )


def _replay(dut: Dut, scenario: Scenario, progress: Progress) -> LoopStats:
    """The frames of a scenario through the device's own ring."""
    arrivals, ring = scenario.arrivals, scenario.ring
    assert ring.capacity is not None, "a question has a ring"
    if isinstance(arrivals, Trace):
        return dut.trace_loop(
            ring=ring.capacity,
            when_full=ring.when_full,
            deadline=ring.deadline,
            arrivals=_recorded(scenario),
            asked=lambda done: progress(
                done / scenario.frames, f"replaying frame {done:,} of {scenario.frames:,}"
            ),
        )
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


def _recorded(scenario: Scenario) -> tuple[Arrival, ...]:
    """The trace of a scenario. Frames with services of their own were inferred already, each on its
    own data; for all others the device runs the model again.
    """
    times = arrival_times(scenario.arrivals, scenario.frames, scenario.seed)
    if not scenario.by_frame:
        return tuple(map(Arrival, times))
    return tuple(Arrival(*each) for each in zip(times, scenario.service, strict=True))
