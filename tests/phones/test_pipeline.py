"""A picture's whole way through the real harness: what each phase makes, and what it takes."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.device.adb import Adb
from edgeserve.device.process import open_process
from edgeserve.errors import ConfigError, DeviceError, WrongOutput
from edgeserve.phone.bench import bench_phone
from edgeserve.phone.harness import Accelerator, Harness
from edgeserve.phone.host import host_answer, output_positions
from edgeserve.phone.pipeline import Pipeline, pipeline_of, require_right
from edgeserve.phone.plan import Around, Files, Plan, Subject, asked_of
from edgeserve.phone.record import PhoneMeasurement, Scenario
from edgeserve.phone.record_file import read_phone_measurements
from edgeserve.pipeline.phone import bench_on_phone, find_phone
from edgeserve.postprocess.declaration import Postprocess
from edgeserve.preprocess.declaration import Colour, ImageInput, Layout, PixelFormat, Resize
from edgeserve.show.phone import phone_json, print_phone
from tests.phones.conftest import ROOT, build_harness
from tests.phones.pipelines import BOXES, CLASSES, FRONT, Made, jpeg, make_bundle
from tests.phones.simulated_phone import Phone
from tests.phones.test_cli import PIXEL6, bench
from tests.tools import need_library

Connect = Callable[..., tuple[Phone, str]]
SANITIZED = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
PHASES = ["decode", "resize", "normalize", "infer", "postprocess"]


QUICK = Plan(
    asked_of(Accelerator.CPU, 1, None, None, Scenario.PIPELINE, None),
    duration_s=0.1,
    least_count=5,
    cold_starts=0,
    wait_cool_s=0,
    idle_s=0,
)


@pytest.fixture(autouse=True)
def quick_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edgeserve.phone.bench.MOST_WARM_UPS", 3)


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness under AddressSanitizer and UndefinedBehaviorSanitizer."""
    folder = tmp_path_factory.mktemp("sanitized harness")
    return build_harness(folder, "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_C_FLAGS={SANITIZED}")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_bundle(tmp_path / "seer")


def pipeline(made: Made, picture: bytes) -> Pipeline:
    return pipeline_of(made.facts, output_positions(made.model), "photo", picture)


@contextmanager
def started(
    harness: Path, litert: Path, made: Made, file: bytes, picture: bytes, *, raw: bool = False
) -> Iterator[Harness]:
    folder = made.folder
    (folder / "p.bin").write_bytes(file)
    (folder / "picture").write_bytes(picture)
    argv = ["--library", str(litert), "--model", str(made.model), "--threads", "1"]
    argv += ["--pipeline", str(folder / "p.bin")]
    argv += ["--frame" if raw else "--jpeg", str(folder / "picture")]
    one = Harness(open_process(harness, name="the harness", arguments=argv))
    try:
        one.wait_ready(30.0)
        yield one
    finally:
        one.close()


def test_one_command_gives_the_phases(
    connect: Connect, harness: Path, litert: Path, made: Made, tmp_path: Path
) -> None:
    need_library("libturbojpeg.so.0", "libturbojpeg0")
    connect(properties=PIXEL6)
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    options = ["--harness", str(harness), "--library", str(litert), "--seconds", "1", "--no-wait"]
    options += ["--scenario", "pipeline", "--frame", "photo.jpg", "--cold-starts", "0"]
    done = bench(made.folder, "pixel6", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if row and row[0] in PHASES] == PHASES
    assert ["phase,", "in", "us", "p50", "p90", "p99"] in rows
    (record,) = read_phone_measurements(made.folder)
    assert [phase.name for phase in record.phases] == PHASES
    assert len(record.samples_ns) >= 1024
    columns = [phase.samples_ns for phase in record.phases]
    assert [sum(parts) for parts in zip(*columns, strict=True)] == list(record.samples_ns)
    assert record.input.startswith("photo.jpg (sha256 ")
    assert record.input.endswith("decoded by libturbojpeg.so.0")
    assert not any(one.field.startswith("phases") for one in record.absent)
    document = phone_json(record, made.folder)
    assert list(document["phases_ns"]) == PHASES
    assert document["phases_ns"]["decode"]["p50"]["value"] > 0
    assert "phases" not in document


