"""The real adb client against a simulated phone: files, commands, and what may go wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeserve.device.adb import FOLDER, Adb, AdbDevice, adb_devices, the_device
from edgeserve.errors import DeviceError, NotFound
from edgeserve.phone.harness import Accelerator, FrameSet, Harness, Sample, Told
from tests.phones.simulated_phone import Phone

Connect = Callable[..., tuple[Phone, str]]
KWS_CRC = 0xF7CB3257
SEED = 0x12345678


@pytest.mark.parametrize("features", ["shell_v2,cmd", "cmd"])
def test_commands_have_exit_codes_on_any_phone(connect: Connect, features: str) -> None:
    _phone, serial = connect(features=features)
    adb = Adb(serial)
    assert adb.shell("echo one; echo two; false").code == 1
    answer = adb.shell("printf 'no end of line'; exit 7 | cat")
    assert (answer.code, answer.text) == (0, "no end of line")
    assert adb.ask("echo 50 %").strip() == "50 %"
    assert adb.ask("cat /nowhere") == ""


def test_a_file_goes_over_once(connect: Connect, tmp_path: Path) -> None:
    phone, serial = connect()
    adb = Adb(serial)
    file = tmp_path / "a model's file.bin"
    file.write_bytes(bytes(range(256)) * 4000)
    remote = adb.push(file)
    assert Path(phone.place(str(remote))).read_bytes() == file.read_bytes()
    pushes = sum(service.startswith("sync") for service in phone.log)
    assert adb.push(file) == remote
    assert sum(service.startswith("sync") for service in phone.log) == pushes
    file.write_bytes(b"another")
    assert adb.push(file) != remote


def test_a_full_phone_keeps_no_half_file(connect: Connect, tmp_path: Path) -> None:
    phone, serial = connect(full=True)
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    with pytest.raises(DeviceError, match=r"does not take file: .*No space left") as caught:
        Adb(serial).push(file)
    assert str(FOLDER) in caught.value.hint
    assert not [path for path in phone.storage.rglob("*") if path.is_file()]


def test_which_phone(connect: Connect) -> None:
    with pytest.raises(NotFound, match="no phone is connected"):
        the_device(None)
    properties = {"ro.product.model": "Pixel_6", "ro.product.device": "oriole"}
    _, first = connect(properties=properties)
    assert the_device(None).serial == first
    (seen,) = adb_devices()
    assert (seen.serial, seen.state, seen.model, seen.product) == (
        first,
        "device",
        "Pixel_6",
        "oriole",
    )
    _, second = connect()
    with pytest.raises(NotFound, match="2 phones are connected"):
        the_device(None)
    assert the_device(second).serial == second
    with pytest.raises(NotFound, match="no phone nothing is connected"):
        the_device("nothing")


USB = "1A2B3C  {}  usb:1-2 product:oriole model:Pixel_6 device:oriole transport_id:4"
WIFI = "192.168.1.7:5555 {} product:e2sxeea model:SM_S926B device:e2s transport_id:5"


def told_devices(monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[AdbDevice, ...]:
    done = subprocess.CompletedProcess(["adb"], 0, text.encode("utf-8", "surrogatepass"), b"")
    monkeypatch.setattr("edgeserve.device.adb._run", lambda arguments, timeout_s: done)
    return adb_devices()


@pytest.mark.parametrize("state", ["unauthorized", "offline", "recovery"])
def test_a_phone_that_is_not_ready_is_told(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    text = f"List of devices attached\n{USB.format(state)}\n{WIFI.format('device')}\n\n"
    assert told_devices(monkeypatch, text) == (
        AdbDevice("1A2B3C", state, "Pixel_6", "oriole"),
        AdbDevice("192.168.1.7:5555", "device", "SM_S926B", "e2s"),
    )
    with pytest.raises(NotFound, match=f"phone 1A2B3C is {state}"):
        the_device("1A2B3C")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(st.one_of(st.text(max_size=40), st.just(USB.format("device"))), max_size=6))
def test_whatever_adb_lists_is_read(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    found = told_devices(monkeypatch, "\n".join(lines))
    assert all(device.serial and device.state for device in found)


def start(adb: Adb, harness: Path, litert: Path, model: Path, *more: str) -> Harness:
    program = adb.push(harness, executable=True)
    argv = [program, "--library", adb.push(litert), "--model", adb.push(model), *more]
    link = adb.open([str(part) for part in argv], log=FOLDER / "log")
    return Harness(link)


@pytest.mark.parametrize("features", ["shell_v2,cmd", "cmd"])
def test_the_harness_on_a_phone(
    connect: Connect, harness: Path, litert: Path, shared_data: Path, features: str
) -> None:
    _phone, serial = connect(features=features)
    model = shared_data / "models/kws_ref_model.tflite"
    client = start(Adb(serial), harness, litert, model, "--threads", "1")
    try:
        assert client.wait_ready() == "edgeserve phone harness"
        info = client.info()
        assert (info.model, info.asked, info.threads) == (model.name, Accelerator.CPU, 1)
        assert (info.input_bytes, info.output_bytes) == (490, 12)
        assert info.cold.process_ns is not None
        assert all([info.cold.library_ns, info.cold.compile_ns, info.cold.first_ns])
        assert info.peak_bytes > 1 << 20
        data = _xorshift(info.input_bytes)
        client.fill(SEED, data)
        assert client.run() == KWS_CRC
        client.load(data)
        laps = client.laps(20, 3)
        assert len(laps.counts) == 20
        assert laps.output_crc == KWS_CRC
        assert len(client.out(12)) == 12
        told: list[Told] = []
        assert client.sustain(60, 5000, told.append) == KWS_CRC
        samples = [one for one in told if isinstance(one, Sample)]
        assert samples == told
        assert [sample.slot for sample in samples] == sorted({s.slot for s in samples})
        assert all(sample.end_ns >= sample.slot * 5_000_000 for sample in samples)
        told.clear()
        assert client.sustain(60, 10_000, told.append, streams=3) == KWS_CRC
        assert [type(one) for one in told[:4]] == [Sample, Sample, Sample, FrameSet]
        sets = [one for one in told if isinstance(one, FrameSet)]
        assert len(told) == 4 * len(sets)
        for index, one in enumerate(sets):
            inside = told[4 * index : 4 * index + 3]
            assert {sample.slot for sample in inside} == {one.slot}
            assert one.end_ns == max(s.end_ns for s in inside if isinstance(s, Sample))
            taken_ns = sum(s.ns for s in inside if isinstance(s, Sample))
            assert one.slot * 10_000_000 <= one.begin_ns < one.end_ns - taken_ns + 1
    finally:
        client.close()


def test_a_cable_that_comes_loose_is_told(
    connect: Connect, harness: Path, litert: Path, shared_data: Path
) -> None:
    phone, serial = connect(cut_after_bytes=4000)
    model = shared_data / "models/kws_ref_model.tflite"
    client = start(Adb(serial), harness, litert, model)
    try:
        client.wait_ready()
        with pytest.raises(DeviceError, match="ended while it was in use"):
            client.sustain(20_000, 0, lambda sample: None)
    finally:
        client.close()
    assert phone.log


def _xorshift(count: int) -> bytes:
    state, data = SEED, bytearray()
    for _ in range(count):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        data.append(state & 255)
    return bytes(data)
