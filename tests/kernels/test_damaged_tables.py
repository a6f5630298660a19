"""Damaged model tables are refused by es_init, or run inside their memory and in bounded time.

The tables are those of a small model of every operator, as planned and row by row. Each damage is a
seeded handful of bit flips, field changes, moved runs and truncations. The runner executes what
es_init accepts under AddressSanitizer and UndefinedBehaviorSanitizer, in memory of the exact size.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.graph import OpKind
from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Program
from edgeserve.table import (
    BANK_SHIFT,
    DTYPE_CODE,
    HEADER,
    OPERAND,
    TURN,
    Section,
    write_table,
)
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import forms_of, random_inputs
from tests.kernels.float_models import float_models
from tests.kernels.host_runner import (
    ES_ARENA_TOO_SMALL,
    ES_BAD_RECORD,
    ES_OK,
    ES_OUT_OF_BOUNDS,
    HostRunner,
)
from tests.kernels.small_models import many_sums, small_models
from tests.kernels.streamed import SUMMING, in_one_group, in_small_banks, summing
from tests.kernels.test_convolution import Case as Window
from tests.kernels.test_convolution import conv2d, depthwise
from tests.kernels.wide_models import wide_models
from tests.table_fields import (
    BANK_BYTES,
    BANK_COUNT,
    OPERAND_DEPTH,
    STEP_PARAMS,
    STEP_SCRATCH_BYTES,
    TOTAL_BYTES,
    operand_at,
    step_at,
    u16_at,
    u32_at,
)

SMALL_SHARED_MODELS = ("hello_world_int8", "micro_speech_quantized")
ELEMENT_BYTES = {code: dtype.size_bytes for dtype, code in DTYPE_CODE.items()}


@dataclass(frozen=True, slots=True)
class Case:
    """A sound table and what each part of it is."""

    name: str
    program: Program
    data: bytes
    sections: tuple[Section, ...]

    @property
    def bank_bytes(self) -> tuple[int, ...]:
        """Of each bank that a table may have."""
        return struct.unpack_from("<4I", self.data, BANK_BYTES)


def planned(name: str, model: bytes) -> tuple[Case, ...]:
    """A case for each core that has kernels of its own for the model."""
    forms = forms_of(lower(read_model(model, name=name)))
    tables = [write_table(form, whole_plan(form)) for form in forms]
    return tuple(
        Case(form.name, form, table.data, table.sections)
        for form, table in zip(forms, tables, strict=True)
    )


def streamed(case: Case) -> Case:
    """The same model with one row a turn: rings, counters, fed inputs and sums."""
    table = write_table(case.program, in_one_group(case.program, 1))
    name = f"{case.name}, row by row"
    return replace(case, name=name, data=table.data, sections=table.sections)


def split(case: Case) -> Case | None:
    """One row a turn with the arena in several banks; None for one that cannot be split."""
    plan = in_small_banks(case.program, in_one_group(case.program, 1), 1)
    if len(plan.banks) < 2:
        return None
    table = write_table(case.program, plan)
    name = f"{case.name}, in {len(plan.banks)} banks"
    return replace(case, name=name, data=table.data, sections=table.sections)


@pytest.fixture(scope="module")
def whole_cases() -> tuple[Case, ...]:
    summed = {f"{kind} of rows": summing(kind, (1, 5, 2, 6)) for kind in SUMMING}
    more = {
        "ADD of many": many_sums(),
        "CONV_2D of fours": conv2d(Window(5, 6, 4, 4)),
        "DEPTHWISE_CONV_2D with RELU": depthwise(
            Window(5, 6, 5, 5, activation="RELU", zero_points=(3, -128))
        ),
    }
    models = {**small_models(), **wide_models(), **float_models(), **summed, **more}
    return tuple(case for name, model in models.items() for case in planned(name, model))


@pytest.fixture(scope="module")
def cases(whole_cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """All forms of each model that has a step."""
    stepped = [case for case in whole_cases if case.program.steps]
    in_banks = [case for case in map(split, stepped) if case is not None]
    assert len(in_banks) > len(stepped) // 2
    return (*stepped, *map(streamed, stepped), *in_banks)


def test_every_operator_and_kernel_has_a_case(cases: tuple[Case, ...]) -> None:
    assert set(small_models()) == {kind.value for kind in OpKind}
    used = {step.kernel for case in cases for step in case.program.steps}
    assert used == set(KernelId)


def test_every_kernel_computes_the_same_row_by_row(
    runner: HostRunner, whole_cases: tuple[Case, ...]
) -> None:
    rng = np.random.default_rng(5)
    for case in whole_cases:
        if not case.program.steps:
            continue
        inputs = [
            b"".join(array.tobytes() for array in random_inputs(case.program, rng))
            for _ in range(2)
        ]
        count = len(case.program.steps)
        whole = runner.run_table(case.data, inputs, count)
        for other in (streamed(case), split(case)):
            if other is not None:
                rows = runner.run_table(other.data, inputs, count)
                assert (whole.status, rows.status) == (ES_OK, ES_OK), other.name
                assert whole.steps == rows.steps, other.name


Damage = Callable[[random.Random, bytearray, Section], None]

EXTREMES = (0, 1, 2, 3, 127, 128, 255, 256, 4096, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000)
BANKS_AT = (0x40000000, 0x40000010, 0x7FFFFFF0, 0x80000000, 0xC0000000, 0xC0000040)
FAR = (*BANKS_AT, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF)


def _place(rng: random.Random, section: Section, size: int) -> int:
    """Where in a section a field of ``size`` bytes may be."""
    return section.offset + rng.randrange((section.end - section.offset) // size) * size


def flip_bits(rng: random.Random, data: bytearray, section: Section) -> None:
    for _ in range(rng.choice((1, 1, 2, 5))):
        data[_place(rng, section, 1)] ^= 1 << rng.randrange(8)


def set_u32(rng: random.Random, data: bytearray, section: Section) -> None:
    near = (len(data), len(data) - 16, u32_at(data, BANK_BYTES), rng.randrange(2 * len(data)))
    value = rng.choice((*EXTREMES, *FAR, *near))
    struct.pack_into("<I", data, _place(rng, section, 4), value)


def set_u16(rng: random.Random, data: bytearray, section: Section) -> None:
    value = rng.choice(EXTREMES) & 0xFFFF
    struct.pack_into("<H", data, _place(rng, section, 2), value)


def nudge(rng: random.Random, data: bytearray, section: Section) -> None:
    """A field that is a little off, or twice or half as large."""
    offset, form = _place(rng, section, 4), rng.choice(("<I", "<H"))
    (value,) = struct.unpack_from(form, data, offset)
    value = rng.choice((value + 1, value - 1, value + 16, value - 16, value * 2, value // 2))
    struct.pack_into(form, data, offset, value % (1 << 8 * struct.calcsize(form)))


def swap_fields(rng: random.Random, data: bytearray, section: Section) -> None:
    size = rng.choice((2, 4))
    a, b = _place(rng, section, size), _place(rng, section, size)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def move_run(rng: random.Random, data: bytearray, section: Section) -> None:
    size = rng.choice((4, 8, 20, 24, 32))
    source, target = rng.randrange(len(data) - size), _place(rng, section, 4)
    run = data[source : source + size]
    data[target : target + size] = run[: len(data) - target]


def reshape(rng: random.Random, data: bytearray, section: Section) -> None:
    """Another shape for an operand, sound in itself, somewhere in its memory."""
    count = (section.end - section.offset) // OPERAND.size
    record = section.offset + rng.randrange(count) * OPERAND.size
    offset, c, w, h, depth, dtype, space = OPERAND.unpack_from(data, record)
    element_bytes = ELEMENT_BYTES.get(dtype, 1)
    memory_bytes = len(data) if space else u32_at(data, BANK_BYTES)
    if rng.random() < 0.5:
        offset = rng.randrange(0, max(1, memory_bytes), 8)
    left = max(1, min(memory_bytes - offset, 1 << 16) // element_bytes)
    extents = [h, w, c]
    if rng.random() < 0.5:
        rng.shuffle(extents)
    for _ in range(rng.choice((1, 1, 2))):
        extents[rng.randrange(3)] = rng.choice((1, 2, 3, 5, 8, rng.randint(1, left)))
    h, w, c = (min(extent, 0xFFFF) for extent in extents)
    depth = rng.choice((h, h, h, 1, min(h, 2)))
    OPERAND.pack_into(data, record, offset, c, w, h, depth, dtype, space)


RECORDS = ("header", "operands", "parameters", "steps", "schedule", "inputs", "outputs", "states")
"""What the notes of sections that are not mere constants begin with."""

DAMAGES: tuple[Damage, ...] = (flip_bits, set_u32, set_u16, nudge, swap_fields, move_run)


def damaged(case: Case, seed: int) -> bytes:
    """The table with one to three damages, seldom in weights; sometimes cut short as well."""
    rng = random.Random(seed)
    data = bytearray(case.data)
    sections = [s for s in case.sections if s.end - s.offset >= 4]
    records = [s for s in sections if s.note.startswith(RECORDS)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        section = rng.choice(records if rng.random() < 0.9 else sections)
        is_operands = section.note.startswith("operands") and rng.random() < 0.7
        (reshape if is_operands else rng.choice(DAMAGES))(rng, data, section)
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
        if rng.random() < 0.5 and len(data) >= HEADER.size:
            struct.pack_into("<I", data, TOTAL_BYTES, len(data))
    return bytes(data)


def try_damages(runner: HostRunner, cases: Sequence[Case], seeds: range) -> Counter[int]:
    """How often es_init answered with each status."""
    statuses: Counter[int] = Counter()
    for seed in seeds:
        case = cases[seed % len(cases)]
        table = damaged(case, seed)
        try:
            statuses[runner.try_table(table, case.bank_bytes)] += 1
        except AssertionError as error:
            changed = [i for i, (a, b) in enumerate(zip(case.data, table, strict=False)) if a != b]
            where = {s.note for s in case.sections for i in changed if s.offset <= i < s.end}
            raise AssertionError(
                f"damage {seed} of {case.name}, {len(table)} of {len(case.data)} bytes, "
                f"changed at {changed[:20]} ({', '.join(sorted(where))}): {error}"
            ) from None
    return statuses


def test_damaged_tables_stay_in_bounds(runner: HostRunner, cases: tuple[Case, ...]) -> None:
    for case in cases:
        assert runner.try_table(case.data, case.bank_bytes) == ES_OK, case.name
        # An odd number of runs has no source: rows that are fed read as zeros.
        assert runner.try_table(case.data, case.bank_bytes, runs=1) == ES_OK, case.name
    statuses = try_damages(runner, cases, range(50_000))
    assert len(statuses) >= 6, "the damages are all alike"
    assert min(statuses[ES_OK], statuses.total() - statuses[ES_OK]) > 10_000, statuses


def test_a_window_over_rows_that_are_not_there_is_refused(
    runner: HostRunner, cases: tuple[Case, ...]
) -> None:
    """A ring of one row that claims to be high, under a window as high: hours of work."""
    for case in (c for c in cases if c.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D")):
        data = bytearray(case.data)
        operand, params = operand_at(data, 0, 0), u32_at(data, step_at(data, 0) + STEP_PARAMS)
        struct.pack_into("<HH", data, operand + OPERAND_DEPTH - 2, 0xFFFF, 1)
        struct.pack_into("<H", data, params, 0xFFFF)
        assert runner.try_table(bytes(data), case.bank_bytes) == ES_BAD_RECORD


NO_TURNS = ((0x7FFF, 1), (0, 0xFFFF), (0x8000, 0xFFFF), (0x8007, 1), (0x8008, 1), (0xFFFF, 0xFFFF))
"""Of no step, of no input that is fed, or of more rows than there is memory for."""


def test_turns_that_make_no_sense_stay_in_bounds(
    runner: HostRunner, cases: tuple[Case, ...]
) -> None:
    """es_run alone looks at turns: they do less than they ask for, or nothing."""
    tried = 0
    for case in cases:
        for section in (s for s in case.sections if s.note == "schedule"):
            for turn in NO_TURNS:
                data = bytearray(case.data)
                for at in range(section.offset, section.end, 2 * TURN.size):
                    TURN.pack_into(data, at, *turn)
                assert runner.try_table(bytes(data), case.bank_bytes) == ES_OK, case.name
                tried += 1
    assert tried > 500


FIELD_VALUES = (0, 1, 0x7FFF, 0x8000, 0xFFFF)


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD"])
def test_every_single_field_may_be_wrong(
    runner: HostRunner, cases: tuple[Case, ...], name: str
) -> None:
    """Each 16 bits of every record in turn: refused, or run within its memory."""
    seen: Counter[int] = Counter()
    for case in (c for c in cases if c.name.partition(",")[0] == name):
        for section in (s for s in case.sections if s.note.startswith(RECORDS)):
            for at in range(section.offset, section.end - 1, 2):
                for value in FIELD_VALUES:
                    data = bytearray(case.data)
                    struct.pack_into("<H", data, at, value)
                    seen[runner.try_table(bytes(data), case.bank_bytes)] += 1
    assert min(seen[ES_OK], seen[ES_OUT_OF_BOUNDS], seen[ES_BAD_RECORD]) > 100, seen


def test_a_bank_that_is_too_small_is_refused(runner: HostRunner, cases: tuple[Case, ...]) -> None:
    tried = 0
    for case in cases:
        for bank, bytes_asked in enumerate(case.bank_bytes):
            if bytes_asked and sum(case.bank_bytes[1:]):
                less = list(case.bank_bytes)
                less[bank] -= 1
                status = runner.try_table(case.data, [max(less[0], 1), *less[1:]])
                assert status == ES_ARENA_TOO_SMALL, case.name
                tried += 1
    assert tried > 40


def test_a_count_of_banks_that_makes_no_sense_is_refused(
    runner: HostRunner, cases: tuple[Case, ...]
) -> None:
    """Nothing lies in a bank beyond the count, whatever its bytes."""
    statuses: Counter[tuple[str, int]] = Counter()
    for case in cases:
        used = max(i + 1 for i, size in enumerate(case.bank_bytes) if size or i == 0)
        assert u16_at(case.data, BANK_COUNT) == used
        for kind, count in (("none", 0), ("five", 5), ("fewer", used - 1), ("more", used + 1)):
            data = bytearray(case.data)
            struct.pack_into("<H", data, BANK_COUNT, count)
            status = runner.try_table(bytes(data), case.bank_bytes)
            if count > 0 or kind == "none":
                statuses[kind, status] += 1
    # With all four banks in use, one more is five. An empty model uses nothing of a bank.
    assert set(statuses) <= {
        ("none", ES_BAD_RECORD),
        ("five", ES_BAD_RECORD),
        ("fewer", ES_OUT_OF_BOUNDS),
        ("more", ES_ARENA_TOO_SMALL),
        ("more", ES_BAD_RECORD),
    }, statuses
    assert statuses["fewer", ES_OUT_OF_BOUNDS] > 20


def test_a_record_that_leaves_its_bank_is_refused(
    runner: HostRunner, cases: tuple[Case, ...]
) -> None:
    """Its last element would lie in the next bank, were the banks one behind the other."""
    tried = 0
    for case in cases:
        for section in case.sections:
            if not section.note.startswith("operands") or not sum(case.bank_bytes[1:]):
                continue
            for at in range(section.offset, section.end, OPERAND.size):
                data = bytearray(case.data)
                offset, *rest = OPERAND.unpack_from(data, at)
                c, w, _, depth, dtype, space = rest
                if space != 0:
                    continue
                bank = offset >> BANK_SHIFT
                end = (bank << BANK_SHIFT) + case.bank_bytes[bank]
                bytes_held = w * c * depth * ELEMENT_BYTES[dtype]
                OPERAND.pack_into(data, at, end - bytes_held + 8, *rest)
                assert runner.try_table(bytes(data), case.bank_bytes) == ES_OUT_OF_BOUNDS
                tried += 1
    assert tried > 100


def test_a_step_without_a_counter_writes_no_more_than_there_is_memory_for(
    runner: HostRunner, cases: tuple[Case, ...]
) -> None:
    """All its rows are computed in one turn: a ring is not overrun, the other rows do not exist."""
    (case,) = (c for c in cases if c.name == "FULLY_CONNECTED of rows")
    data = bytearray(case.data)
    depth = operand_at(data, 0, 1) + OPERAND_DEPTH
    rows = u16_at(data, depth)
    assert rows > 1
    struct.pack_into("<H", data, depth, rows - 1)
    assert runner.try_table(bytes(data), case.bank_bytes) == ES_OK


def test_scratch_is_checked_to_the_byte(runner: HostRunner, cases: tuple[Case, ...]) -> None:
    """A kernel that has a byte less than the host found that it needs is refused."""
    tried: Counter[KernelId] = Counter()
    for case in cases:
        for step in case.program.steps:
            at = step_at(case.data, step.index) + STEP_SCRATCH_BYTES
            if step.scratch_bytes == 0 or u32_at(case.data, at) != step.scratch_bytes:
                continue
            data = bytearray(case.data)
            struct.pack_into("<I", data, at, step.scratch_bytes - 1)
            assert runner.try_table(bytes(data), case.bank_bytes) == ES_OUT_OF_BOUNDS, case.name
            tried[step.kernel] += 1
    assert {KernelId.CONV_PAIRS, KernelId.DEPTHWISE_PAIRS, KernelId.DEPTHWISE_RELU} <= set(tried)


def test_damaged_reference_models_stay_in_bounds(runner: HostRunner, shared_data: Path) -> None:
    files = [shared_data / "models" / f"{name}.tflite" for name in SMALL_SHARED_MODELS]
    whole = [case for file in files for case in planned(file.stem, file.read_bytes())]
    statuses = try_damages(runner, [*whole, *map(streamed, whole)], range(1_000))
    assert min(statuses[ES_OK], statuses.total() - statuses[ES_OK]) > 100, statuses


@pytest.mark.soak
def test_many_damaged_tables_stay_in_bounds(runner: HostRunner, cases: tuple[Case, ...]) -> None:
    try_damages(runner, cases, range(50_000, 5_000_000))
