"""What is left out changes no byte of what is left: the C kernels against LiteRT's reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeserve.kernels.record import KernelId
from edgeserve.lower import lower
from edgeserve.narrow import narrowed
from edgeserve.narrow.bounds import Bounds
from edgeserve.narrow.constants import folded_constants
from edgeserve.narrow.look_ups import merged_look_ups
from edgeserve.narrow.propagation import propagate
from edgeserve.narrow.rebuild import weight_bytes, without_dead_channels
from edgeserve.narrow.windows import conv_sums
from edgeserve.program import Program, Role, channels_left
from edgeserve.tflite.reader import read_model
from tests.kernels.conformance import assert_conforms, random_inputs
from tests.kernels.host_runner import HostRunner
from tests.kernels.random_models import random_model
from tests.kernels.test_bounds import assert_within
from tests.kernels.test_models import MODELS, acceptable_to_the_oracle
from tests.kernels.test_random_models import random_plan
from tests.narrow_layers import ZERO_POINT, Image, Layers

RANDOM, SOAKED = 60, 2_000


def views(program: Program) -> list[tuple[KernelId, int]]:
    """Each step's kernel and output channels."""
    return [(step.kernel, step.output.c) for step in program.steps]


def only(one: Callable[..., Program]) -> Callable[[Program], Program]:
    """A pass alone."""
    return lambda program: one(program, propagate(program))


def channels(runner: HostRunner, b: Layers, x: Image, *outputs: Image) -> list[int]:
    """The output channels of the steps that are left, which write the oracle's bytes."""
    program = assert_conforms(runner, b.done(x, outputs), passes=only(without_dead_channels))
    return [step.output.c for step in program.steps]


def test_constants_go_into_biases(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.conv(x, ".z.m."), "..")
    assert channels(runner, b, x, y) == [3, 2]


def test_padding_takes_the_place_of_its_own_value_alone(runner: HostRunner) -> None:
    """Where windows leave the image a constant other than the zero point must stay."""
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.conv(x, ".z.m."), "..", kernel=3)
    assert channels(runner, b, x, y) == [4, 2]
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.conv(x, ".z.m."), "..", kernel=3, padding="VALID")
    assert channels(runner, b, x, y) == [3, 2]


def test_dead_channels_are_followed_to_what_makes_them(runner: HostRunner) -> None:
    """The second layer drowns channels that live in the first: nothing else reads them there."""
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.depthwise(b.conv(x, "....."), ".zm.z"), "..")
    assert channels(runner, b, x, y) == [2, 2, 2]


