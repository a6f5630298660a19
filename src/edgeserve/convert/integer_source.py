"""A float source of any kind as an integer model, by the quantizer that suits it."""

from __future__ import annotations

from edgeserve.bundle import SourceKind
from edgeserve.convert.converted import Request
from edgeserve.convert.float_source import float_of
from edgeserve.convert.quantized import Integers, quantized, require_quantizer
from edgeserve.convert.tensorflow_source import by_tensorflow

_BY_TENSORFLOW = frozenset({SourceKind.KERAS, SourceKind.HDF5, SourceKind.SAVED_MODEL})


def integers_of(request: Request) -> Integers:
    """What ``request.precision`` makes of the source, with its ``int16_layers`` in int16.

    Raises what ``float_of`` and ``quantized`` do.
    """
    if request.source.kind in _BY_TENSORFLOW and not request.int16_layers:
        return by_tensorflow(request)
    require_quantizer()
    return quantized(request, float_of(request))
