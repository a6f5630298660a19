"""The order of `verify`: a device, the inputs, the oracle."""

from __future__ import annotations

from pathlib import Path

from edgeserve.bundle_store import Bundle
from edgeserve.compilation import Compiled
from edgeserve.errors import ConfigError
from edgeserve.pipeline.device import OpenDevice, opened
from edgeserve.pipeline.opening import open_model
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.planfile import Wish
from edgeserve.preprocess.skew import Diagnosis
from edgeserve.reference import check_reference
from edgeserve.stimulus import Stimulus, random_stimuli, sample_stimuli
from edgeserve.verify import Verification
from edgeserve.verify import verify as verify_device


def verify(
    path: Path,
    device: str,
    *,
    board: str | None,
    inputs: int,
    partition: bool = False,
    wish: Wish | None = None,
    stream: bool = False,
    progress: Progress = silent,
) -> tuple[OpenDevice, Verification]:
    """Holds every step on a device against the oracle.

    Half of the inputs are calibration samples where the bundle has them, the others random. With
    ``stream`` the device gets its input row by row, as it asks for it; ConfigError where the plan
    takes no input by rows.
    """
    with opened(
        path, device, board=board, partition=partition, wish=wish, progress=progress
    ) as target:
        compiled = target.compiled
        if stream and not compiled.wish.by_rows:
            raise ConfigError(
                f"{compiled.bundle.name} is not planned to take its input by rows",
                hint="add --by-rows",
            )
        verification = verify_device(
            compiled.program,
            compiled.table,
            compiled.bundle.model_bytes(),
            target.dut,
            stimuli(compiled, inputs),
            progress=lambda done, total: progress(done / total, f"input {done} of {total}"),
            streamed=compiled.plan if stream else None,
        )
    return target, verification


def stimuli(compiled: Compiled, count: int) -> tuple[Stimulus, ...]:
    """``count`` inputs, the first one random: what ``verify`` uses."""
    samples = compiled.bundle.samples()
    kept = sample_stimuli(samples, count // 2) if samples is not None else ()
    return (*random_stimuli(compiled.program, count - len(kept)), *kept)


def reference(path: Path, samples: Path) -> tuple[Bundle, Diagnosis]:
    """Holds a bundle's declaration against what training made of raw data."""
    bundle = open_model(path)
    return bundle, check_reference(bundle, samples)
