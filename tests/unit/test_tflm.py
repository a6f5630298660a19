"""Plans in TFLM's form: what is planned, and that annotating a file changes nothing else in it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from click.testing import CliRunner

from edgeserve.cli import cli, main
from edgeserve.errors import EdgeserveError, ModelError
from edgeserve.tflite.reader import read_model
from edgeserve.tflm import METADATA_NAME, annotate, offline_plan
from tests.kernels.small_models import small_models
from tests.kernels.test_recurrent import lstm
from tests.tflite_builder import ModelBuilder, pack, unpack

SMALL_MODELS = small_models()


def branches() -> ModelBuilder:
    """x -> a, b; y = a + b: both branches are alive at once, and x no more."""
    b = ModelBuilder()
    shape = (1, 4, 4, 8)
    tensors = [b.tensor(name, shape, "int8", scale=0.1) for name in ("x", "a", "b", "y")]
    x, left, right, y = tensors
    b.op("RELU", [x], [left])
    b.op("RELU", [x], [right])
    b.op("ADD", [left, right], [y])
    return b


def small() -> bytes:
    return branches().finish([0], [3])


def allocation(model: bytes) -> tuple[list[int], Any]:
    """The numbers of the allocation entry as the schema's own code reads them, and the model."""
    parsed = unpack(model)
    (entry,) = [m for m in parsed.metadata if m.name.decode() == METADATA_NAME]
    data = np.asarray(parsed.buffers[entry.buffer].data, np.uint8).tobytes()
    return list(struct.unpack(f"<{len(data) // 4}i", data)), parsed


def as_plain(value: Any) -> Any:
    """A schema object as lists and dicts that can be compared."""
    if hasattr(value, "__dict__"):
        return {name: as_plain(item) for name, item in vars(value).items()}
    if isinstance(value, list | np.ndarray):
        return [as_plain(item) for item in value]
    return value


def test_whole_tensors_alive_together_are_kept_apart() -> None:
    planned = offline_plan(read_model(small(), name="m"))
    at = planned.offsets_bytes
    assert set(at) == {0, 1, 2, 3}
    assert planned.arena_bytes == 3 * 128
    assert planned.plan.optimal
    for one, two in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        assert abs(at[one] - at[two]) >= 128


def test_constants_variables_and_records_are_left_to_tflm() -> None:
    graph = read_model(lstm(), name="m")
    planned = offline_plan(graph)
    left = [t for t in graph.tensors if t.index not in planned.offsets_bytes]
    assert any(t.is_variable for t in left)
    assert any(t.data is not None for t in left)
    assert {*graph.inputs, *graph.outputs} == set(planned.offsets_bytes)


def test_an_output_lives_to_the_end_and_an_unused_input_at_the_start() -> None:
    b = ModelBuilder()
    x, unused, y, z = (b.tensor(name, (64,), "int8", scale=0.1) for name in "xuyz")
    b.op("RELU", [x], [y])
    b.op("RELU", [y], [z])
    planned = offline_plan(read_model(b.finish([x, unused], [y, z]), name="m"))
    at = planned.offsets_bytes
    assert at[x] != at[unused]
    assert at[y] != at[z]
    assert planned.arena_bytes == 128


@pytest.mark.parametrize("kind", sorted(SMALL_MODELS))
def test_nothing_else_in_the_file_changes(kind: str) -> None:
    model = SMALL_MODELS[kind]
    graph = read_model(model, name="m")
    offsets = offline_plan(graph).offsets_bytes
    annotated = annotate(model, offsets)
    assert read_model(annotated, name="m") == graph
    numbers, parsed = allocation(annotated)
    assert numbers[:3] == [1, 0, len(graph.tensors)]
    assert numbers[3:] == [offsets.get(i, -1) for i in range(len(graph.tensors))]
    parsed.buffers.pop()
    parsed.metadata = None
    assert as_plain(parsed) == as_plain(unpack(model))
    assert annotated.endswith(model)
    assert annotated[4:8] == b"TFL3"


def litert_outputs(model: bytes) -> list[bytes]:
    """What LiteRT's reference kernels answer to seeded inputs."""
    random = np.random.default_rng(3)
    resolver = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        values = random.integers(-100, 100, details["shape"])
        interpreter.set_tensor(details["index"], values.astype(details["dtype"]))
    interpreter.invoke()
    found = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return [output.tobytes() for output in found]


@pytest.mark.parametrize("kind", sorted(SMALL_MODELS))
def test_litert_answers_as_before(kind: str) -> None:
    model = SMALL_MODELS[kind]
    offsets = offline_plan(read_model(model, name="m")).offsets_bytes
    assert litert_outputs(annotate(model, offsets)) == litert_outputs(model)


