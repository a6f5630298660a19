"""Every step's output on a device against the oracle: bit for bit, float arithmetic nearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from edgeserve.closeness import (
    TOLERANCE,
    distance,
    distances,
    near_values,
    output_distance,
)
from edgeserve.device.protocol import Dut
from edgeserve.errors import DeviceError
from edgeserve.oracle import OracleAnswer, OracleProcess, OracleTensor, open_oracle
from edgeserve.program import Oracle, Program, Role, Step, channels_left
from edgeserve.stimulus import Rows, Stimulus
from edgeserve.stream_plan import StreamPlan
from edgeserve.table import ModelTable

SHOWN_BYTES = 16
SEQUENCE_RUNS = 5
ROW_MS = 600_000
"""How long a device waits for a row: virtual time passes a hundred times faster than ours."""
Progress = Callable[[int, int], None]
"""Told how many inputs are done, and of how many."""


@dataclass(frozen=True, slots=True)
class FoldedTensor:
    """A tensor that no step writes as such, with the step that covers it (None: an input does)."""

    name: str
    step: int | None
    why: str


@dataclass(frozen=True, slots=True)
class NarrowedTensor:
    """A tensor of ``channels`` of which the device has only the ``kept`` ones, which were compared.

    ``constant`` ones are the same for every input: that the oracle's were, the host has seen.
    """

    name: str
    channels: int
    kept: int
    constant: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of the ``total`` tensors that the file's operators write, ``covered`` were compared.

    ``folded`` tensors exist only inside a step; ``uncovered`` are neither compared nor folded. Of
    the ``narrowed`` ones not every channel is on the device, or none, if they are folded as well.
    """

    covered: int
    total: int
    folded: tuple[FoldedTensor, ...]
    narrowed: tuple[NarrowedTensor, ...]
    uncovered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step (in execution order) of the first input that differs from the oracle.

    ``step`` is None when every step was right and the model's output was not: something wrote over
    it. ``offset`` counts bytes within the row; ``want`` and ``got`` begin there.
    """

    input: str
    step: int | None
    label: str
    kernel: str
    tensor: str
    row: int
    offset: int
    want: bytes
    got: bytes
    differing_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class NearStep:
    """A step of float32 arithmetic, and the greatest ``closeness.distance`` of any input; 0 where
    all its bytes were the oracle's.
    """

    step: int
    label: str
    distance: float


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found. The ``near`` steps had to be within ``TOLERANCE`` of the oracle's
    elements, all others equal to them bit for bit. ``inputs`` are labels, those of the sequence
    without resets last.

    ``differing_bytes`` counts, for each input, those of its first differing step: what follows from
    them is not counted again.
    """

    device: str
    steps: int
    inputs: tuple[str, ...]
    coverage: Coverage
    differing_inputs: int
    differing_bytes: int
    first_difference: Difference | None
    notes: tuple[str, ...]
    near: tuple[NearStep, ...] = ()

    @property
    def equal(self) -> bool:
        return self.first_difference is None


