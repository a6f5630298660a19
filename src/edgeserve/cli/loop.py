"""The command line's part of the sensor loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeserve.cli.shared import format_option, shown_progress
from edgeserve.show.console import print_json
from edgeserve.show.loop import loop_json, print_loop

if TYPE_CHECKING:
    from edgeserve.pipeline.loop import Question
    from edgeserve.queueing.forecast import Power
    from edgeserve.sensor.spec import Sensor


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--rate", help="Of the frames: 30Hz, 16kHz; short for --sensor synthetic:30Hz.")
@click.option(
    "--sensor",
    help="Where frames come from: synthetic:30Hz; file:RECORDING (.npz, .csv, .wav) at its own "
    "times; protocol or protocol:BAUD, as fast as the serial line carries them.",
)
@click.option("--board", default="mps2-an500", show_default=True, help="Whose service time it is.")
@click.option(
    "--jitter",
    metavar="PERCENT|random|FILE",
    help="How much frames are early or late, in percent of the period; random: a Poisson process; "
    "or a file of measured intervals in microseconds, one a line. [default: none]",
)
@click.option("--ring", type=click.IntRange(1), default=4, show_default=True, help="Frames.")
@click.option(
    "--policy",
    type=click.Choice(["oldest", "newest", "stop"]),
    default="oldest",
    show_default=True,
    help="What to drop when the ring is full; stop: all from then on.",
)
@click.option("--deadline", help="From arrival to answer: 50ms.")
@click.option("--service", help="How long an inference takes, instead of the last measurement.")
@click.option("--clock", help="Of a board that counts instructions or cycles: 100MHz.")
@click.option(
    "--frames",
    type=click.IntRange(1, 10_000_000),
    help="[default: 10000; 100 with --sensor protocol; all of a file]",
)
@click.option("--seed", type=click.IntRange(1, 2**32 - 1), default=1, show_default=True)
@click.option("--drop-goal", type=click.FloatRange(0, 1), default=0.001, show_default=True)
@click.option(
    "--emulate",
    is_flag=True,
    help="Also replay the frames through the ring of the emulated board; with --sensor file or "
    "protocol each is inferred there first, or on the host (--board host).",
)
@click.option("--active-mw", type=click.FloatRange(0), help="Power while it infers.")
@click.option("--sleep-mw", type=click.FloatRange(0), help="Power between frames.")
@click.option("--battery", type=click.FloatRange(0), metavar="MAH", help="With --volts.")
@click.option("--volts", type=click.FloatRange(0), help="Of the battery.")
@format_option
def loop(model: Path, emulate: bool, output_format: str, **asked: Any) -> int:
    """Forecast a sensor loop: load, waiting, frames dropped and late, the ring it needs, energy.

    Exit 1 when inference takes longer than the frames leave it.
    """
    from edgeserve.pipeline.loop import loop as forecast_loop
    from edgeserve.pipeline.loop import loop_beside_emulator, loop_on_sensor

    question = _loop_question(model, **asked)
    if not emulate:
        answer = forecast_loop(question)
    elif question.service is not None:
        raise click.UsageError("--emulate measures itself: leave out --service")
    else:
        run = loop_on_sensor if question.sensor else loop_beside_emulator
        with shown_progress("replaying", output_format) as progress:
            answer = run(question, progress)
    if output_format == "json":
        print_json(loop_json(answer))
    else:
        print_loop(answer)
    return 0 if answer.forecast.utilization < 1 else 1


def _loop_question(model: Path, **asked: Any) -> Question:
    from edgeserve.pipeline.loop import Question
    from edgeserve.queueing.quantities import parse_hertz, parse_seconds
    from edgeserve.queueing.simulation import WhenFull
    from edgeserve.sensor.spec import FromProtocol, Synthetic

    sensor = _sensor(asked["rate"], asked["sensor"], asked["jitter"], asked["frames"])
    deadline, service, clock = asked["deadline"], asked["service"], asked["clock"]
    if service is not None and clock is not None:
        raise click.UsageError("--service is time: leave out --clock")
    return Question(
        model=model,
        board=asked["board"],
        rate_hz=parse_hertz(sensor.rate) if isinstance(sensor, Synthetic) else None,
        sensor=None if isinstance(sensor, Synthetic) else sensor,
        jitter=asked["jitter"],
        ring=asked["ring"],
        when_full=WhenFull(asked["policy"]),
        deadline=None if deadline is None else parse_seconds(deadline),
        service=None if service is None else parse_seconds(service),
        clock_hz=None if clock is None else round(parse_hertz(clock)),
        frames=asked["frames"] or (100 if isinstance(sensor, FromProtocol) else 10_000),
        seed=asked["seed"],
        drop_goal=asked["drop_goal"],
        power=_power(asked["active_mw"], asked["sleep_mw"], asked["battery"], asked["volts"]),
    )


def _sensor(rate: str | None, text: str | None, jitter: str | None, frames: int | None) -> Sensor:
    from edgeserve.sensor.spec import FromFile, Synthetic, parse_sensor

    if (rate is None) == (text is None):
        raise click.UsageError("name a --rate, or a --sensor")
    sensor = parse_sensor(f"synthetic:{rate}" if text is None else text)
    if not isinstance(sensor, Synthetic) and jitter is not None:
        raise click.UsageError(f"--sensor {text} has times of its own: leave out --jitter")
    if isinstance(sensor, FromFile) and frames is not None:
        raise click.UsageError("a recording is replayed whole: leave out --frames")
    return sensor


def _power(
    active_mw: float | None, sleep_mw: float | None, battery_mah: float | None, volts: float | None
) -> Power | None:
    """None where no energy is asked for; two halves of an answer are refused."""
    from edgeserve.queueing.forecast import Power

    if (active_mw is None) != (sleep_mw is None):
        raise click.UsageError("--active-mw and --sleep-mw go together")
    if (battery_mah is None) != (volts is None):
        raise click.UsageError("--battery and --volts go together")
    if active_mw is None or sleep_mw is None:
        if battery_mah is not None:
            raise click.UsageError("--battery needs --active-mw and --sleep-mw")
        return None
    battery_mwh = None if battery_mah is None or volts is None else battery_mah * volts
    return Power(active_mw, sleep_mw, battery_mwh)