def test_buffers_keep_their_alignment_and_the_numbers_have_theirs() -> None:
    model = next(iter(SMALL_MODELS.values()))
    annotated = annotate(model, {})
    assert (len(annotated) - len(model)) % 64 == 0
    at = annotated.index(struct.pack("<3i", 1, 0, len(read_model(model, name="m").tensors)))
    assert at % 16 == 0


def test_other_metadata_is_kept_and_an_old_allocation_replaced() -> None:
    draft = branches().model([0], [3])
    draft.metadata = []
    for name, data in ((b"min_runtime_version", b"1.14.0"), (b"author", b"somebody")):
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(data, np.uint8)
        draft.buffers.append(buffer)
        entry.name, entry.buffer = name, len(draft.buffers) - 1
        draft.metadata.append(entry)
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    signature.inputs, signature.outputs = [], []
    draft.signatureDefs = [signature]
    once = annotate(pack(draft), {0: 16, 3: 32})
    twice = annotate(once, {1: 48})
    numbers, parsed = allocation(twice)
    assert numbers == [1, 0, 4, -1, 48, -1, -1]
    kept = {m.name: bytes(parsed.buffers[m.buffer].data) for m in parsed.metadata}
    assert kept[b"min_runtime_version"] == b"1.14.0"
    assert kept[b"author"] == b"somebody"
    assert len(parsed.metadata) == 3
    assert parsed.signatureDefs[0].signatureKey == b"serving_default"
    assert parsed.description == b"made for a test"


@pytest.mark.parametrize("offsets", [{4: 0}, {-1: 0}, {0: -16}, {0: 8}, {0: 1 << 31}])
def test_offsets_that_tflm_could_not_use_are_refused(offsets: dict[int, int]) -> None:
    with pytest.raises(ValueError, match=r"not in the file|no offset"):
        annotate(small(), offsets)


def test_constants_behind_the_flatbuffer_are_refused() -> None:
    draft = branches().model([0], [3])
    draft.buffers[0].offset, draft.buffers[0].size = 64, 16
    with pytest.raises(ModelError, match="behind the FlatBuffer"):
        annotate(pack(draft), {})


def test_damaged_files_are_refused_in_words() -> None:
    model = SMALL_MODELS["CONV_2D"]
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        cut = random.integers(9, len(model)) if random.random() < 0.3 else len(model)
        data = bytearray(model[:cut])
        data[random.integers(8, cut)] ^= 1 << random.integers(8)
        try:
            read_model(annotate(bytes(data), {}), name="m")
        except EdgeserveError:
            refused += 1
    assert 50 < refused < 300


@pytest.fixture
def model_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.tflite"
    path.write_bytes(small())
    return path


def test_the_command_writes_the_file_and_says_the_gain(model_path: Path) -> None:
    out = model_path.with_name("out.tflite")
    done = CliRunner().invoke(cli, ["plan", str(model_path), "--tflm", str(out)])
    assert done.exit_code == 0, done.output
    assert "TFLM's arena head 384 -> 384 bytes" in done.output
    assert allocation(out.read_bytes())[0][2] == 4
    arguments = ["plan", str(model_path), "--tflm", str(out), "--format", "json"]
    document = json.loads(CliRunner().invoke(cli, arguments).output)
    assert document["tflm"] == {
        "path": str(out),
        "arena_head_bytes": 384,
        "greedy_arena_head_bytes": 384,
        "optimal": True,
    }


@pytest.mark.parametrize("bundle_itself", [False, True])
def test_the_model_itself_is_never_overwritten(
    model_path: Path, bundle_itself: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    target = model_path
    if bundle_itself:
        from edgeserve.bundle_store import open_bundle

        target = open_bundle(model_path).model_path
    before = target.read_bytes()
    assert main(["plan", str(model_path), "--tflm", str(target)]) == 2
    assert "is the model itself" in capsys.readouterr().err
    assert target.read_bytes() == before


def test_nothing_half_written_is_left(model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model_path.with_name("folder")
    folder.mkdir()
    assert main(["plan", str(model_path), "--tflm", str(folder)]) == 2
    assert main(["plan", str(model_path), "--tflm", str(folder / "no" / "x.tflite")]) == 2
    assert capsys.readouterr().err.count("cannot write") == 2
    names = {path.name for path in model_path.parent.iterdir()}
    assert names == {"cache", "folder", "model.tflite"}