def test_a_reader_that_needs_a_channel_keeps_it_for_all(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    hidden = b.conv(x, "....")
    y = b.conv(b.depthwise(hidden, ".zz."), "..")
    z = b.conv(hidden, "...")
    assert channels(runner, b, x, y, z) == [4, 4, 2, 3]


def test_depthwise_with_a_multiplier(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.depthwise(b.conv(x, "..."), ".zzz.."), "..")
    assert channels(runner, b, x, y) == [2, 4, 2]
    b = Layers()
    x = b.image(4, 5, 1)
    y = b.conv(b.depthwise(x, ".z.z."), "..")
    assert channels(runner, b, x, y) == [3, 2]


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools(runner: HostRunner, kind: str) -> None:
    b = Layers()
    x = b.image(4, 6, 3)
    y = b.dense(b.pool(kind, b.conv(x, ".z.m.")), "...")
    assert channels(runner, b, x, y) == [3, 3, 3]


def test_means_and_whole_images(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 6, 3)
    y = b.dense(b.mean(b.conv(x, "z..m.")), "...")
    z = b.dense(b.conv(x, "z.m."), "...")
    assert channels(runner, b, x, y, z) == [3, 3, 3, 2, 3]


@pytest.mark.parametrize(
    ("kind", "kept"), [("ADD", 3), ("SUB", 3), ("MAXIMUM", 3), ("MUL", 2), ("MINIMUM", 2)]
)
def test_two_inputs_keep_what_one_of_them_needs(runner: HostRunner, kind: str, kept: int) -> None:
    """Times the zero point, and the lesser of it and what is not below it, are constant."""
    b = Layers()
    x = b.image(4, 5, 3)
    both = b.like(kind, b.conv(x, ".zz.m"), b.conv(x, "..z.m"))
    assert channels(runner, b, x, b.conv(both, "..")) == [kept, kept, kept, 2]


def test_slopes_are_narrowed_with_what_they_bend(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.like("PRELU", b.conv(x, ".zz.m"), b.slopes(5))
    assert channels(runner, b, x, b.conv(y, "..")) == [2, 2, 2]


def test_parts_side_by_side(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.concatenate(b.conv(x, ".z.m"), b.conv(x, "z."), b.conv(x, ".")), "..")
    assert channels(runner, b, x, y) == [2, 1, 1, 4, 2]
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.concatenate(b.conv(x, ".z.m"), b.conv(x, "zz.m"), axis=1), "..")
    assert channels(runner, b, x, y) == [2, 2, 80, 2], "seen as a row"


def test_transposed(runner: HostRunner) -> None:
    """Between the taps there is nothing: only the zero point adds nothing, too."""
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.transpose_conv(b.conv(x, ".z.m"), 3)
    assert channels(runner, b, x, b.conv(y, "..")) == [3, 3, 2]


def test_outputs_of_the_model_stay_whole(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    hidden = b.conv(x, ".z.m")
    y = b.conv(hidden, "zm")
    assert channels(runner, b, x, hidden, y) == [4, 2]


def test_what_no_output_depends_on(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(x, "..")
    unread = b.conv(b.conv(x, "...."), "...")
    program = assert_conforms(runner, b.done(x, [y]), passes=narrowed)
    assert views(program) == [(KernelId.CONV_2D, 2)]
    told = {folded.tensor: folded for folded in program.folded}
    assert told[unread[0]].step is None
    assert "no output depends" in told[unread[0]].why
    left = channels_left(program)[unread[0]]
    assert left.kept == ()
    assert len(left.constants) < left.total


def test_what_is_known_before_the_model_runs(runner: HostRunner) -> None:
    """A branch that is constant becomes one; its reader looks at it as at any other input."""
    b = Layers()
    x = b.image(4, 5, 3)
    known = b.like("HARD_SWISH", b.conv(x, "mzm"))
    y = b.like("ADD", x, known)
    program = assert_conforms(runner, b.done(x, [y]), passes=only(folded_constants))
    assert views(program) == [(KernelId.ADD, 3)]
    assert [value.role for value in program.values].count(Role.CONSTANT) == 1
    left = channels_left(program)[known[0]]
    assert (left.total, left.kept, len(left.constants)) == (3, (), 3)


def test_constants_that_a_layer_takes_in_are_gone(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.concatenate(b.conv(b.conv(x, "mzm"), "...", kernel=3), x)
    program = assert_conforms(runner, b.done(x, [y]), passes=narrowed)
    assert KernelId.CONCATENATION in [step.kernel for step in program.steps]
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.conv(b.conv(x, "zzz"), "..."), "...")
    program = assert_conforms(runner, b.done(x, [y]), passes=narrowed)
    assert views(program) == [(KernelId.CONV_2D, 3)]


def test_look_ups_in_a_row_are_one(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.like("HARD_SWISH", b.like("TANH", b.like("HARD_SWISH", x)))
    program = assert_conforms(runner, b.done(x, [y]), passes=only(merged_look_ups))
    assert views(program) == [(KernelId.LOOK_UP, 3)]
    assert [folded.step for folded in program.folded] == [0, 0]


def test_look_ups_with_two_readers_stay(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    first = b.like("HARD_SWISH", x)
    program = assert_conforms(
        runner,
        b.done(x, [b.like("TANH", first), b.like("HARD_SWISH", first)]),
        passes=only(merged_look_ups),
    )
    assert len(program.steps) == 3


def test_a_clamp_on_all_that_comes_is_enough(runner: HostRunner) -> None:
    """LEAKY_RELU is no clamp on all elements; behind a RELU, or its maximum, it does nothing."""
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.like("LEAKY_RELU", b.conv(x, "...", kernel=3), options={"alpha": 0.1})
    model = b.done(x, [y])
    program = assert_conforms(runner, model, passes=only(merged_look_ups))
    assert views(program) == [(KernelId.CONV_2D, 3)]


def test_what_is_told(runner: HostRunner) -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    y = b.conv(b.conv(b.conv(x, ".z.m."), "..", kernel=3), "zz")
    z = b.conv(b.depthwise(b.conv(x, ".z.m."), ".z.z."), "..")
    program = assert_conforms(runner, b.done(x, [b.conv(y, "..."), z]), passes=narrowed)
    assert [(one.channels, one.weight_bytes, one.macs) for one in program.narrowings] == [
        ((5, 0), (15, 0), (300, 0)),
        ((2, 0), (90, 0), (1800, 0)),
        ((2, 0), (4, 0), (80, 0)),
        ((5, 3), (15, 9), (300, 180)),
        ((5, 3), (45, 27), (900, 540)),
        ((2, 2), (10, 6), (200, 120)),
        ((3, 3), (6, 3), (120, 60)),
    ]
    assert program.macs == 180 + 540 + 120 + 60


def test_nothing_to_leave_out_leaves_everything() -> None:
    b = Layers()
    x = b.image(4, 5, 3)
    program = lower(read_model(b.done(x, [b.conv(b.conv(x, "..."), "..")]), name="case"))
    assert narrowed(program) == program


def small_graph(seed: int) -> bytes:
    """Six operators on each pixel of an image by itself, some with dead channels."""
    rng = np.random.default_rng(seed)
    b = Layers(seed)
    x = b.image(256, 256, 2)
    images = [b.conv(x, "..z.m")]
    for _ in range(5):
        source = images[int(rng.integers(len(images)))]
        c = source[1][2]
        fate = "".join(rng.choice(list("...zm"), c))
        kind = str(rng.choice(["conv", "depthwise", "ADD", "MUL", "HARD_SWISH", "concatenate"]))
        alike = [one for one in images if one[1] == source[1]]
        if kind == "conv":
            images.append(b.conv(source, fate[:4]))
        elif kind == "depthwise":
            images.append(b.depthwise(source, fate, kernel=1))
        elif kind == "concatenate" and c < 8:
            images.append(b.concatenate(source, images[0]))
        elif kind in ("ADD", "MUL"):
            images.append(b.like(kind, source, alike[int(rng.integers(len(alike)))]))
        else:
            images.append(b.like("HARD_SWISH", source))
    return b.done(x, [b.conv(images[-1], "...")])


def test_small_graphs_on_all_inputs(runner: HostRunner) -> None:
    """The pixels of one image are all pairs of elements."""
    elements = np.arange(-128, 128)
    pairs = np.stack(np.meshgrid(elements, elements), axis=2).astype(np.int8)[None]
    lost = 0
    for seed in range(12):
        model = small_graph(seed)
        program = lower(read_model(model, name="case"))
        assert_within(runner, program, propagate(program), [[pairs]])
        lost += bool(assert_conforms(runner, model, inputs=[[pairs]], passes=narrowed).narrowings)
    assert lost > 6


def run_random(runner: HostRunner, seeds: range) -> int:
    """Models with few and many dead channels, planned whole and row by row; how many lost some."""
    lost = 0
    for seed in seeds:
        dead = (0.0, 0.3, 0.6, 0.9)[seed % 4]
        try:
            program = assert_conforms(
                runner,
                random_model(seed, dead),
                runs=2,
                seed=seed,
                passes=narrowed,
                plan=lambda program, seed=seed: random_plan(program, seed),  # type: ignore[misc]
            )
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        lost += bool(program.narrowings)
    return lost


def test_random_models(runner: HostRunner) -> None:
    assert run_random(runner, range(RANDOM)) > RANDOM // 3


def test_a_fed_input_where_a_tensor_of_other_rows_lies_later(runner: HostRunner) -> None:
    """Both begin at the same address and are as long: the input is fed by its own rows."""
    run_random(runner, range(1047, 1048))


@pytest.mark.soak
def test_many_random_models(runner: HostRunner) -> None:
    run_random(runner, range(RANDOM, RANDOM + SOAKED))


@pytest.mark.parametrize("name", MODELS)
def test_public_models(runner: HostRunner, shared_data: Path, name: str) -> None:
    data = (shared_data / "models" / f"{name}.tflite").read_bytes()
    assert_conforms(runner, acceptable_to_the_oracle(data), runs=2, passes=narrowed)


def outputs_of(runner: HostRunner, program: Program, inputs: list[list[np.ndarray]]) -> list[bytes]:
    (port,) = program.outputs
    (last,) = (step.index for step in program.steps if step.output.value == port.value)
    return [steps[last] for steps in runner.run(program, inputs)]


def shrink_vww(runner: HostRunner, shared_data: Path, runs: int) -> None:
    data = (shared_data / "models" / "vww_96_int8.tflite").read_bytes()
    program = lower(read_model(data, name="vww"))
    less = narrowed(program)
    weights = [sum(weight_bytes(step.params) for step in p.steps) for p in (program, less)]
    assert 4 * weights[1] <= weights[0]
    assert 2 * less.macs <= program.macs
    rng = np.random.default_rng(9)
    inputs = [random_inputs(program, rng) for _ in range(runs)]
    outputs = outputs_of(runner, program, inputs)
    assert outputs_of(runner, less, inputs) == outputs
    assert len(set(outputs)) > 1


def test_a_model_with_many_dead_channels(runner: HostRunner, shared_data: Path) -> None:
    shrink_vww(runner, shared_data, 20)


@pytest.mark.soak
def test_a_model_with_many_dead_channels_on_many_inputs(
    runner: HostRunner, shared_data: Path
) -> None:
    shrink_vww(runner, shared_data, 1_000)


def test_a_wrong_proof_is_caught(runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes half of the range for all of it makes constants that are none."""
    b = Layers()
    x = b.image(4, 5, 3)
    model = b.done(x, [b.conv(b.conv(x, "...."), "..")])

    def wrong(*arguments: object) -> Bounds:
        found = conv_sums(*arguments)  # type: ignore[arg-type]
        return replace(found, high=found.low)

    monkeypatch.setattr("edgeserve.narrow.propagation.conv_sums", wrong)
    with pytest.raises(AssertionError, match="channel"):
        assert_conforms(runner, model, passes=narrowed)


def test_zero_points_of_the_tests_are_none_of_the_ends() -> None:
    """Else the constants that drown would be those of a clamp."""
    assert -128 < ZERO_POINT < 127
