"""The clamp of a fused activation."""

from __future__ import annotations

from edgeserve.graph import Activation, DType, Op, Quant
from edgeserve.lower.builder import REQUANTIZE_HINT, Builder
from edgeserve.lower.requant import activation_range


def fused_range(
    b: Builder, op: Op, activation: Activation, quant: Quant, dtype: DType = DType.INT8
) -> tuple[int, int]:
    """The least and greatest element that an operator with this activation may write.

    Raises UnsupportedOp for activations that integer kernels do not fuse, and for scales so small
    that the activation's bounds do not fit an int32 (LiteRT refuses those too).
    """
    b.need(
        op,
        activation not in (Activation.TANH, Activation.SIGN_BIT),
        f"it has {activation.name} fused into it, for which there is no integer form",
        hint="put the activation behind the operator in the source model",
    )
    b.need(
        op,
        activation is Activation.NONE or 6.0 / quant.scale < 2**31,
        f"its output scale {quant.scale:g} is too small for {activation.name}",
        hint=REQUANTIZE_HINT,
    )
    return activation_range(activation, quant, dtype)
