"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM against LiteRT's reference, in sequence and from reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeserve.errors import UnsupportedOp
from edgeserve.lower import lower
from edgeserve.program import Role
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms, oracle_steps, random_inputs
from tests.kernels.host_runner import HostRunner
from tests.tflite_builder import ModelBuilder

GATES = ("input", "forget", "cell", "output")


def svdf(
    *,
    batch: int = 1,
    depth: int = 8,
    units: int = 4,
    rank: int = 1,
    memory: int = 5,
    bias: bool = True,
    zero_points: tuple[int, int] = (0, 0),
    state_scale: float = 2**-9,
    output_scale: float = 0.2,
    activation: str = "RELU",
    time_dtype: str = "int16",
    extreme: bool = False,
) -> bytes:
    """One SVDF. ``extreme``: all weights at their limits."""
    rng = np.random.default_rng(depth * 100 + units * 10 + rank + memory)
    filters = units * rank
    b = ModelBuilder()
    x = b.tensor("x", (batch, depth), "int8", scale=0.05, zero_point=zero_points[0])
    feature = _weights(b, rng, "feature", (filters, depth), 0.01, extreme=extreme)
    span = 32767 if extreme else 3000
    limit = 127 if time_dtype == "int8" else span
    time = rng.integers(-limit, limit + 1, (filters, memory))
    w = b.tensor("time", (filters, memory), time_dtype, scale=2**-11, zero_point=0, data=time)
    values = rng.integers(-200_000, 200_000, units)
    c = b.tensor("bias", (units,), "int32", scale=1e-6, data=values) if bias else None
    state_shape = (batch, filters * memory)
    s = b.tensor("state", state_shape, time_dtype, scale=state_scale, is_variable=True)
    y = b.tensor("y", (batch, units), "int8", scale=output_scale, zero_point=zero_points[1])
    options = {"rank": rank, "fusedActivationFunction": activation}
    b.op("SVDF", [x, feature, w, c, s], [y], options, version=3)
    return b.finish([x], [y])


def _weights(
    b: ModelBuilder,
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, int],
    scale: float,
    *,
    extreme: bool = False,
) -> int:
    data: npt.NDArray[np.int64] = rng.integers(-127, 128, shape)
    if extreme:
        data = rng.choice(np.array([-128, 127]), shape)
    return b.tensor(name, shape, "int8", scale=scale, zero_point=0, data=data)


