"""A small model of every operator, for tests that ask something of all kernels at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.kernels.test_recurrent import lstm, svdf
from tests.tflite_builder import ModelBuilder

IMAGE = (1, 5, 4, 6)


def _constant(
    b: ModelBuilder, shape: Sequence[int], dtype: str = "int8", *, scale: float = 0.01
) -> int:
    data = np.random.default_rng(7).integers(-100, 101, tuple(shape))
    return b.tensor(f"constant {len(shape)}-D", shape, dtype, scale=scale, data=data)


def _integers(b: ModelBuilder, values: int | Sequence[Any]) -> int:
    data = np.array(values)
    return b.tensor("integers", data.shape, "int32", data=data)


def _one(
    kind: str,
    out: Sequence[int],
    options: Mapping[str, Any] | None = None,
    *,
    rest: Callable[[ModelBuilder], Sequence[int | None]] = lambda b: (),
    shape: Sequence[int] = IMAGE,
    second: Sequence[int] | None = None,
    second_quant: tuple[float, int] = (0.05, 1),
    dtypes: tuple[str, str] = ("int8", "int8"),
    out_quant: tuple[float, int] | None = (0.07, 3),
    outputs: int = 1,
    input_position: int = 0,
) -> bytes:
    """A model of one operator on one input (two with ``second``), ``rest`` being constants."""
    b = ModelBuilder()
    quant: dict[str, Any] = {} if dtypes[0] == "float32" else {"scale": 0.05, "zero_point": -2}
    inputs = [b.tensor("x", shape, dtypes[0], **quant)]
    if second is not None:
        scale, zero_point = second_quant
        inputs.append(b.tensor("x2", second, "int8", scale=scale, zero_point=zero_point))
    slots: list[int | None] = [*inputs, *rest(b)]
    slots.insert(input_position, slots.pop(0))
    out_arguments: dict[str, Any] = {}
    if out_quant is not None:
        out_arguments = {"scale": out_quant[0], "zero_point": out_quant[1]}
    ys = [b.tensor(f"y{i}", out, dtypes[1], **out_arguments) for i in range(outputs)]
    b.op(kind, slots, ys, options)
    return b.finish(inputs, ys)


SAME = (0.05, -2)
"""The input's quantization, for operators that only move data."""
_WINDOW = {"padding": "SAME", "strideH": 1, "strideW": 2}
_POOL = {**_WINDOW, "filterHeight": 3, "filterWidth": 2}


