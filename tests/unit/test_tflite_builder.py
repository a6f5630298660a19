"""The builder of test models makes files that LiteRT runs."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.tflite.reader import read_model
from tests.tflite_builder import ModelBuilder


def identity_conv() -> bytes:
    """A 1x1 CONV_2D whose output equals its input, channels swapped, plus 1, -2."""
    b = ModelBuilder()
    x = b.tensor("x", (1, 3, 4, 2), "int8", scale=0.5, zero_point=-3)
    weights = np.array([[0, 1], [1, 0]]).reshape(2, 1, 1, 2)
    w = b.tensor("w", weights.shape, "int8", scale=[1.0, 1.0], data=weights)
    c = b.tensor("c", (2,), "int32", scale=[0.5, 0.5], data=[1, -2])
    y = b.tensor("y", (1, 3, 4, 2), "int8", scale=0.5, zero_point=-3)
    b.op("CONV_2D", [x, w, c], [y], {"padding": "SAME", "strideW": 1, "strideH": 1})
    return b.finish([x], [y])


def test_litert_runs_what_the_builder_makes() -> None:
    resolver = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_content=identity_conv(), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    values = np.arange(-12, 12, dtype=np.int8).reshape(1, 3, 4, 2)
    interpreter.set_tensor(0, values)
    interpreter.invoke()
    expected = values[..., ::-1] + np.array([1, -2], np.int8)
    np.testing.assert_array_equal(interpreter.get_tensor(3), expected)


def test_the_same_calls_make_the_same_bytes() -> None:
    assert identity_conv() == identity_conv()
    assert read_model(identity_conv(), name="a") == read_model(identity_conv(), name="a")


def test_values_that_do_not_fit_their_type_are_refused() -> None:
    with pytest.raises(ValueError, match="values do not fit int8"):
        ModelBuilder().tensor("x", (1,), "int8", data=[128])


def test_unknown_options_are_refused() -> None:
    b = ModelBuilder()
    with pytest.raises(ValueError, match="Conv2DOptions has no field stride_w"):
        b.op("CONV_2D", [0, 1], [2], {"stride_w": 1})
    with pytest.raises(ValueError, match="RELU takes no options"):
        b.op("RELU", [0], [1], {"alpha": 1})
