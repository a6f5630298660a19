"""The grid of shapes that kernels are measured on: models of one operator, each by its family.

A kernel that is made for a core needs no entry of its own: it is measured on the shapes of the
operator that it serves. Shapes are real layers' and such as are drawn once from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import TypeAlias

import numpy as np

from tests.kernels import test_pooling, test_recurrent, test_reduction, test_resize
from tests.kernels.test_convolution import Case, conv2d, depthwise, transpose_conv
from tests.kernels.test_elementwise import binary
from tests.kernels.test_movement import single, vector
from tests.tflite_builder import ModelBuilder

Models: TypeAlias = Iterator[bytes]
_LEAST = -127
"""Of the weights: -128 is for the portable kernels alone."""
_MOST_MACS = 250_000
_ACTIVATIONS = ("NONE", "RELU", "RELU", "RELU6")


def _image(random: Random, most: int = 4_000) -> tuple[int, int, int]:
    """Height, width and channels of a tensor of no more than ``most`` elements."""
    c = random.choice((1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64, random.randint(1, 40)))
    w = random.randint(1, max(1, min(48, most // c)))
    h = random.randint(1, max(1, min(24, most // (c * w))))
    return h, w, c


def _layers(seed: int, count: int, draw: Callable[[Random], Case]) -> Iterator[Case]:
    """Layers that a slow core computes in reasonable time."""
    random = Random(seed)
    found = 0
    while found < count:
        case = draw(random)
        h, w = case.output
        macs = h * w * case.out_c * case.kernel[0] * case.kernel[1]
        if macs * (case.c if case.out_c % case.c or case.groups == 1 else 1) <= _MOST_MACS:
            found += 1
            yield case


def _points(random: Random, activation: str) -> tuple[int, int]:
    """Zero points; a RELU's output often starts at the least int8."""
    lowest = activation != "NONE" and random.random() < 0.8
    return random.randint(-128, 127), -128 if lowest else random.randint(-100, 100)


def _convolution(random: Random) -> Case:
    h, w, c = _image(random)
    kernels = [(1, 1), (1, 1), (3, 3), (3, 3), (5, 5), (1, 4), (10, 4), (4, 1), (3, 1), (2, 2)]
    activation = random.choice(_ACTIVATIONS)
    case = Case(
        h,
        w,
        c,
        random.choice((1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)),
        kernel=random.choice(kernels),
        stride=random.choice(((1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 1))),
        padding=random.choice(("SAME", "SAME", "VALID")),
        activation=activation,
        zero_points=_points(random, activation),
        least_weight=_LEAST,
    )
    return _large_enough(case)


def _large_enough(case: Case) -> Case:
    """Without padding an image is at least as large as the window."""
    if case.padding == "SAME":
        return case
    return replace(case, h=max(case.h, case.kernel[0]), w=max(case.w, case.kernel[1]))


def convolutions() -> Models:
    """CONV_2D: real layers, then drawn ones, then a few that only the portable kernel computes."""
    real = [
        Case(8, 5, 64, 64, kernel=(1, 1)),
        Case(24, 24, 8, 16, kernel=(1, 1)),
        Case(6, 6, 64, 64, kernel=(1, 1)),
        Case(16, 16, 16, 16),
        Case(8, 8, 32, 32),
        Case(5, 8, 64, 64),
        Case(24, 24, 3, 16, stride=(2, 2)),
        Case(16, 16, 16, 32, stride=(2, 2)),
        Case(25, 10, 1, 32, kernel=(10, 4), stride=(2, 2)),
        Case(1, 1, 256, 12, kernel=(1, 1)),
    ]
    for case in real:
        yield conv2d(replace(case, activation="RELU", zero_points=(3, -128), least_weight=_LEAST))
    for case in _layers(1, 110, _convolution):
        yield conv2d(case)
    for c, groups in ((8, 2), (12, 3), (16, 4), (32, 8)):
        yield conv2d(Case(8, 9, c, c, groups=groups, least_weight=_LEAST))
        yield conv2d(Case(6, 11, c, c, kernel=(1, 1), groups=groups, least_weight=_LEAST))
    for dilation in ((2, 2), (1, 3)):
        yield conv2d(Case(9, 11, 8, 8, dilation=dilation, least_weight=_LEAST))
        yield conv2d(Case(12, 14, 4, 12, dilation=dilation, padding="VALID", least_weight=_LEAST))