def _moving() -> dict[str, bytes]:
    return {
        "CONCATENATION": _one(
            "CONCATENATION",
            (1, 5, 4, 8),
            {"axis": 3},
            second=(1, 5, 4, 2),
            second_quant=SAME,
            out_quant=SAME,
        ),
        "DEPTH_TO_SPACE": _one(
            "DEPTH_TO_SPACE", (1, 6, 4, 2), {"blockSize": 2}, shape=(1, 3, 2, 8), out_quant=SAME
        ),
        "EXPAND_DIMS": _one(
            "EXPAND_DIMS",
            (1, 1, 6),
            rest=lambda b: [_integers(b, [1])],
            shape=(1, 6),
            out_quant=SAME,
        ),
        "GATHER": _one(
            "GATHER",
            (1, 5, 3, 6),
            {"axis": 2},
            rest=lambda b: [_integers(b, [3, 0, 1])],
            out_quant=SAME,
        ),
        "PACK": _one(
            "PACK",
            (2, 6),
            {"axis": 0, "valuesCount": 2},
            shape=(6,),
            second=(6,),
            second_quant=SAME,
            out_quant=SAME,
        ),
        "PAD": _one(
            "PAD",
            (1, 8, 5, 6),
            rest=lambda b: [_integers(b, [[0, 0], [1, 2], [0, 1], [0, 0]])],
            out_quant=SAME,
        ),
        "PADV2": _one(
            "PADV2",
            (1, 6, 4, 7),
            rest=lambda b: [
                _integers(b, [[0, 0], [0, 1], [0, 0], [1, 0]]),
                b.tensor("value", (), "int8", scale=0.05, zero_point=-2, data=np.array(9)),
            ],
            out_quant=SAME,
        ),
        "RESHAPE": _one("RESHAPE", (1, 120), {"newShape": [1, 120]}, out_quant=SAME),
        "SLICE": _one(
            "SLICE",
            (1, 3, 2, 6),
            rest=lambda b: [_integers(b, [0, 1, 2, 0]), _integers(b, [1, 3, 2, -1])],
            out_quant=SAME,
        ),
        "SPACE_TO_DEPTH": _one(
            "SPACE_TO_DEPTH", (1, 2, 3, 12), {"blockSize": 2}, shape=(1, 4, 6, 3), out_quant=SAME
        ),
        "SPLIT": _one(
            "SPLIT",
            (1, 5, 4, 3),
            {"numSplits": 2},
            rest=lambda b: [_integers(b, 3)],
            out_quant=SAME,
            outputs=2,
            input_position=1,
        ),
        "SPLIT_V": _one(
            "SPLIT_V",
            (1, 5, 4, 3),
            {"numSplits": 2},
            rest=lambda b: [_integers(b, [3, 3]), _integers(b, 3)],
            out_quant=SAME,
            outputs=2,
        ),
        "SQUEEZE": _one("SQUEEZE", (5, 4, 6), {"squeezeDims": [0]}, out_quant=SAME),
        "STRIDED_SLICE": _one(
            "STRIDED_SLICE",
            (1, 2, 4, 2),
            rest=lambda b: [
                _integers(b, [0, 4, 0, 1]),
                _integers(b, [1, 0, 4, 6]),
                _integers(b, [1, -2, 1, 3]),
            ],
            out_quant=SAME,
        ),
        "TRANSPOSE": _one(
            "TRANSPOSE", (1, 4, 6, 5), rest=lambda b: [_integers(b, [0, 2, 3, 1])], out_quant=SAME
        ),
        "UNPACK": _one("UNPACK", (1, 5, 6), {"axis": 2, "num": 4}, out_quant=SAME, outputs=4),
    }


def _windows() -> dict[str, bytes]:
    return {
        "AVERAGE_POOL_2D": _one("AVERAGE_POOL_2D", (1, 5, 2, 6), _POOL, out_quant=SAME),
        "CONV_2D": _one(
            "CONV_2D",
            (1, 5, 2, 7),
            {**_WINDOW, "dilationHFactor": 2, "dilationWFactor": 1},
            rest=lambda b: [_constant(b, (7, 3, 3, 6)), _constant(b, (7,), "int32", scale=5e-4)],
        ),
        "DEPTHWISE_CONV_2D": _one(
            "DEPTHWISE_CONV_2D",
            (1, 5, 2, 6),
            {**_WINDOW, "depthMultiplier": 1},
            rest=lambda b: [_constant(b, (1, 3, 3, 6)), _constant(b, (6,), "int32", scale=5e-4)],
        ),
        "FULLY_CONNECTED": _one(
            "FULLY_CONNECTED",
            (2, 9),
            {"fusedActivationFunction": "RELU"},
            rest=lambda b: [_constant(b, (9, 12)), _constant(b, (9,), "int32", scale=5e-4)],
            shape=(2, 12),
        ),
        "MAX_POOL_2D": _one("MAX_POOL_2D", (1, 5, 2, 6), _POOL, out_quant=SAME),
        "RESIZE_BILINEAR": _one(
            "RESIZE_BILINEAR",
            (1, 7, 9, 6),
            {"halfPixelCenters": True},
            rest=lambda b: [_integers(b, [7, 9])],
            out_quant=SAME,
        ),
        "RESIZE_NEAREST_NEIGHBOR": _one(
            "RESIZE_NEAREST_NEIGHBOR",
            (1, 7, 9, 6),
            rest=lambda b: [_integers(b, [7, 9])],
            out_quant=SAME,
        ),
        "TRANSPOSE_CONV": _transpose_conv(),
    }


