"""Random models of one operator at its extremes: small shapes, odd channels, edges of int32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.tflite_builder import ModelBuilder

EDGE_ZERO_POINTS = (-128, -127, -1, 0, 1, 126, 127)
MOST_CHANNELS = 17


class Drawn:
    """A model of one operator under construction, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = ModelBuilder()

    def up_to(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def zero_point(self) -> int:
        if self.rng.random() < 0.5:
            return int(self.pick(*EDGE_ZERO_POINTS))
        return int(self.rng.integers(-128, 128))

    def scale(self, low: float = -9, high: float = 1) -> float:
        """A power of two between the bounds, times something between 1 and 2."""
        return float(2.0 ** self.rng.uniform(low, high))

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        scale: float | None = None,
        zero_point: int | None = None,
    ) -> int:
        return self.b.tensor(
            name,
            shape,
            "int8",
            scale=self.scale() if scale is None else scale,
            zero_point=self.zero_point() if zero_point is None else zero_point,
        )

    def image(self) -> tuple[int, int, int]:
        return self.up_to(9), self.up_to(9), self.up_to(MOST_CHANNELS)

    def values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Weights: random, all alike at an edge, or few that are not zero."""
        match int(self.rng.integers(6)):
            case 0:
                return np.full(shape, self.pick(-128, -127, 127), np.int8)
            case 1:
                return self.rng.integers(-127, 128, shape) * (self.rng.random(shape) < 0.1)
            case 2:
                return np.sign(self.rng.integers(-9, 10, shape)) * 127
            case _:
                return self.rng.integers(-127, 128, shape)

    def weights(
        self, shape: tuple[int, ...], axis: int, in_scale: float
    ) -> tuple[list[int], float]:
        """Weights and biases with a scale a channel, and the scale of their sums."""
        count, scale = shape[axis], self.scale(-11, -3)
        spread = self.rng.uniform(0.25, 1, count) if self.rng.random() < 0.8 else np.ones(count)
        scales = [float(scale * s) for s in spread]
        w = self.b.tensor("w", shape, "int8", scale=scales, axis=axis, data=self.values(shape))
        most = int(self.pick(1, 1_000, 100_000, 1 << 22, 1 << 28))
        biases = self.rng.integers(-most, most + 1, (count,))
        c = self.b.tensor("c", (count,), "int32", scale=[in_scale * s for s in scales], data=biases)
        taps = int(np.prod(shape)) // count
        return [w, c], in_scale * scale * 40 * taps**0.5

    def activation(self) -> dict[str, str]:
        return {"fusedActivationFunction": self.pick("NONE", "NONE", "RELU", "RELU6")}

    def window(self, h: int, w: int) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
        """Options, kernel and output extents."""
        kernel = self.up_to(5), self.up_to(5)
        stride = int(self.pick(1, 1, 2, 3)), int(self.pick(1, 1, 2, 3))
        fits = kernel[0] <= h and kernel[1] <= w
        padding = self.pick("SAME", "VALID") if fits else "SAME"
        out = [
            -(-(extent if padding == "SAME" else extent - span + 1) // step)
            for extent, span, step in zip((h, w), kernel, stride, strict=True)
        ]
        options = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
        return options, kernel, (out[0], out[1])

    def done(
        self, kind: str, inputs: list[int], constants: list[int], y: int, options: dict[str, Any]
    ) -> bytes:
        self.b.op(kind, [*inputs, *constants], [y], options)
        return self.b.finish(inputs, [y])

    # Operators.

    def convolution(self) -> bytes:
        h, w, c = self.image()
        options, kernel, out = self.window(h, w)
        scale, out_c = self.scale(), self.up_to(MOST_CHANNELS)
        x = self.tensor("x", (1, h, w, c), scale)
        weights, sums = self.weights((out_c, *kernel, c), 0, scale)
        y = self.tensor("y", (1, *out, out_c), sums / 128 * self.scale(-3, 3))
        return self.done("CONV_2D", [x], weights, y, {**options, **self.activation()})

    def depthwise(self) -> bytes:
        h, w, c = self.image()
        options, kernel, out = self.window(h, w)
        multiplier = int(self.pick(1, 1, 1, 2, 3))
        scale = self.scale()
        x = self.tensor("x", (1, h, w, c), scale)
        weights, sums = self.weights((1, *kernel, c * multiplier), 3, scale)
        y = self.tensor("y", (1, *out, c * multiplier), sums / 128 * self.scale(-3, 3))
        options |= {"depthMultiplier": multiplier, **self.activation()}
        return self.done("DEPTHWISE_CONV_2D", [x], weights, y, options)

    def fully_connected(self) -> bytes:
        units, depth, scale = self.up_to(20), self.up_to(40), self.scale()
        x = self.tensor("x", (1, depth), scale)
        weights, sums = self.weights((units, depth), 0, scale)
        y = self.tensor("y", (1, units), sums / 128 * self.scale(-3, 3))
        return self.done("FULLY_CONNECTED", [x], weights, y, self.activation())

    def transpose_convolution(self) -> bytes:
        h, w, c = self.up_to(5), self.up_to(5), self.up_to(MOST_CHANNELS)
        kernel, stride = (self.up_to(4), self.up_to(4)), (self.up_to(2), self.up_to(2))
        scale, out_c = self.scale(), self.up_to(9)
        out = h * stride[0], w * stride[1]
        shape = self.b.tensor("shape", (4,), "int32", data=np.array([1, *out, out_c]))
        x = self.tensor("x", (1, h, w, c), scale)
        (weights, bias), sums = self.weights((out_c, *kernel, c), 0, scale)
        y = self.tensor("y", (1, *out, out_c), sums / 128 * self.scale(-3, 3))
        options = {"padding": "SAME", "strideH": stride[0], "strideW": stride[1]}
        self.b.op("TRANSPOSE_CONV", [shape, weights, x, bias], [y], options, version=3)
        return self.b.finish([x], [y])

    def _two_inputs(self, kind: str, options: dict[str, Any]) -> bytes:
        shape = (1, *self.image())
        scale = self.scale()
        a = self.tensor("a", shape, scale * self.scale(-2, 2))
        b = self.tensor("b", shape, scale * self.scale(-2, 2))
        y = self.tensor("y", shape, scale * self.scale(-2, 3))
        return self.done(kind, [a, b], [], y, options)

    def add(self) -> bytes:
        return self._two_inputs(self.pick("ADD", "SUB"), self.activation())

    def multiply(self) -> bytes:
        return self._two_inputs("MUL", self.activation())

    def pool(self) -> bytes:
        h, w, c = self.image()
        options, kernel, out = self.window(h, w)
        quant = self.scale(), self.zero_point()
        x = self.tensor("x", (1, h, w, c), *quant)
        y = self.tensor("y", (1, *out, c), *quant)
        options |= {"filterHeight": kernel[0], "filterWidth": kernel[1], **self.activation()}
        return self.done(self.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"), [x], [], y, options)

    def reduction(self) -> bytes:
        kind, shape = self.pick("MEAN", "MEAN", "SUM", "REDUCE_MAX"), (1, *self.image())
        gone = self.pick((1, 2), (1, 2), (1,), (2,), (3,))
        scale, point = self.scale(), self.zero_point()
        x = self.tensor("x", shape, scale, point)
        axes = self.b.tensor("axes", (len(gone),), "int32", data=np.array(gone))
        quant = (scale, point) if kind == "REDUCE_MAX" else (scale * self.scale(-1, 1),)
        y = self.tensor("y", tuple(n for i, n in enumerate(shape) if i not in gone), *quant)
        return self.done(kind, [x], [axes], y, {"keepDims": False})

    def softmax(self) -> bytes:
        shape = self.up_to(4), self.up_to(40)
        x = self.tensor("x", shape, self.scale(-7, 0))
        y = self.b.tensor("y", shape, "int8", scale=1 / 256, zero_point=-128)
        return self.done("SOFTMAX", [x], [], y, {"beta": 1.0})

    def concatenation(self) -> bytes:
        h, w, _ = self.image()
        quant = self.scale(), self.zero_point()
        widths = [self.up_to(9) for _ in range(self.up_to(4))]
        inputs = [self.tensor(f"x{i}", (1, h, w, c), *quant) for i, c in enumerate(widths)]
        y = self.tensor("y", (1, h, w, sum(widths)), *quant)
        return self.done("CONCATENATION", inputs, [], y, {"axis": 3})

    def requantize(self) -> bytes:
        shape = (1, *self.image())
        x = self.tensor("x", shape)
        y = self.tensor("y", shape)
        return self.done("QUANTIZE", [x], [], y, {})


OPERATORS: tuple[Callable[[Drawn], bytes], ...] = (
    *(Drawn.convolution,) * 4,
    *(Drawn.depthwise,) * 4,
    *(Drawn.fully_connected,) * 2,
    *(Drawn.add,) * 2,
    *(Drawn.transpose_convolution, Drawn.multiply, Drawn.pool, Drawn.pool, Drawn.reduction),
    *(Drawn.softmax, Drawn.concatenation, Drawn.requantize),
)


def random_operator(seed: int) -> bytes:
    """A ``.tflite`` of one operator; its kind goes round with the seed."""
    return OPERATORS[seed % len(OPERATORS)](Drawn(seed))
