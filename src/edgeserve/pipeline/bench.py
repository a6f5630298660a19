"""The order of `bench` on a board: the device, the meter, the measurement, its record."""

from __future__ import annotations

from pathlib import Path

from edgeserve.bench import Candidate
from edgeserve.bench import bench as bench_device
from edgeserve.errors import ConfigError
from edgeserve.measurement import Measurement, append_measurement
from edgeserve.metering.wish import MeterWish, wished_meter
from edgeserve.pipeline.device import OpenDevice, is_port, opened
from edgeserve.pipeline.progress import Progress, silent
from edgeserve.planfile import Wish
from edgeserve.stimulus import xorshift_stimulus


def bench(
    path: Path,
    device: str,
    *,
    board: str | None,
    laps: int,
    warmup: int,
    seed: int,
    partition: bool = False,
    wish: Wish | None = None,
    progress: Progress = silent,
    meter: MeterWish | None = None,
) -> tuple[OpenDevice, Measurement]:
    """Measures a model on a device and adds the record to its bundle.

    Raises ConfigError for a ``meter`` on what is no board of its own.
    """
    if meter is not None and not is_port(device):
        raise ConfigError(
            f"{device} runs on this machine: no meter can tell its energy apart",
            hint="leave --meter out, or name the port of a board",
        )
    with (
        opened(
            path, device, board=board, partition=partition, wish=wish, progress=progress
        ) as target,
        wished_meter(meter) as found,
    ):
        compiled = target.compiled
        measurement = bench_device(
            Candidate(
                bundle=compiled.bundle.name,
                model_tflite=compiled.bundle.model_bytes(),
                model_sha256=compiled.bundle.facts.model_sha256,
                program=compiled.program,
                table=compiled.table,
                board=target.board,
                image=target.image,
                flags=target.board.toolchain.flags if target.board.toolchain else (),
            ),
            target.dut,
            xorshift_stimulus(compiled.program, seed),
            laps=laps,
            warmup=warmup,
            progress=lambda what: progress(None, what),
            meter=found,
        )
    append_measurement(compiled.bundle.measurements_path, measurement)
    return target, measurement
