"""What the operations of ML Programs mean, in numpy: by Apple's description of each.

Values come as float16 or float32; float16 is widened before anything is computed with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arguments = dict[str, Any]
Meaning = Callable[[Arguments], "Array | tuple[Array, ...]"]


def decoded(kind: str, given: Arguments) -> Array:
    """Weights that a package holds as int8 or as a palette."""
    if kind == "constexpr_affine_dequantize":
        data = np.asarray(given["quantized_data"])
        shape = [1] * data.ndim
        axis = int(given["axis"])
        shape[axis] = -1
        scale, zero = (_along(given[name], shape) for name in ("scale", "zero_point"))
        kept: Array = (scale * (data.astype(np.float32) - zero)).astype(given["scale"].dtype)
        return kept
    palette, extents = np.asarray(given["lut"]), tuple(int(one) for one in given["shape"])
    bits = int(palette.size).bit_length() - 1
    stream = np.unpackbits(np.asarray(given["indices"], np.uint8), bitorder="little")
    count = int(np.prod(extents))
    indices = stream[: count * bits].reshape(count, bits) @ (1 << np.arange(bits))
    chosen: Array = palette[indices].reshape(extents)
    return chosen


def _along(numbers: Any, shape: list[int]) -> Array:
    values = np.asarray(numbers, np.float32)
    return values.reshape(shape) if values.ndim else values


def _float(given: Arguments, name: str = "x") -> Array:
    value = np.asarray(given[name])
    return value.astype(np.float32) if value.dtype == np.float16 else value


def _numbers(given: Arguments, name: str) -> list[int]:
    return [int(one) for one in np.asarray(given[name]).reshape(-1)]


def _truth(given: Arguments, name: str) -> bool:
    return bool(np.asarray(given.get(name, False)))


def _conv(given: Arguments) -> Array:
    weight, groups = _float(given, "weight"), int(given["groups"])
    windows = _windows(
        _padded(_float(given), _pads(given), 0.0),
        weight.shape[2:],
        _numbers(given, "strides"),
        _numbers(given, "dilations"),
    )
    _, channels, height, width = windows.shape[:4]
    taps = weight.shape[2] * weight.shape[3]
    made = np.empty((1, weight.shape[0], height, width), np.float32)
    if weight.shape[1] == 1 and groups == channels:
        flat = windows[0].reshape(channels, height * width, taps)
        per = weight.reshape(channels, -1, taps)
        made[:] = np.einsum("cpt,cmt->cmp", flat, per).reshape(made.shape)
    else:
        size, outputs = channels // groups, weight.shape[0] // groups
        for group in range(groups):
            part = windows[0, group * size : (group + 1) * size]
            columns = part.transpose(1, 2, 0, 3, 4).reshape(height * width, size * taps)
            filters = weight[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
            made[0, group * outputs : (group + 1) * outputs] = (columns @ filters.T).T.reshape(
                outputs, height, width
            )
    return _biased(made, given)


def _conv_transpose(given: Arguments) -> Array:
    """Each input pixel adds its filter, ``[in, out, h, w]``, to the output; then edges are cut."""
    image, weight = _float(given), _float(given, "weight")
    assert int(given.get("groups", 1)) == 1
    (down, right), pads = _numbers(given, "strides"), _pads(given)
    _, _, height, width = image.shape
    _, outputs, kernel_h, kernel_w = weight.shape
    shape = (outputs, (height - 1) * down + kernel_h, (width - 1) * right + kernel_w)
    whole = np.zeros(shape, np.float32)
    for y in range(kernel_h):
        for x in range(kernel_w):
            added = np.einsum("chw,co->ohw", image[0], weight[:, :, y, x])
            rows = slice(y, y + (height - 1) * down + 1, down)
            whole[:, rows, slice(x, x + (width - 1) * right + 1, right)] += added
    cut = whole[:, pads[0] : shape[1] - pads[1], pads[2] : shape[2] - pads[3]]
    return _biased(cut[np.newaxis], given)


def _biased(made: Array, given: Arguments) -> Array:
    if "bias" not in given:
        return made
    shifted: Array = made + _float(given, "bias").reshape(1, -1, 1, 1)
    return shifted


def _pads(given: Arguments) -> list[int]:
    kind = given["pad_type"]
    if kind == "valid":
        return [0, 0, 0, 0]
    assert kind == "custom", kind
    return _numbers(given, "pad")


def _padded(image: Array, pads: list[int], filler: float) -> Array:
    around = ((0, 0), (0, 0), (pads[0], pads[1]), (pads[2], pads[3]))
    return np.pad(image, around, constant_values=filler)


def _windows(
    image: Array, kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> Array:
    """``[1, channels, rows, columns, kernel_h, kernel_w]`` of ``[1, channels, h, w]``."""
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(image, reach, (2, 3))
    return seen[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]


def _max_pool(given: Arguments) -> Array:
    image = _padded(_float(given), _pads(given), -np.inf)
    kernel = tuple(_numbers(given, "kernel_sizes"))
    assert not _truth(given, "ceil_mode")
    largest: Array = _windows(image, kernel, _numbers(given, "strides"), [1, 1]).max((4, 5))
    return largest


def _avg_pool(given: Arguments) -> Array:
    image, pads = _float(given), _pads(given)
    kernel, strides = tuple(_numbers(given, "kernel_sizes")), _numbers(given, "strides")
    assert not _truth(given, "ceil_mode")
    sums = _windows(_padded(image, pads, 0.0), kernel, strides, [1, 1]).sum((4, 5))
    counted = np.ones_like(image[:, :1])
    outside = 0.0 if _truth(given, "exclude_padding_from_average") else 1.0
    pixels = _windows(_padded(counted, pads, outside), kernel, strides, [1, 1]).sum((4, 5))
    mean: Array = sums / pixels
    return mean


def _linear(given: Arguments) -> Array:
    made: Array = _float(given) @ _float(given, "weight").T
    return made + _float(given, "bias") if "bias" in given else made


def _softmax(given: Arguments) -> Array:
    value, axis = _float(given), int(given["axis"])
    raised = np.exp(value - value.max(axis, keepdims=True))
    shares: Array = raised / raised.sum(axis, keepdims=True)
    return shares


def _clip(given: Arguments) -> Array:
    low, high = float(given["alpha"]), float(given["beta"])
    return np.clip(_float(given), np.float32(low), np.float32(high))


def _leaky_relu(given: Arguments) -> Array:
    value = _float(given)
    return np.where(value >= 0, value, value * np.float32(given["alpha"]))


def _sigmoid_hard(given: Arguments) -> Array:
    slope, offset = (np.float32(given[name]) for name in ("alpha", "beta"))
    return np.asarray(np.clip(slope * _float(given) + offset, 0, 1))


def _sigmoid(value: Array) -> Array:
    # Of exp(-|x|), which cannot overflow.
    small = np.exp(-np.abs(value))
    return np.where(value >= 0, 1 / (1 + small), small / (1 + small))


def _binary(of: Callable[[Array, Array], Array]) -> Meaning:
    return lambda given: of(_float(given), _float(given, "y"))


def _unary(of: Callable[[Array], Array]) -> Meaning:
    return lambda given: of(_float(given))


def _reduction(of: Callable[..., Array]) -> Meaning:
    def meaning(given: Arguments) -> Array:
        value = _float(given)
        axes = tuple(_numbers(given, "axes")) if "axes" in given else tuple(range(value.ndim))
        return np.asarray(of(value, axis=axes, keepdims=_truth(given, "keep_dims")))

    return meaning


def _reshape(given: Arguments) -> Array:
    value = np.asarray(given["x"])
    wanted = _numbers(given, "shape")
    # 0 means the input's own extent.
    shape = [value.shape[axis] if extent == 0 else extent for axis, extent in enumerate(wanted)]
    return value.reshape(shape)


def _pad(given: Arguments) -> Array:
    value, around = np.asarray(given["x"]), _numbers(given, "pad")
    assert given.get("mode", "constant") == "constant"
    pairs = list(zip(around[::2], around[1::2], strict=True))
    pairs = [(0, 0)] * (value.ndim - len(pairs)) + pairs
    return np.pad(value, pairs, constant_values=np.asarray(given["constant_val"]).item())


def _concat(given: Arguments) -> Array:
    assert not _truth(given, "interleave")
    return np.concatenate(given["values"], axis=int(given["axis"]))


def _split(given: Arguments) -> tuple[Array, ...]:
    value, axis = np.asarray(given["x"]), int(given["axis"])
    if "split_sizes" in given:
        ends = np.cumsum(_numbers(given, "split_sizes"))[:-1]
        return tuple(np.split(value, ends, axis))
    return tuple(np.split(value, int(given["num_splits"]), axis))


def _slice_by_index(given: Arguments) -> Array:
    value = np.asarray(given["x"])
    begins, ends = _numbers(given, "begin"), _numbers(given, "end")
    steps = _numbers(given, "stride") if "stride" in given else [1] * value.ndim
    masks = [
        [bool(bit) for bit in np.asarray(given.get(name, [False] * value.ndim)).reshape(-1)]
        for name in ("begin_mask", "end_mask", "squeeze_mask")
    ]
    parts: list[slice | int] = []
    for axis in range(value.ndim):
        free_begin, free_end, squeezed = (mask[axis] for mask in masks)
        if squeezed:
            parts.append(begins[axis])
        else:
            first = None if free_begin else begins[axis]
            parts.append(slice(first, None if free_end else ends[axis], steps[axis]))
    return value[tuple(parts)]


def _slice_by_size(given: Arguments) -> Array:
    value = np.asarray(given["x"])
    pairs = zip(_numbers(given, "begin"), _numbers(given, "size"), strict=True)
    return value[tuple(slice(b, None if size == -1 else b + size) for b, size in pairs)]


def _squeeze(given: Arguments) -> Array:
    axes = tuple(_numbers(given, "axes")) if "axes" in given else None
    return np.squeeze(np.asarray(given["x"]), axes)


def _upsample_nearest(given: Arguments) -> Array:
    factors = [float(given[f"scale_factor_{side}"]) for side in ("height", "width")]
    assert all(factor.is_integer() for factor in factors)
    tall = np.repeat(np.asarray(given["x"]), int(factors[0]), axis=-2)
    return np.repeat(tall, int(factors[1]), axis=-1)


def _resize_bilinear(given: Arguments) -> Array:
    value, mode = _float(given), str(given["sampling_mode"])
    for axis, side in ((-2, "height"), (-1, "width")):
        extent, wanted = value.shape[axis], int(given[f"target_size_{side}"])
        points = _grid(extent, wanted, mode)
        low = np.floor(points).astype(np.int64)
        share = (points - low).astype(np.float32)
        share = share.reshape((-1, 1) if axis == -2 else (-1,))
        high = np.minimum(low + 1, extent - 1)
        near, far = np.take(value, low, axis), np.take(value, high, axis)
        value = near + (far - near) * share
    return value


def _grid(extent: int, wanted: int, mode: str) -> NDArray[np.float64]:
    """Where the samples lie in 0..extent - 1, by the sampling mode's formula."""
    at = np.arange(wanted, dtype=np.float64)
    match mode:
        case "STRICT_ALIGN_CORNERS":
            points = at * ((extent - 1) / (wanted - 1) if wanted > 1 else 0.0)
        case "UNALIGN_CORNERS":
            points = at * (extent / wanted) + 0.5 * (extent / wanted) - 0.5
        case _:
            assert mode == "DEFAULT", mode
            spacing = (extent - extent / wanted) / (wanted - 1) if wanted > 1 else 0.0
            points = at * spacing
    return np.clip(points, 0, extent - 1)


