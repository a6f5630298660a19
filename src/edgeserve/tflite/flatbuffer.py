"""Reads the tables of a FlatBuffer of which nothing is trusted.

The layout is that of the FlatBuffers internals document (https://flatbuffers.dev/internals): a
table starts with a signed offset back to its vtable; a vtable holds its own length, the length of
the table and, for each field, the field's offset in the table or 0; strings, vectors and sub-tables
are reached by unsigned offsets forward; everything is little-endian.

Each offset and length is checked against the file before it is followed, and a field against its
table. Alignment is not assumed. Parts of a damaged file may overlap, so that little can be read as
much: a :class:`Source` therefore counts the bytes that are read, and stops past a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Generic, NoReturn, TypeVar, cast

from edgeserve.tflite.wording import damaged

_READ_FACTOR = 8
_READ_SLACK_BYTES = 65_536
_READ_LIMIT_BYTES = 32 << 20

_UINT16_PAIR = Struct("<HH")
_UINT16 = Struct("<H")
_UINT32 = Struct("<I")
_INT32 = Struct("<i")

T = TypeVar("T", int, float, bool)


@dataclass(frozen=True, slots=True)
class Scalar(Generic[T]):
    """A field that holds one number: its slot in the vtable, its layout, the value when absent."""

    slot: int
    name: str
    layout: Struct
    default: T


@dataclass(frozen=True, slots=True)
class Numbers(Generic[T]):
    """A field that points to a vector of numbers of the type ``letter`` (of module struct)."""

    slot: int
    name: str
    letter: str
    item_bytes: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A field that points to a table, a string, a vector of tables or a vector of raw bytes."""

    slot: int
    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """The place of a run of raw bytes in the file."""

    start: int
    size_bytes: int


