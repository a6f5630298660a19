"""The architecture twins: the same bytes again, alive to the last layer, verified on the board."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from benchmarks import twins
from benchmarks.models import run_on
from edgeserve.board import load_board
from edgeserve.bundle import quantize_samples, tensor_facts
from edgeserve.checkfile import Growth, ModelEntry
from edgeserve.fit import Budget, Reserve
from edgeserve.graph import OpKind
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.measurement import per_inference
from edgeserve.pipeline.check import check
from edgeserve.pipeline.device import opened
from edgeserve.pipeline.verify import stimuli
from edgeserve.plan.streaming import Objective
from edgeserve.planfile import Wish, options
from edgeserve.resources import boards_root
from edgeserve.tflite.reader import read_file, read_model
from edgeserve.tflm import offline_plan
from edgeserve.verify import verify
from models.twins.catalogue import TWINS, Family, Twin
from models.twins.source import images, samples
from tests.kernels.test_conv_pairs import in_reverse

# One process builds; others would wait for its lock.
pytestmark = pytest.mark.xdist_group("twins")

TINY = Twin("tiny", Family.TINY_KWS, 1.0, 49, images=4)
TINY_MOBILENET = Twin("tiny mobilenet", Family.MOBILENET_V2, 0.35, 32, images=4)
# Bytes that the whole tensors of these shapes need: ours, and TFLM's greedy planner.
WHOLE_TENSORS = {
    "mlperf_tiny_ad01": (768, 768),
    "mlperf_tiny_kws": (16_000, 16_000),
    "mlperf_tiny_resnet8": (49_152, 49_152),
    "mlperf_tiny_vww": (55_296, 73_728),
    "mobilenet_v1_025_96": (55_296, 73_728),
    "mobilenet_v1_025_224": (301_056, 401_408),
    "mobilenet_v2_035_128": (245_760, 245_760),
    "mobilenet_v2_035_224": (752_640, 752_640),
    "mobilenet_v2_100_224": (1_505_280, 1_505_280),
    "resnet50_224": (2_408_448, 2_408_448),
}
MLPERF_TINY = {
    "mlperf_tiny_ad01": "ad01_int8",
    "mlperf_tiny_kws": "kws_ref_model",
    "mlperf_tiny_resnet8": "pretrainedResnet_quant",
    "mlperf_tiny_vww": "vww_96_int8",
}
LEAST_DISTINCT_VALUES = 16
# Of MobileNetV2 1.0 at 224 x 224: convolutions but the depthwise ones, and an inference.
CONVOLUTIONS = 35
LARGE_MOBILENET_INSTRUCTIONS = 330_000_000
CODE_BYTES = 16 * 1024
INIT_OPERATOR_INSTRUCTIONS = 150
# Of a thousand classes few have a share of 1/256, which is the output's scale.
LEAST_DISTINCT_SHARES = 5


@pytest.mark.parametrize(
    "made_of",
    [TINY, pytest.param(TINY_MOBILENET, marks=pytest.mark.soak)],
    ids=lambda one: one.name,
)
def test_the_recipe_makes_the_same_bytes_again(made_of: Twin, tmp_path: Path) -> None:
    digests = set()
    for attempt in ("first", "second"):
        (tmp_path / attempt).mkdir()
        path, built = twins.build_twin(made_of, tmp_path / attempt)
        data = path.read_bytes()
        assert built.sha256 == hashlib.sha256(data).hexdigest()
        assert built.recorded_sha256 is None
        assert not built.as_recorded
        digests.add(built.sha256)
    assert len(digests) == 1
    assert_alive(data, made_of)


def test_images_are_seeded_and_use_the_whole_range() -> None:
    stack = images(3, 48)
    np.testing.assert_array_equal(stack, images(3, 48))
    np.testing.assert_array_equal(stack[:2], images(2, 48))
    assert stack.shape == (3, 48, 48, 3)
    for image in stack:
        assert (image.min(), image.max()) == (-1.0, 1.0)
    assert not np.array_equal(stack[0], stack[1])


def test_every_twin_has_a_recorded_digest() -> None:
    assert set(twins.recorded()) == set(TWINS) == set(WHOLE_TENSORS)


def test_another_digest_than_the_recorded_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a twin is built once, then found."""
    monkeypatch.setenv("EDGESERVE_CACHE", str(tmp_path))
    made: list[str] = []

    def build(wanted: Twin, folder: Path) -> tuple[Path, twins.Built]:
        made.append(wanted.name)
        draft = folder / "draft.tflite"
        draft.write_bytes(b"some other bytes")
        return draft, twins.Built("", None, ("numpy 0",), 1.0)

    monkeypatch.setattr(twins, "build_twin", build)
    name = "mobilenet_v2_035_128"
    for built_now in (True, False):
        said: list[str] = []
        path = twins.twin(name, say=said.append)
        assert path.read_bytes() == b"some other bytes"
        assert said[:-1] == ([f"{name}: building, which takes minutes"] if built_now else [])
        assert f"is not the recorded {twins.recorded()[name][:16]}" in said[-1]
        assert "numpy 0" in said[-1]
    assert made == [name]
    assert {p.suffix for p in path.parent.iterdir()} == {".tflite", ".json"}


@pytest.mark.soak
@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_alive(name: str) -> None:
    path = twins.twin(name)
    assert_alive(path.read_bytes(), TWINS[name])
    planned = offline_plan(read_file(path))
    assert (planned.arena_bytes, planned.greedy_bytes) == WHOLE_TENSORS[name]


