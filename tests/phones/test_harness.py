"""The harness by itself: LiteRT's own answers, a clean memory, bad arguments, another processor."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from edgeserve.phone.host import host_answer
from tests.phones.conftest import build_harness
from tests.tools import need_programs

CROSS = "aarch64-linux-gnu-gcc"
SEED = 0x12345678
MODELS = (
    "ad01_int8",
    "hello_world_int8",
    "kws_ref_model",
    "micro_speech_quantized",
    "pretrainedResnet_quant",
    "vww_96_int8",
)
VALGRIND = (
    "valgrind",
    "-q",
    "--error-exitcode=9",
    f"--suppressions={Path(__file__).with_name('litert.supp')}",
)
COMMANDS = (
    f"es info%es fill {SEED}%es run%es lap 3 1%es out%results%es sustain 30 2000%es sustain 20 0 3%"
)


def converse(argv: list[str], commands: str = COMMANDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=commands, capture_output=True, text=True, check=False, timeout=300
    )


def arguments(harness: Path, litert: Path, model: Path) -> list[str]:
    return [str(harness), "--library", str(litert), "--model", str(model), "--threads", "1"]


def crcs(text: str) -> set[str]:
    return {line[-8:] for line in text.splitlines() if line.startswith("m-es-output-crc-")}


def refusals(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("e-[")]


@pytest.mark.parametrize("name", MODELS)
def test_the_output_is_litert_s(harness: Path, litert: Path, shared_data: Path, name: str) -> None:
    model = shared_data / f"models/{name}.tflite"
    done = converse(arguments(harness, litert, model))
    assert done.returncode == 0, done.stderr
    assert crcs(done.stdout) == {f"{zlib.crc32(host_answer(model, SEED).output):08x}"}
    assert refusals(done.stdout) == []


def test_the_patched_copy_of_a_model_that_litert_refuses(
    harness: Path, litert: Path, shared_data: Path, tmp_path: Path
) -> None:
    from edgeserve.oracle_worker import mend_quantized_dimensions

    source = shared_data / "models/person_detect.tflite"
    refused = converse(arguments(harness, litert, source))
    assert refused.returncode == 1
    assert "LiteRT cannot" in refused.stderr
    model = tmp_path / "person_detect.tflite"
    model.write_bytes(mend_quantized_dimensions(source.read_bytes())[0])
    done = converse(arguments(harness, litert, model))
    assert crcs(done.stdout) == {f"{zlib.crc32(host_answer(model, SEED).output):08x}"}


def test_memory_is_clean(harness: Path, litert: Path, shared_data: Path, tmp_path: Path) -> None:
    """Under AddressSanitizer and its leak check, and under valgrind."""
    model = shared_data / "models/kws_ref_model.tflite"
    flags = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    checked = build_harness(tmp_path, "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_C_FLAGS={flags}")
    bad_lines = (
        "db load 0%db zz%es fill%es fill 0%es nothing%es lap 0%es out%es sustain x%"
        "es sustain 1 0 65%es prof%db 00%"
    )
    done = converse(arguments(checked, litert, model), bad_lines + COMMANDS)
    assert done.returncode == 0, done.stderr
    assert len(refusals(done.stdout)) == 10
    assert crcs(done.stdout) == {"f7cb3257"}
    need_programs("valgrind")
    done = converse(
        [*VALGRIND, *arguments(harness, litert, model)],
        f"es fill {SEED}%es run%",
    )
    assert done.returncode == 0, done.stderr
    assert crcs(done.stdout) == {"f7cb3257"}


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--accelerator", "tpu"], 2, "usage:"),
        (["--threads", "many"], 2, "usage:"),
        (["--model"], 2, "usage:"),
        (["--library", "/nowhere.so"], 1, "cannot load LiteRT"),
        (["--library", "libc.so.6"], 1, "is no LiteRT 2.3"),
        (["--model", "/nowhere.tflite"], 1, "cannot read the model"),
    ],
)
def test_bad_arguments_are_told(
    harness: Path, litert: Path, shared_data: Path, more: list[str], code: int, said: str
) -> None:
    model = shared_data / "models/hello_world_int8.tflite"
    done = converse([*arguments(harness, litert, model), *more])
    assert done.returncode == code
    assert said in done.stderr


@pytest.mark.soak
def test_the_same_on_another_processor(shared_data: Path, tmp_path: Path) -> None:
    """Built for AArch64 and emulated, with the LiteRT of PyPI's wheel for it.

    QEMU's plain CPU gives wrong results of int8 kernels, and XNNPACK asks /proc/cpuinfo what there
    is: so a Cortex-A72, and a file that says so.
    """
    import sys

    need_programs(CROSS, "qemu-aarch64")
    wheel = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path)]
    wheel += ["--only-binary=:all:", "--platform", "manylinux_2_27_aarch64"]
    wheel += ["--python-version", "3.11", "ai-edge-litert==2.3.0"]
    subprocess.run(wheel, check=True, capture_output=True)
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), tmp_path / "wheel", "zip")
    program = build_harness(
        tmp_path / "build", "-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_C_COMPILER={CROSS}"
    )
    sysroot = tmp_path / "sysroot"
    (sysroot / "proc").mkdir(parents=True)
    (sysroot / "lib").symlink_to("/usr/aarch64-linux-gnu/lib")
    (sysroot / "proc/cpuinfo").write_text(
        "processor\t: 0\nFeatures\t: fp asimd crc32 cpuid\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    )
    emulator = ["qemu-aarch64", "-cpu", "cortex-a72", "-L", str(sysroot)]
    library = tmp_path / "wheel/ai_edge_litert/libLiteRt.so"
    for name in MODELS:
        model = shared_data / f"models/{name}.tflite"
        argv = [*emulator, *arguments(program, library, model)]
        done = converse(argv, f"es info%es fill {SEED}%es run%es sustain 1 0 2%")
        assert "m-es-abi-[arm64-v8a]" in done.stdout
        assert "m-es-set-0-" in done.stdout
        assert refusals(done.stdout) == []
        want = zlib.crc32(host_answer(model, SEED).output)
        assert crcs(done.stdout) == {f"{want:08x}"}, name
