"""Features of the portable kernels and of their variants of the same name, one function a kernel.

A function says what a turn does and how often, not what that costs: each core has coefficients of
its own, and one whose variant does not do a thing has 0 for it. Names that begin with ``sum`` are
of steps that take up their input row by row. Elements are taken for single bytes.
"""

from __future__ import annotations

from math import prod

from edgeserve.cost.work import LANES, Turn, Work, axes_of, blocks_of, clamps
from edgeserve.kernels.portable import (
    ArgMaxParams,
    AveragePoolParams,
    Conv2dParams,
    CopyParams,
    DepthwiseParams,
    LstmParams,
    MaxPoolParams,
    PadParams,
    ReduceMode,
    ReduceParams,
    ReducePixelsParams,
    ResizeBilinearParams,
    SvdfParams,
    TransposeConvParams,
)
from edgeserve.program import Step


def conv2d(turn: Turn) -> Work:
    """Spans of pixels whose windows lie alike, by blocks of four channels and single ones."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, Conv2dParams)
    groups = step.inputs[0].c // p.weight_c
    fours, ones = (groups * n for n in divmod(step.output.c // groups, LANES))
    runs = 1 if p.dilation_w == 1 and groups == 1 else p.kernel_w
    taps = p.kernel_h * p.kernel_w * p.weight_c
    return _by_lanes(turn, p, (fours, ones), p.kernel_h * runs, taps)


def depthwise(turn: Turn) -> Work:
    """As CONV_2D, with one input channel a window."""
    p, out_c = turn.step.params, turn.step.output.c
    assert isinstance(p, DepthwiseParams)
    if p.multiplier == 1:
        lanes = divmod(out_c, LANES)
    else:
        fours, ones = divmod(p.multiplier, LANES)
        lanes = fours * (out_c // p.multiplier), ones * (out_c // p.multiplier)
    work = _by_lanes(turn, p, lanes, p.kernel_h, p.kernel_h * p.kernel_w)
    if p.multiplier == 1:
        return work
    return {f"shared {name}" if "tap" in name else name: n for name, n in work.items()}


def _by_lanes(
    turn: Turn,
    p: Conv2dParams | DepthwiseParams,
    lanes: tuple[int, int],
    runs: int,
    taps: int,
) -> Work:
    """``lanes``: blocks of four channels and single ones; ``runs`` and ``taps`` of a window."""
    down, across = axes_of(turn.step, p, (p.dilation_h, p.dilation_w))
    fours, ones = lanes
    spans = across.leaving + (across.count > across.leaving)
    pixels = turn.rows * across.count
    beside = turn.rows * across.leaving
    above = turn.share(down.leaving * across.count)
    window = p.kernel_h * p.kernel_w
    outside = turn.share(window * down.count * across.count - down.taps * across.taps)
    return {
        "turn": 1,
        "row": turn.rows,
        "span": turn.rows * spans,
        "block": turn.rows * spans * (fours + ones),
        "pixel of four": pixels * fours,
        "pixel of one": pixels * ones,
        "run of four": pixels * runs * fours,
        "run of one": pixels * runs * ones,
        "edge": (beside + above) * (fours + ones),
        "outside": outside * (fours + ones),
        "tap of four": pixels * taps * fours,
        "tap of one": pixels * taps * ones,
    }


def transpose_conv(turn: Turn) -> Work:
    """Each output pixel gathers the input pixels that reach it."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, TransposeConvParams)
    source, output = step.inputs[0], step.output
    fours, ones = divmod(output.c, LANES)
    down = _reached(source.h, output.h, p.kernel_h, p.stride_h, p.pad_top)
    across = _reached(source.w, output.w, p.kernel_w, p.stride_w, p.pad_left)
    pixels, windows = turn.rows * output.w, turn.share(down * across)
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "pixel of four": pixels * fours,
        "pixel of one": pixels * ones,
        "row of taps": turn.share(down * output.w) * (fours + ones),
        "run of four": windows * fours,
        "run of one": windows * ones,
        "tap of four": windows * fours * source.c,
        "tap of one": windows * ones * source.c,
    }


def _reached(extent: int, count: int, kernel: int, stride: int, pad: int) -> int:
    """Input elements that reach each of ``count`` outputs along an axis, summed."""
    return sum(
        sum(0 <= at + pad - i * stride < kernel for i in range(extent)) for at in range(count)
    )


def fully_connected(turn: Turn) -> Work:
    """Vectors of ``depth`` elements by four channels at a time, or a vector's rows into sums."""
    step = turn.step
    fours, ones = divmod(step.output.c, LANES)
    depth = step.inputs[0].w * step.inputs[0].c
    if not turn.sums:
        return {"turn": 1, **_dots("", turn.rows, fours, ones, depth), "output": turn.rows * fours}
    run = step.inputs[0].h * depth // turn.units
    output = turn.share(step.output.c)
    return {"turn": 1, **_dots("sum ", turn.rows, fours, ones, run), "sum output": output}