def test_a_phone_without_a_decoder_gets_a_frame(
    connect: Connect,
    harness: Path,
    litert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = make_bundle(tmp_path / "seer", back=None)
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/libturbojpeg.so.0").write_bytes(b"")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "hiding"))
    connect(properties=PIXEL6)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg())
    phone = find_phone("pixel6")
    record, file = bench_on_phone(
        made.folder,
        phone,
        QUICK,
        lambda what: None,
        harness=harness,
        library=litert,
        picture=photo,
    )
    print_phone(record, file)
    said = capsys.readouterr().out
    assert "no decode: neither libjnigraphics.so nor libturbojpeg.so.0 is here" in said
    assert read_phone_measurements(made.folder) == (record,)
    assert [phase.name for phase in record.phases] == ["resize", "normalize", "infer"]
    assert record.input.endswith("as a raw frame")
    assert {one.field for one in record.absent} >= {"phases.decode", "phases.postprocess"}


def test_another_input_than_the_host_s_fails_the_run(
    connect: Connect, harness: Path, litert: Path, made: Made, tmp_path: Path
) -> None:
    """A phone that was told of another camera than the bundle declares."""
    need_library("libturbojpeg.so.0", "libturbojpeg0")
    _phone, serial = connect(properties=PIXEL6)
    right = pipeline(made, jpeg())
    wrong = replace(right, last=tuple(replace(a, bias=a.bias + (4 << a.shift)) for a in right.last))
    paths = [tmp_path / name for name in ("p.bin", "picture.jpg", "frame.raw")]
    for path, data in zip(paths, (wrong.file(), right.picture, right.frame()), strict=True):
        path.write_bytes(data)
    files = Files(harness, litert, made.model, Around(*paths))
    data = host_answer(made.model, 0x12345678).input
    subject = Subject("seer", "ab" * 32, lambda: data, None, right)
    with pytest.raises(WrongOutput, match="another input of its own decoded pixels"):
        bench_phone(Adb(serial), None, files, subject, QUICK, lambda what: None)
    paths[0].write_bytes(right.file())
    record = bench_phone(Adb(serial), None, files, subject, QUICK, lambda what: None)
    assert isinstance(record, PhoneMeasurement)
    assert record.phases


FRONTS = {
    **{f"raw {kind}": replace(FRONT, format=kind) for kind in PixelFormat},
    **{f"resized by {one}": replace(FRONT, resize=one) for one in Resize if one is not Resize.NONE},
    "planes": replace(FRONT, layout=Layout.NCHW, colour=Colour.BGR),
    "grey of colour": replace(
        FRONT, colour=Colour.GRAY, mean=FRONT.mean[:1], scale=FRONT.scale[:1]
    ),
}


@pytest.mark.parametrize("name", FRONTS)
def test_every_camera_gives_the_host_s_bytes(
    sanitized: Path, litert: Path, tmp_path: Path, name: str
) -> None:
    front = FRONTS[name]
    made = make_bundle(tmp_path / "seer", front, BOXES)
    frame = np.random.default_rng(9).integers(0, 256, front.raw_bytes, dtype=np.uint8).tobytes()
    one = pipeline(made, frame)
    with started(sanitized, litert, made, one.file(), frame, raw=True) as harness:
        info = harness.info()
        assert (info.decoder, info.no_decoder) == (None, "the frame is given raw")
        require_right(harness, info, one)
        assert harness.frame(front.raw_bytes) == frame
        assert len(one.answers_of(harness.out(info.output_bytes))) in {24 * n for n in range(6)}