@pytest.mark.soak
@pytest.mark.parametrize(("name", "original"), MLPERF_TINY.items())
def test_a_twin_computes_what_its_original_does(
    name: str, original: str, shared_data: Path
) -> None:
    """As many multiply-adds in all, and the same arena of whole tensors."""
    made, public = (
        read_file(path)
        for path in (twins.twin(name), shared_data / "models" / f"{original}.tflite")
    )
    twin_macs, public_macs = (sum(s.macs for s in lower(graph).steps) for graph in (made, public))
    assert twin_macs == public_macs > 0
    assert offline_plan(made).arena_bytes == offline_plan(public).arena_bytes


# Of the arena, in bytes. Where MobileNetV1 has no limit by rows, the study has none.
SIZE, BY_ROWS, BALANCED = Wish(Objective.SIZE), Wish(Objective.SIZE, by_rows=True), Wish()
ARENA_LIMITS = {
    ("mobilenet_v1_025_224", SIZE): 152_500,
    ("mobilenet_v2_035_128", SIZE): 54_500,
    ("mobilenet_v2_035_128", BY_ROWS): 27_000,
    ("mobilenet_v2_035_128", BALANCED): 56_500,
    ("mobilenet_v2_035_224", SIZE): 160_000,
    ("mobilenet_v2_035_224", BY_ROWS): 57_000,
    ("mobilenet_v2_035_224", BALANCED): 163_300,
    ("mobilenet_v2_100_224", SIZE): 206_000,
    ("mobilenet_v2_100_224", BY_ROWS): 135_000,
    ("mobilenet_v2_100_224", BALANCED): 227_500,
}


def _id(value: object) -> str:
    return options(value) if isinstance(value, Wish) else str(value)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "wish"), ARENA_LIMITS, ids=_id)
def test_a_twin_runs_bit_for_bit_in_a_small_arena(
    name: str, wish: Wish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = twins.twin(name)
    monkeypatch.chdir(tmp_path)
    with opened(model, "mps2-an500", board=None, wish=wish) as target:
        compiled = target.compiled
        count = 5 if TWINS[name].size == 224 else 20
        found = verify(
            compiled.program,
            compiled.table,
            compiled.bundle.model_bytes(),
            target.dut,
            stimuli(compiled, count),
        )
        marks = target.dut.memory()
    assert found.first_difference is None
    assert found.coverage.uncovered == ()
    assert marks.guards_intact
    assert marks.arena_bytes <= compiled.plan.arena_bytes <= ARENA_LIMITS[name, wish]


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_large_mobilenet_runs_by_pairs_within_the_limits() -> None:
    """Also those of 960 input channels, where some odd channels leave 24 bits."""
    run = run_on(twins.twin("mobilenet_v2_100_224"), load_board("mps2-an500"))
    pairs = [step for step in run.compiled.program.steps if step.kernel is KernelId.CONV_PAIRS]
    assert len(pairs) == CONVOLUTIONS
    assert sum(len(in_reverse(step)) for step in pairs) > 0
    assert per_inference(run.measurement) <= LARGE_MOBILENET_INSTRUCTIONS
    assert run.image.code_bytes < CODE_BYTES
    operators = len(read_model(run.compiled.bundle.model_bytes(), name="measured").ops)
    assert run.measurement.init_count < operators * INIT_OPERATOR_INSTRUCTIONS


@pytest.mark.soak
def test_a_board_with_256_kib_has_room_for_mobilenet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MobileNetV2 0.35 at 224 x 224, whose whole tensors need 735 KiB; and it is said how."""
    monkeypatch.chdir(tmp_path)
    board = (boards_root() / "nano33ble.toml").read_text()
    assert board.count("size_bytes = 0x40000\n") == 1, "256 KiB of RAM"
    larger_flash = re.sub(r"size_bytes = 0x100000\b", "size_bytes = 0x400000", board)
    (tmp_path / "roomy.toml").write_text(larger_flash)
    entry = ModelEntry(twins.twin("mobilenet_v2_035_224"), "twin", ("roomy.toml",), Budget())
    (found,) = check([entry], reserve=Reserve(), baseline=None, growth=Growth())
    assert found.fits
    assert found.footprint.live_bound_bytes > 700_000
    assert "take turns of rows" in found.plan


def assert_alive(model: bytes, made_of: Twin) -> None:
    """No operator answers a constant, and none the same for two samples."""
    first, second = (activations(model, one) for one in samples(replace(made_of, images=2)))
    graph = read_model(model, name="twin")
    for op in graph.ops:
        least = LEAST_DISTINCT_SHARES if op.kind is OpKind.SOFTMAX else LEAST_DISTINCT_VALUES
        for index in op.outputs:
            name = graph.tensors[index].name
            # A tensor of a few numbers cannot have many different ones.
            enough = min(least, max(2, first[index].size // 8))
            assert len(np.unique(first[index])) >= enough, name
            assert not np.array_equal(first[index], second[index]), name


def activations(model: bytes, image: NDArray[np.float32]) -> dict[int, NDArray[np.int8]]:
    """What every operator writes for an image, by tensor, from LiteRT's reference kernels."""
    graph = read_model(model, name="twin")
    (taken,) = graph.inputs
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    facts = tensor_facts(graph.tensors[taken])
    interpreter.set_tensor(taken, quantize_samples(image[None], facts))
    interpreter.invoke()
    return {index: interpreter.get_tensor(index) for op in graph.ops for index in op.outputs}
