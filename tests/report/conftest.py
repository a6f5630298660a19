"""Bundles to report on: one measured by the real pipeline, one of a phone's records."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeserve.board import load_board
from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import Bundle, load_bundle, write_bundle
from edgeserve.measurement import append_record
from edgeserve.pipeline.bench import bench
from edgeserve.pipeline.plan import plan
from tests.once import once
from tests.report.records import on_phone, small_model, sustained
from tests.tools import need_board_tools


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory, converted_digits: Path) -> Bundle:
    """The digits model, converted, planned, and measured on an emulated Cortex-M7 and the host."""
    need_board_tools(load_board("mps2-an500"))
    need_board_tools(load_board("host"))

    def make(folder: Path) -> None:
        draft = folder / "digits"
        shutil.copytree(converted_digits, draft)
        for device, laps in (("mps2-an500", 3), ("host", 200)):
            bench(draft, device, board=None, laps=laps, warmup=1, seed=1)
        plan(draft, load_board("nucleo_h743zi2"))

    return load_bundle(once(tmp_path_factory, "report", make) / "digits")


@pytest.fixture
def phone_bundle(tmp_path: Path) -> Bundle:
    """A bundle of a phone's records, which a test may change."""
    return make_phone_bundle(tmp_path / "camera")


def make_phone_bundle(folder: Path) -> Bundle:
    """A bundle with a short and a long run on a phone, and claims."""
    bundle = write_bundle(folder, contents_of_tflite("camera", small_model()))
    for measurement in (on_phone(), sustained()):
        append_record(bundle.path / "phone_measurements.jsonl", measurement)
    (bundle.path / "claims.toml").write_text(
        """
[[claim]]
name = "latency"
figure = "p50"
value = 12
unit = "ms"
source = "a table of the vendor's"
accelerator = "cpu"
"""
    )
    return bundle
