"""float32 kernels against LiteRT's reference, and exp() against float64, within a tolerance."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from edgeserve.closeness import TOLERANCE, distance, near_values
from edgeserve.errors import UnsupportedOp
from edgeserve.kernels.table import FLOAT_ARITHMETIC
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.rewrite import as_planned
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import Array, oracle_steps
from tests.kernels.float_models import IMAGE, POOL, Shape, dense, network, one, windows
from tests.kernels.host_runner import FIRMWARE, HostRunner
from tests.kernels.streamed import in_one_group
from tests.tflite_builder import ModelBuilder

F32 = np.float32


def by_row(program: Program) -> StreamPlan:
    return in_one_group(program, 1)


def assert_near(
    runner: HostRunner,
    model: bytes,
    inputs: Sequence[Array] | None = None,
    plan: Callable[[Program], StreamPlan] = whole_plan,
) -> Program:
    """Every step writes the oracle's floats, within the tolerance, and all else bit for bit."""
    program = lower(read_model(model, name="case"))
    rng = np.random.default_rng(7)
    given = inputs or [rng.normal(size=p.shape, scale=2).astype(F32) for p in program.inputs]
    (want,) = oracle_steps(model, program, [given])
    planned = plan(program)
    program = as_planned(program, planned)
    (got,) = runner.run(program, [given], planned)
    near = near_values(program)
    for step, right, found in zip(program.steps, want, got, strict=True):
        assert right is not None
        if step.output.value in near:
            far = distance(right, found)
            assert far <= TOLERANCE, f"{step.label} is {far:.3g} away"
        else:
            assert right == found, step.label
    return program


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("seed", range(12))
def test_random_convolutions(runner: HostRunner, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = int(rng.integers(1, 6))
    kernel = (int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    stride = int(rng.integers(1, 4))
    model = windows(
        kind,
        rng,
        (int(rng.integers(6, 11)), int(rng.integers(6, 11)), c),
        kernel,
        out_c=c * int(rng.integers(1, 4)),
        stride=stride,
        dilation=2 if stride == 1 and kernel[0] < 4 and seed % 3 == 0 else 1,
        padding=("SAME", "VALID")[seed % 2],
        activation=("NONE", "RELU", "RELU6", "RELU_N1_TO_1")[seed % 4],
    )
    assert_near(runner, model)
    assert_near(runner, model, plan=by_row)


def test_a_convolution_in_groups(runner: HostRunner) -> None:
    rng = np.random.default_rng(3)
    assert_near(runner, windows("CONV_2D", rng, (5, 4, 6), (3, 3), out_c=4, groups=2))


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("depth", [1, 7, 700])
@pytest.mark.parametrize("bias", [False, True])
def test_fully_connected(runner: HostRunner, rows: int, depth: int, bias: bool) -> None:
    assert_near(runner, dense(rows, depth, 9, bias=bias, relu=rows == 5))


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("activation", ["NONE", "RELU6"])
def test_pools(runner: HostRunner, kind: str, padding: str, activation: str) -> None:
    options = {**POOL, "padding": padding, "fusedActivationFunction": activation}
    out = (1, 7, 3, 3) if padding == "SAME" else (1, 5, 3, 3)
    model = one(kind, (1, 7, 6, 3), out, options)
    assert_near(runner, model)
    assert_near(runner, model, plan=by_row)


@pytest.mark.parametrize("axes", [(1, 2), (3,), (2,), (1, 2, 3)])
def test_mean(runner: HostRunner, axes: tuple[int, ...]) -> None:
    shape = (1, 7, 5, 6)
    out = tuple(1 if i in axes else e for i, e in enumerate(shape))
    assert_near(runner, one("MEAN", shape, out, {"keepDims": True}, axes=axes))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("second", [(1, 4, 3, 5), (1, 1, 1, 5), (1, 4, 3, 1), (1, 1, 3, 1), (5,)])
def test_two_inputs(runner: HostRunner, kind: str, second: Shape) -> None:
    options = {"fusedActivationFunction": "RELU6" if second == (5,) else "NONE"}
    model = one(kind, (1, 4, 3, 5), None, options, second=second)
    assert_near(runner, model)
    assert_near(runner, model, plan=by_row)


SPECIAL = np.array([0, -0.0, 1e-40, -1e-40, 1e-6, -88, 88, 100, -104, 3e38, np.inf, -np.inf], F32)


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1"])
def test_of_one_element(runner: HostRunner, kind: str) -> None:
    values = np.concatenate([np.linspace(-20, 20, 4000, dtype=F32), SPECIAL]).reshape(1, -1)
    assert_near(runner, one(kind, values.shape), [values])


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
def test_sigmoids_are_near_each_exact_value(runner: HostRunner, kind: str) -> None:
    """Element by element, however small: the tolerance above is by the whole tensor."""
    x = np.concatenate([np.geomspace(1e-8, 30, 20000), -np.geomspace(1e-8, 80, 20000)])
    x = x.astype(F32).reshape(1, -1)
    program = lower(read_model(one(kind, x.shape), name="case"))
    ((out,),) = runner.run(program, [[x]])
    wide = x.astype(np.float64)
    exact = np.tanh(wide) if kind == "TANH" else 1 / (1 + np.exp(-wide))
    error = np.abs(np.frombuffer(out, F32) - exact) / np.abs(exact)
    assert error.max() < (1e-6 if kind == "TANH" else 6e-7)


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (3, 12), (1, 4, 3, 7), (1, 3000)])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_softmax(runner: HostRunner, shape: Shape, beta: float) -> None:
    assert_near(runner, one("SOFTMAX", shape, None, {"beta": beta}))


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Array], Array]:
    """``es_exp`` of each element, by the host's compiler."""
    folder = tmp_path_factory.mktemp("exp")
    (folder / "exp.c").write_text(
        '#include "es_floats.h"\n'
        "void all(const float *x, float *y, int n) "
        "{ for (int i = 0; i < n; i++) y[i] = es_exp(x[i]); }\n"
    )
    includes = [f"-I{FIRMWARE / part}" for part in ("include", "runtime", "kernels")]
    flags = ("-std=c11", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Werror")
    library = folder / "exp.so"
    command = ["gcc", *flags, *includes, str(folder / "exp.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library)).all

    def of(x: Array) -> Array:
        y = np.empty_like(x)
        function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), len(x))
        return y

    return of


def test_exp_is_near_the_exact_value(exp: Callable[[Array], Array]) -> None:
    rng = np.random.default_rng(1)
    small = np.geomspace(1e-30, 1, 20000)
    x = np.concatenate([rng.uniform(-87.33, 88.7228, 2_000_000), small, -small, [0.0]]).astype(F32)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(exp(x) - exact) / exact).max() < 4e-7


