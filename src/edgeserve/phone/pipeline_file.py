"""The file of a pipeline that the harness reads: docs/FORMAT.md states its bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from edgeserve.postprocess.declaration import Activation, BoxForm, Postprocess
from edgeserve.postprocess.host import coordinate_table, probability_table, threshold_q16
from edgeserve.postprocess.suit import Output, box_count, class_count, scale_of
from edgeserve.preprocess.declaration import Colour, ImageInput, Layout, PixelFormat
from edgeserve.preprocess.fixed import Affine
from edgeserve.preprocess.image_tables import image_tables

MAGIC, VERSION = b"ESPF", 1
_NONE, _CLASSES, _BOXES = range(3)


def pipeline_bytes(
    front: ImageInput,
    affines: Sequence[Affine],
    back: Postprocess | None,
    outputs: Sequence[Output],
    positions: Sequence[int],
) -> bytes:
    """``outputs`` are the model's in the order of the declaration, and suit it; ``positions`` say
    where the harness has each of them.
    """
    tables = image_tables(front)
    head = [
        list(PixelFormat).index(front.format),
        list(Colour).index(front.colour),
        tables.weight_bits,
        tables.level_bits,
        front.width,
        front.height,
        front.out_width,
        front.out_height,
        int(front.layout is Layout.NCHW),
        len(tables.weights),
        _NONE if back is None else _BOXES if back.boxes is not None else _CLASSES,
        0,
    ]
    return b"".join(
        [
            MAGIC,
            _words([VERSION, *head]),
            *(struct.pack("<qiI", one.bias, one.multiplier, one.shift) for one in affines),
            *(struct.pack("<HHI", *tap) for tap in (*tables.rows, *tables.columns)),
            _words(tables.weights),
            b"" if back is None else _back(back, outputs, positions),
        ]
    )


def _back(back: Postprocess, outputs: Sequence[Output], positions: Sequence[int]) -> bytes:
    classes = class_count(back, outputs)
    if back.classes is not None:
        one = back.classes
        fields = [_softmax(one.activation), one.top, 0, threshold_q16(one.threshold), *[0] * 7]
        table = probability_table(one.activation, scale_of(outputs[0]))
        return _words([classes, *fields, *table])
    boxes = back.boxes
    assert boxes is not None, "a declaration has one of the two"
    fields = [
        _softmax(boxes.activation),
        box_count(boxes, outputs),
        boxes.most,
        threshold_q16(boxes.threshold),
        threshold_q16(boxes.overlap),
        int(boxes.form is BoxForm.CENTRE),
        int(boxes.background),
        int(boxes.per_class),
        positions[boxes.boxes],
        positions[boxes.scores],
        0,
    ]
    table = probability_table(boxes.activation, scale_of(outputs[boxes.scores]))
    coordinates = coordinate_table(scale_of(outputs[boxes.boxes]))
    return _words([classes, *fields, *table]) + struct.pack("<256i", *coordinates)


def _softmax(activation: Activation) -> int:
    return int(activation is Activation.SOFTMAX)


def _words(numbers: Iterable[int]) -> bytes:
    values = list(numbers)
    return struct.pack(f"<{len(values)}I", *values)
