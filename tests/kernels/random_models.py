"""Random small models for LiteRT: branches, strides, dilations, odd sizes, joins, resizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tests.tflite_builder import ModelBuilder

Shape: TypeAlias = tuple[int, int, int]
"""h, w, c."""

SAME = (0.05, -2)
"""The quantization of all images, so that what only moves data finds its input's."""

_LARGEST = 2_000

DROWNING = 5_000_000
"""A bias beside which no sum counts."""


class Growing:
    """A model under construction; ``images`` are tensors with an image's shape.

    ``dead`` is the share of a layer's channels whose biases are so great that nothing else counts.
    """

    def __init__(self, seed: int, dead: float = 0.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.dead = dead
        self.fates = np.random.default_rng((seed, 1))
        self.b = ModelBuilder()
        self.inputs: list[int] = []
        self.images: list[tuple[int, Shape]] = []
        self.read: set[int] = set()
        self._names = 0

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def tensor(self, shape: Shape, quant: tuple[float, int] = SAME) -> int:
        self._names += 1
        scale, zero_point = quant
        return self.b.tensor(
            f"t{self._names}", (1, *shape), "int8", scale=scale, zero_point=zero_point
        )

    def integers(self, values: Any) -> int:
        self._names += 1
        data = np.array(values)
        return self.b.tensor(f"i{self._names}", data.shape, "int32", data=data)

    def weights(self, shape: tuple[int, ...], axis: int) -> list[int]:
        """Weights with a scale a channel, and their biases."""
        self._names += 1
        count = shape[axis]
        scales = [float(s) for s in self.rng.uniform(0.002, 0.02, count)]
        data = self.rng.integers(-127, 128, shape)
        w = self.b.tensor(f"w{self._names}", shape, "int8", scale=scales, axis=axis, data=data)
        biases = self.rng.integers(-2000, 2000, (count,))
        drowned = self.fates.random(count) < self.dead
        biases[drowned] = self.fates.choice([-DROWNING, DROWNING], int(drowned.sum()), p=[0.8, 0.2])
        bias_scales = [SAME[0] * s for s in scales]
        c = self.b.tensor(f"b{self._names}", (count,), "int32", scale=bias_scales, data=biases)
        return [w, c]

    def add_input(self) -> None:
        shape = (
            int(self.rng.integers(1, 14)),
            int(self.rng.integers(1, 7)),
            int(self.rng.integers(1, 7)),
        )
        x = self.tensor(shape)
        self.inputs.append(x)
        self.images.append((x, shape))

    def source(self) -> tuple[int, Shape]:
        """A recent image most of the time."""
        if self.rng.random() < 0.7:
            return self.images[-1]
        return self.images[int(self.rng.integers(len(self.images)))]

    def emit(
        self,
        kind: str,
        inputs: list[int],
        shape: Shape,
        options: dict[str, Any] | None = None,
        quant: tuple[float, int] = SAME,
    ) -> None:
        y = self.tensor(shape, quant)
        self.b.op(kind, inputs, [y], options or {})
        self.read.update(inputs)
        if quant == SAME:
            self.images.append((y, shape))

    def window(self, shape: Shape, dilation: int) -> tuple[dict[str, Any], tuple[int, int], Shape]:
        """Options, kernel and output extents of a window that fits."""
        kernel = int(self.rng.integers(1, 5)), int(self.rng.integers(1, 4))
        stride = int(self.pick(1, 1, 2, 3)), int(self.pick(1, 2))
        reach = (kernel[0] - 1) * dilation + 1, kernel[1]
        fits = reach[0] <= shape[0] and reach[1] <= shape[1]
        padding = self.pick("SAME", "VALID") if fits else "SAME"
        out = [
            -(-(extent if padding == "SAME" else extent - span + 1) // step)
            for extent, span, step in zip(shape, reach, stride, strict=False)
        ]
        options = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
        return options, kernel, (out[0], out[1], shape[2])

    def convolve(self) -> None:
        x, shape = self.source()
        dilation = int(self.pick(1, 1, 2))
        options, kernel, out = self.window(shape, dilation)
        if dilation > 1:
            options = {**options, "strideH": 1, "strideW": 1}
            reach = (kernel[0] - 1) * dilation + 1, kernel[1]
            if options["padding"] == "SAME":
                out = shape
            else:
                out = (shape[0] - reach[0] + 1, shape[1] - reach[1] + 1, shape[2])
        options |= {
            "dilationHFactor": dilation,
            "dilationWFactor": 1,
            "fusedActivationFunction": self.pick("NONE", "RELU", "RELU6"),
        }
        if self.rng.random() < 0.5:
            out_c = int(self.rng.integers(1, 9))
            slots = [x, *self.weights((out_c, *kernel, shape[2]), 0)]
            self.emit("CONV_2D", slots, (out[0], out[1], out_c), options)
        else:
            multiplier = int(self.pick(1, 1, 1, 2))
            slots = [x, *self.weights((1, *kernel, shape[2] * multiplier), 3)]
            options["depthMultiplier"] = multiplier
            self.emit("DEPTHWISE_CONV_2D", slots, (out[0], out[1], shape[2] * multiplier), options)

    def pool(self) -> None:
        x, shape = self.source()
        options, kernel, out = self.window(shape, 1)
        options |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
        self.emit(self.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"), [x], out, options)

    def transpose_convolve(self) -> None:
        x, shape = self.source()
        stride, kernel = int(self.pick(1, 2, 3)), int(self.rng.integers(1, 5))
        out = (shape[0] * stride, shape[1], int(self.rng.integers(1, 5)))
        if out[0] * out[1] * out[2] > _LARGEST:
            return
        w, _ = self.weights((out[2], kernel, 2, shape[2]), 0)
        options = {"padding": "SAME", "strideH": stride, "strideW": 1}
        self.emit("TRANSPOSE_CONV", [self.integers([1, *out]), w, x], out, options)

    def look_up(self) -> None:
        x, shape = self.source()
        self.emit(self.pick("RELU", "RELU6", "HARD_SWISH", "RELU_N1_TO_1"), [x], shape)

    def join(self) -> None:
        """Two images of one shape, or an image and a row or pixel of another made on the way."""
        x, shape = self.source()
        others = [y for y, other in self.images if other == shape and y != x]
        kind = self.pick("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
        if others:
            self.emit(kind, [x, int(self.pick(*others))], shape)
        elif shape[1] > 1 and kind not in ("MAXIMUM", "MINIMUM"):
            pooled = (shape[0], 1, shape[2])
            options = {"padding": "VALID", "strideH": 1, "strideW": shape[1]}
            options |= {"filterHeight": 1, "filterWidth": shape[1]}
            self.emit("AVERAGE_POOL_2D", [x], pooled, options)
            self.emit(kind, [x, self.images[-1][0]], shape)

    def concatenate(self) -> None:
        x, shape = self.source()
        axis = int(self.pick(1, 2, 3, 3))
        fitting = [
            (y, other)
            for y, other in self.images
            if y != x and all(shape[d] == other[d] for d in range(3) if d + 1 != axis)
        ]
        if not fitting:
            return
        y, other = fitting[int(self.rng.integers(len(fitting)))]
        out = list(shape)
        out[axis - 1] += other[axis - 1]
        self.emit("CONCATENATION", [x, y], (out[0], out[1], out[2]), {"axis": axis})

    def resize(self) -> None:
        x, (h, w, c) = self.source()
        out = (int(self.rng.integers(1, 2 * h + 1)), int(self.rng.integers(1, 2 * w + 1)), c)
        if out[0] * out[1] * c > _LARGEST:
            return
        kind = self.pick("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
        options = {"halfPixelCenters": bool(self.pick(True, False))}
        self.emit(kind, [x, self.integers([out[0], out[1]])], out, options)

    def pad(self) -> None:
        x, (h, w, c) = self.source()
        before, after, side = (int(n) for n in self.rng.integers(0, 3, 3))
        out = (h + before + after, w + side, c)
        pads = [[0, 0], [before, after], [0, side], [0, 0]]
        self.emit("PAD", [x, self.integers(pads)], out)

    def slice_rows(self) -> None:
        x, (h, w, c) = self.source()
        step = int(self.pick(1, 2, -1))
        begin, end = (0, h) if step > 0 else (h - 1, -h - 1)
        rows = len(range(0, h, abs(step)))
        slots = [self.integers([0, begin, 0, 0]), self.integers([1, end, w, c])]
        options: dict[str, Any] = {"beginMask": 0, "endMask": 0}
        if step < 0:
            options["endMask"] = 2
        self.emit(
            "STRIDED_SLICE", [x, *slots, self.integers([1, step, 1, 1])], (rows, w, c), options
        )

    def reshape(self) -> None:
        """The same bytes as other rows."""
        x, (h, w, c) = self.source()
        out = self.pick((w, h, c), (1, h * w, c), (h * w, 1, c), (h, 1, w * c), (h * w, c, 1))
        self.emit("RESHAPE", [x, self.integers([1, *out])], out, {"newShape": [1, *out]})

    def transpose(self) -> None:
        x, (h, w, c) = self.source()
        self.emit("TRANSPOSE", [x, self.integers([0, 2, 1, 3])], (w, h, c))

    def finish(self) -> bytes:
        """Most often with something that takes an image up as a whole."""
        x, shape = self.images[-1]
        ending = self.pick("none", "mean", "pool", "dense", "softmax")
        outputs = []
        if ending == "mean":
            y = self.b.tensor("y", (1, shape[2]), "int8", scale=0.03, zero_point=5)
            self.b.op("MEAN", [x, self.integers([1, 2])], [y], {"keepDims": False})
            outputs.append(y)
        elif ending == "pool":
            options = {"padding": "VALID", "strideH": shape[0], "strideW": shape[1]}
            options |= {"filterHeight": shape[0], "filterWidth": shape[1]}
            self.emit("AVERAGE_POOL_2D", [x], (1, 1, shape[2]), options)
        elif ending == "dense":
            depth = shape[0] * shape[1] * shape[2]
            y = self.b.tensor("y", (1, 5), "int8", scale=0.3, zero_point=4)
            w, c = self.weights((5, depth), 0)
            self.b.op("FULLY_CONNECTED", [x, w, c], [y], {})
            outputs.append(y)
        elif ending == "softmax":
            y = self.b.tensor("y", (1, *shape), "int8", scale=1 / 256, zero_point=-128)
            self.b.op("SOFTMAX", [x], [y], {"beta": 1.0})
            outputs.append(y)
        if outputs:
            self.read.add(x)
        unread = [y for y, _ in self.images if y not in self.read and y not in self.inputs]
        outputs += unread or ([] if outputs else [self.images[-1][0]])
        return self.b.finish(self.inputs, outputs)


def random_model(seed: int, dead: float = 0.0) -> bytes:
    """A model of two to twelve operators; the same seed gives the same one."""
    model = Growing(seed, dead)
    for _ in range(int(model.pick(1, 1, 1, 2))):
        model.add_input()
    ways: tuple[Callable[[], None], ...] = (
        model.convolve,
        model.convolve,
        model.convolve,
        model.convolve,
        model.pool,
        model.pool,
        model.transpose_convolve,
        model.look_up,
        model.join,
        model.join,
        model.join,
        model.concatenate,
        model.concatenate,
        model.resize,
        model.pad,
        model.slice_rows,
        model.reshape,
        model.transpose,
    )
    model.convolve()
    for _ in range(int(model.rng.integers(1, 12))):
        ways[int(model.rng.integers(len(ways)))]()
    return model.finish()