def test_exp_beyond_what_a_float_holds(exp: Callable[[Array], Array]) -> None:
    """Denormal results, and the ends."""
    x = np.linspace(-103.9, -87.34, 100_000, dtype=F32)
    assert np.abs(exp(x) - np.exp(x.astype(np.float64))).max() <= 2 * 2.0**-149
    ends = np.array([-103.98, -200, -np.inf, 88.73, 1e30, np.inf, np.nan], F32)
    assert exp(ends).tolist()[:6] == [0, 0, 0, math.inf, math.inf, math.inf]
    assert np.isnan(exp(ends)[6])


def test_moves(runner: HostRunner) -> None:
    """PAD, CONCATENATION, RESHAPE and SLICE move float32 as they do int8: bit for bit."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 3, 4, 2), "float32")
    pads = b.tensor("pads", (4, 2), "int32", data=[[0, 0], [1, 0], [0, 2], [0, 0]])
    padded = b.tensor("padded", (1, 4, 6, 2), "float32")
    joined = b.tensor("joined", (1, 4, 6, 4), "float32")
    begin = b.tensor("begin", (4,), "int32", data=[0, 1, 1, 0])
    size = b.tensor("size", (4,), "int32", data=[1, 2, 4, 3])
    part = b.tensor("part", (1, 2, 4, 3), "float32")
    shape = b.tensor("shape", (2,), "int32", data=[1, 24])
    flat = b.tensor("flat", (1, 24), "float32")
    b.op("PAD", [x, pads], [padded])
    b.op("CONCATENATION", [padded, padded], [joined], {"axis": 3})
    b.op("SLICE", [joined, begin, size], [part])
    b.op("RESHAPE", [part, shape], [flat], {"newShape": [1, 24]})
    program = assert_near(runner, b.finish([x], [flat]))
    assert near_values(program) == frozenset()


def test_a_network(runner: HostRunner) -> None:
    program = assert_near(runner, network())
    used = {type(step.params) for step in program.steps} & set(FLOAT_ARITHMETIC)
    assert used == set(FLOAT_ARITHMETIC), "every float kernel is in it"
    moved = [step for step in program.steps if step.kernel.name == "CONCATENATION"]
    assert {step.output.value for step in moved} <= near_values(program)
    assert_near(runner, network(), plan=by_row)


def test_floats_between_integers(runner: HostRunner) -> None:
    """What DEQUANTIZE makes is exact; what a float kernel makes of it is near."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 9), "int8", scale=0.05, zero_point=3)
    real = b.tensor("real", (1, 9), "float32")
    y = b.tensor("y", (1, 9), "float32")
    b.op("DEQUANTIZE", [x], [real])
    b.op("TANH", [real], [y])
    values: Array = np.arange(-4, 5, dtype=np.int8).reshape(1, 9)
    program = assert_near(runner, b.finish([x], [y]), [values])
    first, second = program.steps
    assert near_values(program) == {second.output.value}
    assert first.output.value not in near_values(program)


@pytest.mark.parametrize(
    ("want", "got", "far"),
    [
        ([1, 1], [1, 1.5], 0.5),
        ([3, 0], [3, 0.3], 0.3 / math.sqrt(4.5)),
        ([np.nan, np.inf], [np.nan, np.inf], 0),
        ([1, np.inf], [1, 3e38], math.inf),
        ([0, 0], [0, 1e-30], math.inf),
        ([1.0], [np.nan], math.inf),
        ([1.0], [1.0, 1.0], math.inf),
    ],
)
def test_distance(want: Any, got: Any, far: float) -> None:
    found = distance(np.array(want, "<f4").tobytes(), np.array(got, "<f4").tobytes())
    assert found == pytest.approx(far, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (one("ADD", (1, 4), None, {"fusedActivationFunction": "TANH"}, second=(1, 4)), "TANH"),
        (one("HARD_SWISH", IMAGE), "float32, the kernel takes int8"),
    ],
)
def test_refused(model: bytes, why: str) -> None:
    with pytest.raises(UnsupportedOp, match=why):
        lower(read_model(model, name="case"))