@pytest.mark.parametrize("back", [CLASSES, BOXES, None])
@pytest.mark.parametrize("kind", [PixelFormat.RGB888, PixelFormat.BGR888, PixelFormat.GRAY8])
def test_a_jpeg_is_decoded_to_the_camera_s_pixels(
    sanitized: Path, litert: Path, tmp_path: Path, kind: PixelFormat, back: Postprocess | None
) -> None:
    need_library("libturbojpeg.so.0", "libturbojpeg0")
    made = make_bundle(tmp_path / "seer", replace(FRONT, format=kind), back)
    one = pipeline(made, jpeg())
    with started(sanitized, litert, made, one.file(), one.picture) as harness:
        info = harness.info()
        assert info.decoder == "libturbojpeg.so.0"
        require_right(harness, info, one)
        frame = np.frombuffer(harness.frame(one.front.raw_bytes), np.uint8).astype(int)
        ours = np.frombuffer(one.frame(), np.uint8).astype(int)
        # Libraries may round differently; another order of colours differs by far more.
        assert np.abs(frame - ours).max() <= 4
        told: list[tuple[int, list[str]]] = []
        end = harness.passes(60_000, lambda at, phases: told.append((at, list(phases))), most=3)
        assert [names for _, names in told] == [PHASES if back else PHASES[:-1]] * 3
        assert [at for at, _ in told] == sorted(at for at, _ in told)
        answers = one.answers_of(harness.out(info.output_bytes))
        assert (end.answers_crc == 0) == (answers == b"")
        assert bool(answers) == (back is not None)