def _depthwise(random: Random) -> Case:
    h, w, c = _image(random, 8_000)
    activation = random.choice(_ACTIVATIONS)
    c = max(c, 4) if random.random() < 0.8 else c
    case = Case(
        h,
        w,
        c,
        c * (random.choice((2, 3, 4)) if random.random() < 0.15 else 1),
        kernel=random.choice(((3, 3),) * 5 + ((5, 5), (1, 5), (4, 4), (7, 1), (3, 1), (1, 9))),
        stride=random.choice(((1, 1), (1, 1), (2, 2))),
        padding=random.choice(("SAME", "SAME", "VALID")),
        activation=activation,
        zero_points=_points(random, activation),
        groups=c,
        least_weight=_LEAST,
    )
    return _large_enough(case)


def depthwise_convolutions() -> Models:
    """DEPTHWISE_CONV_2D: real layers, then drawn ones."""
    for h, w, c, stride in (
        (24, 24, 8, 1),
        (24, 24, 16, 2),
        (12, 12, 32, 1),
        (6, 6, 64, 1),
        (6, 6, 128, 2),
        (3, 3, 128, 1),
        (25, 5, 64, 1),
    ):
        real = Case(h, w, c, c, stride=(stride, stride), activation="RELU", zero_points=(3, -128))
        yield depthwise(real)
    for case in _layers(2, 130, _depthwise):
        yield depthwise(case)


def transposed() -> Models:
    """TRANSPOSE_CONV."""
    random = Random(3)
    for _ in range(28):
        case = Case(
            random.randint(2, 7),
            random.randint(2, 9),
            random.choice((1, 3, 4, 8, 13, 16)),
            random.choice((1, 3, 4, 7, 8, 16)),
            kernel=random.choice(((3, 3), (2, 2), (4, 3), (4, 4))),
            stride=random.choice(((2, 2), (1, 1), (1, 2))),
        )
        yield transpose_conv(case)


def dense() -> Models:
    """FULLY_CONNECTED: one vector, several, and images that a layer takes up row by row."""
    random = Random(4)
    real = [((1, 640), 32), ((1, 128), 128), ((1, 8), 128), ((1, 64), 12), ((1, 256), 10)]
    shapes: list[tuple[tuple[int, ...], int]] = [*real]
    for _ in range(44):
        depth = random.choice((4, 8, 16, 28, 32, 64, 100, 128, 132, 256, 512, 1000))
        shapes.append(((random.choice((1, 1, 2, 5)), depth), random.choice((4, 5, 8, 12, 16, 40))))
    for _ in range(30):
        image = 1, random.randint(2, 8), random.randint(1, 8), random.choice((3, 4, 8, 16))
        shapes.append((image, random.choice((4, 5, 8, 12, 20))))
    for index, (shape, out_c) in enumerate(shapes):
        yield _dense(shape, out_c, ("NONE", "RELU")[index % 2])


def _dense(shape: tuple[int, ...], out_c: int, activation: str) -> bytes:
    b = ModelBuilder()
    rows = shape[0]
    depth = int(np.prod(shape)) // rows
    rng = np.random.default_rng([depth, out_c])
    # Scales with all their bits, so that no sum can fall on a tie.
    x = b.tensor("x", shape, "int8", scale=0.0517, zero_point=-3)
    data = rng.integers(-127, 128, (out_c, depth))
    w = b.tensor("w", (out_c, depth), "int8", scale=0.00713, data=data)
    biases = rng.integers(-2000, 2000, (out_c,))
    c = b.tensor("c", (out_c,), "int32", scale=0.0517 * 0.00713, data=biases)
    y = b.tensor("y", (rows, out_c), "int8", scale=0.31 * depth**0.5 / 8, zero_point=-128)
    b.op("FULLY_CONNECTED", [x, w, c], [y], {"fusedActivationFunction": activation})
    return b.finish([x], [y])


def pools() -> Models:
    """AVERAGE_POOL_2D and MAX_POOL_2D, of windows and of whole images."""
    random = Random(5)
    for kind in test_pooling.POOLS:
        for index in range(30):
            h, w, c = _image(random)
            kernel = (h, w) if index % 3 == 0 else (min(h, random.randint(1, 4)),) * 2
            padding = "VALID" if index % 3 == 0 else "SAME"
            stride = random.choice(((1, 1), (2, 2)))
            activation = ("NONE", "RELU6")[index % 2]
            yield test_pooling.pool(kind, (h, w, c), kernel, stride, padding, activation=activation)


def sums() -> Models:
    """Dense layers, means and pools behind a step that makes their input row by row."""
    random = Random(12)
    for _ in range(80):
        c = random.choice((1, 3, 4, 6, 8, 16, 24))
        image = 1, random.randint(2, 9), random.randint(1, 9), c
        kinds = ("FULLY_CONNECTED", "FULLY_CONNECTED", "MEAN", "SUM", "REDUCE_MAX")
        kind = random.choice(kinds)
        out_c = random.choice((2, 4, 5, 8, 10, 12, 20)) if kind == "FULLY_CONNECTED" else c
        yield _behind_look_up(kind, image, out_c)


