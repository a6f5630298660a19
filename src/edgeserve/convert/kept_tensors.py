"""A model in LiteRT with every tensor kept, fed with real values and answering in real values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeserve.bundle import quantize_samples
from edgeserve.convert.agreement import facts_of, litert
from edgeserve.convert.network import Network

Values = dict[int, NDArray[np.float64]]
"""Real values by the number of their tensor."""


class KeptTensors:
    """``reference`` takes LiteRT's reference kernels; else its optimised ones, without a delegate,
    which would keep the tensors between its operators to itself.
    """

    def __init__(self, model: bytes, network: Network, *, reference: bool) -> None:
        interpreter = litert()
        resolvers = interpreter.OpResolverType
        self._model = interpreter.Interpreter(
            model_content=model,
            experimental_op_resolver_type=resolvers.BUILTIN_REF
            if reference
            else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._model.allocate_tensors()
        self._network = network
        self._inputs = [(d["index"], facts_of(d)) for d in self._model.get_input_details()]

    def run(self, sample: Sequence[NDArray[Any]]) -> None:
        """One inference on one array an input, each of the input's whole shape."""
        for (index, facts), values in zip(self._inputs, sample, strict=True):
            self._model.set_tensor(index, quantize_samples(values, facts))
        self._model.invoke()

    def values(self, tensors: Sequence[int]) -> Values:
        """Of the last inference; each tensor stands for real numbers."""
        return {index: self._real(index) for index in tensors}

    def _real(self, index: int) -> NDArray[np.float64]:
        stored: NDArray[Any] = self._model.get_tensor(index)
        scales = self._network.tensors[index].scales
        if stored.dtype.kind == "f" or scales is None:
            return stored.astype(np.float64)
        return scales.real(stored)


class PartRunner:
    """A part of a network (see ``network.cut``), fed by the numbers of its input tensors."""

    def __init__(self, model: bytes) -> None:
        interpreter = litert()
        self._model = interpreter.Interpreter(
            model_content=model,
            experimental_op_resolver_type=(
                interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
            num_threads=1,
        )
        self._model.allocate_tensors()
        self._types = {d["index"]: d["dtype"] for d in self._model.get_input_details()}

    def run(self, inputs: Values, outputs: Sequence[int]) -> Values:
        """The real values of ``outputs`` for ``inputs``."""
        for index, dtype in self._types.items():
            self._model.set_tensor(index, inputs[index].astype(dtype))
        self._model.invoke()
        return {index: self._model.get_tensor(index).astype(np.float64) for index in outputs}
