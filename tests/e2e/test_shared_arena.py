"""Several models in one arena: they take turns, state survives, nobody's answer changes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edgeserve.arena import check, live_bound_bytes
from edgeserve.cli import main
from edgeserve.firmware.codegen import generate_sources
from edgeserve.lower import lower
from edgeserve.memory import memory_problem, shared_problems
from edgeserve.plan import plan_arena
from edgeserve.program import Program, Role
from edgeserve.resources import firmware_root
from edgeserve.table import ModelTable, write_table
from edgeserve.tflite.reader import read_model
from tests.kernels.small_models import small_models

ROUNDS = 5
MAIN = r"""
#include "edgeserve.h"
#include "es_model_first.h"
#include "es_model_second.h"
#include <stdio.h>
#include <string.h>

static uint32_t crc(const uint8_t *data, uint32_t bytes) {
    uint32_t c = ~0u;
    for (uint32_t i = 0; i < bytes; i++) {
        c ^= data[i];
        for (int b = 0; b < 8; b++) c = (c >> 1) ^ (0xEDB88320u & (0u - (c & 1u)));
    }
    return ~c;
}

static uint32_t step(es_model_t *m, uint32_t seed) {
    uint32_t x = seed;
    for (uint32_t i = 0; i < es_input_count(m); i++) {
        uint8_t *in = es_input(m, i);
        for (uint32_t k = 0; k < es_input_bytes(m, i); k++) {
            x ^= x << 13; x ^= x >> 17; x ^= x << 5;
            in[k] = (uint8_t)x;
        }
    }
    es_run(m);
    return crc(es_output(m, 0), es_output_bytes(m, 0));
}

int main(void) {
    static _Alignas(ES_ALIGNMENT) uint8_t arenas[2][ARENA_BYTES];
    es_model_t first, second;
    if (es_init(&first, FIRST_TABLE, FIRST_BYTES, FIRST_KERNELS, FIRST_COUNT, arenas[0],
                sizeof arenas[0]) != ES_OK ||
        es_init(&second, SECOND_TABLE, SECOND_BYTES, SECOND_KERNELS, SECOND_COUNT,
                arenas[SHARED ? 0 : 1], sizeof arenas[0]) != ES_OK) return 1;
    for (uint32_t i = 1; i <= ROUNDS; i++)
        printf("%08x %08x\n", step(&first, i), step(&second, i + 100));
    return 0;
}
"""


def programs() -> tuple[Program, Program]:
    models = small_models()
    first = lower(read_model(models["SVDF"], name="first"))
    second = lower(read_model(models["UNIDIRECTIONAL_SEQUENCE_LSTM"], name="second"))
    return first, second


def shared_tables(pair: tuple[Program, Program]) -> tuple[ModelTable, ModelTable]:
    first, second = shared_problems(pair)
    plan = plan_arena(first.problem)
    check(first.problem, plan)
    return (
        write_table(pair[0], first.placed(plan)),
        write_table(pair[1], second.placed(plan)),
    )


def answers(
    folder: Path, pair: tuple[Program, Program], *, shared: bool, tables: tuple[ModelTable, ...]
) -> str:
    """What both models answer in turn, from a program that the host's compiler made."""
    defines = [f"-DSHARED={int(shared)}", f"-DROUNDS={ROUNDS}"]
    arena_bytes = max(int.from_bytes(table.data[12:16], "little") for table in tables)
    defines.append(f"-DARENA_BYTES={max(16, arena_bytes)}")
    for name, program, table in zip(("first", "second"), pair, tables, strict=True):
        for source in generate_sources(table, program, symbol=name):
            (folder / source.name).write_text(source.text)
        stem, up = f"es_model_{name}", name.upper()
        defines += [
            f"-D{up}_TABLE={stem}",
            f"-D{up}_BYTES=sizeof {stem}",
            f"-D{up}_KERNELS={stem}_kernels",
            f"-D{up}_COUNT={stem}_kernel_count",
        ]
    (folder / "main.c").write_text(MAIN)
    root = firmware_root()
    sources = [*root.glob("runtime/*.c"), *root.glob("adapters/*.c"), *root.glob("kernels/ref/*.c")]
    includes = [f"-I{root / name}" for name in ("include", "runtime", "kernels")]
    subprocess.run(
        [
            *("gcc", "-std=c11", "-O1", "-g", "-fsanitize=address,undefined", *defines),
            *includes,
            f"-I{folder}",
            *map(str, [*folder.glob("*.c"), *sources]),
            *("-o", str(folder / "both")),
        ],
        check=True,
    )
    return subprocess.run([folder / "both"], check=True, capture_output=True, text=True).stdout


def test_two_models_that_keep_state_share_one_arena(tmp_path: Path) -> None:
    pair = programs()
    assert all(any(v.role is Role.STATE for v in program.values) for program in pair)
    shared = tmp_path / "shared"
    shared.mkdir()
    together = answers(shared, pair, shared=True, tables=shared_tables(pair))
    problems = [memory_problem(program) for program in pair]
    tables = tuple(
        write_table(program, problem.placed(plan_arena(problem.problem)))
        for program, problem in zip(pair, problems, strict=True)
    )
    apart = tmp_path / "apart"
    apart.mkdir()
    assert together == answers(apart, pair, shared=False, tables=tables)
    assert len(set(together.splitlines())) == ROUNDS


def test_the_shared_arena_is_the_larger_one_plus_the_others_state() -> None:
    pair = programs()
    alone = [memory_problem(program).problem for program in pair]
    (shared, _) = shared_problems(pair)
    state = [
        sum(
            problem.buffers[index].size_bytes
            for value, index in zip(
                program.values, memory_problem(program).buffer_of_value, strict=True
            )
            if value.role is Role.STATE and index is not None
        )
        for program, problem in zip(pair, alone, strict=True)
    ]
    bounds = [live_bound_bytes(problem) for problem in alone]
    assert live_bound_bytes(shared.problem) == max(bounds[0] + state[1], bounds[1] + state[0])
    assert live_bound_bytes(shared.problem) < sum(bounds)


@pytest.mark.parametrize("count", [1, 3])
def test_a_model_shares_with_itself(count: int) -> None:
    program = lower(read_model(small_models()["CONV_2D"], name="same"))
    problems = shared_problems([program] * count)
    bound = live_bound_bytes(memory_problem(program).problem)
    assert plan_arena(problems[0].problem).arena_bytes == bound


def test_plan_share_writes_the_sources_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for operator in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        paths.append(tmp_path / f"{operator.lower()}.tflite")
        paths[-1].write_bytes(small_models()[operator])
    sources = tmp_path / "both"
    arguments = ["plan", str(paths[0]), "--share", str(paths[1]), "--format", "json"]
    assert main([*arguments, "--sources", str(sources)]) == 0
    shared = json.loads(capsys.readouterr().out)["shared"]
    assert shared["arena_bytes"] < sum(one["arena_bytes"] for one in shared["alone"])
    assert sorted(Path(path).name for path in shared["sources"]) == sorted(
        path.name for path in sources.iterdir()
    )
    headers = [path.read_text() for path in sources.glob("*.h")]
    assert len(headers) == 2
    assert all(f"ARENA_BYTES {shared['arena_bytes']}\n" in text for text in headers)
    assert main([*arguments, "--sources", str(sources)]) == 2
    assert main(["plan", str(paths[0]), "--share", str(paths[0])]) == 2
    assert main(["plan", str(paths[0]), "--sources", str(sources)]) == 2
