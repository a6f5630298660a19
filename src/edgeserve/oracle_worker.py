"""The far side of :mod:`edgeserve.oracle`: ``python -m edgeserve.oracle_worker`` on pipes.

A request is a line of JSON and then ``bytes`` raw bytes; an answer is its length (uint32, little
endian), that much JSON and, for ``tensor``, raw bytes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from edgeserve.program import Channels, Oracle

_QUANTIZED_DIMENSION_SLOT = 16  # field 6 of QuantizationParameters in the TFLite schema


class _Worker:
    """One interpreter and what the host wants of it."""

    def __init__(self, model: bytes, request: dict[str, Any]) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        mended, self.notes = mend_quantized_dimensions(model)
        self._interpreter = Interpreter(
            model_content=mended,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        self._interpreter.allocate_tensors()
        self._details = {d["index"]: d for d in self._interpreter.get_tensor_details()}
        self._inputs: list[int] = request["inputs"]
        self._outputs: list[int] = request["outputs"]
        self._wanted = [_oracle(entry) for entry in request["wanted"]]
        self._claims = [_oracle(entry) for entry in request["claims"]]

    def load(self) -> dict[str, Any]:
        written = [
            (int(index), str(self._details[int(index)]["name"]))
            for op in self._interpreter._get_ops_details()
            for index in op["outputs"]
            if int(index) in self._details
        ]
        return {"written": written, "notes": self.notes}

    def run(self, data: bytes, reset: bool) -> dict[str, Any]:
        if reset:
            self._interpreter.reset_all_variables()
        offset = 0
        for index in self._inputs:
            detail = self._details[index]
            shape, dtype = detail["shape"], np.dtype(detail["dtype"])
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(data, dtype, count, offset).reshape(shape)
            self._interpreter.set_tensor(index, array)
            offset += array.nbytes
        self._interpreter.invoke()
        output_crc = 0
        for index in self._outputs:
            output_crc = zlib.crc32(self.tensor(index), output_crc)
        crcs = [zlib.crc32(self.part(one)) for one in self._wanted]
        return {"crcs": crcs, "output_crc": output_crc, "broken": self._broken()}

    def _broken(self) -> list[tuple[int, int]]:
        """(claim, channel) of all that are not what was claimed."""
        return [
            (index, channel)
            for index, claim in enumerate(self._claims)
            if claim.channels is not None
            for channel in claim.channels.broken(self.tensor(claim.tensor, claim.axes))
        ]

    def part(self, wanted: Oracle) -> bytes:
        """What a step writes of a tensor."""
        return wanted.of(self.tensor(wanted.tensor, wanted.axes))

    def tensor(self, index: int, axes: Sequence[int] = ()) -> bytes:
        """The bytes of a tensor, transposed by ``axes`` where there are any."""
        elements = self._interpreter.get_tensor(index)
        data: bytes = (elements.transpose(axes) if axes else elements).tobytes()
        return data


def _oracle(entry: dict[str, Any]) -> Oracle:
    part = entry["channels"]
    channels = None
    if part is not None:
        constants = tuple((channel, element) for channel, element in part["constants"])
        channels = Channels(part["total"], tuple(part["kept"]), constants)
    return Oracle(entry["tensor"], tuple(entry["axes"]), channels)


def mend_quantized_dimensions(model: bytes) -> tuple[bytes, list[str]]:
    """A copy in which every ``quantized_dimension`` that its tensor does not have is 0.

    LiteRT refuses a whole model for one such field; our reader, as others, takes it. Returns the
    copy (the same bytes when nothing was wrong) and a note that says how many were mended.
    """
    from ai_edge_litert import schema_py_generated as schema

    mended = bytearray(model)
    count = 0
    root = schema.Model.GetRootAs(model, 0)
    for g in range(root.SubgraphsLength()):
        graph = root.Subgraphs(g)
        for t in range(graph.TensorsLength()):
            tensor = graph.Tensors(t)
            quant = tensor.Quantization()
            if quant is None or quant.ScaleLength() == 0:
                continue
            if 0 <= quant.QuantizedDimension() < max(1, tensor.ShapeLength()):
                continue
            position = quant._tab.Pos + quant._tab.Offset(_QUANTIZED_DIMENSION_SLOT)
            struct.pack_into("<i", mended, position, 0)
            count += 1
    if count == 0:
        return model, []
    return bytes(mended), [
        f"{count} tensors name a quantized dimension that they do not have: "
        "the oracle was given 0 in its place"
    ]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers requests until they end."""
    worker: _Worker | None = None
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["bytes"])
        raw = b""
        try:
            if request["command"] == "load":
                worker = _Worker(data, request)
                answer = worker.load()
            else:
                assert worker is not None, "load comes first"
                if request["command"] == "run":
                    answer = worker.run(data, request["reset"])
                else:
                    raw = worker.part(_oracle(request["wanted"]))
                    answer = {"bytes": len(raw)}
        except Exception as error:  # whatever LiteRT raises is an answer: the model is refused
            answer = {"error": _one_line(error)}
        text = json.dumps(answer).encode()
        answers.write(struct.pack("<I", len(text)) + text + raw)
        answers.flush()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text or type(error).__name__}"[:300]


def main() -> None:
    """Keeps stdout for answers alone: whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
