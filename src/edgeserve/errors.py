"""The tree of errors, sorted by who can act on them.

Every error a user can meet is an :class:`EdgeserveError`. It carries one line (what is wrong and
where), a hint (what to do) and the exit code that ``cli`` ends with. Nothing else may reach a user.
"""

from __future__ import annotations


class EdgeserveError(Exception):
    """Base of all errors that edgeserve raises on purpose.

    ``what`` is one line without a trailing full stop; ``hint`` is one line that says what to do.
    """

    exit_code = 3

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class ModelError(EdgeserveError):
    """The model file is damaged, or asks for something that is not supported."""

    exit_code = 2


class UnsupportedOp(ModelError):
    """An operator, or this use of it, that the runtime does not have."""

    def __init__(self, op: str, tensor: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"{op} writing tensor {tensor!r} is not supported: {why}", hint=hint)
        self.op = op
        self.tensor = tensor
        self.why = why


class ConversionError(ModelError):
    """A source model could not be turned into an INT8 TFLite file."""


class AccuracyError(ModelError):
    """The quantized model is further from the float one than the user allowed."""

    exit_code = 1


class BrokenProof(EdgeserveError):
    """Something that the host has proven of a model is not so: a fault of edgeserve itself."""

    def __init__(self, tensor: str, *, channel: int, claimed: int) -> None:
        super().__init__(
            f"channel {channel} of tensor {tensor!r} was proven to be {claimed} for every input, "
            "and the oracle writes something else",
            hint="this is a fault of edgeserve, and no result counts: report it with the model",
        )
        self.tensor = tensor
        self.channel = channel
        self.claimed = claimed


class PlanError(EdgeserveError):
    """No memory plan answers the question asked."""

    exit_code = 1


class DoesNotFit(PlanError):
    """A model needs more of a board's memory than the board has."""

    def __init__(
        self,
        *,
        resource: str,
        need_bytes: int,
        have_bytes: int,
        board: str,
        peak_tensors: tuple[str, ...] = (),
        hint: str = "",
    ) -> None:
        missing = need_bytes - have_bytes
        short = f"{missing:,} missing" if missing > 0 else "but not in pieces that can be used"
        super().__init__(
            f"{resource} does not fit {board}: needs {need_bytes:,} bytes, has {have_bytes:,}, "
            f"{short}",
            hint=hint,
        )
        self.resource = resource
        self.need_bytes = need_bytes
        self.have_bytes = have_bytes
        self.board = board
        self.peak_tensors = peak_tensors


class ConfigError(EdgeserveError):
    """A file or an argument that the user wrote is wrong."""

    exit_code = 2


class ToolError(EdgeserveError):
    """A program that edgeserve runs is missing or failed."""

    exit_code = 3


class MissingTool(ToolError):
    """A program or Python package that this command needs is not installed."""

    def __init__(self, tool: str, *, install: str) -> None:
        super().__init__(f"{tool} is needed and was not found", hint=f"install it: {install}")
        self.tool = tool
        self.install = install


class ToolFailed(ToolError):
    """A program ran and failed; ``tail`` holds the last lines that it wrote."""

    def __init__(
        self, tool: str, *, status: str, tail: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        last = next((line for line in reversed(tail) if line.strip()), "")
        super().__init__(
            f"{tool} failed ({status}){': ' + last.strip() if last else ''}", hint=hint
        )
        self.tool = tool
        self.status = status
        self.tail = tail


class DeviceError(EdgeserveError):
    """A device is absent, silent, or says something that it must not say."""

    exit_code = 4


class NotFound(DeviceError):
    """No such device, port or emulator."""


class FlashFailed(DeviceError):
    """The firmware could not be written to the board."""


class ProtocolError(DeviceError):
    """The device answered something that the protocol does not allow."""


class Refused(DeviceError):
    """The device understood a command and says why it does not carry it out: ``reason``."""

    def __init__(self, what: str, *, reason: str, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.reason = reason


class Timeout(DeviceError):
    """The device did not answer in time."""


class WrongOutput(DeviceError):
    """The device computes something else than the oracle: its measurement does not count."""

    exit_code = 1
