"""The bundle: written whole or not at all, read strictly, locked, cached by the model's bytes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeserve import folder_swap
from edgeserve.bundle import (
    GIVEN_AS_TFLITE,
    Agreement,
    BundleContents,
    CalibratedInput,
    CalibrationKind,
    CalibrationRecord,
    InputAdapter,
    OutputAgreement,
    Quantization,
    SourceFacts,
    SourceKind,
    TensorFacts,
    ToolVersion,
    contents_of_tflite,
    make_contents,
    quantize_samples,
)
from edgeserve.bundle_store import (
    Bundle,
    board_dir,
    bundle_lock,
    load_bundle,
    open_bundle,
    write_bundle,
)
from edgeserve.errors import ConfigError, ModelError, ToolError
from edgeserve.graph import DType
from edgeserve.identifier import c_identifier
from edgeserve.strict_json import dump_json, load_json
from edgeserve.tflite.reader import read_model
from tests.tflite_builder import ModelBuilder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGESERVE_CACHE", str(folder))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def relu_model(elements: int = 3) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, elements), "int8", scale=0.5, zero_point=-3)
    y = builder.tensor("y", (1, elements), "int8", scale=0.5, zero_point=-3)
    builder.op("RELU", [x], [y])
    return builder.finish([x], [y])


def full_contents(samples: int = 40) -> BundleContents:
    model = relu_model()
    kept = np.arange(samples * 3, dtype=np.int64).reshape(samples, 3).astype(np.int8)
    return make_contents(
        name="relu",
        graph=read_model(model, name="relu"),
        model_tflite=model,
        source=SourceFacts(SourceKind.KERAS, "0" * 64),
        tools=(ToolVersion("tensorflow", "1.2.3"),),
        quantization=Quantization(DType.INT8, DType.INT8, True, "a converter"),
        calibration=CalibrationRecord(
            kind=CalibrationKind.NPZ,
            samples=samples,
            labelled=True,
            classes=("a", "b"),
            preprocessing="none",
            sha256="1" * 64,
            inputs=(CalibratedInput("x", (1, 3), -1.5, 2.0),),
        ),
        samples=(kept,),
        agreement=Agreement(
            samples, samples, (OutputAgreement("y", 0.5, 0.25, 0.5),), 30, samples, 20
        ),
        notes=("a note",),
        input_adapter=InputAdapter.UINT8_TO_INT8,
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_what_is_written_is_read_back(out: Path) -> None:
    contents = full_contents()
    written = write_bundle(out / "relu", contents)
    assert written == load_bundle(out / "relu")
    assert written.facts == contents.facts
    assert written.calibration == contents.calibration
    assert written.model_bytes() == contents.model_tflite
    assert written.facts.inputs == (TensorFacts("x", (1, 3), DType.INT8, 0.5, -3),)
    assert written.facts.agreement is not None
    assert written.facts.agreement.int8_accuracy == 0.5
    samples = written.samples()
    assert samples is not None
    assert samples[0].shape == (32, 3)
    assert samples[0][1].tolist() == [3, 4, 5]
    assert sorted(files_of(out)) == [
        "relu/bundle.json",
        "relu/calibration.json",
        "relu/calibration.npz",
        "relu/model.tflite",
    ]


def test_equal_contents_give_equal_bytes(out: Path) -> None:
    write_bundle(out / "one", full_contents())
    write_bundle(out / "two", full_contents())
    assert files_of(out / "one") == files_of(out / "two")


def test_a_bare_tflite_has_no_calibration_and_says_why(out: Path) -> None:
    written = write_bundle(out / "bare", contents_of_tflite("bare", relu_model()))
    assert written.samples() is None
    record = json.loads((out / "bare" / "calibration.json").read_text())
    assert record == {
        "schema": 4,
        "record": None,
        "ranges": None,
        "absent_reason": GIVEN_AS_TFLITE,
    }
    facts = json.loads((out / "bare" / "bundle.json").read_text())
    assert (facts["agreement"], facts["quantization"]) == (None, None)
    assert facts["absent_reason"] == GIVEN_AS_TFLITE


def test_an_existing_bundle_is_replaced_only_by_force(out: Path) -> None:
    dest = out / "relu"
    write_bundle(dest, full_contents())
    before = files_of(dest)
    with pytest.raises(ConfigError, match="exists") as caught:
        write_bundle(dest, contents_of_tflite("new", relu_model(4)))
    assert "--force" in caught.value.hint
    assert files_of(dest) == before


def test_force_carries_measurements_and_the_users_code_and_nothing_else(out: Path) -> None:
    dest = out / "relu"
    old = write_bundle(dest, full_contents())
    old.measurements_path.write_text('{"a": 1}\n')
    (dest / "phone_measurements.jsonl").write_text('{"b": 2}\n')
    (dest / "claims.toml").write_text("[[claim]]\n")
    mine = old.board_dir("mps2-an500") / "firmware" / "src" / "app.c"
    mine.parent.mkdir(parents=True)
    mine.write_text("/* mine */\n")
    (mine.parent / "model.c").write_text("/* generated */\n")
    (dest / "report.html").write_text("stale")

    def populate(staged: Path) -> None:
        folder = board_dir(staged, "mps2-an500") / "firmware" / "src"
        folder.mkdir(parents=True)
        (folder / "app.c").write_text("/* template */\n")

    new = write_bundle(
        dest, contents_of_tflite("new", relu_model(4)), force=True, populate=populate
    )
    assert new.name == "new"
    assert new.measurements_path.read_text() == '{"a": 1}\n'
    assert mine.read_text() == "/* mine */\n"
    assert sorted(files_of(dest)) == [
        "boards/mps2-an500/firmware/src/app.c",
        "bundle.json",
        "calibration.json",
        "claims.toml",
        "measurements.jsonl",
        "model.tflite",
        "phone_measurements.jsonl",
    ]
    assert (dest / "phone_measurements.jsonl").read_text() == '{"b": 2}\n'
    assert [p.name for p in out.iterdir()] == ["relu"]


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_no_bundle_is_never_replaced(out: Path, is_file: bool) -> None:
    precious = out / "precious" if is_file else out / "precious" / "thesis.txt"
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("years of work")
    with pytest.raises(ConfigError, match="is not a bundle"):
        write_bundle(out / "precious", full_contents(), force=True)
    assert precious.read_text() == "years of work"


def test_a_failure_while_writing_leaves_nothing_or_the_old(out: Path) -> None:
    class StopError(Exception):
        pass

    def fail(staged: Path) -> None:
        raise StopError

    def fill_the_disk(staged: Path) -> None:
        raise OSError(28, "No space left on device", str(staged))

    with pytest.raises(StopError):
        write_bundle(out / "relu", full_contents(), populate=fail)
    assert list(out.iterdir()) == []
    write_bundle(out / "relu", full_contents())
    before = files_of(out)
    with pytest.raises(ToolError, match="No space left"):
        write_bundle(out / "relu", full_contents(), force=True, populate=fill_the_disk)
    assert files_of(out) == before


CHILD = """
    import sys, time
    from pathlib import Path
    from edgeserve.bundle import contents_of_tflite
    from edgeserve.bundle_store import bundle_lock, write_bundle
    from edgeserve.tflite.reader import read_model

    dest, models = Path(sys.argv[1]), [Path(path).read_bytes() for path in sys.argv[2:]]
    contents = [contents_of_tflite(f"model{i}", model) for i, model in enumerate(models)]

    def hang(staged):
        print("staged", flush=True)
        time.sleep(60)

    def alternate():
        print("started", flush=True)
        while True:
            for each in contents:
                write_bundle(dest, each, force=True)
