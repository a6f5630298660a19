"""The oracle: LiteRT's reference kernels in a process of their own, as model files may crash it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import IO, Any

from edgeserve.errors import BrokenProof, MissingTool, ModelError, ToolFailed
from edgeserve.program import Oracle, Port, Program, claims

PINNED_VERSION = "2.3.0"
INSTALL = f"pip install ai-edge-litert=={PINNED_VERSION}"
ANSWER_S = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OracleTensor:
    """A tensor that an operator of the model writes."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class OracleAnswer:
    """One inference: the CRC-32 (zlib) of each wanted tensor, and of all outputs in order."""

    crcs: tuple[int, ...]
    output_crc: int


def oracle_version() -> str:
    """The installed version of ai-edge-litert; MissingTool when there is none."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingTool("the Python package ai-edge-litert (the oracle)", install=INSTALL)
    return importlib.metadata.version("ai-edge-litert")


class OracleProcess:
    """A model in LiteRT's BUILTIN_REF with every tensor kept. Use it in a ``with`` statement.

    ``notes`` are one-line remarks for records: what was mended in the model so that LiteRT takes
    it, and a version that is not the pinned one.
    """

    def __init__(
        self,
        model_tflite: bytes,
        *,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        wanted: Sequence[Oracle],
        claims: Sequence[Oracle] = (),
    ) -> None:
        """Loads the model; ``wanted`` are the tensors whose checksums ``run`` answers with.

        What ``claims`` say of channels that are not kept is held against every inference.

        Raises MissingTool, ModelError when LiteRT refuses the model, ToolFailed when it crashes.
        """
        self.version = oracle_version()
        self._claims = tuple(claims)
        self._input_sizes = tuple(_size_bytes(port) for port in inputs)
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "edgeserve.oracle_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            facts = self._ask(
                {
                    "command": "load",
                    "inputs": [port.tensor for port in inputs],
                    "outputs": [port.tensor for port in outputs],
                    "wanted": [asdict(one) for one in wanted],
                    "claims": [asdict(one) for one in claims],
                },
                model_tflite,
            )
        except BaseException:
            self.close()
            raise
        self.written = tuple(OracleTensor(index, name) for index, name in facts["written"])
        self.notes = (*self._version_notes(), *facts["notes"])

    def run(self, data: bytes, *, reset: bool = True) -> OracleAnswer:
        """One inference on ``data``: the bytes of all inputs, one after the other.

        ``reset`` first puts the state kept between inferences back to its start. Raises BrokenProof
        when a channel is not the constant that it was proven to be.
        """
        if len(data) != sum(self._input_sizes):
            raise ValueError(f"{len(data)} input bytes, the model takes {sum(self._input_sizes)}")
        facts = self._ask({"command": "run", "reset": reset}, data)
        for claim, channel in facts["broken"]:
            raise self._broken(self._claims[claim], channel)
        return OracleAnswer(tuple(facts["crcs"]), facts["output_crc"])

    def tensor_bytes(self, wanted: Oracle) -> bytes:
        """The bytes of a tensor after the last ``run``, as a step writes them."""
        facts = self._ask({"command": "tensor", "wanted": asdict(wanted)}, b"")
        return self._read(facts["bytes"])

    def close(self) -> None:
        """Ends the process; may be called twice."""
        self._worker.kill()
        self._worker.wait()
        for stream in (self._worker.stdin, self._worker.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._stderr.close()

    def __enter__(self) -> OracleProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _broken(self, claim: Oracle, channel: int) -> BrokenProof:
        assert claim.channels is not None
        names = {one.index: one.name for one in self.written}
        name = names.get(claim.tensor, f"#{claim.tensor}")
        claimed = dict(claim.channels.constants)[channel]
        return BrokenProof(name, channel=channel, claimed=claimed)

    def _version_notes(self) -> tuple[str, ...]:
        if self.version == PINNED_VERSION:
            return ()
        note = (
            f"the oracle is ai-edge-litert {self.version}, not the pinned {PINNED_VERSION}: "
            "its rounding may differ"
        )
        _log.warning("%s (%s)", note, INSTALL)
        return (note,)

    def _ask(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        assert self._worker.stdin is not None
        header = json.dumps({**request, "bytes": len(data)}).encode() + b"\n"
        try:
            self._worker.stdin.write(header + data)
            self._worker.stdin.flush()
        except OSError:
            raise self._died() from None
        answer: dict[str, Any] = json.loads(self._read(int.from_bytes(self._read(4), "little")))
        if "error" in answer:
            raise ModelError(
                f"the oracle refuses the model: {answer['error']}",
                hint="the model may run, but cannot be verified",
            )
        return answer

    def _read(self, size: int) -> bytes:
        assert self._worker.stdout is not None
        deadline = time.monotonic() + ANSWER_S
        data = bytearray()
        fd = self._worker.stdout.fileno()
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise ToolFailed("the oracle", status=f"no answer within {ANSWER_S:.0f} s")
            piece = os.read(fd, size - len(data))
            if not piece:
                raise self._died()
            data += piece
        return bytes(data)

    def _died(self) -> ToolFailed:
        code = self._worker.wait()
        self._stderr.seek(0)
        tail = self._stderr.read()[-4096:].decode(errors="replace").splitlines()[-8:]
        status = f"signal {-code}" if code < 0 else f"exit status {code}"
        return ToolFailed(
            "the oracle",
            status=status,
            tail=tuple(tail),
            hint="LiteRT crashes on this model: it can be run, but not verified",
        )


def open_oracle(model_tflite: bytes, program: Program) -> OracleProcess:
    """The oracle of ``program``, which was lowered from ``model_tflite``.

    ``OracleAnswer.crcs`` then has one entry for each step that has an oracle tensor, in step order.
    """
    wanted = [step.oracle for step in program.steps if step.oracle is not None]
    return OracleProcess(
        model_tflite,
        inputs=program.inputs,
        outputs=program.outputs,
        wanted=wanted,
        claims=claims(program),
    )


def _size_bytes(port: Port) -> int:
    size = port.dtype.size_bytes
    for extent in port.shape:
        size *= extent
    return size