def _transpose(given: Arguments) -> Array:
    return np.asarray(given["x"]).transpose(_numbers(given, "perm"))


def _expand_dims(given: Arguments) -> Array:
    return np.expand_dims(np.asarray(given["x"]), tuple(_numbers(given, "axes")))


OPERATIONS: dict[str, Meaning] = {
    "add": _binary(np.add),
    "avg_pool": _avg_pool,
    "cast": lambda given: np.asarray(given["x"]),
    "clip": _clip,
    "concat": _concat,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "expand_dims": _expand_dims,
    "identity": lambda given: np.asarray(given["x"]),
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "max_pool": _max_pool,
    "maximum": _binary(np.maximum),
    "minimum": _binary(np.minimum),
    "mul": _binary(np.multiply),
    "pad": _pad,
    "real_div": _binary(np.divide),
    "reduce_max": _reduction(np.max),
    "reduce_mean": _reduction(np.mean),
    "reduce_sum": _reduction(np.sum),
    "relu": _unary(lambda value: np.maximum(value, np.float32(0))),
    "relu6": _unary(lambda value: np.clip(value, np.float32(0), np.float32(6))),
    "reshape": _reshape,
    "resize_bilinear": _resize_bilinear,
    "sigmoid": _unary(_sigmoid),
    "sigmoid_hard": _sigmoid_hard,
    "silu": _unary(lambda value: value * _sigmoid(value)),
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "softmax": _softmax,
    "split": _split,
    "squeeze": _squeeze,
    "stack": lambda given: np.stack(given["values"], axis=int(given["axis"])),
    "sub": _binary(np.subtract),
    "tanh": _unary(np.tanh),
    "transpose": _transpose,
    "upsample_nearest_neighbor": _upsample_nearest,
}
