"""Noise layer by layer: the layer that was made hard comes first, and figures add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeserve.accuracy_record import LayerRecord
from edgeserve.bundle_store import Bundle
from edgeserve.convert.kept_tensors import PartRunner
from edgeserve.convert.layer_errors import Noise, layer_errors
from edgeserve.convert.matching import match
from edgeserve.convert.network import Network, cut, read_network
from tests.accuracy.conftest import TEST, samples_of, silent

SAMPLES = 60


def float_bytes(bundle: Bundle) -> bytes:
    model = bundle.float_bytes()
    assert model is not None
    return model


def layers_of(bundle: Bundle) -> LayerRecord:
    samples = samples_of(TEST, SAMPLES)
    found = layer_errors(float_bytes(bundle), bundle.model_bytes(), samples, silent)
    assert isinstance(found, LayerRecord)
    return found


@pytest.fixture(scope="session")
def easy_layers(digits: Bundle) -> LayerRecord:
    return layers_of(digits)


@pytest.fixture(scope="session")
def hard_layers(hard: Bundle) -> LayerRecord:
    return layers_of(hard)


def test_the_hard_layer_comes_first(hard_layers: LayerRecord) -> None:
    """It is the one that writes the uneven channels, not the one that reads them."""
    first = hard_layers.layers[0]
    assert first.operator == "CONV_2D"
    assert first.name.startswith("digits_1/re_lu_1/Relu;")
    assert first.noise_share > 0.9
    assert first.model_sqnr_db is not None
    assert first.model_sqnr_db < 5
    assert first.channel_ratio is not None
    assert first.channel_ratio > 100


def test_its_own_ratio_would_not_have_told(
    easy_layers: LayerRecord, hard_layers: LayerRecord
) -> None:
    """The great channel carries the signal's power: the ratio at the tensor stays good."""
    own = hard_layers.layers[0].own_sqnr_db
    assert own is not None
    assert own > 40
    assert all(one.noise_share < 0.6 for one in easy_layers.layers)
    assert all((one.channel_ratio or 0) < 10 for one in easy_layers.layers)


def test_every_layer_is_accounted_for(digits: Bundle, easy_layers: LayerRecord) -> None:
    network = read_network(float_bytes(digits))
    written = {network.tensors[op.outputs[0]].name for op in network.ops}
    assert {one.name for one in easy_layers.layers} | {*easy_layers.exact} == written | {"image"}
    assert easy_layers.exact == ("digits_1/max_pooling2d_1/MaxPool2d",)
    assert easy_layers.unmatched == ()
    assert sum(one.noise_share for one in easy_layers.layers) == pytest.approx(1)
    weighted = [one for one in easy_layers.layers if one.weights]
    assert {one.operator for one in weighted} == {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def test_noises_of_single_layers_add_up_to_that_of_all(easy_layers: LayerRecord) -> None:
    """They are small and independent, so that their powers add, within 2 dB."""
    logits = next(one for one in easy_layers.layers if one.name in easy_layers.compared)
    total = sum(10 ** (-one.model_sqnr_db / 10) for one in easy_layers.layers if one.model_sqnr_db)
    assert logits.accumulated_sqnr_db == pytest.approx(-10 * math.log10(total), abs=2)


def test_a_final_softmax_is_not_what_is_compared(easy_layers: LayerRecord) -> None:
    (softmax,) = (one for one in easy_layers.layers if one.operator == "SOFTMAX")
    assert softmax.model_sqnr_db is None
    assert softmax.noise_share == 0
    assert softmax.own_sqnr_db is not None
    assert easy_layers.compared[0].startswith("digits_1/digit_1/MatMul")


def test_the_accumulated_ratio_of_the_output_is_that_of_the_two_models(
    digits: Bundle, easy_layers: LayerRecord
) -> None:
    """Against both models run apart, with quantization done by hand."""
    exact = Interpreter(model_content=float_bytes(digits))
    quantized = Interpreter(
        model_content=digits.model_bytes(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    wanted: list[np.ndarray] = []
    got: list[np.ndarray] = []
    for interpreter, answers in ((exact, wanted), (quantized, got)):
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        for (sample,) in samples_of(TEST, SAMPLES):
            scale, zero_point = taken["quantization"]
            held = sample if not scale else np.round(sample / scale) + zero_point
            interpreter.set_tensor(taken["index"], held.astype(taken["dtype"]))
            interpreter.invoke()
            raw = interpreter.get_tensor(given["index"]).astype(float)
            scale, zero_point = given["quantization"]
            answers.append((raw - zero_point) * scale if scale else raw)
    noise = np.sum(np.square(np.array(wanted) - np.array(got)))
    ratio = 10 * math.log10(np.sum(np.square(wanted)) / noise)
    (softmax,) = (one for one in easy_layers.layers if one.operator == "SOFTMAX")
    assert softmax.accumulated_sqnr_db == pytest.approx(ratio, abs=0.01)


def test_a_part_of_a_network_computes_what_the_whole_does(digits: Bundle) -> None:
    network = read_network(float_bytes(digits))
    whole = PartRunner(cut(network, network.ops, network.inputs, network.outputs))
    middle = network.ops[3].outputs[0]
    front = PartRunner(cut(network, network.ops[:4], network.inputs, [middle]))
    back = PartRunner(cut(network, network.ops[4:], [middle], network.outputs))
    given = {network.inputs[0]: samples_of(TEST, 1)[0][0]}
    wanted = whole.run(given, network.outputs)
    got = back.run(front.run(given, [middle]), network.outputs)
    assert np.array_equal(wanted[network.outputs[0]], got[network.outputs[0]])


def test_names_that_both_files_have_are_matched(digits: Bundle) -> None:
    exact, quantized = read_network(float_bytes(digits)), read_network(digits.model_bytes())
    found = match(exact, quantized)
    assert [exact.tensors[a].name for a, _ in found.pairs] == [
        quantized.tensors[b].name for _, b in found.pairs
    ]
    assert len(found.pairs) == len(exact.ops) + 1


def test_names_that_differ_are_matched_by_position_or_not_at_all(digits: Bundle) -> None:
    exact, quantized = read_network(float_bytes(digits)), read_network(digits.model_bytes())
    renamed = _renamed(quantized.parsed)
    wanted = match(exact, quantized).pairs
    assert match(exact, renamed).pairs == wanted
    shorter = read_network(cut(renamed, renamed.ops[:5], renamed.inputs, renamed.ops[4].outputs))
    assert len(match(exact, shorter).pairs) == 1


def _renamed(parsed: Any) -> Network:
    import flatbuffers

    for tensor in parsed.subgraphs[0].tensors:
        tensor.name = b"other " + tensor.name
    builder = flatbuffers.Builder(1024)
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return read_network(bytes(builder.Output()))


def test_noise_in_decibels() -> None:
    noise = Noise()
    noise.add(np.array([10.0, 0.0]), np.array([10.0, 1.0]))
    assert noise.sqnr_db == pytest.approx(20)
    assert Noise(1.0, 0.0).sqnr_db is None
    assert Noise(0.0, 1.0).sqnr_db == pytest.approx(-300)