def test_android_s_decoder_is_taken_first(
    sanitized: Path, litert: Path, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a simulated libjnigraphics.so: that pixels lose their opacity, not what they are."""
    source = Path(__file__).with_name("simulated_jnigraphics.c")
    library = tmp_path / "libjnigraphics.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    one = pipeline(made, jpeg())
    seed = 11
    picture = one.picture + bytes([64, 48, seed])
    rgba = np.array([(seed + i * 7) % 256 for i in range(64 * 48 * 4)], np.uint8)
    with started(sanitized, litert, made, one.file(), picture) as harness:
        info = harness.info()
        assert info.decoder == "libjnigraphics.so"
        require_right(harness, info, one)
        frame = np.frombuffer(harness.frame(one.front.raw_bytes), np.uint8)
        assert np.array_equal(frame.reshape(-1, 3), rgba.reshape(-1, 4)[:, :3])
    with (
        started(sanitized, litert, made, one.file(), one.picture + bytes([9, 9, 9])) as harness,
        pytest.raises(DeviceError, match="another size than the camera's frame"),
    ):
        harness.passes(0, lambda at, phases: None, most=1)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (jpeg(32, 48), "another size"),
        (b"\xff\xd8\xff nothing", "no JPEG"),
    ],
)
def test_a_picture_that_cannot_be_decoded_is_told(
    sanitized: Path, litert: Path, made: Made, picture: bytes, said: str
) -> None:
    need_library("libturbojpeg.so.0", "libturbojpeg0")
    file = pipeline(made, jpeg()).file()
    with (
        started(sanitized, litert, made, file, picture) as harness,
        pytest.raises(DeviceError, match=said),
    ):
        harness.passes(0, lambda at, phases: None, most=1)


def test_what_the_harness_is_not_started_with_is_told(
    sanitized: Path, litert: Path, made: Made, tmp_path: Path
) -> None:
    one = pipeline(made, jpeg())
    file, frame = tmp_path / "p.bin", tmp_path / "frame.raw"
    argv = [str(sanitized), "--library", str(litert), "--model", str(made.model)]

    def run(*more: str, commands: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *more], input=commands, capture_output=True, text=True, check=False
        )

    done = run(commands="es pipeline 10%es frame%")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("e-[start the harness with --pipeline]") == 2
    assert run("--pipeline", str(file)).returncode == 2
    assert run("--jpeg", str(file)).returncode == 2
    usable, short = one.file(), one.file()[:-4]
    other = pipeline(make_bundle(tmp_path / "o", replace(FRONT, out_width=8)), jpeg()).file()
    for data, said in ((usable, "no frame of the camera"), (short, "cut off"), (other, "suit")):
        file.write_bytes(data)
        frame.write_bytes(b"short")
        done = run("--pipeline", str(file), "--frame", str(frame))
        assert done.returncode == 1
        assert said in done.stderr
        assert "Sanitizer" not in done.stderr


def test_damaged_files_of_pipelines_never_reach_beyond_memory(tmp_path: Path) -> None:
    folders = [
        ROOT / "firmware/preprocess",
        ROOT / "firmware/postprocess",
        ROOT / "android_harness",
    ]
    sources = [Path(__file__).with_name("pipeline_fuzz.c"), folders[2] / "pipeline_file.c"]
    sources += [folders[0] / "es_image.c"]
    sources += [folders[1] / f"es_{name}.c" for name in ("boxes", "classes", "probabilities")]
    program = tmp_path / "fuzz"
    subprocess.run(
        ["gcc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *SANITIZED.split()]
        + [f"-I{folder}" for folder in folders]
        + [*map(str, sources), "-o", str(program)],
        check=True,
    )
    whole = _whole_files(tmp_path)
    assert _taken(program, whole) == len(whole)
    random.seed(4)
    damaged = [_damaged(random.choice(whole)) for _ in range(4000)]
    # Some change nothing that matters, or a weight: those are run.
    assert 100 < _taken(program, damaged) < 3900


def _whole_files(folder: Path) -> list[bytes]:
    files = []
    for number, back in enumerate((None, CLASSES, BOXES)):
        for name in ("raw yuyv", "planes", "resized by area"):
            front: ImageInput = FRONTS[name]
            made = make_bundle(folder / f"{number} {name}", front, back)
            files.append(pipeline(made, bytes(front.raw_bytes)).file())
    return files


def _damaged(data: bytes) -> bytes:
    """One to three words, of the head or the answers rather than of tables, or the end."""
    if random.random() < 0.05:
        return data[: random.randrange(len(data))]
    out = bytearray(data)
    for _ in range(random.randint(1, 3)):
        words = len(data) // 4
        word = random.choice([random.randrange(14), random.randrange(words)])
        value = random.choice(
            [0, 1, 2, 255, 65535, 65536, 1 << 31, 2**32 - 1, random.getrandbits(32)]
        )
        out[4 * word : 4 * word + 4] = struct.pack("<I", value)
    return bytes(out)


def _taken(program: Path, files: Sequence[bytes]) -> int:
    data = b"".join(struct.pack("<I", len(one)) + one for one in files)
    done = subprocess.run([str(program)], input=data, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout)


@pytest.mark.parametrize(
    ("front", "picture", "said"),
    [
        (FRONT, jpeg(32, 48), "photo is 32x48, and the camera sends 64x48"),
        (FRONT, jpeg(turned=6), "EXIF orientation 6"),
        (FRONT, jpeg()[:400], "no whole JPEG"),
        (FRONT, bytes(10), "neither a JPEG nor a frame of 9,216 bytes"),
        (replace(FRONT, format=PixelFormat.YUYV), jpeg(), "no decoder makes of photo"),
    ],
)
def test_a_picture_that_does_not_suit_is_refused(
    tmp_path: Path, front: ImageInput, picture: bytes, said: str
) -> None:
    made = make_bundle(tmp_path / "seer", front)
    with pytest.raises(ConfigError, match=said):
        pipeline(made, picture)


def test_a_bundle_without_a_camera_is_refused(made: Made) -> None:
    facts = replace(made.facts, preprocess=None)
    with pytest.raises(ConfigError, match="does not declare a camera"):
        pipeline_of(facts, (0,), "photo", jpeg())


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--scenario", "pipeline"), "belong together"),
        (("--frame", "photo.jpg"), "belong together"),
        (("--scenario", "pipeline", "--frame", "none.jpg"), "No such file"),
    ],
)
def test_what_does_not_go_together(
    connect: Connect, made: Made, tmp_path: Path, more: tuple[str, ...], what: str
) -> None:
    connect(properties=PIXEL6)
    done = bench(made.folder, "adb", tmp_path, *more)
    assert done.returncode == 2
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_crcs_are_zlib_s(sanitized: Path, litert: Path, made: Made) -> None:
    one = pipeline(made, bytes(FRONT.raw_bytes))
    with started(sanitized, litert, made, one.file(), one.picture, raw=True) as harness:
        told = harness.passes(0, lambda at, phases: None, most=1)
    assert told.frame_crc == zlib.crc32(one.picture)
    assert told.input_crc == zlib.crc32(one.input_of(one.picture))
