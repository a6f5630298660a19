"""The ranges of a float model over its calibration samples, in a process of its own.

``python -m edgeserve.convert.range_worker job.json``
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edgeserve.convert.calibration import CalibrationSet
from edgeserve.convert.ranges import calibration_ranges
from edgeserve.convert.sample_files import MappedSamples, SampleFiles, write_samples
from edgeserve.convert.worker import Progress, run_worker, serve
from edgeserve.tensor_ranges import RangeRecord


@dataclass(frozen=True, slots=True)
class RangeJob:
    """Two models as files, and the samples that the second was calibrated with."""

    exact: str
    quantized: str
    samples: SampleFiles


def find_ranges(
    exact: bytes, quantized: bytes, samples: CalibrationSet, work_dir: Path, progress: Progress
) -> RangeRecord:
    """The ranges that ``samples`` give the float model, in the existing folder ``work_dir``.

    Raises ConversionError where LiteRT crashes on the model, MissingTool without it.
    """
    folder = work_dir / "ranges"
    folder.mkdir()
    (folder / "exact.tflite").write_bytes(exact)
    (folder / "quantized.tflite").write_bytes(quantized)
    job = RangeJob(
        exact=str(folder / "exact.tflite"),
        quantized=str(folder / "quantized.tflite"),
        samples=write_samples(folder, "calibration", samples),
    )
    module = "edgeserve.convert.range_worker"
    return run_worker(module, job, RangeRecord, work_dir=folder, progress=progress)


def watch(job: RangeJob, progress: Progress) -> RangeRecord:
    """The child's work."""
    exact, quantized = (Path(path).read_bytes() for path in (job.exact, job.quantized))
    return calibration_ranges(exact, quantized, MappedSamples(job.samples), progress)


if __name__ == "__main__":
    sys.exit(serve(RangeJob, watch))