def _dots(kind: str, rows: int, fours: int, ones: int, depth: int) -> Work:
    return {
        f"{kind}row": rows,
        f"{kind}four": rows * fours,
        f"{kind}one": rows * ones,
        f"{kind}tap of four": rows * fours * depth,
        f"{kind}tap of one": rows * ones * depth,
    }


def pool(turn: Turn) -> Work:
    """Windows inside the image, by channels and by blocks of four."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, AveragePoolParams | MaxPoolParams)
    source, output = step.inputs[0], step.output
    if turn.sums:
        elements = turn.share(source.h * source.w * source.c)
        return {"turn": 1, **_sums(turn, elements, output.c)}
    down, across = axes_of(step, p)
    pixels, taps = turn.rows * output.w, turn.share(down.taps * across.taps)
    rows = turn.share(down.taps * output.w)
    joined = p.kernel_w >= source.w
    few, blocks = (output.c, 0) if output.c < LANES else (0, blocks_of(output.c))
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "element": pixels * output.c,
        "row of taps": rows * output.c,
        "tap": taps * output.c,
        "block": pixels * blocks,
        "row of taps of four": 0 if joined else rows * blocks,
        "tap of four": taps * blocks,
        "element of few": pixels * few,
        "row of taps of few": 0 if joined else rows * few,
        "tap of few": taps * few,
        "clamped": pixels * output.c * clamps(p),
    }


def _sums(turn: Turn, elements: int, outputs: int) -> Work:
    """Elements into sums of ``outputs`` channels, four at a time where the rows allow it."""
    if outputs % LANES == 0:
        work = {"sum element of four": elements, "sum block": blocks_of(outputs)}
    else:
        work = {"sum element": elements}
    return {"sum row": turn.rows, "sum output": turn.share(outputs), **work}


def reduce(turn: Turn) -> Work:
    """Output elements, each from all that it reduces."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ReduceParams)
    outputs = turn.rows * step.output.w * step.output.c
    loops, taps = prod(p.reduced_dims[:2]), prod(p.reduced_dims)
    kind = "of greatest" if p.mode == ReduceMode.MAX else "of sum"
    return {
        "turn": 1,
        "row": turn.rows,
        f"output {kind}": outputs,
        f"loop {kind}": outputs * loops,
        f"tap {kind}": outputs * taps,
    }


