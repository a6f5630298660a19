"""Layers for tests of what is left out: some of their channels are the same for every input.

All activations have one scale and zero point. A layer's ``fate`` says what becomes of each output
channel: "." depends on the input, "z" is always the zero point, "m" always the greatest element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tests.tflite_builder import ModelBuilder

SCALE, ZERO_POINT = 0.05, -7
BIAS = {"z": -9_000_000, "m": 9_000_000}
Image: TypeAlias = tuple[int, tuple[int, int, int]]
"""A tensor and its h, w, c."""


class Layers(ModelBuilder):
    """Grows a model layer by layer; each method takes and returns images."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self._count = 0

    def image(self, h: int, w: int, c: int) -> Image:
        """A tensor without a writer."""
        self._count += 1
        name = f"t{self._count}"
        return self.tensor(name, (1, h, w, c), "int8", scale=SCALE, zero_point=ZERO_POINT), (
            h,
            w,
            c,
        )

    def integers(self, values: Any) -> int:
        self._count += 1
        data = np.array(values)
        return self.tensor(f"i{self._count}", data.shape, "int32", data=data)

    def _weights(self, shape: tuple[int, ...], axis: int, fate: str) -> list[int]:
        self._count += 1
        data = self._rng.integers(-127, 128, shape)
        biases = self._rng.integers(-2000, 2000, len(fate))
        for channel, what in enumerate(fate):
            biases[channel] = BIAS.get(what, biases[channel])
        w = self.tensor(f"w{self._count}", shape, "int8", scale=0.01, axis=axis, data=data)
        b = self.tensor(f"b{self._count}", (len(fate),), "int32", scale=0.01 * SCALE, data=biases)
        return [w, b]

    def conv(self, x: Image, fate: str, kernel: int = 1, padding: str = "SAME") -> Image:
        """CONV_2D with a RELU."""
        tensor, (h, w, c) = x
        less = 0 if padding == "SAME" else kernel - 1
        y = self.image(h - less, w - less, len(fate))
        slots = [tensor, *self._weights((len(fate), kernel, kernel, c), 0, fate)]
        options = {"padding": padding, "strideH": 1, "strideW": 1}
        self.op("CONV_2D", slots, [y[0]], {**options, "fusedActivationFunction": "RELU"})
        return y

    def depthwise(self, x: Image, fate: str, kernel: int = 3) -> Image:
        """DEPTHWISE_CONV_2D with a RELU, padded."""
        tensor, (h, w, c) = x
        y = self.image(h, w, len(fate))
        slots = [tensor, *self._weights((1, kernel, kernel, len(fate)), 3, fate)]
        options = {"padding": "SAME", "strideH": 1, "strideW": 1}
        options |= {"depthMultiplier": len(fate) // c, "fusedActivationFunction": "RELU"}
        self.op("DEPTHWISE_CONV_2D", slots, [y[0]], options)
        return y

    def transpose_conv(self, x: Image, channels: int) -> Image:
        """TRANSPOSE_CONV to twice the size."""
        tensor, (h, w, c) = x
        y = self.image(2 * h, 2 * w, channels)
        weights, _ = self._weights((channels, 3, 3, c), 0, "." * channels)
        slots = [self.integers([1, 2 * h, 2 * w, channels]), weights, tensor]
        self.op("TRANSPOSE_CONV", slots, [y[0]], {"padding": "SAME", "strideH": 2, "strideW": 2})
        return y

    def dense(self, x: Image, fate: str) -> Image:
        """FULLY_CONNECTED of all elements."""
        tensor, (h, w, c) = x
        y = self.image(1, 1, len(fate))
        flat = self.tensor(
            f"flat of {tensor}", (1, h * w * c), "int8", scale=SCALE, zero_point=ZERO_POINT
        )
        self.op("RESHAPE", [tensor, self.integers([1, h * w * c])], [flat], {})
        out = self.tensor(
            f"dense of {tensor}", (1, len(fate)), "int8", scale=SCALE, zero_point=ZERO_POINT
        )
        slots = [flat, *self._weights((len(fate), h * w * c), 0, fate)]
        self.op("FULLY_CONNECTED", slots, [out], {})
        self.op("RESHAPE", [out, self.integers([1, 1, 1, len(fate)])], [y[0]], {})
        return y

    def like(self, kind: str, *xs: Image, options: dict[str, Any] | None = None) -> Image:
        """An operator whose output has the first input's shape."""
        y = self.image(*xs[0][1])
        self.op(kind, [x[0] for x in xs], [y[0]], options or {})
        return y

    def pool(self, kind: str, x: Image) -> Image:
        """A pool of two by two pixels."""
        tensor, (h, w, c) = x
        y = self.image(h // 2, w // 2, c)
        options = {"padding": "VALID", "strideH": 2, "strideW": 2}
        self.op(kind, [tensor], [y[0]], {**options, "filterHeight": 2, "filterWidth": 2})
        return y

    def mean(self, x: Image) -> Image:
        tensor, (_, _, c) = x
        y = self.image(1, 1, c)
        self.op("MEAN", [tensor, self.integers([1, 2])], [y[0]], {"keepDims": True})
        return y

    def concatenate(self, *xs: Image, axis: int = 3) -> Image:
        shape = [*xs[0][1]]
        shape[axis - 1] = sum(one[axis - 1] for _, one in xs)
        y = self.image(*shape)
        self.op("CONCATENATION", [x for x, _ in xs], [y[0]], {"axis": axis})
        return y

    def slopes(self, c: int) -> Image:
        """A constant of one pixel."""
        self._count += 1
        data = self._rng.integers(-127, 128, (1, 1, 1, c))
        slopes = self.tensor(f"s{self._count}", (1, 1, 1, c), "int8", scale=0.01, data=data)
        return slopes, (1, 1, c)

    def done(self, x: Image, outputs: Sequence[Image]) -> bytes:
        return self.finish([x[0]], [y for y, _ in outputs])