class Source:
    """The bytes of a file, and how many more of them may be read as tables, vectors and strings.

    A sound file has each byte read about once; the limit is eight times its length (and 32 MiB),
    which bounds the time and memory that a damaged one can cost. Spans are not counted.
    """

    __slots__ = ("_left_bytes", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        allowance = _READ_FACTOR * len(data) + _READ_SLACK_BYTES
        self._left_bytes = min(allowance, _READ_LIMIT_BYTES)

    def charge(self, size_bytes: int, where: str) -> None:
        """Counts bytes about to be read. Raises ModelError past the limit."""
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise damaged(where, "the file says far more than it holds: its parts overlap")

    def root(self, where: str) -> Table:
        """The table that the first four bytes point to. Raises ModelError."""
        if len(self.data) < _UINT32.size:
            raise damaged(where, "the file ends before its first offset")
        (offset,) = _UINT32.unpack_from(self.data, 0)
        return open_table(self, offset, where)


def open_table(source: Source, position: int, where: str) -> Table:
    """The table at a byte position, its vtable checked. Raises ModelError naming ``where``."""
    data = source.data
    if not 0 <= position <= len(data) - _INT32.size:
        raise damaged(where, "its table lies outside the file")
    vtable = position - int(_INT32.unpack_from(data, position)[0])
    if not 0 <= vtable <= len(data) - _UINT16_PAIR.size:
        raise damaged(where, "its vtable lies outside the file")
    vtable_bytes, table_bytes = _UINT16_PAIR.unpack_from(data, vtable)
    if vtable_bytes < _UINT16_PAIR.size or vtable_bytes % 2:
        raise damaged(where, f"its vtable has an impossible length, {vtable_bytes}")
    if vtable + vtable_bytes > len(data):
        raise damaged(where, "its vtable runs past the end of the file")
    if table_bytes < _INT32.size or position + table_bytes > len(data):
        raise damaged(where, "its table runs past the end of the file")
    source.charge(vtable_bytes + table_bytes, where)
    return Table(source, position, table_bytes, vtable, vtable_bytes, where)


def absent_table(source: Source, where: str) -> Table:
    """A table without any field, so that every field has its default."""
    return Table(source, 0, 0, 0, 0, where)


@dataclass(frozen=True, slots=True)
class Table:
    """A table inside the file; ``where`` is how messages call it. Methods raise ModelError."""

    source: Source
    position: int
    size_bytes: int
    vtable: int
    vtable_bytes: int
    where: str

    def called(self, where: str) -> Table:
        """The same table under another name."""
        return Table(
            self.source, self.position, self.size_bytes, self.vtable, self.vtable_bytes, where
        )

    def fail(self, fault: str) -> NoReturn:
        """Raises the ModelError for a fault of this table."""
        raise damaged(self.where, fault)

    def has(self, slot: int) -> bool:
        """Whether the field in a slot is there."""
        return self._field_offset(slot) != 0

    def scalar(self, field: Scalar[T]) -> T:
        """The value of a field, or its default when it is absent."""
        offset = self._field_offset(field.slot)
        if offset == 0:
            return field.default
        self._check_inside(offset, field.layout.size, field.name)
        (value,) = field.layout.unpack_from(self.source.data, self.position + offset)
        return cast(T, value)

    def slots(self) -> int:
        """How many fields its vtable has an entry for."""
        return (self.vtable_bytes - _UINT16_PAIR.size) // _UINT16.size

    def target(self, field: Ref | Numbers[int]) -> int | None:
        """The byte position that a field points to, None when absent."""
        return self._target(field.slot, field.name)

    def table(self, field: Ref) -> Table | None:
        """The sub-table that a field points to, None when absent."""
        target = self._target(field.slot, field.name)
        if target is None:
            return None
        return open_table(self.source, target, f"{self.where}: {field.name}")

    def string(self, field: Ref) -> str | None:
        """The text of a field, None when absent; bytes that are not UTF-8 become U+FFFD."""
        target = self._target(field.slot, field.name)
        if target is None:
            return None
        span = self._vector(target, 1, field.name, "string")
        self.source.charge(span.size_bytes, self.where)
        return self._slice(span).decode("utf-8", "replace")

    def span(self, field: Ref) -> Span | None:
        """Where the raw bytes of a vector of bytes lie, None when absent."""
        target = self._target(field.slot, field.name)
        return None if target is None else self._vector(target, 1, field.name, "vector")

    def numbers(self, field: Numbers[T]) -> tuple[T, ...]:
        """The elements of a vector of numbers, none when absent."""
        target = self._target(field.slot, field.name)
        if target is None:
            return ()
        span = self._vector(target, field.item_bytes, field.name, "vector")
        self.source.charge(span.size_bytes, self.where)
        count = span.size_bytes // field.item_bytes
        layout = Struct(f"<{count}{field.letter}")
        return cast("tuple[T, ...]", layout.unpack_from(self.source.data, span.start))

    def tables(self, field: Ref, item: str, *, most: int) -> Iterator[Table]:
        """The tables of a vector, at most ``most``, called "``item`` 0", "``item`` 1", ..."""
        target = self._target(field.slot, field.name)
        if target is None:
            return
        span = self._vector(target, _UINT32.size, field.name, "vector")
        count = span.size_bytes // _UINT32.size
        if count > most:
            self.fail(f"{field.name} holds {count:,} tables; at most {most:,} are read")
        self.source.charge(span.size_bytes, self.where)
        for index in range(count):
            at = span.start + index * _UINT32.size
            (offset,) = _UINT32.unpack_from(self.source.data, at)
            yield open_table(self.source, at + offset, f"{item} {index}")

    def _field_offset(self, slot: int) -> int:
        entry = _UINT16_PAIR.size + _UINT16.size * slot
        if entry + _UINT16.size > self.vtable_bytes:
            return 0
        return int(_UINT16.unpack_from(self.source.data, self.vtable + entry)[0])

    def _check_inside(self, offset: int, size_bytes: int, name: str) -> None:
        if offset < _INT32.size or offset + size_bytes > self.size_bytes:
            self.fail(f"{name} lies outside its table")

    def _target(self, slot: int, name: str) -> int | None:
        """Where a field's offset leads: at least four bytes before the end, None when absent."""
        field = self._field_offset(slot)
        if field == 0:
            return None
        self._check_inside(field, _UINT32.size, name)
        at = self.position + field
        (offset,) = _UINT32.unpack_from(self.source.data, at)
        if offset == 0 or at + offset > len(self.source.data) - _UINT32.size:
            self.fail(f"{name} points outside the file")
        return at + int(offset)

    def _vector(self, target: int, item_bytes: int, name: str, kind: str) -> Span:
        (count,) = _UINT32.unpack_from(self.source.data, target)
        span = Span(target + _UINT32.size, count * item_bytes)
        if span.start + span.size_bytes > len(self.source.data):
            self.fail(f"{name} {kind} runs past the end of the file")
        return span

    def _slice(self, span: Span) -> bytes:
        return self.source.data[span.start : span.start + span.size_bytes]


def int8(slot: int, name: str, default: int = 0) -> Scalar[int]:
    """A signed byte."""
    return Scalar(slot, name, Struct("<b"), default)


def uint8(slot: int, name: str, default: int = 0) -> Scalar[int]:
    """An unsigned byte."""
    return Scalar(slot, name, Struct("<B"), default)


def boolean(slot: int, name: str, default: bool = False) -> Scalar[bool]:
    """A byte that is 0 for false."""
    return Scalar(slot, name, Struct("<?"), default)


def int32(slot: int, name: str, default: int = 0) -> Scalar[int]:
    """A signed 32-bit integer."""
    return Scalar(slot, name, _INT32, default)


def uint32(slot: int, name: str, default: int = 0) -> Scalar[int]:
    """An unsigned 32-bit integer."""
    return Scalar(slot, name, _UINT32, default)


def uint64(slot: int, name: str, default: int = 0) -> Scalar[int]:
    """An unsigned 64-bit integer."""
    return Scalar(slot, name, Struct("<Q"), default)


def float32(slot: int, name: str, default: float = 0.0) -> Scalar[float]:
    """An IEEE single."""
    return Scalar(slot, name, Struct("<f"), default)


def int32s(slot: int, name: str) -> Numbers[int]:
    """A vector of signed 32-bit integers."""
    return Numbers(slot, name, "i", 4)


def int64s(slot: int, name: str) -> Numbers[int]:
    """A vector of signed 64-bit integers."""
    return Numbers(slot, name, "q", 8)


def float32s(slot: int, name: str) -> Numbers[float]:
    """A vector of IEEE singles."""
    return Numbers(slot, name, "f", 4)