def lstm(
    *,
    steps: int = 3,
    depth: int = 6,
    cells: int = 4,
    batch: int = 1,
    time_major: bool = False,
    coupled: bool = False,
    zero_points: tuple[int, int] = (3, -4),
    hidden: tuple[float, int] | None = None,
    input_scale: float = 0.04,
    weight_scale: float = 0.012,
    bias_span: int = 3000,
    cell_log2: float = -11,
    cell_clip: float = 0.0,
    activation: str = "TANH",
    inputs: int = 24,
    peephole: bool = False,
    projection: bool = False,
    layer_norm: bool = False,
    intermediates: int = 5,
    cell_dtype: str = "int16",
    extreme: bool = False,
    options: Mapping[str, Any] | None = None,
) -> bytes:
    """One LSTM, 8x8_16. ``hidden``: scale and zero point of the intermediate, else the output's."""
    rng = np.random.default_rng(steps * 1000 + depth * 10 + cells)
    b = ModelBuilder()
    gates = GATES[1:] if coupled else GATES
    slots: list[int | None] = [None] * inputs
    lead = (steps, batch) if time_major else (batch, steps)
    x = slots[0] = b.tensor(
        "x", (*lead, depth), "int8", scale=input_scale, zero_point=zero_points[0]
    )
    for gate in gates:
        place = GATES.index(gate)
        scale = weight_scale * (1 + 0.1 * place)
        slots[1 + place] = _weights(b, rng, f"{gate} w", (cells, depth), scale, extreme=extreme)
        slots[5 + place] = _weights(b, rng, f"{gate} r", (cells, cells), scale / 2, extreme=extreme)
        bias = rng.integers(-bias_span, bias_span + 1, cells)
        slots[12 + place] = b.tensor(f"{gate} b", (cells,), "int32", scale=1e-4, data=bias)
        if layer_norm:
            norm = rng.integers(-3000, 3000, cells)
            slots[20 + place] = b.tensor(f"{gate} n", (cells,), "int16", scale=1e-3, data=norm)
    for place in (9, 10, 11) if peephole else ():
        slots[place] = b.tensor(
            f"peephole {place}", (cells,), "int16", scale=1e-3, data=rng.integers(-99, 99, cells)
        )
    if projection:
        slots[16] = _weights(b, rng, "projection", (cells, cells), 0.01)
    slots[18] = b.tensor(
        "h", (batch, cells), "int8", scale=1 / 128, zero_point=zero_points[1], is_variable=True
    )
    cell_scale = 2.0**cell_log2
    slots[19] = b.tensor("c", (batch, cells), cell_dtype, scale=cell_scale, is_variable=True)
    y = b.tensor("y", (*lead, cells), "int8", scale=1 / 128, zero_point=zero_points[1])
    hidden_scale, hidden_zero_point = hidden or (1 / 128, zero_points[1])
    extra = [
        b.tensor(f"gate {i}", (0,), "int16", scale=2**-12, zero_point=0)
        for i in range(intermediates - 1)
    ]
    extra.append(b.tensor("hidden", (0,), "int8", scale=hidden_scale, zero_point=hidden_zero_point))
    b.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        slots,
        [y],
        {
            "fusedActivationFunction": activation,
            "cellClip": cell_clip,
            "timeMajor": time_major,
            **(options or {}),
        },
        intermediates=extra,
        version=2,
    )
    return b.finish([x], [y])


def assert_conforms_both_ways(runner: HostRunner, model: bytes, *, runs: int = 6) -> None:
    """As one sequence without a reset, and each input from reset."""
    assert_conforms(runner, model, runs=runs, stateful=True)
    assert_conforms(runner, model, runs=2)


def test_svdf_and_lstm_cases_are_not_trivial() -> None:
    """The default cases give many different outputs, so that equality says something."""
    for model in (svdf(units=16), lstm(cells=16, steps=8)):
        program = lower(read_model(model, name="case"))
        rng = np.random.default_rng(1)
        inputs = [random_inputs(program, rng) for _ in range(4)]
        outputs = b"".join(run[-1] or b"" for run in oracle_steps(model, program, inputs))
        assert len(set(outputs)) > 30


@pytest.mark.parametrize("depth", [1, 3, 16, 33])
@pytest.mark.parametrize(("units", "rank"), [(1, 1), (4, 1), (5, 2), (3, 4)])
@pytest.mark.parametrize("memory", [1, 2, 10])
def test_svdf_shapes(runner: HostRunner, depth: int, units: int, rank: int, memory: int) -> None:
    model = svdf(depth=depth, units=units, rank=rank, memory=memory, zero_points=(-7, 11))
    assert_conforms_both_ways(runner, model)


@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 127), (127, -128), (5, -9)])
@pytest.mark.parametrize("state_scale", [2**-15, 2**-9, 0.7])
@pytest.mark.parametrize("output_scale", [1e-4, 0.2, 50.0])
@pytest.mark.parametrize("bias", [False, True])
def test_svdf_quantization(
    runner: HostRunner,
    zero_points: tuple[int, int],
    state_scale: float,
    output_scale: float,
    bias: bool,
) -> None:
    model = svdf(
        zero_points=zero_points, state_scale=state_scale, output_scale=output_scale, bias=bias
    )
    assert_conforms_both_ways(runner, model)


def test_svdf_batch(runner: HostRunner) -> None:
    assert_conforms_both_ways(runner, svdf(batch=3, rank=2))


