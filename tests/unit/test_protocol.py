"""The protocol's host side on transcripts: what it accepts; all else is one clear error."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence

import pytest

from edgeserve.device.answers import LOOP_KEYS, Inferred, Laps, MemoryMarks, StepProfile
from edgeserve.device.link import MAX_LINE_BYTES, LineAssembler
from edgeserve.device.protocol import Arrival, Dut, limits_for
from edgeserve.device.runs import Limits
from edgeserve.errors import DeviceError, ProtocolError, Timeout
from edgeserve.graph import DType
from edgeserve.program import Port, Program, Value
from tests.simulated_link import SimulatedLink, with_check

SHA256 = "0123456789abcdef" + "00" * 24
FACTS = {
    "protocol": "1",
    "runtime": "format 1 kernels 1",
    "model": "digits",
    "status": "ready",
    "board": "mps2-an500",
    "sha256": "0123456789abcdef",
    "table": "4096",
    "arena": "1024",
    "steps": "2",
    "inputs": "1",
    "outputs": "1",
    "fed": "0",
    "input-bytes": "4",
    "load-bytes": "4",
    "state": "none",
    "init": "900",
    "image-stack-high-water": "300",
    "bench-ram": "800",
    "adapter": "none",
    "time-source": "CMSDK timer 0",
    "ticks-hz": "25000000",
    "unit": "instructions",
    "command-bytes": "80",
}
READY = "m-ready"
Script = Sequence[tuple[str, Sequence[str] | None]]


def info_lines(**changes: str | None) -> list[str]:
    facts = {**FACTS, **{key.replace("_", "-"): value for key, value in changes.items()}}
    return [f"m-es-{key}-[{value}]" for key, value in facts.items() if value is not None] + [READY]


def dut_on(*script: tuple[str, Sequence[str] | None], gone: bool = False) -> Dut:
    return Dut(SimulatedLink([("es info", info_lines()), *script], gone=gone), Limits(5, 10, 1))


def test_ready_after_boot() -> None:
    link = SimulatedLink(
        [("%name", [READY, "m-name-dut-[Arm MPS2]", READY])], boot=["m-init-done", READY]
    )
    assert Dut(link).wait_ready() == "Arm MPS2"


def test_ready_in_the_middle_of_a_broken_conversation() -> None:
    """Noise from before and an answer to half a command stand between us and the device."""
    link = SimulatedLink(
        [("%name", ["\\xff\\x00", "e-[Unknown command: db 01]", READY, "m-name-dut-[x]", READY])]
    )
    assert Dut(link).wait_ready() == "x"


def test_ready_is_asked_again_when_a_starting_board_lost_the_question() -> None:
    link = SimulatedLink([("%name", None), ("%name", [READY, "m-name-dut-[x]", READY])])
    assert Dut(link).wait_ready() == "x"


def test_a_silent_device_is_a_timeout() -> None:
    with pytest.raises(Timeout, match="does not answer"):
        Dut(SimulatedLink([("%name", None)] * 4)).wait_ready(3)


def test_a_device_that_speaks_something_else_is_named_with_what_it_said() -> None:
    link = SimulatedLink([("%name", ["login: name"]), ("%name", ["Password:"])])
    with pytest.raises(ProtocolError, match="Password:"):
        Dut(link).wait_ready(1)


def test_info() -> None:
    info = dut_on().require_table(SHA256)
    assert (info.model, info.steps, info.arena_bytes, info.unit) == (
        "digits",
        2,
        1024,
        "instructions",
    )
    assert info.keeps_state is False


def test_info_with_the_facts_that_come_later() -> None:
    lines = info_lines(arena_high_water="1000", stack_high_water="200")
    lines.insert(-1, "m-es-output-crc-0123abcd")
    assert Dut(SimulatedLink([("es info", lines)])).info().steps == 2


@pytest.mark.parametrize(
    ("lines", "error", "words"),
    [
        (info_lines(protocol="2"), ProtocolError, "version '2'"),
        (info_lines(protocol=None), ProtocolError, "version"),
        (info_lines(status="a record points outside"), DeviceError, "points outside"),
        (info_lines(steps=None), ProtocolError, "steps"),
        (info_lines(steps="two"), ProtocolError, "two"),
        (info_lines(steps="9" * 30), ProtocolError, "99999"),
        (info_lines(steps=""), ProtocolError, "wrong about"),
        (info_lines(state="perhaps"), ProtocolError, "perhaps"),
        (info_lines(colour="red"), ProtocolError, "colour"),
        (info_lines(command_bytes="79"), ProtocolError, "fewer than 80"),
        ([*info_lines()[:-1], "m-es-steps-[2]", READY], ProtocolError, "steps"),
        ([READY], ProtocolError, "version"),
    ],
)
def test_wrong_facts(lines: list[str], error: type[DeviceError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        Dut(SimulatedLink([("es info", lines)])).info()
    assert "\n" not in caught.value.what


def test_another_model_on_the_device() -> None:
    with pytest.raises(DeviceError, match="another model: digits"):
        dut_on().require_table("ff" * 32)


def test_load_in_chunks_of_the_devices_buffer() -> None:
    data = bytes(range(100))
    dut = dut_on(
        ("es load 100", ["m-[Expecting 100 bytes]", READY]),
        (f"db {data[:37].hex()}", [READY]),
        (f"db {data[37:74].hex()}", [READY]),
        (f"db {data[74:].hex()}", ["m-load-done", READY]),
    )
    dut.info()
    dut.load(data)


@pytest.mark.parametrize(
    "answers",
    [
        (["m-[Expecting 3 bytes]", READY], [READY]),
        (["m-[Expecting 2 bytes]", READY], [READY]),
        (["m-[Expecting 2 bytes]", READY], ["m-load-done", "m-load-done", READY]),
        (["m-[Expecting 2 bytes]", READY], ["e-[a bad hexadecimal digit]", READY]),
        (["e-[the number of bytes is 0 or more than the input has]", READY], [READY]),
    ],
)
def test_a_load_that_goes_wrong(answers: tuple[list[str], list[str]]) -> None:
    dut = dut_on(("es load 2", answers[0]), ("db 0001", answers[1]))
    dut.info()
    with pytest.raises(DeviceError):
        dut.load(b"\x00\x01")


DATA = b"\x01\x02\x03\x04"
FILL: Script = [("es fill 7", ["m-es-fill-done", READY])]
RUN_LINES = [
    "m-es-run-done",
    f"m-es-input-crc-{zlib.crc32(DATA):08x}",
    "m-es-output-crc-0123abcd",
    READY,
]
LAP_LINES = [
    "m-warmup-start-1",
    "m-warmup-done",
    "m-infer-start-2",
    "m-es-lap-0-100",
    "m-es-lap-1-101",
    "m-infer-done",
    f"m-es-input-crc-{zlib.crc32(DATA):08x}",
    "m-es-output-crc-0123abcd",
    READY,
]


def filled(*script: tuple[str, Sequence[str] | None], gone: bool = False) -> Dut:
    dut = dut_on(*FILL, *script, gone=gone)
    dut.info()
    dut.fill(7, DATA)
    return dut


def test_run_crcs_and_profile() -> None:
    dut = filled(
        ("es run", RUN_LINES),
        ("es crc", ["m-es-crc-0-00000001", "m-es-crc-1-ffffffff", READY]),
        ("es prof", ["m-es-step-0-[conv2d]-17", "m-es-step-1-[look_up]-4", READY]),
    )
    assert dut.run() == 0x0123ABCD
    assert dut.crcs() == (1, 0xFFFFFFFF)
    assert dut.profile() == (StepProfile(0, "conv2d", 17), StepProfile(1, "look_up", 4))


def test_an_input_that_was_damaged_on_the_line() -> None:
    lines = [RUN_LINES[0], "m-es-input-crc-00000000", *RUN_LINES[2:]]
    with pytest.raises(ProtocolError, match="input was damaged"):
        filled(("es run", lines)).run()


def test_laps_infer_and_results() -> None:
    infer = [
        *LAP_LINES[:3],
        "m-lap-us-1000",
        "m-lap-us-4294967296000",
        "m-infer-done",
        "m-results-[0.500]",
        "m-es-output-crc-0123abcd",
        READY,
    ]
    dut = filled(
        ("es lap 2 1", LAP_LINES),
        ("infer 2 1", infer),
        ("results", ["m-results-[0.500,-1.250,nan,inf,-inf]", READY]),
        ("results", ["m-results-[]", READY]),
        ("es reset", ["m-es-reset-done", READY]),
    )
    assert dut.laps(2, 1) == Laps((100, 101), 0x0123ABCD)
    assert dut.infer(2, 1) == Inferred(1000, 4294967296000, (0.5,))
    assert [str(v) for v in dut.results()] == ["0.5", "-1.25", "nan", "inf", "-inf"]
    assert dut.results() == ()
    dut.reset()


def test_out_and_dump_are_put_together() -> None:
    dut = filled(
        ("es out", ["m-es-out-0-0102", "m-es-out-2-03", READY]),
        (
            "es dump 1 2 2",
            [
                "m-es-dump-1-2-0-0102",
                "m-es-dump-1-2-2-03",
                "m-es-dump-1-3-0-040506",
                "m-es-dump-done",
                READY,
            ],
        ),
    )
    assert dut.out(3) == b"\x01\x02\x03"
    assert dut.dump(1, 2, 2, 3) == b"\x01\x02\x03\x04\x05\x06"


def test_memory() -> None:
    lines = ["m-es-arena-high-water-12", "m-es-arena-guards-[ok]", "m-es-stack-high-water-0", READY]
    broken = [line.replace("ok", "broken") for line in lines]
    dut = filled(("es memory", lines), ("es memory", broken))
    assert dut.memory() == MemoryMarks(12, True, None)
    assert dut.memory().guards_intact is False


def _spoil(lines: list[str], at: int, line: str | None) -> list[str]:
    return lines[:at] + ([] if line is None else [line]) + lines[at + 1 :]


CALLS: dict[str, tuple[str, list[str], Callable[[Dut], object]]] = {
    "run": ("es run", RUN_LINES, lambda dut: dut.run()),
    "laps": ("es lap 2 1", LAP_LINES, lambda dut: dut.laps(2, 1)),
    "crcs": (
        "es crc",
        ["m-es-crc-0-00000001", "m-es-crc-1-00000002", READY],
        lambda dut: dut.crcs(),
    ),
    "profile": (
        "es prof",
        ["m-es-step-0-[a]-1", "m-es-step-1-[b]-2", READY],
        lambda d: d.profile(),
    ),
    "out": ("es out", ["m-es-out-0-0102", READY], lambda dut: dut.out(2)),
    "dump": (
        "es dump 0 0 1",
        ["m-es-dump-0-0-0-0102", "m-es-dump-done", READY],
        lambda dut: dut.dump(0, 0, 1, 2),
    ),
    "memory": (
        "es memory",
        ["m-es-arena-high-water-1", "m-es-arena-guards-[ok]", "m-es-stack-high-water-1", READY],
        lambda dut: dut.memory(),
    ),
}
WRONG_LINES = [
    "m-es-crc-0-0000000g",
    "m-es-crc-9-00000000",
    "m-es-lap-0-" + "9" * 5000,
    "m-es-out-1-0102",
    "m-es-out-0-010",
    "m-es-dump-0-7-0-0102",
    "m-es-dump-0-0-9-0102",
    "m-es-step-0-[a]-",
    "m-",
    "es info",
    "m-init-done",
    "",
    "\\xff\\xfe",
    "e-[no]",
]


@pytest.mark.parametrize("call", CALLS)
def test_the_right_answer_is_accepted(call: str) -> None:
    command, lines, ask = CALLS[call]
    ask(filled((command, lines)))


@pytest.mark.parametrize("wrong", [*WRONG_LINES, None])
@pytest.mark.parametrize("call", CALLS)
def test_any_line_that_does_not_belong_is_one_clear_error(call: str, wrong: str | None) -> None:
    """Even when the checksum says that the device meant it so."""
    command, lines, ask = CALLS[call]
    for at in range(len(lines) - 1):
        with pytest.raises(DeviceError) as caught:
            ask(filled((command, _spoil(lines, at, wrong))))
        assert "\n" not in caught.value.what
        assert len(caught.value.what) < 250


@pytest.mark.parametrize("call", CALLS)
def test_a_line_too_many_is_an_error(call: str) -> None:
    command, lines, ask = CALLS[call]
    for at in range(len(lines)):
        doubled = [*lines[:at], lines[max(0, at - 1)], *lines[at:]]
        with pytest.raises(DeviceError):
            ask(filled((command, doubled)))


@pytest.mark.parametrize("call", CALLS)
def test_a_device_that_falls_silent_or_vanishes(call: str) -> None:
    command, lines, ask = CALLS[call]
    for cut in range(len(lines)):
        with pytest.raises(Timeout):
            ask(filled((command, lines[:cut])))
        with pytest.raises(DeviceError, match="went away"):
            ask(filled((command, lines[:cut]), gone=True))


@pytest.mark.parametrize("call", CALLS)
def test_a_checksum_that_is_wrong_or_missing(call: str) -> None:
    command, lines, ask = CALLS[call]
    checked = with_check(command, lines)
    for spoiled, words in (
        (lines, "not complete"),
        (_spoil(checked, len(checked) - 2, "m-es-check-00000000"), "damaged on the line"),
    ):
        before = [("es info", info_lines()), *FILL]
        script = [*((c, with_check(c, a or [])) for c, a in before), (command, spoiled)]
        dut = Dut(SimulatedLink(script, with_checksum=False), Limits(5, 10, 1))
        dut.info()
        dut.fill(7, DATA)
        with pytest.raises(ProtocolError, match=words):
            ask(dut)


def test_a_restart_in_the_middle_is_called_that() -> None:
    lines = [*LAP_LINES[:4], "m-init-done", READY]
    with pytest.raises(ProtocolError, match="restarted while it answered 'es lap 2 1'"):
        filled(("es lap 2 1", lines)).laps(2, 1)


def test_an_echo_is_shown() -> None:
    with pytest.raises(ProtocolError, match="'es run%'"):
        filled(("es run", ["es run%", *RUN_LINES])).run()


def test_a_refusal_says_why() -> None:
    with pytest.raises(DeviceError, match="refuses 'es run': the input is not complete"):
        filled(("es run", ["e-[the input is not complete]", READY])).run()


def test_a_fault_is_told_and_not_called_silence() -> None:
    with pytest.raises(DeviceError, match="stopped: HardFault at 0x1234"):
        filled(("es run", ["e-[HardFault at 0x1234]"])).run()
    with pytest.raises(DeviceError, match="stopped: HardFault"):
        Dut(SimulatedLink([("%name", None)] * 2, boot=["e-[HardFault]"])).wait_ready(1)


def test_a_device_that_does_not_stop_talking() -> None:
    with pytest.raises(ProtocolError, match="the end of the answer"):
        filled(("es run", ["m-es-lap-0-1"] * 1000)).run()


def test_close_closes_the_link() -> None:
    link = SimulatedLink([])
    Dut(link).close()
    assert link.closed


def test_lines_are_cut_and_spelled() -> None:
    lines = LineAssembler("x")
    lines.feed(b"m-re")
    assert lines.take() is None
    assert lines.partial == "m-re"
    lines.feed(b"ady\r\n\xff\x07\n\r\n")
    assert [lines.take(), lines.take(), lines.take(), lines.take()] == [
        "m-ready",
        "\\xff\\x07",
        "",
        None,
    ]


def test_a_line_without_end_is_noise() -> None:
    lines = LineAssembler("x")
    lines.feed(b"a" * (MAX_LINE_BYTES + 1))
    with pytest.raises(ProtocolError, match="without an end"):
        lines.take()


def test_limits_grow_with_the_work() -> None:
    value = Value(0, "y", DType.INT8, 80_000)
    port = Port("y", 0, (1, 80_000), DType.INT8, None, 0)
    program = Program("m", (value,), (), (), (port,), ())
    assert limits_for(program, None).inference_s == pytest.approx(10)
    assert limits_for(program, None).results_s == pytest.approx(130)


class TwoRows:
    """Input 0 of two rows; nothing is given whole."""

    whole = b""

    def row(self, port: int, row: int) -> bytes | None:
        return {(0, 0): b"\x01\x02", (0, 1): b"\xff\x00"}.get((port, row))


class AskingLink(SimulatedLink):
    """Takes rows between the lines of an answer."""

    def __init__(self, *script: tuple[str, Sequence[str] | None]) -> None:
        super().__init__([("es info", info_lines()), *script])
        self.rows: list[str] = []

    def send(self, text: str) -> None:
        if re.fullmatch(r"[0-9a-f]+%", text):
            self.rows.append(text)
        else:
            super().send(text)


def streamed_run(*asked: str, input_crc: int) -> AskingLink:
    answer = ["m-es-run-done", f"m-es-input-crc-{input_crc:08x}", "m-es-output-crc-0000002a", READY]
    return AskingLink(("es run", [*asked, *answer]))


def test_rows_are_sent_as_they_are_asked_for() -> None:
    crc = zlib.crc32(b"\x01\x02\xff\x00")
    link = streamed_run("m-es-row-0-0", "m-es-row-0-1", input_crc=crc)
    dut = Dut(link, Limits(5, 10, 1))
    dut.info()
    assert dut.run(TwoRows()) == 42
    assert link.rows == ["0102%", "ff00%"]


@pytest.mark.parametrize(
    ("asked", "crc", "said"),
    [
        (("m-es-row-0-2",), 0, "asks for row 2 of input 0, which does not exist"),
        (("m-es-row-1-0",), 0, "asks for row 0 of input 1"),
        (("m-es-row-0-0",), 7, "damaged on the line"),
    ],
)
def test_rows_that_cannot_be(asked: Sequence[str], crc: int, said: str) -> None:
    dut = Dut(streamed_run(*asked, input_crc=crc), Limits(5, 10, 1))
    dut.info()
    with pytest.raises(ProtocolError, match=said):
        dut.run(TwoRows())


TRACE = (Arrival(0x0102, 7), Arrival(1 << 40, 9))
BLOCK = "000000000201000000000000070000000000000000000000000100000900000000000000"
LOOP_SET = ("es loop set 4 oldest 0", ["m-es-loop-set", READY])
LOOP_STATS = [f"m-es-loop-{key}-[{i}]" for i, key in enumerate(LOOP_KEYS)]


def replay_trace(*answer: str) -> AskingLink:
    """A device that answers a trace of two frames so."""
    traced = ("es loop trace 2 600000", [*answer, READY])
    return AskingLink(LOOP_SET, traced, ("es loop stats", [*LOOP_STATS, READY]))


def ask_for_trace(link: AskingLink) -> int:
    """How many frames the device says it dropped."""
    dut = Dut(link, Limits(5, 10, 1))
    dut.info()
    return dut.trace_loop(ring=4, when_full="oldest", deadline=0, arrivals=TRACE).dropped


def test_arrivals_are_sent_as_they_are_asked_for() -> None:
    """Numbered, little-endian, and with the CRC-32 of what is before it."""
    link = replay_trace("m-es-arrivals-0-2", "m-es-loop-traced")
    assert ask_for_trace(link) == LOOP_KEYS.index("dropped")
    crc = zlib.crc32(bytes.fromhex(BLOCK)).to_bytes(4, "little").hex()
    assert link.rows == [f"{BLOCK}{crc}%"]


@pytest.mark.parametrize("asked", ["0-3", "1-2", "2-1", "0-0", "4294967295-1", "0-17"])
def test_arrivals_that_there_are_not(asked: str) -> None:
    with pytest.raises(ProtocolError, match=r"asks for .* arrivals from .* on, of 2"):
        ask_for_trace(replay_trace(f"m-es-arrivals-{asked}", "m-es-loop-traced"))


@pytest.mark.parametrize("line", ["m-es-arrivals-x-1", "m-es-loop-started", "m-es-row-0-0"])
def test_another_answer_than_a_replay(line: str) -> None:
    with pytest.raises(ProtocolError, match=line):
        ask_for_trace(replay_trace(line))


def test_firmware_that_cannot_replay_a_trace_is_called_that() -> None:
    old = replay_trace("e-[usage: es loop set, start, stop or stats]")
    with pytest.raises(DeviceError, match="firmware that cannot replay a recorded trace") as caught:
        ask_for_trace(old)
    assert "build and flash" in caught.value.hint


def test_a_trace_that_the_device_refuses_says_why() -> None:
    with pytest.raises(DeviceError, match="damaged on the line"):
        ask_for_trace(
            replay_trace("m-es-arrivals-0-2", "e-[a block of arrivals was damaged on the line]")
        )


def test_a_device_that_falls_silent_in_a_trace() -> None:
    link = AskingLink(LOOP_SET, ("es loop trace 2 600000", ["m-es-arrivals-0-2"]))
    with pytest.raises(Timeout):
        ask_for_trace(link)
