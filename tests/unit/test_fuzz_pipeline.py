"""Damaged model files all the way to the answer: refused in one line, or the plan verifies."""

from __future__ import annotations

import hashlib
import random
import resource
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from edgeserve.arena import live_bound_bytes
from edgeserve.arena_map import peak
from edgeserve.board import load_board
from edgeserve.errors import EdgeserveError
from edgeserve.firmware.codegen import generate_sources
from edgeserve.firmware.sizes import code_size
from edgeserve.fit import Footprint, PeakTensor, check_fit
from edgeserve.lower import lower
from edgeserve.memory import memory_problem
from edgeserve.narrow import narrowed
from edgeserve.plan.streaming import Method, plan_stream
from edgeserve.plan_check import check_stream_plan
from edgeserve.planfile import Wish, plan_record
from edgeserve.show.fit_formats import fit_json
from edgeserve.strict_json import dump_json
from edgeserve.table import write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.small_models import small_models

MOST_SECONDS = 10
MOST_GROWTH_BYTES = 1 << 30


def damage(data: bytes, rng: random.Random) -> bytes:
    """A truncation, or bits flipped anywhere, or in what describes tensors and operators.

    Weights are most of a file and any weights are good, so half of the flips look for small words.
    """
    if rng.random() < 0.25:
        return data[: rng.randrange(len(data))]
    spoilt = bytearray(data)
    near = rng.random() < 0.67
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = _small_word(data, rng) if near else rng.randrange(len(spoilt))
        spoilt[at] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _small_word(data: bytes, rng: random.Random) -> int:
    """A byte of a word that is probably an offset, a length, an index or an extent."""
    for _ in range(200):
        at = 4 * rng.randrange(len(data) // 4)
        (word,) = struct.unpack_from("<I", data, at)
        if 0 < word < 4096:
            return at + rng.randrange(4)
    return 0


def outcome(data: bytes) -> EdgeserveError | None:
    """Everything that `check` and `build` decide before a compiler runs; None when all is well."""
    board = load_board("nucleo_h743zi2")
    try:
        program = narrowed(lower(read_model(data, name="damaged")))
        plan = plan_stream(program, Method(node_budget=2_000))
        table = write_table(program, plan)
        record = plan_record(
            program,
            plan,
            wish=Wish(),
            offered=(),
            model_sha256=hashlib.sha256(data).hexdigest(),
            board=board.id,
            planner="test",
        )
        fullest = peak(program, plan)
    except EdgeserveError as error:
        return error
    check_stream_plan(program, plan)
    code = code_size(board.cpu.core, (step.kernel for step in program.steps))
    fit = check_fit(
        model=program.name,
        footprint=Footprint(
            arena_bytes=plan.arena_bytes,
            live_bound_bytes=live_bound_bytes(memory_problem(program).problem),
            model_bytes=len(table.data),
            code_bytes=code.code_bytes,
            ram_other_bytes=code.ram_other_bytes,
            stack_bytes=code.stack_bytes,
            source=code.source,
        ),
        board=board,
        peak_step=fullest.step,
        peak_tensors=tuple(PeakTensor(r.name, r.size_bytes) for r in fullest.residents),
    )
    assert dump_json(record)
    assert fit_json(fit)["fits"] == fit.fits
    if len(table.data) < 20_000:
        assert generate_sources(table, program, symbol="damaged")
    return None


def fuzz(originals: Sequence[bytes], cases: Iterable[int], seed: int) -> tuple[int, int]:
    """How many were refused, and how many went through."""
    refused = passed = 0
    for case in cases:
        rng = random.Random(f"{seed} {case}")
        data = damage(originals[case % len(originals)], rng)
        start = time.perf_counter()
        try:
            error = outcome(data)
        except Exception as failure:
            raise AssertionError(f"case {case} of seed {seed}: {failure!r}") from failure
        assert time.perf_counter() - start < MOST_SECONDS, f"case {case} of seed {seed} is slow"
        if error is None:
            passed += 1
            continue
        refused += 1
        assert error.exit_code == 2, f"case {case} of seed {seed}: {error!r}"
        assert "\n" not in error.what
        assert error.hint, f"case {case} of seed {seed}: no hint for {error.what}"
    return refused, passed


def peak_rss_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture(scope="module")
def public_models(shared_data: Path) -> list[bytes]:
    paths = sorted((shared_data / "models").glob("*.tflite"))
    if not paths:
        pytest.skip(f"no models in {shared_data}")
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("cases", [350, pytest.param(1000, marks=pytest.mark.soak)])
def test_damaged_public_models(public_models: list[bytes], cases: int) -> None:
    before = peak_rss_bytes()
    refused, passed = fuzz(public_models, range(cases), seed=1)
    assert peak_rss_bytes() - before < MOST_GROWTH_BYTES
    assert refused > cases / 4
    assert passed > cases / 10


@pytest.mark.parametrize("each", [12, pytest.param(30, marks=pytest.mark.soak)])
def test_damaged_models_of_every_operator(each: int) -> None:
    before = peak_rss_bytes()
    originals = list(small_models().values())
    refused, passed = fuzz(originals, range(each * len(originals)), seed=2)
    assert peak_rss_bytes() - before < MOST_GROWTH_BYTES
    assert refused > each * len(originals) / 3
    assert passed > each * len(originals) / 30


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_damaged_models(public_models: list[bytes], seed: int) -> None:
    originals = [*public_models, *small_models().values()]
    assert sum(fuzz(originals, range(5000), seed)) == 5000