def test_svdf_accumulators_wrap(runner: HostRunner) -> None:
    model = svdf(memory=64, rank=8, extreme=True, zero_points=(-128, 0), state_scale=1e-5)
    assert_conforms_both_ways(runner, model, runs=80)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(("depth", "cells"), [(1, 1), (6, 4), (5, 13), (32, 20)])
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_lstm_shapes(
    runner: HostRunner, steps: int, depth: int, cells: int, time_major: bool, coupled: bool
) -> None:
    model = lstm(steps=steps, depth=depth, cells=cells, time_major=time_major, coupled=coupled)
    assert_conforms_both_ways(runner, model)


@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 127), (127, -128)])
@pytest.mark.parametrize("weight_scale", [1e-9, 0.012, 0.5, 1e6])
@pytest.mark.parametrize("cell_log2", [-15, -13, -11, -9])
@pytest.mark.parametrize("coupled", [False, True])
def test_lstm_quantization(
    runner: HostRunner,
    zero_points: tuple[int, int],
    weight_scale: float,
    cell_log2: int,
    coupled: bool,
) -> None:
    model = lstm(
        zero_points=zero_points,
        weight_scale=weight_scale,
        cell_log2=cell_log2,
        coupled=coupled,
        cells=8,
    )
    assert_conforms_both_ways(runner, model)


@pytest.mark.parametrize("hidden", [(1e-4, 9), (1 / 128, -100), (0.3, 0), (1e-9, 3)])
def test_lstm_takes_the_hidden_scale_from_its_intermediate(
    runner: HostRunner, hidden: tuple[float, int]
) -> None:
    assert_conforms_both_ways(runner, lstm(hidden=hidden, cells=9))


@pytest.mark.parametrize("cell_clip", [1e-6, 0.05, 0.9, 3.0, 1e9])
def test_lstm_cell_clip(runner: HostRunner, cell_clip: float) -> None:
    assert_conforms_both_ways(runner, lstm(cell_clip=cell_clip, cells=9, steps=9))


@pytest.mark.parametrize("cell_log2", [-15.0, -12.0, -11.0005, -9.0])
def test_lstm_gates_over_their_whole_range(runner: HostRunner, cell_log2: float) -> None:
    """Biases and inputs sweep each gate over all of int16, and fine hidden scales show the bits."""
    for hidden in ((3e-4, -128), (3e-4, 127), (1 / 128, 0)):
        model = lstm(
            steps=40,
            cells=64,
            depth=2,
            weight_scale=0.06,
            bias_span=9000,
            hidden=hidden,
            cell_log2=cell_log2,
            extreme=True,
        )
        assert_conforms_both_ways(runner, model, runs=3)


def test_without_bias_and_with_20_inputs(runner: HostRunner) -> None:
    """The older form of the operator, and biases of zero."""
    assert_conforms_both_ways(runner, lstm(inputs=20, bias_span=0))


def test_state_starts_at_its_zero_point(runner: HostRunner) -> None:
    program = assert_conforms(runner, lstm(zero_points=(3, -4)), stateful=True)
    fills = [value.fill for value in program.values if value.role is Role.STATE]
    assert fills == [256 - 4, 0]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (svdf(activation="NONE"), "RELU alone"),
        (svdf(activation="RELU6"), "RELU alone"),
        (svdf(time_dtype="int8"), "int16"),
        (lstm(batch=2), "batch is 2"),
        (lstm(batch=2, time_major=True), "batch is 2"),
        (lstm(peephole=True), "peephole"),
        (lstm(projection=True), "projection"),
        (lstm(layer_norm=True), "layer normalization"),
        (lstm(activation="RELU"), "TANH alone"),
        (lstm(cell_clip=-1.0), "cell clip"),
        (lstm(options={"projClip": -1.0}), "projection clip"),
        (lstm(cell_log2=-8), "power of two"),
        (lstm(cell_log2=-16), "power of two"),
        (lstm(cell_log2=-11.5), "power of two"),
        (lstm(intermediates=3), "3 intermediate tensors"),
        (lstm(cell_dtype="int8"), "int16"),
    ],
)
def test_what_is_not_supported_is_said(model: bytes, words: str) -> None:
    with pytest.raises(UnsupportedOp, match=words):
        lower(read_model(model, name="case"))