def _behind_look_up(kind: str, image: tuple[int, int, int, int], out_c: int) -> bytes:
    b = ModelBuilder()
    x = b.tensor("x", image, "int8", scale=0.05, zero_point=-2)
    v = b.tensor("v", image, "int8", scale=1 / 128, zero_point=0)
    b.op("TANH", [x], [v])
    scale = 1 / 128 if kind == "REDUCE_MAX" else 0.0317
    y = b.tensor("y", (1, out_c), "int8", scale=scale, zero_point=0)
    if kind == "FULLY_CONNECTED":
        depth = int(np.prod(image))
        rng = np.random.default_rng([depth, out_c])
        data = rng.integers(-127, 128, (out_c, depth))
        w = b.tensor("w", (out_c, depth), "int8", scale=0.00713, data=data)
        biases = rng.integers(-2000, 2000, (out_c,))
        c = b.tensor("c", (out_c,), "int32", scale=0.00713 / 128, data=biases)
        b.op(kind, [v, w, c], [y], {})
    else:
        axes = b.tensor("axes", (2,), "int32", data=np.array([1, 2]))
        b.op(kind, [v, axes], [y], {"keepDims": False})
    return b.finish([x], [y])


def reductions() -> Models:
    """MEAN, SUM and REDUCE_MAX."""
    random = Random(6)
    for _ in range(60):
        h, w, c = _image(random, 2_500)
        axes = random.choice(((1, 2), (1, 2), (3,), (1,), (2,)))
        kind = random.choice(("MEAN", "SUM", "MEAN", "REDUCE_MAX"))
        quants = ((0.1, 3), (0.1, 3)) if kind == "REDUCE_MAX" else test_reduction.USUAL
        yield test_reduction.reduce(kind, (1, h, w, c), axes, quants=quants)


def arg_maxima() -> Models:
    """ARG_MAX over the last dimension and others."""
    for h, w, c in ((1, 1, 10), (2, 3, 8), (5, 4, 16), (9, 7, 3), (3, 8, 40), (6, 6, 6)):
        yield test_reduction.arg_max((1, h, w, c), 3, "int32", (1, h, w))
        yield test_reduction.arg_max((1, h, w, c), 2, "int32", (1, h, c))


def softmaxes() -> Models:
    """SOFTMAX of short and long vectors."""
    for rows, n in ((1, 2), (1, 10), (1, 12), (1, 40), (3, 4), (6, 7), (9, 21), (2, 100), (4, 33)):
        b = ModelBuilder()
        x = b.tensor("x", (rows, n), "int8", scale=0.06, zero_point=4)
        y = b.tensor("y", (rows, n), "int8", scale=1 / 256, zero_point=-128)
        b.op("SOFTMAX", [x], [y], {"beta": 1.0})
        yield b.finish([x], [y])


def look_ups() -> Models:
    """Functions of one element."""
    random = Random(7)
    for _ in range(14):
        shape = (1, *_image(random))
        b = ModelBuilder()
        x = b.tensor("x", shape, "int8", scale=0.06, zero_point=4)
        y = b.tensor("y", shape, "int8", scale=1 / 128, zero_point=0)
        b.op("TANH", [x], [y])
        yield b.finish([x], [y])


def two_inputs(kind: str) -> Models:
    """ADD, MUL and MINIMUM: of one shape, and with an input that is broadcast."""
    random = Random(8)
    for index in range(34):
        h, w, c = _image(random)
        second = ((1, h, w, c),) * 3 + ((1, 1, 1, c), (1, h, w, 1), (1, 1, 1, 1))
        shapes = ((1, h, w, c), second[index % len(second)])
        if kind == "MINIMUM":
            yield binary(kind, shapes, ((0.05, 0.05, 0.05), (2, 2, 2)))
        else:
            activation = ("NONE", "RELU")[index % 2]
            yield binary(kind, shapes, ((0.1, 0.07, 0.2), (3, -4, 5)), activation=activation)


def slopes() -> Models:
    """PRELU, by a slope a channel and by one for all."""
    random = Random(13)
    for index in range(34):
        h, w, c = _image(random)
        shapes = ((1, h, w, c), (1, 1, (c, c, 1)[index % 3]))
        yield binary("PRELU", shapes, ((0.1, 0.02, 0.1), (2, 3, 4)), constant=1)


def copies() -> Models:
    """Movements with constant strides: slices, transposes, and blocks."""
    random = Random(9)
    for _ in range(12):
        h, w, c = _image(random, 2_000)
        yield single(
            "TRANSPOSE",
            [((1, h + 1, w + 1, c + 1), "int8", None), vector(0, 2, 1, 3)],
            [(1, w + 1, h + 1, c + 1)],
        )
        yield single(
            "TRANSPOSE",
            [((1, h + 1, w + 1, c + 1), "int8", None), vector(0, 1, 3, 2)],
            [(1, h + 1, c + 1, w + 1)],
        )
        yield single(
            "SLICE",
            [((1, h + 2, w + 1, c + 3), "int8", None), vector(0, 1, 1, 2), vector(1, h, w, c)],
            [(1, h, w, c)],
        )