def verify(
    program: Program,
    table: ModelTable,
    model_tflite: bytes,
    dut: Dut,
    inputs: Sequence[Stimulus],
    progress: Progress | None = None,
    streamed: StreamPlan | None = None,
) -> Verification:
    """Runs ``inputs`` on the device and in the oracle, and compares the CRC-32 of every step.

    ``program`` was lowered from ``model_tflite``, ``table`` written from it, and ``dut`` is ready.
    Each input starts from reset; a model that keeps state runs its first inputs once more as one
    sequence without reset. The outputs are read out and compared too. A step of float32 arithmetic
    whose CRC-32 differs is read out: its elements count as right within ``TOLERANCE``. A difference
    counts only when a second run repeats it: anything else is a DeviceError. Raises DeviceError for
    a device that fails or holds another model, ModelError, MissingTool or ToolFailed for the
    oracle, BrokenProof when the oracle writes something else into a channel that is proven to be
    constant.

    With ``streamed``, the plan of the table, the device asks for its input row by row over the line
    and gets each when it asks.
    """
    dut.require_table(table.sha256)
    if streamed is not None:
        dut.stream(ROW_MS)
    with open_oracle(model_tflite, program) as oracle:
        session = _Session(program, dut, oracle, streamed)
        stateful = any(value.role is Role.STATE for value in program.values)
        sequence = inputs[:SEQUENCE_RUNS] if stateful and len(inputs) > 1 else ()
        total = len(inputs) + len(sequence)
        for done, one in enumerate(inputs):
            session.compare((one,), one.label)
            if progress is not None:
                progress(done + 1, total)
        for length in range(1, len(sequence) + 1):
            session.compare(sequence[:length], f"run {length} of a sequence without reset")
            if progress is not None:
                progress(len(inputs) + length, total)
        return session.verification(oracle.written, oracle.notes)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one inference left on the device."""

    crcs: tuple[int, ...]
    output: bytes


class _Session:
    """The comparison under way."""

    def __init__(
        self, program: Program, dut: Dut, oracle: OracleProcess, streamed: StreamPlan | None
    ) -> None:
        self._program = program
        self._streamed = streamed
        self._dut = dut
        self._oracle = oracle
        self._compared = [step for step in program.steps if step.oracle is not None]
        self._output_bytes = sum(
            prod(port.shape) * port.dtype.size_bytes for port in program.outputs
        )
        self._near = near_values(program)
        self._distances = {s.index: 0.0 for s in self._compared if s.output.value in self._near}
        self._labels: list[str] = []
        self._differences: list[Difference] = []

    def compare(self, sequence: Sequence[Stimulus], label: str) -> None:
        """The last inference of ``sequence``, which starts from reset, against the oracle's."""
        self._labels.append(label)
        want, want_output = self._ask_oracle(sequence)
        seen = self._ask_device(sequence)
        step = self._first_wrong(seen, want, sequence)
        if step is None and output_distance(self._program, want_output, seen.output) <= TOLERANCE:
            return
        if self._ask_device(sequence) != seen:
            raise DeviceError(
                f"{self._dut.name}: two runs on the same input ({label}) gave different results",
                hint="look for memory that is used before it is written, or a noisy line",
            )
        if step is None:
            self._differences.append(self._wrong_output(label, want_output, seen.output))
        else:
            self._differences.append(self._wrong_step(label, step, sequence))

    def verification(self, written: Sequence[OracleTensor], notes: Sequence[str]) -> Verification:
        return Verification(
            device=self._dut.name,
            steps=len(self._program.steps),
            inputs=tuple(self._labels),
            coverage=coverage(self._program, written),
            differing_inputs=len(self._differences),
            differing_bytes=sum(d.differing_bytes for d in self._differences),
            first_difference=self._differences[0] if self._differences else None,
            notes=tuple(notes),
            near=tuple(
                NearStep(index, self._program.steps[index].label, far)
                for index, far in self._distances.items()
            ),
        )

    def _ask_oracle(self, sequence: Sequence[Stimulus]) -> tuple[OracleAnswer, bytes]:
        for number, one in enumerate(sequence):
            answer = self._oracle.run(one.data, reset=number == 0)
        output = b"".join(
            self._oracle.tensor_bytes(Oracle(p.tensor)) for p in self._program.outputs
        )
        return answer, output

    def _ask_device(self, sequence: Sequence[Stimulus]) -> _Seen:
        self._prepare(sequence)
        self._run(sequence[-1])
        return _Seen(self._dut.crcs(), self._dut.out(self._output_bytes))

    def _prepare(self, sequence: Sequence[Stimulus]) -> None:
        """Brings the device to where the last input of the sequence has only to be run."""
        self._dut.reset()
        for number, one in enumerate(sequence):
            if one.seed is not None:
                self._dut.fill(one.seed, one.data)
            else:
                self._dut.load(one.data)
            if number < len(sequence) - 1:
                self._run(one)

    def _run(self, one: Stimulus) -> None:
        if self._streamed is None:
            self._dut.run()
        else:
            self._dut.run(Rows(self._program, self._streamed, one.data))

    def _first_wrong(
        self, seen: _Seen, want: OracleAnswer, sequence: Sequence[Stimulus]
    ) -> Step | None:
        for step, crc in zip(self._compared, want.crcs, strict=True):
            if seen.crcs[step.index] != crc and not self._is_near(step, sequence):
                return step
        return None

    def _is_near(self, step: Step, sequence: Sequence[Stimulus]) -> bool:
        """Whether a step whose bytes differ may do so, and is near enough."""
        if step.index not in self._distances:
            return False
        assert step.oracle is not None
        far = distance(self._oracle.tensor_bytes(step.oracle), self._dumped(step, sequence))
        if far > TOLERANCE:
            return False
        self._distances[step.index] = max(self._distances[step.index], far)
        return True

    def _dumped(self, step: Step, sequence: Sequence[Stimulus]) -> bytes:
        """What a step writes in the last inference of the sequence, run once more: from the loaded
        input, where it was streamed before.
        """
        view = step.output
        self._prepare(sequence)
        if self._streamed is not None:
            self._dut.stop_stream()
        got = self._dut.dump(step.index, 0, view.h, self._row_bytes(step))
        if self._streamed is not None:
            self._dut.stream(ROW_MS)
        return got

    def _row_bytes(self, step: Step) -> int:
        view = step.output
        return view.w * view.c * self._program.values[view.value].dtype.size_bytes

    def _wrong_step(self, label: str, step: Step, sequence: Sequence[Stimulus]) -> Difference:
        assert step.oracle is not None
        got = self._dumped(step, sequence)
        want = self._oracle.tensor_bytes(step.oracle)
        return _difference(
            want,
            got,
            self._row_bytes(step),
            is_near=step.index in self._distances,
            input_label=label,
            step=step.index,
            label=step.label,
            kernel=step.kernel.name,
            tensor=step.label,
        )

    def _wrong_output(self, label: str, want: bytes, got: bytes) -> Difference:
        names = ", ".join(port.name for port in self._program.outputs)
        return _difference(
            want,
            got,
            len(want),
            is_near=self._all_near(),
            input_label=label,
            step=None,
            label="model output",
            kernel="",
            tensor=names,
        )

    def _all_near(self) -> bool:
        return all(port.value in self._near for port in self._program.outputs)


