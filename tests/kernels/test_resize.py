"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR against LiteRT's reference."""

from __future__ import annotations

import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

MODES = [(False, False), (True, False), (False, True)]
KINDS = ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"]


def model(
    kind: str,
    source: tuple[int, int],
    target: tuple[int, int],
    *,
    c: int = 3,
    mode: tuple[bool, bool] = (False, False),
    batch: int = 1,
    dtype: str = "int8",
) -> bytes:
    b = ModelBuilder()
    scale = 0.1 if dtype == "int8" else None
    x = b.tensor("x", (batch, *source, c), dtype, scale=scale, zero_point=2)
    size = b.tensor("size", (2,), "int32", data=list(target))
    y = b.tensor("y", (batch, *target, c), dtype, scale=scale, zero_point=2)
    b.op(kind, [x, size], [y], {"alignCorners": mode[0], "halfPixelCenters": mode[1]}, version=3)
    return b.finish([x], [y])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((4, 4), (8, 8)),
        ((3, 5), (7, 4)),
        ((8, 6), (4, 3)),
        ((5, 5), (5, 5)),
        ((1, 1), (3, 4)),
        ((7, 9), (1, 1)),
        ((2, 3), (17, 31)),
        ((13, 1), (9, 2)),
        ((100, 3), (37, 200)),
    ],
)
def test_resize(
    runner: HostRunner,
    kind: str,
    mode: tuple[bool, bool],
    source: tuple[int, int],
    target: tuple[int, int],
) -> None:
    assert_conforms(runner, model(kind, source, target, mode=mode))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("c", [1, 2, 8, 17])
def test_channels(runner: HostRunner, kind: str, c: int) -> None:
    assert_conforms(runner, model(kind, (4, 3), (8, 6), c=c, mode=(False, True)))


def test_bilinear_has_many_scales(runner: HostRunner) -> None:
    for n in range(1, 40, 3):
        for mode in MODES:
            assert_conforms(runner, model(KINDS[1], (9, 11), (n, 43 - n), c=2, mode=mode), runs=1)


@pytest.mark.parametrize(
    "data",
    [
        model(KINDS[0], (4, 4), (8, 8), batch=2),
        model(KINDS[1], (4, 4), (8, 8), batch=2),
        model(KINDS[1], (4, 4), (8, 8), dtype="float32"),
        model(KINDS[0], (4, 4), (8, 8), mode=(True, True)),
        model(KINDS[1], (1, 4), (1, 70000), c=1),
        model(KINDS[1], (1, 9), (1, 2600), c=1),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedOp):
        lower(read_model(data, name="case"))
