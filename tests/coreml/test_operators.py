"""Each float operator through the builder, the saved package and the evaluator, against LiteRT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeserve.convert.coreml.program import _HANDLERS
from edgeserve.errors import ConversionError, UnsupportedOp
from tests.coreml.evaluated import evaluated
from tests.tflite_builder import ModelBuilder

IMAGE = (1, 6, 7, 4)
EXACT = 2e-6


@dataclass(slots=True)
class Net:
    """A model all of whose operators read the one input ``x`` and give an output each."""

    builder: ModelBuilder
    x: int
    shape: tuple[int, ...]
    outputs: list[int]
    random: np.random.Generator
    names: Any
    kinds: set[str]

    def constant(self, data: Any, dtype: str = "float32") -> int:
        array = np.asarray(data, dtype)
        return self.builder.tensor(f"c{next(self.names)}", array.shape, dtype, data=array)

    def weights(self, *shape: int) -> int:
        return self.constant(self.random.standard_normal(shape).astype(np.float32))

    def op(
        self,
        kind: str,
        inputs: Sequence[int | None],
        shape: Sequence[int] | Sequence[Sequence[int]],
        options: Mapping[str, Any] | None = None,
    ) -> list[int]:
        several = bool(shape) and not isinstance(shape[0], int)
        shapes: Any = shape if several else [shape]
        made = [self.builder.tensor(f"y{next(self.names)}", one, "float32") for one in shapes]
        self.builder.op(kind, inputs, made, options)
        self.outputs += made
        self.kinds.add(kind)
        return made


def net(shape: tuple[int, ...] = IMAGE) -> Net:
    builder = ModelBuilder()
    x = builder.tensor("x", shape, "float32")
    return Net(builder, x, shape, [], np.random.default_rng(1), count(), set())


def convolutions(n: Net) -> None:
    for padding, stride, dilation, kernel in (
        ("SAME", (1, 1), (1, 1), (3, 3)),
        ("SAME", (2, 2), (1, 1), (3, 2)),
        ("VALID", (2, 1), (1, 1), (2, 3)),
        ("SAME", (1, 1), (2, 2), (3, 3)),
    ):
        common = {
            "padding": padding,
            "strideH": stride[0],
            "strideW": stride[1],
            "dilationHFactor": dilation[0],
            "dilationWFactor": dilation[1],
        }
        if padding == "SAME":
            area = (-(-6 // stride[0]), -(-7 // stride[1]))
        else:
            area = ((6 - kernel[0]) // stride[0] + 1, (7 - kernel[1]) // stride[1] + 1)
        bias, weights = n.weights(5), n.weights(5, *kernel, 4)
        n.op("CONV_2D", [n.x, weights, bias], (1, *area, 5), common)
        grouped = n.weights(6, *kernel, 2)
        n.op("CONV_2D", [n.x, grouped, n.weights(6)], (1, *area, 6), common)
        channels = n.weights(1, *kernel, 8)
        n.op(
            "DEPTHWISE_CONV_2D",
            [n.x, channels, n.weights(8)],
            (1, *area, 8),
            {**common, "depthMultiplier": 2, "fusedActivationFunction": "RELU6"},
        )


def transposed_convolutions(n: Net) -> None:
    for padding, area in (("SAME", (12, 14)), ("VALID", (13, 15))):
        wanted = n.constant([1, *area, 3], "int32")
        n.op(
            "TRANSPOSE_CONV",
            [wanted, n.weights(3, 3, 3, 4), n.x],
            (1, *area, 3),
            {"padding": padding, "strideH": 2, "strideW": 2},
        )


def pools(n: Net) -> None:
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for padding, area in (("SAME", (3, 4)), ("VALID", (2, 3))):
            options = {
                "padding": padding,
                "strideH": 2,
                "strideW": 2,
                "filterHeight": 3,
                "filterWidth": 3,
            }
            n.op(kind, [n.x], (1, *area, 4), options)


def elementwise(n: Net) -> None:
    per_channel, whole = n.weights(4), n.weights(*IMAGE)
    for kind in ("ADD", "SUB", "MUL"):
        n.op(kind, [n.x, whole], IMAGE, {"fusedActivationFunction": "RELU"})
        n.op(kind, [per_channel, n.x], IMAGE, {"fusedActivationFunction": "RELU_N1_TO_1"})
    for kind in ("MAXIMUM", "MINIMUM"):
        n.op(kind, [n.x, whole], IMAGE)
    for kind in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH"):
        n.op(kind, [n.x], IMAGE)
    n.op("LEAKY_RELU", [n.x], IMAGE, {"alpha": 0.2})
    n.op("PRELU", [n.x, n.weights(1, 1, 4)], IMAGE)


def vectors(n: Net) -> None:
    n.op("SOFTMAX", [n.x], (3, 8), {"beta": 1.0})
    n.op("SOFTMAX", [n.x], (3, 8), {"beta": 0.5})
    bias = n.weights(5)
    n.op("FULLY_CONNECTED", [n.x, n.weights(5, 8), bias], (3, 5), {})
    n.op("FULLY_CONNECTED", [n.x, n.weights(5, 24), None], (1, 5), {})
    n.op("EXPAND_DIMS", [n.x, n.constant([1], "int32")], (3, 1, 8))
    n.op("UNPACK", [n.x], [(8,), (8,), (8,)], {"num": 3, "axis": 0})


def reductions(n: Net) -> None:
    both = n.constant([1, 2], "int32")
    for kind in ("MEAN", "SUM", "REDUCE_MAX"):
        n.op(kind, [n.x, both], (1, 4), {"keepDims": False})
        n.op(kind, [n.x, both], (1, 1, 1, 4), {"keepDims": True})
        n.op(kind, [n.x, n.constant([3], "int32")], (1, 6, 7), {"keepDims": False})


def movements(n: Net) -> None:
    n.op("RESHAPE", [n.x, n.constant([1, 168], "int32")], (1, 168), {"newShape": [1, 168]})
    n.op("SQUEEZE", [n.x], (6, 7, 4), {"squeezeDims": [0]})
    n.op("TRANSPOSE", [n.x, n.constant([0, 2, 3, 1], "int32")], (1, 7, 4, 6))
    around = n.constant([[0, 0], [1, 2], [0, 3], [1, 0]], "int32")
    n.op("PAD", [n.x, around], (1, 9, 10, 5))
    n.op("PADV2", [n.x, around, n.constant([2.5])], (1, 9, 10, 5))
    n.op("CONCATENATION", [n.x, n.x, n.x], (1, 6, 7, 12), {"axis": 3})
    n.op("PACK", [n.x, n.x], (2, 1, 6, 7, 4), {"axis": 0, "valuesCount": 2})
    halves = [(1, 6, 7, 2), (1, 6, 7, 2)]
    n.op("SPLIT", [n.constant(3, "int32"), n.x], halves, {"numSplits": 2})
    sizes = n.constant([1, 3], "int32")
    parts = [(1, 6, 7, 1), (1, 6, 7, 3)]
    n.op("SPLIT_V", [n.x, sizes, n.constant(3, "int32")], parts, {"numSplits": 2})
    begin, size = n.constant([0, 1, 2, 0], "int32"), n.constant([1, 3, -1, 2], "int32")
    n.op("SLICE", [n.x, begin, size], (1, 3, 5, 2))
    begin, end = n.constant([0, 1, 0, -1], "int32"), n.constant([1, 6, 7, 4], "int32")
    stride = n.constant([1, 2, 3, 1], "int32")
    n.op("STRIDED_SLICE", [n.x, begin, end, stride], (1, 3, 3), {"shrinkAxisMask": 8})


def blocks(n: Net) -> None:
    n.op("SPACE_TO_DEPTH", [n.x], (1, 2, 3, 16), {"blockSize": 2})
    n.op("DEPTH_TO_SPACE", [n.x], (1, 8, 12, 1), {"blockSize": 2})


def resizes(n: Net) -> None:
    for half, corners, area in (
        (True, False, (9, 11)),
        (False, True, (9, 11)),
        (False, False, (12, 5)),
    ):
        options = {"halfPixelCenters": half, "alignCorners": corners}
        wanted = n.constant(area, "int32")
        n.op("RESIZE_BILINEAR", [n.x, wanted], (1, *area, 4), options)
    doubled = n.constant([12, 21], "int32")
    for half in (True, False):
        options = {"halfPixelCenters": half}
        n.op("RESIZE_NEAREST_NEIGHBOR", [n.x, doubled], (1, 12, 21, 4), options)


GROUPS: dict[str, tuple[Callable[[Net], None], tuple[int, ...]]] = {
    "convolutions": (convolutions, IMAGE),
    "transposed": (transposed_convolutions, IMAGE),
    "pools": (pools, IMAGE),
    "elementwise": (elementwise, IMAGE),
    "vectors": (vectors, (3, 8)),
    "reductions": (reductions, IMAGE),
    "movements": (movements, IMAGE),
    "blocks": (blocks, (1, 4, 6, 4)),
    "resizes": (resizes, IMAGE),
}


def built(name: str) -> tuple[bytes, Net, list[list[NDArray[np.float32]]]]:
    fill, shape = GROUPS[name]
    n = net(shape)
    fill(n)
    rows = [[n.random.uniform(-4, 4, shape).astype(np.float32)] for _ in range(2)]
    return n.builder.finish([n.x], n.outputs), n, rows


@pytest.mark.parametrize("minimum_ios", [16, 17])
@pytest.mark.parametrize("name", list(GROUPS))
def test_an_operator_gives_what_litert_gives(name: str, minimum_ios: int, tmp_path: Path) -> None:
    model, n, rows = built(name)
    seen = evaluated(model, tmp_path / "m.mlpackage", rows, minimum_ios=minimum_ios)
    assert seen.worst < EXACT, [(one.name, one.relative) for one in seen.errors]
    assert len(seen.program.outputs) == len(n.outputs)
    assert seen.program.specification == {16: 7, 17: 8}[minimum_ios]
    assert all(one.largest > 0.1 for one in seen.errors), "an output of zeros shows nothing"


def test_the_operators_above_are_all_that_the_builder_has() -> None:
    covered: set[str] = set()
    for name in GROUPS:
        covered |= built(name)[1].kinds
    assert covered == set(_HANDLERS)


def test_an_operator_without_counterpart_is_refused(tmp_path: Path) -> None:
    n = net()
    y = n.builder.tensor("y", (1, 6, 7), "int32")
    n.builder.op("ARG_MAX", [n.x, n.constant(3, "int32")], [y], {"outputType": "INT32"})
    zeros = n.op("RELU", [n.x], IMAGE)
    model = n.builder.finish([n.x], zeros)
    with pytest.raises(UnsupportedOp, match="ARG_MAX writing tensor 'y' is not supported"):
        evaluated(model, tmp_path / "m.mlpackage", [])


def test_a_quantized_input_is_refused(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x = builder.tensor("x", (1, 4), "int8", scale=0.1)
    y = builder.tensor("y", (1, 4), "int8", scale=0.1)
    builder.op("RELU", [x], [y])
    with pytest.raises(ConversionError, match="'x' is int8"):
        evaluated(builder.finish([x], [y]), tmp_path / "m.mlpackage", [])


def test_nearest_by_a_broken_factor_is_refused(tmp_path: Path) -> None:
    n = net()
    n.op("RESIZE_NEAREST_NEIGHBOR", [n.x, n.constant([9, 14], "int32")], (1, 9, 14, 4), {})
    with pytest.raises(UnsupportedOp, match="whole factors"):
        evaluated(n.builder.finish([n.x], n.outputs), tmp_path / "m.mlpackage", [])
