"""`edgeserve loop --sensor`: recordings at their own times, and the serial line."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve.cli import main
from edgeserve.errors import ConfigError
from edgeserve.queueing.simulation import Ring, WhenFull, simulate, simulate_frames
from edgeserve.sensor.recording import read_recording
from edgeserve.sensor.spec import FromFile, FromProtocol, Synthetic, parse_sensor
from tests.e2e.bench_images import two_layers
from tests.e2e.test_documents import DOCUMENTED, agree
from tests.tools import need_programs

FRAMES = 12
STEPS_US = (500, 1000, 1500)
"""Between the first frames of the recording, one in three of which is late."""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "two.tflite"
    path.write_bytes(two_layers())
    return str(path)


def interpreter(model: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF
    oracle = Interpreter(model, experimental_op_resolver_type=resolver)
    oracle.allocate_tensors()
    return oracle


def recorded(model: str, where: Path) -> tuple[np.ndarray, list[int]]:
    """A recording of int8 frames, and the oracle's class of each."""
    oracle = interpreter(model)
    (given,), (out,) = oracle.get_input_details(), oracle.get_output_details()
    shape = tuple(given["shape"])
    frames = np.random.default_rng(3).integers(-128, 128, size=(FRAMES, *shape)).astype(np.int8)
    times = np.array([i * 1000 + (500 if i % 3 == 0 else 0) for i in range(FRAMES)])
    np.savez(where, frames=frames, times_us=times)
    classes = []
    for frame in frames:
        oracle.set_tensor(given["index"], frame.reshape(shape))
        oracle.invoke()
        classes.append(int(oracle.get_tensor(out["index"]).ravel().argmax()))
    return frames, classes


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["loop", *arguments, "--format", "json"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    agree(told, DOCUMENTED["loop"])
    return told


@pytest.mark.parametrize("board", ["host", "mps2-an500"])
def test_a_device_infers_the_frames_of_a_recording(
    board: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_programs("gcc" if board == "host" else "qemu-system-arm")
    _, classes = recorded(model, tmp_path / "x.npz")
    clock = () if board == "host" else ("--clock", "20MHz")
    told = document(
        capsys,
        *(model, "--sensor", f"file:{tmp_path / 'x.npz'}", "--board", board, "--emulate", *clock),
    )
    assert told["sensor"]["classes"] == classes, "as the oracle has them"
    assert len(set(classes)) > 1
    assert told["sensor"]["frames"] == FRAMES
    assert len(told["service"]["samples"]) == FRAMES
    hertz = told["service"]["ticks_hz"]
    assert told["arrivals"]["intervals"][1:4] == [us * hertz // 1_000_000 for us in STEPS_US]
    assert told["service"]["virtual"] is (board != "host")
    assert told["simulation"]["inferred"] + told["simulation"]["dropped"] == FRAMES
    assert len(told["sensor"]["inferred_frames"]) == told["simulation"]["inferred"]
    assert told["emulated"]["inferred"] == told["simulation"]["inferred"], "by the board's own ring"
    assert told["emulated"]["busy"] == told["simulation"]["busy_ticks"]


def test_the_board_stands_beside_the_simulation_and_the_formula(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_programs("gcc")
    recorded(model, tmp_path / "x.npz")
    sensor = f"file:{tmp_path / 'x.npz'}"
    assert main(["loop", model, "--sensor", sensor, "--board", "host", "--emulate"]) == 0
    shown = capsys.readouterr().out
    assert "M/D/1" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["of", "the", "frames", "simulated", "on", "host"] in rows
    assert ["inferred", str(FRAMES), str(FRAMES)] in rows


def test_frames_that_are_dropped_are_not_answered(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a clock at which the board takes longer than two frames are apart."""
    need_programs("qemu-system-arm")
    recorded(model, tmp_path / "x.npz")
    sensor = f"file:{tmp_path / 'x.npz'}"
    asked = (model, "--sensor", sensor, "--emulate", "--ring", "1", "--policy", "newest")
    quick = document(capsys, *asked, "--clock", "400MHz")
    slow = document(capsys, *asked, "--clock", "100kHz")
    assert quick["simulation"]["dropped"] == 0
    assert quick["sensor"]["inferred_frames"] == list(range(FRAMES))
    assert slow["simulation"]["dropped"] > 0
    assert slow["sensor"]["inferred_frames"][0] == 0
    assert len(slow["sensor"]["inferred_frames"]) < FRAMES


def test_a_recording_is_forecast_without_a_device(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(model, tmp_path / "x.npz")
    told = document(capsys, model, "--sensor", f"file:{tmp_path / 'x.npz'}", "--service", "400us")
    assert told["frames"] == FRAMES
    assert told["sensor"] is None
    assert told["utilization"] == pytest.approx(0.4, rel=0.1)


def test_a_rate_and_a_synthetic_sensor_are_the_same(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (model, "--service", "4ms", "--jitter", "5%")
    assert document(capsys, *asked, "--rate", "100Hz") == document(
        capsys, *asked, "--sensor", "synthetic:100Hz"
    )


def test_the_serial_line_sets_the_pace(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    need_programs("qemu-system-arm")
    asked = (model, "--emulate", "--clock", "20MHz", "--frames", "5")
    fast = document(capsys, *asked, "--sensor", "protocol")
    slow = document(capsys, *asked, "--sensor", "protocol:9600")
    assert fast["sensor"]["frames"] == slow["sensor"]["frames"] == 5
    assert fast["sensor"]["classes"] == slow["sensor"]["classes"]
    ratio = slow["arrivals"]["intervals"][1] / fast["arrivals"]["intervals"][1]
    assert ratio == pytest.approx(12, rel=0.01)


def test_seconds_a_frame_on_the_line() -> None:
    """490 bytes: two commands of 13 characters around 980 digits, ten bits each."""
    assert FromProtocol(9600).interval_us(490) == -(-(980 + 26) * 10_000_000 // 9600)


def test_what_sensors_are_called() -> None:
    assert parse_sensor("synthetic:30Hz") == Synthetic("30Hz")
    assert parse_sensor("file:a:b.npz") == FromFile(Path("a:b.npz"))
    assert parse_sensor("protocol") == FromProtocol(115_200)
    for wrong in ("", "file:", "synthetic", "protocol:fast", "protocol:0", "camera"):
        with pytest.raises(ConfigError, match="no sensor"):
            parse_sensor(wrong)


def test_recordings_of_each_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=np.zeros((3, 4), np.int8), rate_hz=50)
    assert read_recording(tmp_path / "a.npz", 4).times_us == (0, 20_000, 40_000)
    (tmp_path / "b.csv").write_text("time_us,x,y\n100,1,2\n350,3,-4\n")
    found = read_recording(tmp_path / "b.csv", 2)
    assert found.times_us == (0, 250)
    assert found.frames.tolist() == [[1, 2], [3, -4]]
    assert found.intervals_us() == (250, 250)
    with wave.open(str(tmp_path / "c.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.arange(1000, dtype="<i2").tobytes())
    sound = read_recording(tmp_path / "c.wav", 400)
    assert sound.frames.shape == (2, 400)
    assert sound.frames[1][0] == 400
    assert sound.times_us == (0, 25_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"x"),
        ("a.npz", b"no zip"),
        ("a.csv", b"1,2,3\n2,5\n"),
        ("a.csv", b"20,1\n10,1\n"),
        ("a.csv", b"x\n"),
        ("a.wav", b"RIFF"),
    ],
)
def test_damaged_recordings_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError):
        read_recording(tmp_path / name, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--rate", "30Hz", "--sensor", "synthetic:30Hz"),
        ("--sensor", "file:nowhere.npz"),
        ("--sensor", "protocol", "--jitter", "5%"),
        ("--sensor", "file:x.npz", "--frames", "5"),
        ("--sensor", "protocol", "--emulate", "--board", "nucleo_h743zi2"),
        ("--sensor", "protocol", "--emulate"),
        ("--sensor", "protocol", "--emulate", "--board", "host", "--ring", "65"),
        ("--sensor", "protocol", "--emulate", "--board", "host", "--deadline", "5s"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_line(
    model: str, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loop", model, *wrong]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_frames_of_another_size_are_refused(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", frames=np.zeros((2, 3), np.int8), rate_hz=10)
    sensor = f"file:{tmp_path / 'x.npz'}"
    assert main(["loop", model, "--sensor", sensor, "--board", "host", "--emulate"]) == 2
    assert "frame 0 has 3 values" in capsys.readouterr().err


def test_each_frame_has_its_own_service() -> None:
    """Frame 1 is dropped; frame 2 takes its own 7, not frame 1's 100."""
    arrivals, service = (0, 1, 2, 50), (40, 100, 7, 3)
    ring = Ring(1, WhenFull.OLDEST)
    own = simulate_frames(arrivals, service, ring)
    assert own.served == (0, 2, 3)
    assert own.busy == 40 + 7 + 3
    assert simulate(arrivals, service, ring).busy == 40 + 100 + 7
