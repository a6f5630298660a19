"""What Google's tool prints, of several versions, and what is no such thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeserve.absent import Absent
from edgeserve.phone.benchmark_model import (
    Coverage,
    Delegate,
    Layout,
    OperatorTime,
    ToolReport,
    layout_of,
    parse_benchmark_model,
)
from edgeserve.strict_json import dump_json, load_json

RECORDED = Path(__file__).parent / "recorded"
TEXTS = {path.name.split(".")[0]: path.read_text() for path in RECORDED.glob("*.benchmark_model.*")}


def report(name: str) -> ToolReport:
    parsed = parse_benchmark_model(TEXTS[name])
    assert isinstance(parsed, ToolReport), parsed
    return parsed


def test_an_old_version_with_a_delegate_that_takes_all() -> None:
    told = report("gpu")
    assert (told.init_ns, told.first_ns) == (870_557_000, 130_565_000)
    assert told.warmup is not None
    assert (told.warmup.count, told.warmup.mean_ns) == (4, 122_373_000)
    run = told.inference
    assert (run.count, run.mean_ns, run.deviation_ns) == (50, 119_375_000, 1_948_000)
    assert (run.first_ns, run.last_ns) == (119_212_000, 118_055_000)
    assert (run.least_ns, run.most_ns) == (113_737_000, 124_776_000)
    assert (run.p5_ns, run.median_ns, run.p95_ns) == (None, None, None)
    assert told.delegates == (Delegate("GPU", Coverage.COMPLETE),)
    assert told.memory_overall_bytes == round(81.3906 * (1 << 20))
    (row,) = told.operators
    assert row == OperatorTime("TfLiteGpuDelegateV2", "[output]:64", 119_352_000, 1.0, 1)


def test_a_new_version_tells_quantiles_and_has_other_columns() -> None:
    told = report("cpu")
    run = told.inference
    assert (run.count, run.p5_ns, run.median_ns, run.p95_ns) == (
        5491,
        10_788_000,
        10_898_000,
        11_167_000,
    )
    assert run.mean_ns == pytest.approx(10_927_100)
    assert told.delegates == ()
    assert told.memory_init_bytes == round(8.97656 * (1 << 20))
    assert [row.kind for row in told.operators] == ["CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX"]
    assert told.operators[0].mean_ns == pytest.approx(1_871_000)
    assert told.operators[0].share == pytest.approx(0.17)
    assert load_json(ToolReport, dump_json(told), where="report") == told


def test_a_log_with_prefixes_and_a_delegate_that_takes_a_part() -> None:
    told = report("nnapi")
    assert told.delegates == (Delegate("NNAPI", Coverage.PARTIAL),)
    assert told.inference.mean_ns == pytest.approx(12_167_600)
    assert told.memory_overall_bytes is None
    assert told.operators == ()


def test_the_oldest_version_tells_the_first_inference_by_its_warm_up() -> None:
    told = report("pixel2")
    assert (told.init_ns, told.first_ns) == (38_631_000, 581_397_000)
    assert told.warmup is not None
    assert (told.warmup.count, told.warmup.mean_ns) == (1, 581_397_000)
    assert (told.inference.count, told.inference.mean_ns) == (50, 479_385_000)
    assert told.inference.first_ns == 480_581_000
    later = TEXTS["pixel2"].replace("no stats:", "Inference:")
    assert parse_benchmark_model(later) == told
    cut = TEXTS["pixel2"].replace("count=1 curr=581397", "")
    assert parse_benchmark_model(cut) == Absent("benchmark_model prints times that are none")


def test_phones_of_three_makers_by_versions_of_2020_on() -> None:
    gpu = report("mi9pro")
    assert gpu.delegates == (Delegate("GPU", Coverage.COMPLETE),)
    assert (gpu.init_ns, gpu.inference.mean_ns) == (870_557_000, 119_375_000)
    assert (gpu.memory_init_bytes, gpu.operators) == (None, ())
    cpu = report("oneplus5")
    assert (cpu.first_ns, cpu.inference.deviation_ns) == (49_060_000, 450_000)
    assert (cpu.memory_init_bytes, cpu.memory_overall_bytes) == (0, round(12.8672 * (1 << 20)))
    assert (cpu.delegates, cpu.operators) == ((), ())
    board = report("am62x")
    assert board.delegates == (Delegate("XNNPACK", Coverage.PARTIAL),)
    run = board.inference
    assert (run.p5_ns, run.median_ns, run.p95_ns) == (898_333_000, 899_281_000, 904_305_000)
    assert board.warmup is not None
    assert board.warmup.median_ns == board.warmup.first_ns == 905_463_000


def test_operators_are_those_of_the_run_in_their_order() -> None:
    told = report("mi11")
    assert told.warmup is None
    assert (told.first_ns, told.inference.mean_ns) == (120_877_000, 92_571_200)
    assert [row.kind for row in told.operators] == [
        *["STRIDED_SLICE"] * 6,
        "TfLiteNnapiDelegate",
        "RESIZE_NEAREST_NEIGHBOR",
        "TfLiteNnapiDelegate",
        "RESIZE_NEAREST_NEIGHBOR",
        "TfLiteNnapiDelegate",
    ]
    last = told.operators[-1]
    assert last.name == "[Identity, Identity_1, Identity_2]:233"
    assert last.mean_ns == pytest.approx(56_058_000)
    assert last.times_called == 1
    assert sum(row.share or 0 for row in told.operators) == pytest.approx(1, abs=1e-4)


def test_a_delegate_in_the_words_of_2020() -> None:
    """Without `Explicitly`, which came later."""
    line = "Applied GPU delegate, and the model graph will be partially executed w/ the delegate.\n"
    told = parse_benchmark_model(line + TEXTS["oneplus5"])
    assert isinstance(told, ToolReport)
    assert told.delegates == (Delegate("GPU", Coverage.PARTIAL),)


def test_whose_tool_printed_a_text() -> None:
    litert = {name for name, text in TEXTS.items() if layout_of(text) is Layout.LITERT}
    assert litert == {"sme2", "llama", "blazeface", "litert_gpu"}


def test_litert_2_on_a_phone_with_its_table_of_operators() -> None:
    told = report("sme2")
    assert (told.init_ns, told.first_ns) == (4_480_000, 1_033_000)
    assert told.warmup is not None
    assert (told.warmup.count, told.warmup.mean_ns) == (1055, 465_319)
    run = told.inference
    assert (run.count, run.mean_ns, run.deviation_ns) == (2112, 464_545, 13_000)
    assert (run.p5_ns, run.median_ns, run.p95_ns) == (460_000, 462_000, 478_000)
    assert told.delegates == (Delegate("TfLiteXNNPackDelegate", Coverage.COMPLETE),)
    assert told.memory_init_bytes == round(8.94 * (1 << 20))
    assert told.memory_overall_bytes == round(11.51 * (1 << 20))
    assert [row.kind for row in told.operators] == [
        "LiteRT::Run[buffer registration]",
        "AllocateTensors",
        "Static Reshape (NC)",
        "Fully Connected (NC, PF32) GEMM",
        "LiteRT::Run[Buffer sync]",
    ]
    assert told.operators[3].mean_ns == pytest.approx(382_000)
    assert load_json(ToolReport, dump_json(told), where="report") == told


def test_litert_2_by_its_results_alone() -> None:
    """Without the lines count=, whose microseconds they round; the deviation is in ms as well."""
    told = report("llama")
    assert (told.delegates, told.operators) == ((), ())
    assert (told.init_ns, told.first_ns) == (23_744_730_000, 7_441_040_000)
    assert told.warmup is not None
    assert (told.warmup.count, told.warmup.mean_ns) == (1, 7_441_040_000)
    run = told.inference
    assert (run.count, run.mean_ns, run.deviation_ns) == (10, 7_430_200_000, 9_920_000)
    assert (run.least_ns, run.most_ns) == (7_416_400_000, 7_448_860_000)
    assert (run.first_ns, run.last_ns, run.median_ns, run.p95_ns) == (None, None, None, None)
    assert told.memory_overall_bytes == round(6391.74 * (1 << 20))
    logged = "".join(
        f"07-28 10:20:41.893  4669  4669 I litert  : {line.removeprefix('INFO: ')}\n"
        for line in TEXTS["llama"].splitlines()
        if "footprint" not in line
    )
    assert parse_benchmark_model(logged) == replace(
        told, memory_init_bytes=None, memory_overall_bytes=None
    )


def test_litert_2_of_2025_does_not_tell_of_delegates() -> None:
    told = report("blazeface")
    assert told.delegates == ()
    assert (told.first_ns, told.inference.median_ns) == (2_125_000, 942_000)


@pytest.mark.parametrize(
    ("prefill", "coverage"),
    [
        ("1107 out of 1107", Coverage.COMPLETE),
        ("1100 out of 1107", Coverage.PARTIAL),
        ("0 out of 1107", Coverage.PARTIAL),
    ],
)
def test_litert_2_tells_of_each_subgraph(prefill: str, coverage: Coverage) -> None:
    told = parse_benchmark_model(TEXTS["litert_gpu"].replace("1107 out of 1107", prefill))
    assert isinstance(told, ToolReport)
    assert told.delegates == (Delegate("LITERT_CL", coverage),)


def test_litert_2_with_a_delegate_that_takes_nothing() -> None:
    line = "VERBOSE: Replacing 0 out of 31 node(s) with delegate (LITERT_CL) node, yielding 0\n"
    told = parse_benchmark_model(line + TEXTS["llama"])
    assert isinstance(told, ToolReport)
    assert told.delegates == (Delegate("LITERT_CL", Coverage.NONE),)


def test_litert_2_without_a_warm_up_or_a_run_prints_zeros() -> None:
    cold = TEXTS["sme2"].replace("INFO: count=1055", "INFO:")
    cold = cold.replace("0.47 ms (1055 runs)", "0.00 ms (0 runs)")
    told = parse_benchmark_model(cold)
    assert isinstance(told, ToolReport)
    assert (told.warmup, told.first_ns) == (None, 463_000)
    none = TEXTS["llama"].replace("7430.20 ms (10 runs)", "0.00 ms (0 runs)")
    assert parse_benchmark_model(none) == Absent("benchmark_model tells of no inference")
    unready = TEXTS["llama"].replace("Model initialization", "")
    assert parse_benchmark_model(unready) == Absent("benchmark_model prints times that are none")


def test_a_delegate_that_takes_nothing_and_a_single_warm_up() -> None:
    told = report("ignored")
    assert told.delegates == (Delegate("NNAPI", Coverage.NONE),)
    assert told.warmup is not None
    assert (told.warmup.count, told.warmup.mean_ns) == (1, 1_381_510_000)
    assert told.warmup.first_ns == 1_381_510_000
    assert told.warmup.least_ns is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TEXTS["refused"], "ERROR: Failed to apply GPU delegate."),
        (TEXTS["mi11_refused"], "Failed to apply NNAPI delegate."),
        ("", "no output"),
        ("sh: benchmark_model: not found\n", "sh: benchmark_model: not found"),
        ("Killed \x1b[0m\n", "Killed ?[0m"),
        (
            "Inference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, "
            "Inference (avg): 4\n",
            "no line count=",
        ),
        (
            "count=1 curr=2\nInference timings in us: Init: 1e99, First inference: 2, "
            "Warmup (avg): 3, Inference (avg): 4\n",
            "times that are none",
        ),
    ],
)
def test_no_report_has_a_reason(text: str, reason: str) -> None:
    parsed = parse_benchmark_model(text)
    assert isinstance(parsed, Absent)
    assert reason in parsed.reason
    assert "\n" not in parsed.reason


DAMAGE = st.text(alphabet="\t\n =:,.()[]%-+eE09naifcount\x00\u0663\ufffd", max_size=12)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_texts_never_crash_the_parser(data: st.DataObject) -> None:
    text = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 60)))
        text = text[:start] + data.draw(DAMAGE) + text[end:]
    parsed = parse_benchmark_model(text)
    if isinstance(parsed, ToolReport):
        assert load_json(ToolReport, dump_json(parsed), where="report") == parsed
    else:
        assert parsed.reason


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_report_or_a_reason(text: str) -> None:
    assert isinstance(parse_benchmark_model(text), ToolReport | Absent)
