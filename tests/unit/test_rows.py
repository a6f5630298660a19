"""Row rules: each kernel has one, and what they add up to is what a search over rows finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeserve.graph import DType
from edgeserve.kernels.portable import (
    AddParams,
    AveragePoolParams,
    ConcatenationParams,
    Conv2dParams,
    CopyParams,
    FullyConnectedParams,
    GatherParams,
    ReduceParams,
    ReducePixelsParams,
    TransposeConvParams,
)
from edgeserve.kernels.record import Params
from edgeserve.kernels.table import KERNELS
from edgeserve.program import Operand, Program, Role, Step, Value
from edgeserve.rows import (
    Accumulate,
    Reach,
    RowMap,
    SameRow,
    Whole,
    Window,
    freed_rows,
    needed_rows,
    reaches,
    rows_read,
)
from tests.random_programs import View, make_params


def reaches_of(
    params: Params,
    inputs: list[View],
    output: View,
    roles: list[Role] | None = None,
    dtype: DType = DType.INT8,
) -> tuple[Reach, ...]:
    views = [*inputs, output]
    given_roles = [*(roles or [Role.ACTIVATION] * len(inputs)), Role.ACTIVATION]
    values = tuple(
        Value(i, f"v{i}", dtype, h * w * c, role)
        for i, ((h, w, c), role) in enumerate(zip(views, given_roles, strict=True))
    )
    operands = [Operand(i, *view) for i, view in enumerate(views)]
    step = Step(0, 0, "step", params, tuple(operands[:-1]), operands[-1], None)
    return reaches(Program("p", values, (step,), (), (), ()), step)


@pytest.mark.parametrize("kind", KERNELS, ids=lambda kind: kind.SOURCE)
def test_every_kernel_has_a_rule(kind: type[Params]) -> None:
    given = {"stride_h": 1} if hasattr(kind, "stride_h") else {}
    inputs = [(1, 1, 4)] * (2 if kind is GatherParams else 1)
    assert len(reaches_of(make_params(kind, **given), inputs, (1, 1, 4))) == len(inputs)


def test_parameters_of_no_kernel_are_refused() -> None:
    with pytest.raises(TypeError, match="no row rule"):
        reaches_of(Params(), [(1, 1, 4)], (1, 1, 4))


def test_a_window_reads_its_dilated_rows() -> None:
    params = make_params(Conv2dParams, kernel_h=3, stride_h=2, dilation_h=2, pad_top=1)
    (reach,) = reaches_of(params, [(9, 1, 1)], (4, 1, 1))
    assert reach == Window(stride=2, pad=1, reach=5)
    assert [rows_read(reach, row, 9) for row in range(4)] == [(0, 4), (1, 6), (3, 8), (5, 9)]


def test_sums_take_rows_as_they_come() -> None:
    pool = make_params(AveragePoolParams, kernel_h=5, kernel_w=5, stride_h=5, stride_w=5)
    assert reaches_of(pool, [(5, 5, 3)], (1, 1, 3)) == (Accumulate(12),)
    assert reaches_of(pool, [(6, 5, 3)], (1, 1, 3)) == (Window(5, 0, 5),)
    mean = make_params(ReducePixelsParams)
    assert reaches_of(mean, [(1, 1, 60)], (1, 1, 3)) == (Accumulate(12, run_bytes=3),)
    by_row = make_params(
        ReduceParams,
        kept_dims=(1, 4, 3),
        kept_strides=(0, 15, 1),
        reduced_dims=(1, 1, 5),
        reduced_strides=(0, 0, 3),
    )
    assert reaches_of(by_row, [(1, 1, 60)], (1, 4, 3)) == (Whole(),)
    assert reaches_of(make_params(FullyConnectedParams), [(1, 1, 60)], (1, 1, 7)) == (
        Accumulate(28),
    )
    assert reaches_of(make_params(FullyConnectedParams), [(2, 1, 30)], (2, 1, 7)) == (
        SameRow(None),
    )


def test_elementwise_is_in_place_unless_broadcast() -> None:
    params = make_params(AddParams)
    views = [(4, 3, 2), (4, 1, 2)]
    assert reaches_of(params, views, (4, 3, 2)) == (SameRow(0), SameRow(None))
    assert reaches_of(params, [(4, 3, 2), (1, 3, 2)], (4, 3, 2)) == (SameRow(0), Whole())


def test_constants_and_state_lie_still() -> None:
    params = make_params(AddParams)
    roles = [Role.CONSTANT, Role.ACTIVATION]
    views = [(4, 3, 2), (4, 3, 2)]
    assert reaches_of(params, views, (4, 3, 2), roles) == (Whole(), SameRow(0))


def test_joined_rows_lie_one_behind_the_other() -> None:
    wide = reaches_of(ConcatenationParams(), [(2, 2, 3), (2, 2, 4)], (2, 2, 7))
    assert wide == (SameRow(None), SameRow(None))
    flat = reaches_of(ConcatenationParams(), [(1, 1, 3), (1, 1, 4)], (1, 1, 7), dtype=DType.INT32)
    assert flat == (SameRow(0), SameRow(12))


def test_a_copy_may_walk_upwards() -> None:
    params = make_params(CopyParams, first_row=3, row_step=-1, dims=(3, 1, 1, 1, 1, 2))
    (reach,) = reaches_of(params, [(4, 1, 2)], (3, 1, 2))
    assert needed_rows(reach, 3, 4) == (0, 4, 4, 4)
    assert freed_rows(reach, 3, 4) == (1, 1, 1, 4)


def test_transposed_windows_gather() -> None:
    """Each output row against all input rows whose windows reach it."""
    for kernel in range(1, 5):
        for stride in range(1, 4):
            for pad in range(kernel):
                h, out_h = 5, 5 * stride
                params = make_params(
                    TransposeConvParams, kernel_h=kernel, stride_h=stride, pad_top=pad
                )
                (reach,) = reaches_of(params, [(h, 1, 1)], (out_h, 1, 1))
                for row in range(out_h):
                    reaching = [i for i in range(h) if 0 <= row + pad - i * stride < kernel]
                    first, end = rows_read(reach, row, h)
                    assert list(range(first, end)) == reaching, (kernel, stride, pad, row)


@st.composite
def reach_and_extents(draw: st.DrawFn) -> tuple[Reach, int, int]:
    in_h, out_h = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    if draw(st.booleans()):
        stride, pad = draw(st.integers(1, 4)), draw(st.integers(0, 4))
        return Window(stride, pad, draw(st.integers(1, 6))), out_h, in_h
    rows = st.tuples(st.integers(0, in_h), st.integers(0, in_h)).map(sorted)
    pairs = [draw(rows) for _ in range(out_h)]
    return RowMap(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)), out_h, in_h


@given(reach_and_extents())
def test_needed_and_freed_rows_are_those_of_a_search(case: tuple[Reach, int, int]) -> None:
    reach, out_h, in_h = case
    read = [set(range(*rows_read(reach, row, in_h))) for row in range(out_h)]
    needed, freed = needed_rows(reach, out_h, in_h), freed_rows(reach, out_h, in_h)
    for done in range(out_h + 1):
        before = set().union(*read[:done])
        after = set().union(*read[done:])
        assert needed[done] == max(before, default=-1) + 1
        assert freed[done] == min(after, default=in_h)
