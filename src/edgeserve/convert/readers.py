"""Which layers read which: a tensor keeps its 16 bits only where its reader takes 16 bits."""

from __future__ import annotations

from collections.abc import Iterable

from edgeserve.convert.layer_errors import MOVING
from edgeserve.convert.network import Network, NetworkOp


def layer_name(network: Network, op: NetworkOp) -> str:
    """Layers are named by the tensor that they write."""
    return network.tensors[op.outputs[0]].name


def in_order(network: Network, names: Iterable[str]) -> tuple[str, ...]:
    """The names of layers, in the order in which these run."""
    wanted = set(names)
    ordered = (layer_name(network, op) for op in network.ops)
    return tuple(name for name in ordered if name in wanted)


def readers(network: Network, name: str) -> set[str]:
    """The layers that read what layer ``name`` writes, also through those that only move it."""
    found: set[str] = set()
    for op in network.ops:
        if layer_name(network, op) == name:
            found |= _readers(network, op)
    return found


def _readers(network: Network, op: NetworkOp) -> set[str]:
    names: set[str] = set()
    for reader in network.ops:
        if set(reader.inputs).intersection(op.outputs):
            names.add(layer_name(network, reader))
            if reader.kind in MOVING:
                names |= _readers(network, reader)
    return names