def pads() -> Models:
    """PAD of one to three dimensions."""
    random = Random(10)
    for _ in range(30):
        h, w, c = _image(random, 2_500)
        down, across = ([random.randint(0, 1), random.randint(0, 2)] for _ in range(2))
        sides = [[0, 0], down, across, [0, random.choice((0, 0, 0, 1, 3))]]
        if down == across == [0, 0]:
            across[1] = 1
        paddings = ((4, 2), "int32", sides)
        out = (1, h + sum(sides[1]), w + sum(sides[2]), c + sum(sides[3]))
        yield single("PAD", [((1, h, w, c), "int8", None), paddings], [out])


def concatenations() -> Models:
    """CONCATENATION along channels, of two to four inputs."""
    random = Random(11)
    for index in range(16):
        h, w, c = _image(random, 1_500)
        channels = [c, *(random.randint(1, 24) for _ in range(1 + index % 3))]
        inputs = [((1, h, w, n), "int8", None) for n in channels]
        yield single("CONCATENATION", inputs, [(1, h, w, sum(channels))], {"axis": 3})


def gathers() -> Models:
    """GATHER along the columns."""
    for h, w, c in ((1, 8, 4), (3, 5, 16), (6, 4, 1), (9, 9, 10), (5, 12, 33), (12, 3, 8)):
        for chosen in ([0], [1, 0, 2], [2, 1, 0, 0, 1, 2, 2]):
            yield single(
                "GATHER",
                [((1, h, w, c), "int8", None), vector(*chosen)],
                [(1, h, len(chosen), c)],
                {"axis": 2},
            )


def resizes(kind: str) -> Models:
    """Images made larger and smaller."""
    sizes = [
        ((4, 4), (8, 8)),
        ((3, 5), (7, 4)),
        ((8, 6), (4, 3)),
        ((2, 3), (9, 14)),
        ((6, 6), (12, 12)),
    ]
    for c in (1, 3, 8, 16):
        for source, target in sizes:
            yield test_resize.model(kind, source, target, c=c)


def edges(kind: str) -> Models:
    """QUANTIZE from float32 and DEQUANTIZE to it."""
    types = ("float32", "int8") if kind == "QUANTIZE" else ("int8", "float32")
    for elements in (1, 4, 10, 12, 40, 150, 300, 640, 1_000):
        b = ModelBuilder()
        ends = []
        for name, dtype in zip("xy", types, strict=True):
            scale = 0.05 if dtype == "int8" else None
            ends.append(b.tensor(name, (1, elements), dtype, scale=scale))
        b.op(kind, ends[:1], ends[1:])
        yield b.finish(ends[:1], ends[1:])


def memories() -> Models:
    """SVDF of several sizes."""
    for depth in (8, 16, 40):
        for units, rank in ((4, 1), (8, 2), (16, 1)):
            for memory in (4, 10):
                yield test_recurrent.svdf(depth=depth, units=units, rank=rank, memory=memory)


def sequences() -> Models:
    """UNIDIRECTIONAL_SEQUENCE_LSTM of several sizes."""
    for steps in (1, 4):
        for depth in (6, 20):
            for cells in (4, 12, 20):
                for coupled in (False, True):
                    yield test_recurrent.lstm(
                        steps=steps, depth=depth, cells=cells, coupled=coupled
                    )


GRID: Mapping[str, Callable[[], Models]] = {
    "convolutions": convolutions,
    "depthwise": depthwise_convolutions,
    "transposed": transposed,
    "dense": dense,
    "pools": pools,
    "reductions": reductions,
    "sums": sums,
    "arg max": arg_maxima,
    "softmax": softmaxes,
    "look-ups": look_ups,
    "add": partial(two_inputs, "ADD"),
    "mul": partial(two_inputs, "MUL"),
    "extremum": partial(two_inputs, "MINIMUM"),
    "prelu": slopes,
    "copies": copies,
    "pads": pads,
    "concatenations": concatenations,
    "gathers": gathers,
    "resize nearest": partial(resizes, "RESIZE_NEAREST_NEIGHBOR"),
    "resize bilinear": partial(resizes, "RESIZE_BILINEAR"),
    "quantize": partial(edges, "QUANTIZE"),
    "dequantize": partial(edges, "DEQUANTIZE"),
    "memories": memories,
    "sequences": sequences,
}
"""Models by family; each family draws from its own seed, so that a new one changes no other."""