def coverage(program: Program, written: Sequence[OracleTensor]) -> Coverage:
    """Which of the tensors that the file's operators write are compared on the device."""
    compared = {step.oracle.tensor for step in program.steps if step.oracle is not None}
    folded = {item.tensor: item for item in program.folded}
    names = {tensor.index: tensor.name for tensor in written}
    return Coverage(
        covered=len(compared & names.keys()),
        total=len(names),
        folded=tuple(
            FoldedTensor(item.name, item.step, item.why)
            for index, item in sorted(folded.items())
            if index in names and index not in compared
        ),
        narrowed=tuple(
            NarrowedTensor(names[index], left.total, len(left.kept), len(left.constants))
            for index, left in channels_left(program).items()
            if index in names
        ),
        uncovered=tuple(
            name for index, name in names.items() if index not in compared and index not in folded
        ),
    )


def _difference(
    want: bytes,
    got: bytes,
    row_bytes: int,
    *,
    is_near: bool,
    input_label: str,
    step: int | None,
    label: str,
    kernel: str,
    tensor: str,
) -> Difference:
    wrong = _too_far(want, got) if is_near and len(want) == len(got) else _unequal(want, got)
    missing = abs(len(want) - len(got))
    if not wrong and not missing:
        raise DeviceError(
            f"{label}: the checksum differs from the oracle's, but no byte does",
            hint="the device's checksum is wrong: build and flash the firmware again",
        )
    first = wrong[0] if wrong else min(len(want), len(got))
    row, offset = divmod(first, max(1, row_bytes))
    return Difference(
        input=input_label,
        step=step,
        label=label,
        kernel=kernel,
        tensor=tensor,
        row=row,
        offset=offset,
        want=want[first : first + SHOWN_BYTES],
        got=got[first : first + SHOWN_BYTES],
        differing_bytes=len(wrong) + missing,
        total_bytes=len(want),
    )


def _unequal(want: bytes, got: bytes) -> list[int]:
    return [i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b]


def _too_far(want: bytes, got: bytes) -> list[int]:
    """The bytes of the float32 elements that are beyond the tolerance."""
    far = (distances(want, got) > TOLERANCE).nonzero()[0].tolist()
    return [byte for element in far for byte in range(4 * element, 4 * element + 4)]
