"""The command line's part that only phones have: options of ``bench``, and ``setup``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from edgeserve.cli.shared import shown_progress
from edgeserve.show.console import print_json, shown_path
from edgeserve.show.phone import phone_json, print_phone

SCENARIOS = ("single", "sustained", "frames", "multistream", "pipeline", "cold")
BOARD_OPTIONS = (
    "board",
    "laps",
    "warmup",
    "seed",
    "partition",
    "objective",
    "by_rows",
    "pin",
    "flash_for_speed",
)


def phone_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of ``bench`` that only a phone has."""
    for option in reversed(
        (
            click.option("--accelerator", type=click.Choice(["cpu", "gpu", "npu"]), default="cpu"),
            click.option("--threads", type=click.IntRange(1, 256), help="Of the CPU."),
            click.option("--cores", help="A group of the phone's (big), or a mask (f0)."),
            click.option(
                "--scenario",
                type=click.Choice(SCENARIOS),
                default="single",
            ),
            click.option(
                "--fps",
                type=click.FloatRange(0.1, 1000),
                help="Of scenario frames, and of multistream where sets come at ticks.",
            ),
            click.option(
                "--frame",
                "picture",
                type=click.Path(path_type=Path),
                help="Of scenario pipeline: a JPEG, or a frame as the camera sends it.",
            ),
            click.option("--streams", type=int, help="Sensors of scenario multistream."),
            click.option(
                "--jitter",
                type=click.FloatRange(0.001, 10_000),
                metavar="MS",
                help="How far an interval between frame sets may be off.",
            ),
            click.option(
                "--seconds", type=click.FloatRange(1), help="[default: 60; sustained 900]"
            ),
            click.option("--cold-starts", type=click.IntRange(0), default=3, show_default=True),
            click.option("--no-wait", is_flag=True, help="Do not wait until the phone is cool."),
            click.option("--allow-fallback", is_flag=True, help="Let the CPU take a part."),
            click.option("--airplane", is_flag=True, help="Turn the phone's radios off."),
            click.option("--harness", type=click.Path(path_type=Path), help="Built elsewhere."),
            click.option(
                "--runner",
                metavar="RUNNER",
                help="benchmark_model=FILE, or =phone:PATH: Google's tool, not our harness.",
            ),
            click.option("--operators", is_flag=True, help="Let benchmark_model time operators."),
            click.option(
                "--meter",
                metavar="METER",
                help="csv:FILE,start=TIME | ppk2:PORT,volts=V | joulescope, not the phone's own.",
            ),
            click.option("--library", type=click.Path(path_type=Path), help="A libLiteRt.so."),
        )
    ):
        command = option(command)
    return command


def is_phone(device: str) -> bool:
    """Whether `--device` means a phone."""
    from edgeserve.pipeline.phone import names_a_phone

    return names_a_phone(device)


def bench_phone(
    model: Path,
    device: str,
    output_format: str,
    *,
    accelerator: str,
    threads: int | None,
    cores: str | None,
    scenario: str,
    fps: float | None,
    seconds: float | None,
    cold_starts: int,
    no_wait: bool,
    allow_fallback: bool,
    airplane: bool,
    streams: int | None,
    jitter: float | None,
    picture: Path | None,
    runner: str | None,
    operators: bool,
    meter: str | None,
    harness: Path | None,
    library: Path | None,
) -> int:
    """``bench`` on a phone; the exit code."""
    from edgeserve.metering.wish import meter_wish
    from edgeserve.phone.harness import Accelerator
    from edgeserve.phone.plan import (
        LEAST_COUNT,
        LEAST_S,
        LEAST_SETS,
        WAIT_COOL_S,
        Plan,
        asked_of,
        require_picture,
        runner_of,
    )
    from edgeserve.phone.record import Scenario
    from edgeserve.pipeline.phone import bench_on_phone, find_phone

    phone = find_phone(device)
    kind_of_run = Scenario(scenario)
    require_picture(kind_of_run, picture)
    plan = Plan(
        asked=asked_of(
            Accelerator(accelerator),
            threads or 0,
            cores,
            phone.kind,
            kind_of_run,
            fps,
            streams,
            jitter,
        ),
        least_count=LEAST_SETS if streams else LEAST_COUNT,
        duration_s=seconds or (900.0 if kind_of_run is Scenario.SUSTAINED else LEAST_S),
        cold_starts=max(1, cold_starts) if kind_of_run is Scenario.COLD else cold_starts,
        wait_cool_s=0.0 if no_wait else WAIT_COOL_S,
        allow_fallback=allow_fallback,
        airplane=airplane,
        operators=operators,
    )
    tool = runner_of(runner, plan)
    wish = None if meter is None else meter_wish(meter)
    with shown_progress("measuring", output_format) as progress:
        measurement, file = bench_on_phone(
            model,
            phone,
            plan,
            lambda what: progress(None, what),
            harness=harness,
            library=library,
            tool=tool,
            meter=wish,
            picture=picture,
        )
    if output_format == "json":
        print_json(phone_json(measurement, file))
    else:
        print_phone(measurement, file)
    return 0


@click.group()
def setup() -> None:
    """Make ready what a kind of device needs, once."""


@setup.command()
@click.option("--ndk", type=click.Path(path_type=Path), help="The NDK's folder.")
@click.option("--aar", type=click.Path(path_type=Path), help="LiteRT's AAR, as downloaded.")
@click.option("--sha256", help="That the AAR must have.")
def android(ndk: Path | None, aar: Path | None, sha256: str | None) -> int:
    """Build the harness for phones, and take LiteRT's library out of its AAR."""
    from edgeserve.pipeline.phone import setup_android

    for what, path in setup_android(ndk, aar, sha256):
        click.echo(f"{what}: {shown_path(path)}")
    return 0
