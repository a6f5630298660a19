"""The FlatBuffer accessor, on buffers laid out by hand and damaged at each place in turn."""

from __future__ import annotations

import struct

import pytest

from edgeserve.errors import ModelError
from edgeserve.tflite.flatbuffer import (
    Ref,
    Source,
    Span,
    Table,
    absent_table,
    boolean,
    float32s,
    int8,
    int32,
    int32s,
    uint64,
)

SMALL = int8(0, "small")
WIDE = uint64(1, "wide", 7)
TEXT = Ref(2, "text")
VALUES = int32s(3, "values")
CHILDREN = Ref(4, "children")
CHILD = Ref(5, "child")
LATER = int32(6, "later", -5)

VTABLE = 4
ROOT = 20
STRING = 48
VECTOR = 56
TABLES = 68
CHILD_VTABLE = 80
CHILD_TABLE = 84
LENGTH = 92


def layout() -> bytearray:
    """A root table with all kinds of fields, the wide one not aligned; ``LATER`` is absent."""
    b = bytearray(LENGTH)
    struct.pack_into("<I", b, 0, ROOT)
    struct.pack_into("<8H", b, VTABLE, 16, 28, 4, 5, 13, 17, 21, 0)
    struct.pack_into("<ibQIII", b, ROOT, ROOT - VTABLE, -3, 1 << 40, 15, 19, 27)
    struct.pack_into("<I3s", b, STRING, 3, b"a\xffb")
    struct.pack_into("<I2i", b, VECTOR, 2, -1, 9)
    struct.pack_into("<III", b, TABLES, 2, CHILD_TABLE - TABLES - 4, CHILD_TABLE - TABLES - 8)
    struct.pack_into("<2H", b, CHILD_VTABLE, 4, 8)
    struct.pack_into("<i", b, CHILD_TABLE, CHILD_TABLE - CHILD_VTABLE)
    return b


def root(data: bytes | bytearray) -> Table:
    return Source(bytes(data)).root("the root")


def read_everything(data: bytes | bytearray) -> None:
    table = root(data)
    table.scalar(SMALL)
    table.scalar(WIDE)
    table.string(TEXT)
    table.numbers(VALUES)
    list(table.tables(CHILDREN, "child", most=2))


def test_reads_each_kind_of_field() -> None:
    table = root(layout())
    assert table.scalar(SMALL) == -3
    assert table.scalar(WIDE) == 1 << 40
    assert table.string(TEXT) == "a\N{REPLACEMENT CHARACTER}b"
    assert table.span(TEXT) == Span(STRING + 4, 3)
    assert table.numbers(VALUES) == (-1, 9)
    children = list(table.tables(CHILDREN, "child", most=2))
    assert [c.where for c in children] == ["child 0", "child 1"]
    assert [c.position for c in children] == [CHILD_TABLE, CHILD_TABLE]


def test_absent_fields_have_their_defaults() -> None:
    for table in (root(layout()), absent_table(Source(b""), "nothing")):
        assert table.scalar(LATER) == -5
        assert table.table(CHILD) is None
        assert not table.has(LATER.slot)
        assert table.scalar(boolean(9, "flag", True)) is True
    nothing = absent_table(Source(b""), "nothing")
    assert nothing.scalar(WIDE) == 7
    assert nothing.string(TEXT) is None
    assert nothing.span(TEXT) is None
    assert nothing.numbers(float32s(3, "values")) == ()
    assert list(nothing.tables(CHILDREN, "child", most=0)) == []


@pytest.mark.parametrize(
    ("at", "code", "value", "fault"),
    [
        (0, "<I", 0xFFFFFFF0, "the root: its table lies outside the file"),
        (0, "<I", LENGTH + 9, "the root: its table lies outside the file"),
        (ROOT, "<i", -1000, "the root: its vtable lies outside the file"),
        (ROOT, "<i", 1000, "the root: its vtable lies outside the file"),
        (VTABLE, "<H", 2, "the root: its vtable has an impossible length, 2"),
        (VTABLE, "<H", 15, "the root: its vtable has an impossible length, 15"),
        (VTABLE, "<H", 60_000, "the root: its vtable runs past the end of the file"),
        (VTABLE + 2, "<H", 3, "the root: its table runs past the end of the file"),
        (VTABLE + 2, "<H", 5_000, "the root: its table runs past the end of the file"),
        (VTABLE + 4, "<H", 2, "the root: small lies outside its table"),
        (VTABLE + 4, "<H", 28, "the root: small lies outside its table"),
        (VTABLE + 6, "<H", 21, "the root: wide lies outside its table"),
        (VTABLE + 8, "<H", 26, "the root: text lies outside its table"),
        (ROOT + 13, "<I", 0, "the root: text points outside the file"),
        (ROOT + 13, "<I", 0xFFFFFFFF, "the root: text points outside the file"),
        (ROOT + 13, "<I", LENGTH, "the root: text points outside the file"),
        (STRING, "<I", 1000, "the root: text string runs past the end of the file"),
        (STRING, "<I", 0xFFFFFFFF, "the root: text string runs past the end of the file"),
        (VECTOR, "<I", 0x40000000, "the root: values vector runs past the end of the file"),
        (TABLES, "<I", 9, "the root: children vector runs past the end of the file"),
        (TABLES, "<I", 3, "the root: children holds 3 tables; at most 2 are read"),
        (TABLES + 8, "<I", 1000, "child 1: its table lies outside the file"),
        (CHILD_VTABLE, "<H", 99, "child 0: its vtable has an impossible length, 99"),
        (CHILD_VTABLE, "<H", 100, "child 0: its vtable runs past the end of the file"),
        (CHILD_VTABLE + 2, "<H", 9, "child 0: its table runs past the end of the file"),
        (CHILD_TABLE, "<i", -8, "child 0: its vtable lies outside the file"),
    ],
)
def test_a_damaged_part_is_named(at: int, code: str, value: int, fault: str) -> None:
    data = layout()
    struct.pack_into(code, data, at, value)
    with pytest.raises(ModelError) as caught:
        read_everything(data)
    assert caught.value.what == fault
    assert caught.value.hint == "the file is damaged: export or download it again"


def test_every_truncation_is_refused() -> None:
    data = layout()
    read_everything(data)
    for length in range(len(data)):
        with pytest.raises(ModelError):
            read_everything(data[:length])


def test_every_changed_byte_gives_values_or_a_model_error() -> None:
    refused = 0
    for at in range(LENGTH):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            data = layout()
            data[at] = value
            try:
                read_everything(data)
            except ModelError:
                refused += 1
    assert refused > 100


def test_overlapping_parts_cannot_cost_more_than_the_file() -> None:
    table = root(layout() + bytes(50_000))

    def read_again_and_again() -> None:
        for _ in range(100_000):
            table.numbers(VALUES)

    with pytest.raises(ModelError, match="its parts overlap"):
        read_again_and_again()


def test_a_sub_table_is_named_after_its_field() -> None:
    data = layout()
    as_table = Ref(TEXT.slot, "details")
    struct.pack_into("<i", data, STRING, 1000)
    table = root(data)
    with pytest.raises(ModelError, match="the root: details: its vtable lies outside the file"):
        table.table(as_table)
