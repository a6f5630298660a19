"""How to measure on a phone: what was asked for, checked, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgeserve.errors import ConfigError
from edgeserve.phone.harness import Accelerator
from edgeserve.phone.kind import PhoneKind
from edgeserve.phone.pipeline import Pipeline
from edgeserve.phone.record import Asked, Runner, Scenario

LEAST_S, LEAST_COUNT = 60.0, 1024
LEAST_SETS = 662
"""Frame sets, so that their 99th percentile is known."""

MOST_STREAMS = 64
WAIT_COOL_S = 900.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Files:
    """What goes onto the phone, as files of this machine."""

    harness: Path
    library: Path
    model: Path
    around: Around | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What a pipeline has beside the model: its file, the picture where it is to be decoded, and
    the frame that takes its place on a phone that has no decoder.
    """

    pipeline: Path
    jpeg: Path | None
    frame: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure. Times in seconds; ``cold_starts`` are fresh processes before the rest.

    ``wait_cool_s`` is how long the phone may take to cool down before the run begins anyway, with
    a flag. ``idle_s`` and as much load are what energy is counted over; 0 leaves energy out.
    """

    asked: Asked
    duration_s: float = LEAST_S
    least_count: int = LEAST_COUNT
    cold_starts: int = 3
    wait_cool_s: float = WAIT_COOL_S
    idle_s: float = 15.0
    allow_fallback: bool = False
    airplane: bool = False
    operators: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and the output that the host's LiteRT gives; None where it is not known.

    ``input_of`` makes the seed's input of so many bytes. ``pipeline`` is what the scenario of that
    name runs.
    """

    bundle: str
    model_sha256: str
    input_of: Callable[[], bytes]
    output_matches: Callable[[bytes], bool] | None
    pipeline: Pipeline | None = None


def asked_of(
    accelerator: Accelerator,
    threads: int,
    cores: str | None,
    kind: PhoneKind | None,
    scenario: Scenario,
    frames_a_second: float | None,
    streams: int | None = None,
    jitter_ms: float | None = None,
) -> Asked:
    """What was asked for, checked. ``cores`` is a group of the phone's, or a mask in hexadecimal.

    Raises ConfigError.
    """
    if scenario is Scenario.MULTISTREAM:
        if streams is None or not 1 <= streams <= MOST_STREAMS:
            raise ConfigError(
                f"the multistream scenario needs from 1 to {MOST_STREAMS} streams",
                hint="one for each sensor: --streams 8, as MLPerf",
            )
    elif streams is not None or jitter_ms is not None:
        raise ConfigError(
            "streams and a jitter budget belong to frame sets",
            hint="give --scenario multistream with them",
        )
    elif (scenario is Scenario.FRAMES) != (frames_a_second is not None):
        raise ConfigError(
            "the frames scenario and a frame rate belong together",
            hint="give both: --scenario frames --fps 30",
        )
    return Asked(
        accelerator=accelerator,
        threads=threads,
        cores=None if cores is None else _mask(cores, kind),
        scenario=scenario,
        period_us=None if frames_a_second is None else round(1e6 / frames_a_second),
        streams=streams,
        jitter_us=None if jitter_ms is None else round(1000 * jitter_ms),
    )


def require_picture(scenario: Scenario, picture: Path | None) -> None:
    """Raises ConfigError where one of the two is without the other."""
    if (scenario is Scenario.PIPELINE) != (picture is not None):
        raise ConfigError(
            "the pipeline scenario and a picture belong together",
            hint="give both: --scenario pipeline --frame photo.jpg",
        )


def _mask(cores: str, kind: PhoneKind | None) -> int:
    if kind is not None and cores in dict(kind.cores):
        return kind.mask(cores)
    try:
        mask = int(cores, 16)
    except ValueError:
        mask = 0
    if mask <= 0:
        groups = [name for name, _ in kind.cores] if kind else []
        raise ConfigError(
            f"{cores!r} names no cores",
            hint=f"give a mask such as f0{', or ' + ', '.join(groups) if groups else ''}",
        )
    return mask


ON_PHONE = "phone:"


@dataclass(frozen=True, slots=True)
class Tool:
    """Google's ``benchmark_model``: a file of this machine, or one that lies on the phone."""

    place: Path | PurePosixPath


def runner_of(text: str | None, plan: Plan) -> Tool | None:
    """What ``--runner`` says: None for our harness. Raises ConfigError, also for a plan that the
    tool cannot keep to.
    """
    if text is None or text == "harness":
        if plan.operators:
            raise ConfigError(
                "--operators is benchmark_model's", hint="add --runner benchmark_model=FILE"
            )
        return None
    name, _, place = text.partition("=")
    if name != Runner.BENCHMARK_MODEL.value or not place:
        raise ConfigError(
            f"--runner {text!r} is no runner",
            hint="harness, benchmark_model=FILE or benchmark_model=phone:/data/local/tmp/FILE",
        )
    if plan.asked.scenario not in (Scenario.SINGLE, Scenario.SUSTAINED):
        raise ConfigError(
            f"benchmark_model knows no scenario {plan.asked.scenario.value}",
            hint="single and sustained are its own; the others are our harness's",
        )
    if place.startswith(ON_PHONE):
        return Tool(PurePosixPath(place.removeprefix(ON_PHONE)))
    if not Path(place).is_file():
        raise ConfigError(
            f"{place} does not exist", hint="a file of this machine, or phone:PATH for the phone's"
        )
    return Tool(Path(place))
