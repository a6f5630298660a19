"""TFLM takes our plans: its arena is what we planned, and its answers stay what they were."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models import HERE
from edgeserve.pipeline.plan import plan_for_tflm
from edgeserve.tflite.reader import read_model
from edgeserve.tflm import OfflinePlan, annotate, offline_plan
from tests.kernels.small_models import small_models
from tests.unit.test_tflm import branches

pytestmark = pytest.mark.skipif(
    find_spec("tflite_micro") is None, reason="tflite-micro has no wheel for this platform"
)

REPOSITORY = Path(__file__).resolve().parents[2]
# The heads that our plans need; the outputs are those of TensorFlow Lite Micro without any plan.
PLANNED = {
    "hello_world_int8": (32, "71beeff9"),
    "ad01_int8": (768, "a6ce7800"),
    "micro_speech_quantized": (5_968, "c002d0b0"),
    "kws_ref_model": (16_000, "f7cb3257"),
    "pretrainedResnet_quant": (49_152, "942bd32c"),
    "vww_96_int8": (55_296, "90d2a596"),
    "person_detect": (55_296, "01a5a599"),
}
SHIFT_BYTES = 4_096


def run(*models: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.tflm_runner", *map(str, models)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", PLANNED)
def test_tflm_allocates_our_plan_and_answers_as_before(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    model = shared_data / "models" / f"{name}.tflite"
    annotated = tmp_path / "annotated.tflite"
    planned = plan_for_tflm(model, annotated)
    before, after = run(model, annotated)
    head_bytes, crc32 = PLANNED[name]
    rivals = tomllib.loads((HERE / "rivals.toml").read_text())
    assert before == {"crc32": [crc32], "head_bytes": rivals[name]["planned_arena_bytes"]}
    assert after == {"crc32": [crc32], "head_bytes": head_bytes}
    assert planned.arena_bytes == head_bytes
    assert planned.greedy_bytes == before["head_bytes"]


def small() -> dict[str, bytes]:
    """Every operator that TFLM has, and two branches."""
    models = {**small_models(), "branches": branches().finish([0], [3])}
    del models["RELU_N1_TO_1"]
    return models


def test_tflm_puts_every_tensor_where_we_say(tmp_path: Path) -> None:
    """All offsets moved up: the head grows by as much, and TFLM's scratch goes below them."""
    models = small()
    planned: dict[str, OfflinePlan] = {}
    files: list[Path] = []
    for name, model in models.items():
        plan = planned[name] = offline_plan(read_model(model, name=name))
        moved = {index: offset + SHIFT_BYTES for index, offset in plan.offsets_bytes.items()}
        for data in (model, annotate(model, plan.offsets_bytes), annotate(model, moved)):
            files.append(tmp_path / f"{len(files)}.tflite")
            files[-1].write_bytes(data)
    found = run(*files)
    for place, name in enumerate(models):
        before, here, above = found[3 * place : 3 * place + 3]
        assert before["crc32"] == here["crc32"] == above["crc32"], name
        assert here["head_bytes"] <= before["head_bytes"], name
        assert above["head_bytes"] == planned[name].arena_bytes + SHIFT_BYTES, name
