"""Which tensor of a quantized model stands for which tensor of the float model it was made from.

Two sound signs are taken, and nothing is guessed: a name that both files have once, and, where the
operators of both are the same from first to last (but for QUANTIZE and DEQUANTIZE), the position.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgeserve.convert.network import Network, NetworkOp

_EDGES = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True, slots=True)
class Matching:
    """``pairs`` of numbers: a computed float32 tensor and the quantized tensor that stands for it,
    in the order of the float model. ``unmatched`` are float tensors without one.
    """

    pairs: tuple[tuple[int, int], ...]
    unmatched: tuple[int, ...]

    def of(self, tensor: int) -> int | None:
        """The quantized tensor of a float one."""
        return dict(self.pairs).get(tensor)


def match(exact: Network, quantized: Network) -> Matching:
    """Pairs the inputs by their order, all else by name or position; shapes must be the same."""
    wanted = activations(exact)
    taken = {index for index in activations(quantized) if quantized.tensors[index].is_real}
    found: dict[int, int] = dict(zip(exact.inputs, quantized.inputs, strict=False))
    found |= dict(zip(exact.outputs, quantized.outputs, strict=False))
    by_name = _unique_names(quantized, taken)
    names = _unique_names(exact, set(wanted))
    for name, index in names.items():
        if name in by_name and index not in found:
            found[index] = by_name[name]
    for index, other in _by_position(exact, quantized).items():
        if index not in found and other not in found.values():
            found[index] = other
    alike = {
        index: other
        for index, other in found.items()
        if other in taken and exact.tensors[index].shape == quantized.tensors[other].shape
    }
    return Matching(
        tuple((index, alike[index]) for index in wanted if index in alike),
        tuple(index for index in wanted if index not in alike),
    )


def activations(network: Network) -> tuple[int, ...]:
    """The inputs and what operators write, of real numbers, in order."""
    written = [index for op in network.ops for index in op.outputs]
    found = dict.fromkeys([*network.inputs, *written])
    return tuple(index for index in found if network.tensors[index].is_real)


def plain_ops(network: Network) -> tuple[NetworkOp, ...]:
    """The operators that compute: all but QUANTIZE and DEQUANTIZE."""
    return tuple(op for op in network.ops if op.kind not in _EDGES)


def _unique_names(network: Network, tensors: set[int]) -> dict[str, int]:
    names = Counter(network.tensors[index].name for index in tensors)
    return {
        network.tensors[index].name: index
        for index in sorted(tensors)
        if names[network.tensors[index].name] == 1
    }


def _by_position(exact: Network, quantized: Network) -> dict[int, int]:
    ours, theirs = plain_ops(exact), plain_ops(quantized)
    if [op.kind for op in ours] != [op.kind for op in theirs]:
        return {}
    return {
        index: other
        for one, two in zip(ours, theirs, strict=True)
        if len(one.outputs) == len(two.outputs)
        for index, other in zip(one.outputs, two.outputs, strict=True)
    }
