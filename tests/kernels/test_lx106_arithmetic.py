"""The arithmetic that stands in for lx106's ROM, on the host, against the host's own."""

from __future__ import annotations

import ctypes
import re
import subprocess

import numpy as np
import numpy.typing as npt
import pytest

from edgeserve.resources import firmware_root
from tests.tools import need_programs

SOURCE = firmware_root() / "ports" / "bare" / "xtensa_sim" / "libc" / "arithmetic.c"
SPECIAL = (0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0x7F7FFFFF, 0x7F800000)
COUNT = 20_000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    need_programs("gcc")
    names = set(re.findall(r"\b__\w+(?:[sd]i3|sf3|sisf)\b", SOURCE.read_text()))
    assert "__addsf3" in names
    target = tmp_path_factory.mktemp("lx106") / "arithmetic.so"
    renamed = [f"-D{name}=own{name}" for name in sorted(names)]
    flags = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    # libgcc's, which the host's has not: what needs it is not called here.
    absent = "-Wl,--defsym=__udivmoddi4=0"
    subprocess.run(("gcc", *flags, *renamed, absent, str(SOURCE), "-o", str(target)), check=True)
    return ctypes.CDLL(str(target))


def words(seed: int) -> npt.NDArray[np.uint32]:
    """Random bit patterns: all, those near each other, and the special ones with either sign."""
    rng = np.random.default_rng(seed)
    wild = rng.integers(0, 2**32, COUNT, dtype=np.uint32)
    near = (rng.integers(0x3F000000, 0x42000000, COUNT)).astype(np.uint32)
    tiny = rng.integers(0, 0x01000000, COUNT // 4).astype(np.uint32)
    edges = np.array(SPECIAL, np.uint32)
    return np.concatenate([wild, near, tiny, edges, edges | np.uint32(1 << 31)])


def pairs() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    a, b = words(1), words(2)
    every = np.array([(x, y) for x in a[-14:] for y in a[-14:]], np.uint32)
    return np.concatenate([a, every[:, 0]]), np.concatenate([b, every[:, 1]])


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_floats_are_rounded_as_the_host_rounds(library: ctypes.CDLL, name: str) -> None:
    function = library[f"own__{name}sf3"]
    function.argtypes, function.restype = [ctypes.c_float] * 2, ctypes.c_float
    operator = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name]
    a, b = pairs()
    x, y = a.view(np.float32), b.view(np.float32)
    with np.errstate(all="ignore"):
        wanted = operator(x, y)
    got = np.array([function(p, q) for p, q in zip(x, y, strict=True)], np.float32)
    nan = np.isnan(wanted)
    assert np.array_equal(np.isnan(got), nan)
    assert np.array_equal(got.view(np.uint32)[~nan], wanted.view(np.uint32)[~nan])


def test_integers_become_the_nearest_float(library: ctypes.CDLL) -> None:
    function = library["own__floatsisf"]
    function.argtypes, function.restype = [ctypes.c_int32], ctypes.c_float
    edges = np.array([0, 1, -1, 2**24 + 1, 2**31 - 1, -(2**31)], np.int32)
    values = np.concatenate([words(3).view(np.int32), edges])
    got = np.array([function(int(value)) for value in values], np.float32)
    assert np.array_equal(got, values.astype(np.float32))


def test_products_and_quotients(library: ctypes.CDLL) -> None:
    product = library["own__muldi3"]
    product.argtypes, product.restype = [ctypes.c_int64] * 2, ctypes.c_int64
    a, b = words(4), words(5)
    wide = (a.astype(np.int64) << 32 | b).view(np.int64)
    with np.errstate(over="ignore"):
        wanted = wide * wide[::-1]
    got = [product(int(p), int(q)) for p, q in zip(wide, wide[::-1], strict=True)]
    assert np.array_equal(np.array(got, np.int64), wanted)

    below = np.where(b >> (a % 31) == 0, 1, b >> (a % 31)).astype(np.uint32)
    for name, expected in (("udivsi3", a // below), ("umodsi3", a % below)):
        function = library[f"own__{name}"]
        function.argtypes, function.restype = [ctypes.c_uint32] * 2, ctypes.c_uint32
        found = [function(int(p), int(q)) for p, q in zip(a, below, strict=True)]
        assert np.array_equal(np.array(found, np.uint32), expected), name

    signed = library["own__divsi3"]
    signed.argtypes, signed.restype = [ctypes.c_int32] * 2, ctypes.c_int32
    for p, q in ((7, 2), (-7, 2), (7, -2), (-7, -2), (-(2**31), 3), (2**31 - 1, -1), (0, 5)):
        assert signed(p, q) == int(p / q)
