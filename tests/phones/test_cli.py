"""`edgeserve bench --device pixel6` as a user types it, on a simulated phone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.phones.simulated_phone import Phone

Connect = Callable[..., tuple[Phone, str]]
PIXEL6 = {
    "ro.product.model": "Pixel 6",
    "ro.product.device": "oriole",
    "ro.product.cpu.abilist": "x86_64",
}


def bench(model: Path, device: str, tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeserve", "bench", str(model), "--device", device, *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "EDGESERVE_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"},
    )


def test_one_command_gives_a_record(
    connect: Connect, harness: Path, litert: Path, shared_data: Path, tmp_path: Path
) -> None:
    connect(properties=PIXEL6)
    model = tmp_path / "keywords.tflite"
    shutil.copy(shared_data / "models/kws_ref_model.tflite", model)
    options = ["--harness", str(harness), "--library", str(litert), "--seconds", "1", "--no-wait"]
    done = bench(model, "pixel6", tmp_path, *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["output_crc32"] == "f7cb3257"
    assert document["phone"]["model"] == "Pixel 6"
    assert document["latency_ns"]["p50"]["low"] > 0
    assert document["energy"] is None
    assert "shorter than 60 s" in document["flags"]
    assert "the output differs from the host's" not in document["flags"]
    record = Path(document["record"]).read_text()
    assert len(json.loads(record)["samples_ns"]) == document["inferences"] >= 1024
    said = bench(model, "pixel6", tmp_path, *options, "--cold-starts", "0")
    assert said.returncode == 0, said.stderr
    assert "keywords on Pixel 6" in said.stdout
    assert "energy not measured" in said.stdout
    assert "phone_measurements.jsonl" in said.stdout


@pytest.mark.parametrize(
    ("device", "more", "code", "what"),
    [
        ("pixel6", (), 4, "no Google Pixel 6 is connected"),
        ("adb:nothing", (), 4, "no phone nothing is connected"),
    ],
)
def test_no_phone(
    adb_server: None, tmp_path: Path, device: str, more: tuple[str, ...], code: int, what: str
) -> None:
    done = bench(tmp_path / "model.tflite", device, tmp_path, *more)
    assert done.returncode == code
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_two_phones_of_a_kind_need_a_serial(
    connect: Connect, shared_data: Path, tmp_path: Path
) -> None:
    _, first = connect(properties=PIXEL6)
    _, second = connect(properties=PIXEL6)
    model = shared_data / "models/kws_ref_model.tflite"
    done = bench(model, "pixel6", tmp_path)
    assert done.returncode == 4
    assert "2 phones of kind pixel6 are connected" in done.stderr
    assert first in done.stderr
    assert second in done.stderr
    assert "--device adb:" in done.stderr


def test_frame_sets_and_a_meter_as_a_user_types_them(
    connect: Connect, harness: Path, litert: Path, shared_data: Path, tmp_path: Path
) -> None:
    connect(properties=PIXEL6)
    model = shared_data / "models/kws_ref_model.tflite"
    options = ["--harness", str(harness), "--library", str(litert), "--seconds", "1", "--no-wait"]
    options += ["--cold-starts", "0", "--scenario", "multistream", "--streams", "3"]
    meter = ["--meter", "csv:none.csv,start=2026-01-31T12:00:00Z,wait=0"]
    done = bench(model, "pixel6", tmp_path, *options, "--jitter", "1000", *meter)
    assert done.returncode == 0, done.stderr
    assert "frame sets of 3, each from first to last" in done.stdout
    assert "0 of " in done.stdout
    assert "the budget of 1000 ms" in done.stdout
    assert "energy not measured: none.csv is not there" in done.stdout
    done = bench(model, "pixel6", tmp_path, *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["asked"]["streams"] == 3
    assert document["frame_sets"] >= 662
    assert document["inferences"] == 3 * document["frame_sets"]
    assert document["set_latency_ns"]["p99"]["value"] > document["latency_ns"]["p50"]["value"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--streams", "4"), "belong to frame sets"),
        (("--jitter", "4"), "belong to frame sets"),
        (("--scenario", "multistream"), "from 1 to 64 streams"),
        (("--scenario", "multistream", "--streams", "65"), "from 1 to 64 streams"),
        (("--meter", "wattmeter"), "names no meter"),
        (("--runner", "tflite"), "no runner"),
        (("--operators",), "benchmark_model's"),
    ],
)
def test_what_does_not_go_together(
    connect: Connect, shared_data: Path, tmp_path: Path, more: tuple[str, ...], what: str
) -> None:
    connect(properties=PIXEL6)
    done = bench(shared_data / "models/kws_ref_model.tflite", "adb", tmp_path, *more)
    assert done.returncode == 2
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_missing_is_one_line(connect: Connect, shared_data: Path, tmp_path: Path) -> None:
    connect(properties=PIXEL6)
    model = shared_data / "models/kws_ref_model.tflite"
    done = bench(model, "adb", tmp_path)
    assert done.returncode == 3
    assert "edgeserve setup android" in done.stderr
    done = bench(model, "adb", tmp_path, "--fps", "30")
    assert done.returncode == 2
    assert "belong together" in done.stderr
    done = bench(model, "adb", tmp_path, "--cores", "enormous")
    assert done.returncode == 2
    assert "names no cores" in done.stderr
    done = bench(model, "adb", tmp_path, "--flash-for-speed", "64K")
    assert done.returncode == 2
    assert "no use for --flash-for-speed" in done.stderr


def test_a_users_own_name_for_a_phone(connect: Connect, shared_data: Path, tmp_path: Path) -> None:
    _phone, serial = connect(properties=PIXEL6)
    (tmp_path / "bench.toml").write_text(
        f'[phones.lab]\nserial = "{serial}"\nkind = "pixel6"\n', encoding="utf-8"
    )
    done = bench(shared_data / "models/kws_ref_model.tflite", "lab", tmp_path)
    assert "edgeserve setup android" in done.stderr
    (tmp_path / "bench.toml").write_text('[phones.lab]\nnumber = "1"\n', encoding="utf-8")
    done = bench(shared_data / "models/kws_ref_model.tflite", "lab", tmp_path)
    assert done.returncode == 2
    assert "bench.toml" in done.stderr
