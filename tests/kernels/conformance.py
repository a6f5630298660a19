"""Compares the C kernels with LiteRT's BUILTIN_REF, byte for byte, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.lower import lower
from edgeserve.plan import whole_plan
from edgeserve.program import Oracle, Program, claims
from edgeserve.rewrite import as_planned
from edgeserve.stream_plan import StreamPlan
from edgeserve.tflite.reader import read_model
from edgeserve.tune import faster_steps, tuned
from tests.kernels.host_runner import HostRunner

Array = npt.NDArray[np.generic]

CORES = (("dsp", "ref"), ("mve", "ref"), ("scalar", "ref"))
"""Kernel folders of the cores that have kernels of their own."""


def at_any_price(program: Program, isa: Sequence[str]) -> Program:
    """The portable program with kernels for a core, and of each step the form that takes more
    flash, whether it is worth it or not.
    """
    normal, faster = tuned(program, isa), faster_steps(program, isa)
    return replace(normal, steps=tuple(faster.get(step.index, step) for step in normal.steps))


def forms_of(program: Program) -> tuple[Program, ...]:
    """The program with the portable kernels, and with those chosen for each core that has others,
    with the usual and the least scratch, and with more flash; the portable twins run of them.
    """
    forms = [program]
    for isa in CORES:
        for chosen, word in (
            (tuned(program, isa), ""),
            (tuned(program, isa, 0), ", spared"),
            (at_any_price(program, isa), ", with flash"),
        ):
            form = replace(chosen, name=f"{program.name}, {isa[0]}{word}")
            if all(form.steps != other.steps for other in forms):
                forms.append(form)
    return tuple(forms)


def random_inputs(program: Program, rng: np.random.Generator) -> list[Array]:
    """Random bytes for every input; floats are small multiples of 1/128."""
    arrays: list[Array] = []
    for port in program.inputs:
        if port.dtype == "float32":
            values = rng.integers(-512, 512, port.shape).astype(np.float32) / np.float32(128)
            arrays.append(values)
        else:
            info = np.iinfo(port.dtype)
            arrays.append(
                rng.integers(info.min, info.max, port.shape, dtype=port.dtype, endpoint=True)
            )
    return arrays


def oracle_steps(
    model: bytes, program: Program, inputs: Sequence[Sequence[Array]], *, stateful: bool = False
) -> list[list[bytes | None]]:
    """For each run and step, the bytes of the tensor that the step must reproduce."""
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    runs = []
    for arrays in inputs:
        if not stateful:
            interpreter.reset_all_variables()
        for port, array in zip(program.inputs, arrays, strict=True):
            interpreter.set_tensor(port.tensor, array)
        interpreter.invoke()
        for claim in claims(program):
            _assert_constant(interpreter, claim)
        runs.append(
            [_part(interpreter, step.oracle) if step.oracle else None for step in program.steps]
        )
    return runs


def _elements(interpreter: Interpreter, oracle: Oracle) -> Array:
    elements: Array = interpreter.get_tensor(oracle.tensor)
    return elements.transpose(oracle.axes) if oracle.axes else elements


def _part(interpreter: Interpreter, oracle: Oracle) -> bytes:
    elements = _elements(interpreter, oracle)
    if oracle.channels is None:
        return elements.tobytes()
    return elements.reshape(-1, oracle.channels.total)[:, list(oracle.channels.kept)].tobytes()


def _assert_constant(interpreter: Interpreter, claim: Oracle) -> None:
    assert claim.channels is not None
    elements = _elements(interpreter, claim).reshape(-1, claim.channels.total)
    for channel, element in claim.channels.constants:
        assert (elements[:, channel] == element).all(), f"tensor {claim.tensor}, channel {channel}"


def assert_conforms(
    runner: HostRunner,
    model: bytes,
    *,
    inputs: Sequence[Sequence[Array]] | None = None,
    runs: int = 3,
    seed: int = 1,
    stateful: bool = False,
    passes: Callable[[Program], Program] = lambda program: program,
    plan: Callable[[Program], StreamPlan] = whole_plan,
    isa: Sequence[str] = (),
    choose: Callable[[Program, Sequence[str]], Program] = tuned,
) -> Program:
    """Lowers a model and runs what ``passes`` make of it: each step must write the oracle's bytes.

    ``stateful``: the inputs are one sequence without a reset. ``isa``: the kernel folders of the
    core whose kernels are chosen, by ``choose``; their portable twins run.
    Returns the program for more checks.
    """
    program = choose(passes(lower(read_model(model, name="case"))), isa)
    if inputs is None:
        rng = np.random.default_rng(seed)
        inputs = [random_inputs(program, rng) for _ in range(runs)]
    expected = oracle_steps(model, program, inputs, stateful=stateful)
    planned = plan(program)
    program = as_planned(program, planned)
    if stateful:
        actual = runner.run(program, inputs, planned)
    else:
        actual = tuple(runner.run(program, [one], planned)[0] for one in inputs)
    for run, (want, got) in enumerate(zip(expected, actual, strict=True)):
        for step, want_bytes, got_bytes in zip(program.steps, want, got, strict=True):
            if want_bytes is not None and want_bytes != got_bytes:
                a = np.frombuffer(want_bytes, np.int8).astype(int)
                b = np.frombuffer(got_bytes, np.int8).astype(int)
                assert len(a) == len(b), f"{step.label}: {len(b)} bytes, oracle {len(a)}"
                where = np.flatnonzero(a != b)
                raise AssertionError(
                    f"run {run}, step {step.index} {step.label} ({step.kernel.name}): "
                    f"{len(where)} of {len(a)} bytes differ, first at {where[:8]}: "
                    f"want {a[where[:8]]}, got {b[where[:8]]}"
                )
    return program
