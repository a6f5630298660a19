"""From a run on a simulated phone, with the real harness and LiteRT, to its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import write_bundle
from tests.phones.simulated_phone import Phone
from tests.phones.test_cli import PIXEL6, bench


def edgeserve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeserve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "EDGESERVE_CACHE": str(folder / "cache"), "COLUMNS": "200"},
    )


def test_what_a_phone_recorded_is_reported_and_compared(
    connect: Callable[..., tuple[Phone, str]],
    harness: Path,
    litert: Path,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    connect(properties=PIXEL6)
    model = (shared_data / "models/kws_ref_model.tflite").read_bytes()
    bundle = write_bundle(tmp_path / "kws", contents_of_tflite("kws", model))
    options = ["--harness", str(harness), "--library", str(litert), "--no-wait"]
    options += ["--scenario", "cold", "--cold-starts", "7"]
    done = bench(bundle.path, "pixel6", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    made = edgeserve(tmp_path, "report", "kws")
    assert made.returncode == 0, made.stderr
    page = (bundle.path / "report.html").read_text()
    assert "cold start on Pixel 6, cpu, cold: medians of 7" in page
    told = edgeserve(tmp_path, "report", "kws", "--format", "markdown").stdout
    assert "| first inference |" in told
    assert "Not measured: edgeserve bench kws --device D" in told
    options = ["--budget", "50%", "--format", "json"]
    compared = edgeserve(tmp_path, "compare", "kws#phone:1", "kws", *options)
    assert compared.returncode == 0, compared.stderr
    (pair,) = json.loads(compared.stdout)["comparisons"]
    starts, memory = pair["differences"]
    assert starts["metric"] == "cold-start"
    assert starts["low"] < starts["change"] == 0 < starts["high"]
    assert memory["verdict"] == "not decided"
    refused = edgeserve(tmp_path, "compare", "kws#1", "kws#phone:1")
    assert refused.returncode == 2
    assert "has 0 measurements" in refused.stderr