def _transpose_conv() -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", (1, 3, 4, 5), "int8", scale=0.05, zero_point=-2)
    y = b.tensor("y", (1, 6, 4, 6), "int8", scale=0.07, zero_point=3)
    shape, weights = _integers(b, [1, 6, 4, 6]), _constant(b, (6, 3, 3, 5))
    options = {"padding": "SAME", "strideH": 2, "strideW": 1}
    b.op("TRANSPOSE_CONV", [shape, weights, x], [y], options)
    return b.finish([x], [y])


def _elementwise() -> dict[str, bytes]:
    binary = {
        kind: _one(kind, IMAGE, {"fusedActivationFunction": "RELU"}, second=(1, 1, 4, 1))
        for kind in ("ADD", "SUB", "MUL")
    }
    extremes = {
        kind: _one(kind, IMAGE, second=IMAGE, out_quant=SAME) for kind in ("MAXIMUM", "MINIMUM")
    }
    tables = {kind: _one(kind, IMAGE) for kind in ("RELU", "RELU6", "RELU_N1_TO_1", "HARD_SWISH")}
    return {
        **binary,
        **extremes,
        **tables,
        "LEAKY_RELU": _one("LEAKY_RELU", IMAGE, {"alpha": 0.2}),
        "LOGISTIC": _one("LOGISTIC", IMAGE, out_quant=(1 / 256, -128)),
        "TANH": _one("TANH", IMAGE, out_quant=(1 / 128, 0)),
        "PRELU": _one("PRELU", IMAGE, rest=lambda b: [_constant(b, (1, 1, 6))]),
        "QUANTIZE": _one("QUANTIZE", IMAGE, dtypes=("float32", "int8")),
        "DEQUANTIZE": _one("DEQUANTIZE", IMAGE, dtypes=("int8", "float32"), out_quant=None),
    }


def _reducing() -> dict[str, bytes]:
    def reduction(kind: str, out_quant: tuple[float, int], axis: int = 1) -> bytes:
        return _one(
            kind,
            (1, 4, 6) if axis == 1 else (1, 5, 6),
            {"keepDims": False},
            rest=lambda b: [_integers(b, [axis])],
            out_quant=out_quant,
        )

    return {
        "ARG_MAX": _one(
            "ARG_MAX",
            (1, 5, 4),
            {"outputType": "INT32"},
            rest=lambda b: [_integers(b, 3)],
            dtypes=("int8", "int32"),
            out_quant=None,
        ),
        "MEAN": reduction("MEAN", (0.07, 3)),
        "REDUCE_MAX": reduction("REDUCE_MAX", SAME),
        "SOFTMAX": _one(
            "SOFTMAX", (3, 10), {"beta": 1.0}, shape=(3, 10), out_quant=(1 / 256, -128)
        ),
        "SUM": reduction("SUM", (0.3, 3), axis=2),
    }


def small_models() -> dict[str, bytes]:
    """The .tflite bytes of one model an operator, by the operator's name."""
    return {
        **_moving(),
        **_windows(),
        **_elementwise(),
        **_reducing(),
        "SVDF": svdf(rank=2),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm(),
    }


def conv_of_quads() -> bytes:
    """A 3x3 CONV_2D of stride 1 whose channels are whole quads, as extra flash makes it faster."""
    return _one(
        "CONV_2D",
        (1, 6, 6, 4),
        {**_WINDOW, "strideW": 1},
        rest=lambda b: [_constant(b, (4, 3, 3, 4)), _constant(b, (4,), "int32", scale=5e-4)],
        shape=(1, 6, 6, 4),
    )


def many_sums() -> bytes:
    """An ADD of so many elements that a table is worth its bytes."""
    b = ModelBuilder()
    shape = (1, 9, 13, 9)
    x = b.tensor("x", shape, "int8", scale=0.03, zero_point=-7)
    other = b.tensor("other", shape, "int8", scale=0.05, zero_point=11)
    y = b.tensor("y", shape, "int8", scale=0.06, zero_point=3)
    b.op("ADD", [x, other], [y], version=2)
    return b.finish([x, other], [y])