def reduce_pixels(turn: Turn) -> Work:
    """All pixels, or the rows of a turn, by four channels at a time, and one by one the others."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, ReducePixelsParams)
    source, channels = step.inputs[0], step.output.c
    fours, ones = divmod(channels, LANES) if p.mode == ReduceMode.SUM else (0, channels)
    pixels = turn.share(source.h * source.w * source.c) // channels
    kind = "greatest" if p.mode == ReduceMode.MAX else "one"
    return {
        "turn": 1,
        "four": fours,
        kind: ones,
        "row of four": turn.rows * fours,
        f"row of {kind}": turn.rows * ones,
        "pixel of four": pixels * fours,
        f"pixel of {kind}": pixels * ones,
        "output": turn.share(channels),
    }


def softmax(turn: Turn) -> Work:
    """Distributions over the last dimension."""
    vectors = turn.rows * turn.step.output.w
    return {"turn": 1, "vector": vectors, "element": vectors * turn.step.output.c}


def elementwise(turn: Turn) -> Work:
    """One element of the output for each of the input."""
    output = turn.step.output
    elements = turn.rows * output.w * output.c
    clamped = elements * clamps(turn.step.params)
    return {"turn": 1, "row": turn.rows, "element": elements, "clamped": clamped}


def two_inputs(turn: Turn) -> Work:
    """Rows in one line, or a line a pixel where an input is broadcast along one."""
    output = turn.step.output
    row = output.w * output.c
    is_even = all(o.w * o.c == 1 or (o.w, o.c) == (output.w, output.c) for o in turn.step.inputs)
    stands = any((o.w * o.c if is_even else o.c) == 1 and row > 1 for o in turn.step.inputs)
    elements = turn.rows * row
    return {
        "turn": 1,
        "row": turn.rows,
        "line": turn.rows * (1 if is_even else output.w),
        "element": 0 if stands else elements,
        "element by one": elements if stands else 0,
        "clamped": elements * clamps(turn.step.params),
    }


def copy(turn: Turn) -> Work:
    """Runs along the innermost dimension, of neighbours or of single elements."""
    p = turn.step.params
    assert isinstance(p, CopyParams)
    runs, run = turn.rows * prod(p.dims[1:-1]), p.dims[-1]
    if p.strides[-1] != 1:
        return {"turn": 1, "row": turn.rows, "run": runs, "element": runs * run}
    return {"turn": 1, "row": turn.rows, **_moved(runs, run)}


def _moved(runs: int, run_bytes: int) -> Work:
    """``es_move_bytes``: sixteen bytes at a time, then words, then bytes."""
    return {
        "moved run": runs,
        "moved 16": runs * (run_bytes // 16),
        "moved word": runs * (run_bytes % 16 // 4),
        "moved byte": runs * (run_bytes % 4),
    }


def pad(turn: Turn) -> Work:
    """Runs that are copied from inside, what is filled around them, and rows of filling alone."""
    p = turn.step.params
    assert isinstance(p, PadParams)
    runs, inner_runs = prod(p.dims[1:-1]), prod(p.inner[1:-1])
    around = p.before[-1], p.dims[-1] - p.inner[-1] - p.before[-1]
    moved = p.inner[0] * inner_runs
    whole: dict[str, int] = {"run": p.inner[0] * runs, **_moved(moved, p.inner[-1])}
    for count, run in (
        *((moved, side) for side in around),
        (p.inner[0] * (runs - inner_runs), p.dims[-1]),
        (p.dims[0] - p.inner[0], runs * p.dims[-1]),
    ):
        for name, much in _filled(count, run).items():
            whole[name] = whole.get(name, 0) + much
    return {"turn": 1, "row": turn.rows, **{name: turn.share(n) for name, n in whole.items()}}


def _filled(calls: int, run_bytes: int) -> Work:
    """memset(): short runs byte by byte, long ones in words or more."""
    if run_bytes < 16:
        return {"filled run": calls, "filled byte": calls * run_bytes}
    words, left = divmod(run_bytes, 4)
    return {"long filled run": calls, "filled word": calls * words, "filled byte": calls * left}


def concatenation(turn: Turn) -> Work:
    """Pixels of every input, one after the other."""
    inputs = len(turn.step.inputs)
    work: dict[str, int] = {"turn": 1, "input": inputs, "row of input": inputs * turn.rows}
    pixels = turn.rows * turn.step.output.w
    for operand in turn.step.inputs:
        for name, count in _moved(pixels, operand.c).items():
            work[name] = work.get(name, 0) + count
    return work


def gather(turn: Turn) -> Work:
    """Indices, and the runs of bytes that they choose."""
    output = turn.step.output
    indices = turn.step.inputs[1]
    chosen = indices.h * indices.w * indices.c
    run = max(1, output.w * output.c // max(1, chosen))
    return {"turn": 1, "row": turn.rows, **_moved(turn.rows * chosen, run)}


def resize_nearest(turn: Turn) -> Work:
    """Pixels, each moved as it is."""
    output = turn.step.output
    return {"turn": 1, "row": turn.rows, **_moved(turn.rows * output.w, output.c)}


def resize_bilinear(turn: Turn) -> Work:
    """Pixels, each of four."""
    assert isinstance(turn.step.params, ResizeBilinearParams)
    pixels = turn.rows * turn.step.output.w
    return {
        "turn": 1,
        "row": turn.rows,
        "pixel": pixels,
        "element": pixels * turn.step.output.c,
    }


def arg_max(turn: Turn) -> Work:
    """Positions, each the greatest along an axis."""
    p = turn.step.params
    assert isinstance(p, ArgMaxParams)
    positions = turn.rows * p.inner
    return {"turn": 1, "row": turn.rows, "position": positions, "element": positions * p.axis}


def svdf(turn: Turn) -> Work:
    """Filters: a dot product of the input, then one of the memory, which moves by one."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, SvdfParams)
    units = turn.rows * step.output.c
    filters = units * p.rank
    return {
        "turn": 1,
        "row": turn.rows,
        "unit": units,
        "filter": filters,
        "tap": filters * step.inputs[0].w * step.inputs[0].c,
        "remembered": filters * (p.memory - 1),
    }


def lstm(turn: Turn) -> Work:
    """Time steps of cells of three or four gates."""
    step, p = turn.step, turn.step.params
    assert isinstance(p, LstmParams)
    cells = turn.rows * _cells(step)
    gates = cells * p.gates
    return {
        "turn": 1,
        "row": turn.rows,
        "cell": cells,
        "gate": gates,
        "tap": gates * (step.inputs[0].w * step.inputs[0].c + _cells(step)),
    }


def _cells(step: Step) -> int:
    return step.output.w * step.output.c
