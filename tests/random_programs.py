"""Small random programs for the planner: branches, strides, dilations, odd sizes, joins, resizes.

Only shapes and row rules matter, so that weights are empty and no kernel could run them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from edgeserve.graph import DType
from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    CopyParams,
    DepthwiseParams,
    FullyConnectedParams,
    LookUpParams,
    MaxPoolParams,
    MulParams,
    PadParams,
    ReducePixelsParams,
    ResizeBilinearParams,
    ResizeNearestParams,
    SoftmaxParams,
    SvdfParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import NO_BLOB, Blob, Params
from edgeserve.program import Operand, Port, Program, Role, Step, Value

P = TypeVar("P", bound=Params)
View = tuple[int, int, int]


def make_params(kind: type[P], **given: Any) -> P:
    """A record with the given fields, all others zero."""
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name.isupper():
            continue
        if hint is Blob:
            fields[name] = NO_BLOB
        else:
            base, form = get_args(hint)[:2]
            is_tuple = get_origin(base) is tuple
            fields[name] = (0,) * int(form[:-1]) if is_tuple else 0
    return kind(**{**fields, **given})


def _indices(indices: Iterable[int]) -> Blob:
    return Blob(b"".join(struct.pack("<H", index) for index in indices), "indices")


def _places(places: Iterable[tuple[int, int, int]]) -> Blob:
    return Blob(b"".join(struct.pack("<HHi", *place) for place in places), "places")


class Growing:
    """A program under construction; every method takes values and returns a new one."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.values: list[Value] = []
        self.views: list[View] = []
        self.steps: list[Step] = []
        self.inputs: list[int] = []

    def value(self, view: View, role: Role = Role.ACTIVATION) -> int:
        index = len(self.values)
        elements = view[0] * view[1] * view[2]
        data = bytes(i * 37 % 251 for i in range(elements)) if role is Role.CONSTANT else None
        self.values.append(Value(index, f"v{index}", DType.INT8, elements, role, data))
        self.views.append(view)
        return index

    def input(self, view: View) -> int:
        self.inputs.append(self.value(view))
        return self.inputs[-1]

    def step(
        self, params: Params, operands: list[tuple[int, View]], view: View, macs: int = 0
    ) -> int:
        output = self.value(view)
        index = len(self.steps)
        self.steps.append(
            Step(
                index=index,
                op=index,
                label=f"{params.SOURCE} {index}",
                params=params,
                inputs=tuple(Operand(v, *seen) for v, seen in operands),
                output=Operand(output, *view),
                oracle=None,
                macs=macs,
                scratch_bytes=self.random.choice((0, 0, 0, 5, 40)),
            )
        )
        return output

    def windowed(self, kind: type[Any], source: int) -> int:
        random = self.random
        h, w, c = self.views[source]
        kernel = random.randint(1, min(4, h)), random.randint(1, min(3, w))
        stride = random.choice((1, 1, 2, 3)), random.choice((1, 2))
        dilated = kind in (Conv2dParams, DepthwiseParams)
        dilation = random.choice((1, 1, 2)) if dilated else 1
        reach = (kernel[0] - 1) * dilation + 1, kernel[1]
        same = random.random() < 0.6 or reach[0] > h
        extents = []
        pads = []
        for extent, span, step in zip((h, w), reach, stride, strict=True):
            out = -(-extent // step) if same else -(-(extent - span + 1) // step)
            extents.append(out)
            pads.append(max(0, (out - 1) * step + span - extent) // 2)
        out_c = random.randint(1, 6) if kind is Conv2dParams else c
        given = {"dilation_h": dilation, "dilation_w": 1} if dilated else {}
        if dilated:
            given |= {"weight_c": c} if kind is Conv2dParams else {"multiplier": 1}
        params = make_params(
            kind,
            kernel_h=kernel[0],
            kernel_w=kernel[1],
            stride_h=stride[0],
            stride_w=stride[1],
            pad_top=pads[0],
            pad_left=pads[1],
            **given,
        )
        view = (extents[0], extents[1], out_c)
        macs = view[0] * view[1] * view[2] * kernel[0] * kernel[1]
        return self.step(params, [(source, (h, w, c))], view, macs)

    def conv2d(self, source: int) -> int:
        return self.windowed(Conv2dParams, source)

    def depthwise(self, source: int) -> int:
        return self.windowed(DepthwiseParams, source)

    def pool(self, source: int) -> int:
        return self.windowed(self.random.choice((AveragePoolParams, MaxPoolParams)), source)

    def global_pool(self, source: int) -> int:
        h, w, c = self.views[source]
        params = make_params(AveragePoolParams, kernel_h=h, kernel_w=w, stride_h=h, stride_w=w)
        return self.step(params, [(source, (h, w, c))], (1, 1, c))

    def mean(self, source: int) -> int:
        h, w, c = self.views[source]
        params, elements = make_params(ReducePixelsParams), h * w * c
        if self.random.random() < 0.3:
            # Behind a reshape: rows need not be whole pixels any more.
            c = self.random.choice([n for n in range(1, 10) if elements % n == 0])
        return self.step(params, [(source, (1, 1, elements))], (1, 1, c))

    def fully_connected(self, source: int) -> int:
        h, w, c = self.views[source]
        out = self.random.randint(1, 9)
        by_rows = self.random.random() < 0.2
        view = (h, 1, w * c) if by_rows else (1, 1, h * w * c)
        params = make_params(FullyConnectedParams)
        return self.step(params, [(source, view)], (view[0], 1, out), view[0] * view[2] * out)

    def transpose_conv(self, source: int) -> int:
        h, w, c = self.views[source]
        kernel, stride = self.random.randint(1, 3), self.random.choice((1, 2))
        out_h, out_w = h * stride, w * stride
        pad = max(0, (h - 1) * stride + kernel - out_h) // 2
        params = make_params(
            TransposeConvParams,
            kernel_h=kernel,
            kernel_w=kernel,
            stride_h=stride,
            stride_w=stride,
            pad_top=pad,
            pad_left=pad,
        )
        return self.step(params, [(source, (h, w, c))], (out_h, out_w, c), h * w * c * kernel)

    def look_up(self, source: int) -> int:
        view = self.views[source]
        return self.step(make_params(LookUpParams), [(source, view)], view)

    def softmax(self, source: int) -> int:
        view = self.views[source]
        return self.step(make_params(SoftmaxParams), [(source, view)], view)

    def add(self, source: int) -> int:
        """With another value of the same shape, a constant, or one that is broadcast."""
        view = h, w, c = self.views[source]
        alike = [v for v, seen in enumerate(self.views) if seen == view and self._moves(v)]
        if self.random.random() < 0.75:
            other, seen = self.random.choice(alike), view
        else:
            seen = self.random.choice(((h, 1, c), (1, 1, c), (1, w, c), (h, w, 1)))
            narrow = [v for v, s in enumerate(self.views) if s == seen and self._moves(v)]
            other = self.random.choice(narrow) if narrow else self.value(seen, Role.CONSTANT)
        operands = [(source, view), (other, seen)]
        if self.random.random() < 0.5:
            operands.reverse()
        kind: type[Any] = self.random.choice((AddParams, MulParams))
        return self.step(make_params(kind), operands, view)

    def _moves(self, value: int) -> bool:
        return self.values[value].role is Role.ACTIVATION

    def concatenation(self, source: int) -> int:
        h, w, _ = self.views[source]
        fitting = [v for v, seen in enumerate(self.views) if seen[:2] == (h, w) and self._moves(v)]
        others = [self.random.choice(fitting) for _ in range(self.random.randint(1, 2))]
        parts = [source, *others]
        if self.random.random() < 0.3:
            sizes = [self.values[v].elements for v in parts]
            flat = [(v, (1, 1, n)) for v, n in zip(parts, sizes, strict=True)]
            return self.step(ConcatenationParams(), flat, (1, 1, sum(sizes)))
        view = (h, w, sum(self.views[v][2] for v in parts))
        return self.step(ConcatenationParams(), [(v, self.views[v]) for v in parts], view)

    def resize(self, source: int) -> int:
        h, w, c = self.views[source]
        out_h = self.random.randint(1, 2 * h)
        low = [min(h - 1, row * h // out_h) for row in range(out_h)]
        if self.random.random() < 0.5:
            params: Params = make_params(
                ResizeNearestParams, rows=_indices(low), columns=_indices(range(w))
            )
        else:
            rows = [(row, min(h - 1, row + 1), 100) for row in low]
            columns = [(column, column, 0) for column in range(w)]
            params = make_params(ResizeBilinearParams, rows=_places(rows), columns=_places(columns))
        return self.step(params, [(source, (h, w, c))], (out_h, w, c))

    def pad(self, source: int) -> int:
        h, w, c = self.views[source]
        top, bottom = self.random.randint(0, 2), self.random.randint(0, 2)
        params = make_params(
            PadParams,
            dims=(h + top + bottom, 1, 1, 1, w, c),
            before=(top, 0, 0, 0, 0, 0),
            inner=(h, 1, 1, 1, w, c),
        )
        return self.step(params, [(source, (h, w, c))], (h + top + bottom, w, c))

    def copy(self, source: int) -> int:
        """Some rows, in steps of one or two, upwards or downwards."""
        h, w, c = self.views[source]
        step = self.random.choice((1, 1, 2, -1))
        first = self.random.randint(0, h - 1)
        most = (h - 1 - first) // step + 1 if step > 0 else first + 1
        count = self.random.randint(1, most)
        params = make_params(
            CopyParams,
            first_row=first,
            row_step=step,
            dims=(count, 1, 1, 1, w, c),
            strides=(0, 0, 0, 0, c, 1),
        )
        return self.step(params, [(source, (h, w, c))], (count, w, c))

    def svdf(self, source: int) -> int:
        n = self.values[source].elements
        state = self.value((1, 1, 12), Role.STATE)
        operands = [(source, (1, 1, n)), (state, (1, 1, 12))]
        return self.step(make_params(SvdfParams), operands, (1, 1, 5))

    def finished(self) -> Program:
        read = {o.value for step in self.steps for o in step.inputs}
        made = [step.output.value for step in self.steps]
        outputs = [v for v in made if v not in read and self.random.random() < 0.9]
        outputs += [v for v in made if v in read and self.random.random() < 0.05]
        outputs = outputs or made[-1:] or self.inputs[:1]
        return Program(
            name="random",
            values=tuple(self.values),
            steps=tuple(self.steps),
            inputs=tuple(self._port(v) for v in self.inputs),
            outputs=tuple(self._port(v) for v in outputs),
            folded=(),
        )

    def _port(self, value: int) -> Port:
        return Port(f"v{value}", value, self.views[value], DType.INT8, None, value)


def random_program(seed: int, most_steps: int = 11) -> Program:
    """The same program for the same seed, on every machine."""
    random = Random(seed)
    growing = Growing(random)
    for _ in range(random.choice((1, 1, 1, 2))):
        view = random.randint(1, 14), random.randint(1, 5), random.randint(1, 5)
        growing.input(view)
    kinds: list[Callable[[int], int]] = [
        *[growing.conv2d] * 6,
        *[growing.depthwise] * 4,
        *[growing.add] * 5,
        growing.pool,
        growing.look_up,
        growing.look_up,
        growing.concatenation,
        growing.concatenation,
        growing.resize,
        growing.transpose_conv,
        growing.pad,
        growing.copy,
        growing.softmax,
    ]
    ends = [growing.global_pool, growing.mean, growing.fully_connected, growing.svdf]
    for _ in range(random.randint(1, most_steps)):
        moving = [v for v in range(len(growing.values)) if growing._moves(v)]
        near = random.random() < 0.7
        source = moving[-1] if near else random.choice(moving)
        grow = random.choice(ends) if random.random() < 0.08 else random.choice(kinds)
        if growing.values[source].elements > 2_000:
            grow = growing.global_pool
        grow(source)
    return growing.finished()