"""


def start(call: str, *arguments: Path) -> subprocess.Popen[str]:
    """A child that runs ``call`` after CHILD, once it has printed its first line."""
    script = textwrap.dedent(CHILD) + call
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in {"staged", "started", "locked"}
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def two_models(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.tflite", tmp_path / "b.tflite"
    for elements, path in zip((3, 4), paths, strict=True):
        path.write_bytes(relu_model(elements))
    return paths


def test_a_killed_writer_leaves_nothing_that_the_next_one_does_not_clear(
    out: Path, two_models: tuple[Path, Path]
) -> None:
    dest = out / "relu"
    kill(start("write_bundle(dest, contents[0], populate=hang)", dest, *two_models))
    assert not dest.exists()
    with pytest.raises(ConfigError, match="is not a bundle"):
        load_bundle(dest)
    assert write_bundle(dest, full_contents()).name == "relu"
    assert [p.name for p in out.iterdir()] == ["relu"]


def test_a_writer_killed_at_any_moment_leaves_the_old_bundle_or_the_new(
    out: Path, two_models: tuple[Path, Path]
) -> None:
    dest = out / "relu"
    write_bundle(dest, contents_of_tflite("model0", relu_model()))
    chance = random.Random(7)
    for _ in range(6):
        process = start("alternate()", dest, *two_models)
        time.sleep(chance.uniform(0.0, 0.1))
        kill(process)
        assert load_bundle(dest).name in {"model0", "model1"}
    write_bundle(dest, full_contents(), force=True)
    assert [p.name for p in out.iterdir()] == ["relu"]


def test_a_reader_never_finds_the_bundle_missing(out: Path, two_models: tuple[Path, Path]) -> None:
    one, two = out / "one", out / "two"
    one.mkdir()
    two.mkdir()
    if not folder_swap._exchange(one, two):
        pytest.skip("this file system cannot exchange two folders in one step")
    dest = out / "relu"
    write_bundle(dest, contents_of_tflite("model0", relu_model()))
    process = start("alternate()", dest, *two_models)
    seen: set[tuple[int, int]] = set()
    deadline = time.monotonic() + 20.0
    while len(seen) < 50 and time.monotonic() < deadline:
        status = (dest / "bundle.json").stat()
        seen.add((status.st_ino, status.st_mtime_ns))
    kill(process)
    assert len(seen) == 50


def test_without_an_atomic_exchange_a_cut_swap_is_mended(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(staged: Path, dest: Path) -> None:
        dest.rename(folder_swap._replaced(dest))
        raise Killed

    dest = out / "relu"
    old = write_bundle(dest, full_contents())
    with monkeypatch.context() as patch:
        patch.setattr(folder_swap, "_put_in_place", die)
        with pytest.raises(Killed):
            write_bundle(dest, contents_of_tflite("new", relu_model()), force=True)
    assert not dest.exists()
    assert load_bundle(dest) == old
    monkeypatch.setattr(folder_swap, "_renameat2", lambda: None)
    assert write_bundle(dest, contents_of_tflite("new", relu_model()), force=True).name == "new"
    assert [p.name for p in out.iterdir()] == ["relu"]


def test_a_second_process_is_told_that_the_bundle_is_in_use(
    out: Path, two_models: tuple[Path, Path]
) -> None:
    dest = out / "relu"
    holder = start("write_bundle(dest, contents[0], populate=hang)", dest, *two_models)
    try:
        with pytest.raises(ConfigError, match="in use"), bundle_lock(dest, wait_s=0.2):
            pass
    finally:
        kill(holder)
    with bundle_lock(dest, wait_s=5.0), bundle_lock(dest, wait_s=0.0):
        pass


def spoil_json(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        value = json.loads((path / name).read_text())
        change(value)
        (path / name).write_text(json.dumps(value))

    return spoil


def rewrite(name: str, data: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        (path / name).write_bytes(data)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rewrite("bundle.json", b"{"), "not valid JSON"),
        (rewrite("bundle.json", b"[" * 100_000), "not valid JSON"),
        (rewrite("bundle.json", b"\xff\xfe"), "not UTF-8"),
        (rewrite("bundle.json", b"null"), "must be an object, not null"),
        (rewrite("bundle.json", b'{"schema": 1, "schema": 1}'), "stands twice"),
        (rewrite("calibration.json", b"{}"), "lacks the key 'schema'"),
        (rewrite("model.tflite", relu_model(5)), r"is not the model that bundle\.json describes"),
        (spoil_json("bundle.json", lambda v: v.update(colour="red")), "unknown key 'colour'"),
        (spoil_json("bundle.json", lambda v: v.pop("tools")), "lacks the key 'tools'"),
        (
            spoil_json("bundle.json", lambda v: v.update(schema=2) or v.pop("float_sha256")),
            "has schema 2",
        ),
        (spoil_json("bundle.json", lambda v: v.update(schema=True)), "must be of type int"),
        (spoil_json("bundle.json", lambda v: v.update(name=7)), "name must be of type str, not 7"),
        (spoil_json("bundle.json", lambda v: v.update(name="\ud800")), "must be of type str"),
        (spoil_json("bundle.json", lambda v: v.update(input_adapter="x")), "must be one of none, "),
        (
            spoil_json("bundle.json", lambda v: v["inputs"][0].update(scale="1")),
            r"inputs\[0\]: scale must be of type float",
        ),
        (
            spoil_json("bundle.json", lambda v: v["inputs"][0].update(scale=float("nan"))),
            "NaN is not a JSON number",
        ),
        (
            spoil_json("bundle.json", lambda v: v["inputs"][0].update(scale=10**400)),
            "must be of type float",
        ),
    ],
)
def test_a_damaged_bundle_is_refused(
    out: Path, spoil: Callable[[Path], None], message: str
) -> None:
    write_bundle(out / "relu", full_contents())
    spoil(out / "relu")
    with pytest.raises(ConfigError, match=message):
        load_bundle(out / "relu")


@pytest.mark.parametrize("name", ["bundle.json", "calibration.json", "model.tflite"])
def test_a_bundle_with_a_file_missing_is_refused(out: Path, name: str) -> None:
    write_bundle(out / "relu", full_contents())
    (out / "relu" / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load_bundle(out / "relu")


def test_damaged_samples_are_refused(out: Path) -> None:
    read = write_bundle(out / "relu", full_contents())
    whole = (out / "relu" / "calibration.npz").read_bytes()
    wrong_shape = {"input_0": np.zeros((2, 4), np.int8)}
    np.savez(out / "wrong.npz", **wrong_shape)  # type: ignore[arg-type]
    for data in (b"", whole[:50], b"not a zip", (out / "wrong.npz").read_bytes()):
        (out / "relu" / "calibration.npz").write_bytes(data)
        with pytest.raises(ConfigError, match=r"calibration\.npz"):
            read.samples()


def test_a_bare_tflite_is_cached_by_its_bytes_and_name(out: Path, cache: Path) -> None:
    model = out / "my model.tflite"
    model.write_bytes(relu_model())
    first = open_bundle(model)
    assert first.name == "my model"
    assert first.path.parent == (cache / "bundles").resolve()
    assert first.path.name == f"{first.facts.model_sha256[:16]}-my_model"
    first.measurements_path.write_text("kept\n")
    assert open_bundle(model) == first
    assert first.measurements_path.read_text() == "kept\n"
    assert open_bundle(first.path) == first
    elsewhere = open_bundle(model, cache_dir=out / "elsewhere")
    assert elsewhere.path.is_relative_to((out / "elsewhere").resolve())
    other = out / "other.tflite"
    other.write_bytes(relu_model())
    assert open_bundle(other).name == "other"


def test_a_damaged_cache_entry_is_made_again(out: Path) -> None:
    model = out / "m.tflite"
    model.write_bytes(relu_model())
    first = open_bundle(model)
    for name in ("model.tflite", "bundle.json"):
        (first.path / name).write_bytes(b"damaged")
        assert open_bundle(model) == first
    (first.path / "bundle.json").unlink()
    assert open_bundle(model) == first


def test_what_cannot_be_opened_is_refused_and_leaves_no_cache(out: Path, cache: Path) -> None:
    (out / "bad.tflite").write_bytes(relu_model()[:60])
    with pytest.raises(ModelError):
        open_bundle(out / "bad.tflite")
    with pytest.raises(ConfigError, match="does not exist"):
        open_bundle(out / "absent.tflite")
    with pytest.raises(ConfigError, match="is not a bundle"):
        open_bundle(out / "absent")
    with pytest.raises(ConfigError, match="is not a bundle"):
        open_bundle(out)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_one_clear_error(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "file").write_text("in the way")
    monkeypatch.setenv("EDGESERVE_CACHE", str(out / "file" / "cache"))
    with pytest.raises(ConfigError, match="cannot lock") as caught:
        write_bundle(out / "relu", full_contents())
    assert "EDGESERVE_CACHE" in caught.value.hint


@pytest.mark.parametrize("board", ["", "../evil", "a/b", "A", ".", "x" * 65, "a b"])
def test_a_board_id_cannot_leave_the_bundle(out: Path, board: str) -> None:
    made = Bundle(out, full_contents().facts, None)
    with pytest.raises(ConfigError, match="not the id of a board"):
        made.board_dir(board)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("digits", "digits"),
        ("Kws-01.v2", "Kws_01_v2"),
        ("__x__y__", "x_y"),
        ("8bit", "model_8bit"),
        ("int", "model_int"),
        ("linux", "model_linux"),
        ("es_init", "model_es_init"),
        ("ES_OK", "model_ES_OK"),
        ("", "model"),
        ("///", "model"),
        ("модель", "model"),
        ("naïve", "na_ve"),
        ('a"; system("rm -rf /"); //', "a_system_rm_rf"),
        ("a\n#include <evil.h>\0", "a_include_evil_h"),
        ("x" * 100, "x" * 40),
        ("a" * 39 + "-b", "a" * 39),
        ("\ud800", "model"),
    ],
)
def test_any_name_gives_a_c_identifier(name: str, identifier: str) -> None:
    assert c_identifier(name) == identifier


def test_a_model_does_not_take_the_name_of_the_runtimes_type(out: Path) -> None:
    made = write_bundle(out / "t", contents_of_tflite("t", relu_model()))
    assert (made.name, made.identifier) == ("t", "model_t")


def test_hostile_names_survive_the_bundle(out: Path) -> None:
    name = 'a"\\\n</script>\udcff%s\u202e'
    made = write_bundle(out / "relu", contents_of_tflite(name, relu_model()))
    assert made.name == name.replace("\udcff", "?")
    assert load_bundle(out / "relu") == made


def test_real_values_are_quantized_as_the_model_takes_them() -> None:
    facts = TensorFacts("x", (1, 6), DType.INT8, 0.5, -3)
    values = np.array([0.0, 0.25, -0.25, 0.74, 1e9, -1e9])
    assert quantize_samples(values, facts).tolist() == [-3, -2, -4, -2, 127, -128]
    real = replace(facts, dtype=DType.FLOAT32, scale=None, zero_point=None)
    assert quantize_samples(values, real).dtype == np.float32
    with pytest.raises(ConfigError, match="has no scale"):
        quantize_samples(values, replace(facts, scale=None, zero_point=None))


def test_json_keeps_floats_to_the_bit() -> None:
    facts = TensorFacts("x", (1,), DType.INT8, float(np.float32(0.1)), 0)
    text = dump_json(facts)
    assert load_json(TensorFacts, text, where="here") == facts
    assert text == dump_json(load_json(TensorFacts, text, where="here"))
