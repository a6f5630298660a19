"""Google's benchmark_model on simulated phones: a simulated tool that prints recorded texts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from edgeserve.device.adb import Adb
from edgeserve.errors import ConfigError, DeviceError, NotFound
from edgeserve.phone.harness import Accelerator
from edgeserve.phone.kind import load_phone
from edgeserve.phone.plan import Plan, Subject, Tool, asked_of, runner_of
from edgeserve.phone.record import Flag, PhoneMeasurement, Runner, Scenario, why_absent
from edgeserve.phone.tool_bench import bench_by_tool
from edgeserve.show.phone import print_phone
from edgeserve.strict_json import dump_json, load_json
from tests.phones.simulated_phone import Phone, Rails
from tests.phones.test_bench import CPU_RAILS, PIXEL6, assert_settings_are_back, texts_of
from tests.phones.test_cli import bench

Connect = Callable[..., tuple[Phone, str]]
RECORDED = Path(__file__).parents[1] / "unit/phone/recorded"
SUBJECT = Subject("kws", "ab" * 32, lambda: b"", None)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edgeserve.metering.meter.LEAST_WINDOW_S", 0.01)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.tflite"
    file.write_bytes(b"a model")
    return file


def simulated_tool(folder: Path, text: str, *, cold: str | None = None, code: int = 0) -> Path:
    """``simulated_benchmark_model``, built to print a recorded text."""
    program = folder / "simulated_benchmark_model"
    defines = {
        "TEXT": f'"{RECORDED / text}.benchmark_model.txt"',
        "COLD": f'"{RECORDED / (cold or text)}.benchmark_model.txt"',
        "LOG": f'"{folder / "arguments"}"',
        "CODE": str(code),
    }
    source = Path(__file__).with_name("simulated_benchmark_model.c")
    command = ["gcc", "-Wall", "-Werror", *(f"-D{k}={v}" for k, v in defines.items())]
    subprocess.run([*command, str(source), "-o", str(program)], check=True)
    return program


def plan(accelerator: Accelerator = Accelerator.CPU, **more: object) -> Plan:
    asked = asked_of(accelerator, 4, None, None, Scenario.SINGLE, None)
    quick = Plan(asked, duration_s=1.0, least_count=64, cold_starts=2, wait_cool_s=0, idle_s=0.0)
    return replace(quick, **more)  # type: ignore[arg-type]


def measure(serial: str, tool: Tool, model: Path, wish: Plan) -> PhoneMeasurement:
    kind = load_phone("pixel6")
    return bench_by_tool(Adb(serial), kind, tool, model, SUBJECT, wish, lambda what: None)


def test_a_record_says_what_is_missing(connect: Connect, model: Path, tmp_path: Path) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    tool = Tool(simulated_tool(tmp_path, "cpu", cold="ignored"))
    record = measure(serial, tool, model, plan(operators=True))
    assert record.runner is Runner.BENCHMARK_MODEL
    assert record.tool is not None
    assert (record.tool.inference.count, record.warmup) == (5491, 46)
    assert len(record.tool.operators) == 3
    assert [cold.init_ns for cold in record.cold] == [121_000_000] * 2
    assert [cold.first_ns for cold in record.cold] == [1_381_510_000] * 2
    assert (record.samples_ns, record.output_crc32, record.peak_bytes) == ((), None, None)
    for name in ("samples_ns", "ends_ns", "output_crc32", "peak_bytes", "throttled", "energy"):
        assert why_absent(record, name), name
    assert Flag.NO_SAMPLES in record.flags
    assert Flag.OUTPUT_UNCHECKED in record.flags
    assert record.fully_accelerated
    assert any("operators were timed" in note for note in record.notes)
    assert load_json(PhoneMeasurement, dump_json(record), where="record") == record
    cold, _, run = (tmp_path / "arguments").read_text().splitlines()
    assert "--num_threads=4" in cold
    assert "--num_runs=1" in cold.split()
    assert {"--num_runs=64", "--min_secs=1", "--enable_op_profiling=true"} <= set(run.split())
    assert_settings_are_back(phone)


def test_a_tool_that_lies_on_the_phone(connect: Connect, model: Path, tmp_path: Path) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    place = PurePosixPath("/data/local/tmp/benchmark_model")
    with pytest.raises(NotFound, match="has no program /data/local/tmp/benchmark_model"):
        measure(serial, Tool(place), model, plan())
    simulated_tool(tmp_path, "gpu").rename(phone.storage / "benchmark_model")
    record = measure(serial, Tool(place), model, plan(Accelerator.GPU, cold_starts=0))
    assert record.fully_accelerated
    assert record.cold[0].init_ns == 870_557_000
    assert "--use_gpu=true" in (tmp_path / "arguments").read_text().split()


@pytest.mark.parametrize(
    ("text", "accelerator", "told", "flag"),
    [
        ("sme2", Accelerator.GPU, "all of the model", Flag.ALL_CPU),
        ("nnapi", Accelerator.NPU, "part of the model", Flag.PARTLY_CPU),
        ("ignored", Accelerator.NPU, "all of the model", Flag.ALL_CPU),
        ("cpu", Accelerator.GPU, "all of the model", Flag.ALL_CPU),
        ("gpu", Accelerator.NPU, "all of the model", Flag.ALL_CPU),
    ],
)
@pytest.mark.parametrize("cold_starts", [0, 1])
def test_a_fallback_is_never_silent(
    connect: Connect,
    model: Path,
    tmp_path: Path,
    text: str,
    accelerator: Accelerator,
    told: str,
    flag: Flag,
    cold_starts: int,
) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    tool = Tool(simulated_tool(tmp_path, text))
    wish = plan(accelerator, cold_starts=cold_starts)
    with pytest.raises(DeviceError, match=told) as caught:
        measure(serial, tool, model, wish)
    assert "--allow-fallback" in caught.value.hint
    assert_settings_are_back(phone)
    # It is told before the long run where a cold start shows it.
    assert len((tmp_path / "arguments").read_text().splitlines()) == 1
    record = measure(serial, tool, model, replace(wish, allow_fallback=True))
    assert flag in record.flags
    assert record.fully_accelerated is False


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        ("refused", 1, "Failed to apply GPU delegate"),
        ("refused", 0, "Failed to apply GPU delegate"),
        ("mi11_refused", 1, "Failed to apply NNAPI delegate"),
        ("cpu", 139, "exit code 139"),
    ],
)
def test_a_tool_that_fails_is_told(
    connect: Connect, model: Path, tmp_path: Path, text: str, code: int, what: str
) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    tool = Tool(simulated_tool(tmp_path, text, code=code))
    with pytest.raises(DeviceError, match=what):
        measure(serial, tool, model, plan())
    assert_settings_are_back(phone)


@pytest.mark.parametrize(
    ("text", "accelerator", "first_ns"),
    [
        ("pixel2", Accelerator.CPU, 581_397_000),
        ("mi9pro", Accelerator.GPU, 130_565_000),
        ("oneplus5", Accelerator.CPU, 49_060_000),
        ("am62x", Accelerator.CPU, 905_463_000),
        ("sme2", Accelerator.CPU, 1_033_000),
        ("blazeface", Accelerator.CPU, 2_125_000),
        ("llama", Accelerator.CPU, 7_441_040_000),
    ],
)
def test_what_real_devices_printed_becomes_a_record(
    connect: Connect,
    model: Path,
    tmp_path: Path,
    text: str,
    accelerator: Accelerator,
    first_ns: int,
) -> None:
    _phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    tool = Tool(simulated_tool(tmp_path, text))
    record = measure(serial, tool, model, plan(accelerator, cold_starts=1))
    assert record.fully_accelerated
    assert [cold.first_ns for cold in record.cold] == [first_ns]
    assert load_json(PhoneMeasurement, dump_json(record), where="record") == record


def test_litert_2_in_the_record(connect: Connect, model: Path, tmp_path: Path) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    simulated_tool(tmp_path, "litert_gpu").rename(phone.storage / "benchmark_model")
    tool = Tool(PurePosixPath("/data/local/tmp/benchmark_model"))
    record = measure(serial, tool, model, plan(Accelerator.GPU, operators=True))
    assert record.fully_accelerated
    assert record.runtime == "LiteRT, in benchmark_model"
    assert record.tool is not None
    assert record.tool.inference.median_ns == 7_429_871_000
    assert not why_absent(record, "fully_accelerated")
    run = (tmp_path / "arguments").read_text().splitlines()[-1].split()
    assert {"--use_gpu=true", "--enable_op_profiling=true", "--use_profiler=true"} <= set(run)
    assert f"LD_LIBRARY_PATH={phone.storage}" in run


def test_what_litert_2_does_not_tell_is_null(
    connect: Connect, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    tool = Tool(simulated_tool(tmp_path, "llama"))
    wish = plan(Accelerator.GPU, cold_starts=1)
    with pytest.raises(DeviceError, match="does not tell which delegate") as caught:
        measure(serial, tool, model, wish)
    assert "--allow-fallback" in caught.value.hint
    assert_settings_are_back(phone)
    record = measure(serial, tool, model, replace(wish, allow_fallback=True))
    assert record.asked.accelerator is Accelerator.GPU
    assert record.fully_accelerated is None
    assert "does not tell which delegate" in why_absent(record, "fully_accelerated")
    assert not {Flag.PARTLY_CPU, Flag.ALL_CPU} & set(record.flags)
    print_phone(record, tmp_path / "record")
    assert why_absent(record, "fully_accelerated") in capsys.readouterr().out
    assert load_json(PhoneMeasurement, dump_json(record), where="record") == record


@pytest.mark.parametrize("allow_fallback", [False, True])
def test_litert_2_has_no_npu_here(
    connect: Connect, model: Path, tmp_path: Path, allow_fallback: bool
) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    wish = plan(Accelerator.NPU, allow_fallback=allow_fallback)
    with pytest.raises(DeviceError, match="reaches an NPU by its vendor's libraries"):
        measure(serial, Tool(simulated_tool(tmp_path, "sme2")), model, wish)
    assert_settings_are_back(phone)


def test_a_tool_for_another_processor_is_refused(
    connect: Connect, model: Path, tmp_path: Path
) -> None:
    phone, serial = connect(properties={**PIXEL6, "ro.product.cpu.abilist": "arm64-v8a"})
    with pytest.raises(DeviceError, match=r"simulated_benchmark_model is not for .* arm64-v8a"):
        measure(serial, Tool(simulated_tool(tmp_path, "cpu")), model, plan())
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(DeviceError, match="script is not for"):
        measure(serial, Tool(script), model, plan())
    assert not any("mode-enabled" in call for call in phone.calls())


def test_its_energy_is_that_of_the_run(connect: Connect, model: Path, tmp_path: Path) -> None:
    phone, serial = connect(properties=PIXEL6, answers=texts_of("pixel6"))
    rails = Rails(phone, CPU_RAILS)
    try:
        record = measure(
            serial, Tool(simulated_tool(tmp_path, "cpu")), model, plan(idle_s=0.5, cold_starts=0)
        )
    finally:
        rails.close()
    assert record.energy is not None
    assert record.energy.inferences == 5491 + 46
    # The simulated tool is idle: its load is rest.
    (cpu,) = record.energy.groups
    rest_mj = 500 * record.energy.load_s / record.energy.inferences
    assert cpu.gross_mj > 0
    assert abs(cpu.gross_mj - rest_mj) <= cpu.plus_minus_mj


@pytest.mark.parametrize(
    ("text", "scenario", "what"),
    [
        ("tflite", Scenario.SINGLE, "no runner"),
        ("benchmark_model", Scenario.SINGLE, "no runner"),
        ("benchmark_model=", Scenario.SINGLE, "no runner"),
        ("benchmark_model=/nowhere", Scenario.SINGLE, "does not exist"),
        ("benchmark_model=phone:/x", Scenario.COLD, "no scenario cold"),
    ],
)
def test_what_is_no_runner_is_one_line(text: str, scenario: Scenario, what: str) -> None:
    wish = replace(plan(), asked=asked_of(Accelerator.CPU, 0, None, None, scenario, None))
    with pytest.raises(ConfigError, match=what):
        runner_of(text, wish)
    assert runner_of(None, wish) is None
    assert runner_of("harness", wish) is None
    with pytest.raises(ConfigError, match="--operators"):
        runner_of(None, replace(wish, operators=True))


def test_as_a_user_types_it(connect: Connect, shared_data: Path, tmp_path: Path) -> None:
    connect(properties=PIXEL6)
    model = shared_data / "models/kws_ref_model.tflite"
    tool = simulated_tool(tmp_path, "cpu")
    options = ["--runner", f"benchmark_model={tool}", "--no-wait", "--seconds", "1"]
    done = bench(model, "pixel6", tmp_path, *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["runner"] == "benchmark_model"
    assert document["inferences"] == 5491
    assert document["latency_ns"]["p99"] is None
    assert document["tool"]["inference"]["median_ns"] == 10_898_000
    assert {"field": "samples_ns", "reason": "benchmark_model keeps no samples"} in document[
        "absent"
    ]
    done = bench(model, "pixel6", tmp_path, *options, "--operators")
    assert done.returncode == 0, done.stderr
    assert "by benchmark_model, 5,491 inferences, no samples" in done.stdout
    assert "median       10.898 ms" in done.stdout
    assert "CONV_2D  [MobilenetV1/Conv2d_0/Relu6]:0" in done.stdout
    assert "flag: the runner keeps no samples" in done.stdout
    done = bench(model, "pixel6", tmp_path, *options, "--scenario", "frames", "--fps", "30")
    assert done.returncode == 2
    assert "knows no scenario frames" in done.stderr
