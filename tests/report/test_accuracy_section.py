"""The section of accuracy: every part of its record, and what it says where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeserve.accuracy_record import (
    SCHEMA_VERSION,
    AccuracyRecord,
    Against,
    Cost,
    DeviceAnswers,
    Help,
    HelpKind,
    LayerError,
    LayerRecord,
    Move,
    OutputError,
    Paired,
    Rates,
    TrafficRecord,
    TrafficTensor,
    proportion,
)
from edgeserve.bundle_store import Bundle
from edgeserve.coreml_facts import (
    CoremlCheck,
    CoremlFacts,
    OperatorCount,
    Port,
    PortKind,
    SamplesFrom,
    WeightsForm,
)
from edgeserve.coreml_facts import OutputError as PackageError
from edgeserve.pipeline.report import report
from edgeserve.report.accuracy import SHOWN_LAYERS, accuracy_section
from edgeserve.report.content import Folded, Section, Table, Tone
from edgeserve.report.markdown import markdown_document
from edgeserve.report.recorded import Recorded
from edgeserve.report.sections import make_report
from edgeserve.tensor_ranges import RangeRecord, TensorRange
from tests.report.test_sections import cell, lines, section, tables


def layer(number: int) -> LayerError:
    ratio = None if number else 640.25
    return LayerError(f"layer {number};x", "CONV_2D", 40.0, 39.0, 30.0 + number, 0.05, ratio, True)


RECORD = AccuracyRecord(
    schema=SCHEMA_VERSION,
    model_sha256="ab" * 32,
    data_sha256="0123456789abcdef" * 4,
    samples=200,
    available=800,
    labelled=True,
    k=5,
    classes=("cat", "dog"),
    exact=Rates(proportion(190, 200), proportion(199, 200)),
    quantized=Rates(proportion(180, 200), proportion(198, 200)),
    against=Against(
        errors=(OutputError("scores", 0.01, 0.25, None, 0.0039),),
        top1_equal=183,
        paired=Paired(12, 2, 0.0129),
        moves=(Move(0, 1, 7, 6),),
    ),
    device=DeviceAnswers("mps2-an500", "mps2-an500", True, 10, 9, None, 9, 8, 4),
    layers=LayerRecord(16, ("scores",), tuple(layer(i) for i in range(12)), (), ("odd",)),
    traffic=TrafficRecord(50, (TrafficTensor("image", 0.1, 0.0, 0.4, 0.01, 0.3, False),)),
    helps=(
        Help(
            HelpKind.INT16_LAYERS,
            True,
            "int16 for layer 0",
            "--int16-layers x",
            ("x",),
            0.9987,
            proportion(189, 200),
            Cost("mps2-an500", 1000, 5000, 100_000),
            Cost("mps2-an500", 2000, 7000, 116_500),
        ),
        Help(HelpKind.TRAINING, False, "not measured: train", "", (), None, None, None, None),
    ),
    notes=("a note",),
)
RANGES = RangeRecord(
    200,
    (
        TensorRange("image", 0.0, 1.0, 0.0, 1.0, 10, 0.001, 0.0, 0.01, "0"),
        TensorRange("hidden", -2.0, 9.5, -1.0, 6.0, 147, 0.022, 0.0125, 0.01, "0"),
    ),
    (),
)


@pytest.fixture
def recorded(phone_bundle: Bundle) -> Recorded:
    return Recorded("camera", phone_bundle.facts, (), (), (), (), None, None)


def told(seen: Recorded, record: AccuracyRecord | None = RECORD) -> Section:
    return accuracy_section(replace(seen, accuracy=record))


def table(one: Section, caption: str) -> Table:
    (found,) = (table for table in tables(one) if caption in table.caption)
    return found


def test_who_is_right_how_often_with_intervals(recorded: Recorded) -> None:
    made = told(recorded)
    rates = table(made, "Right answers on 200 of 800 samples, data SHA-256 0123456789abcdef")
    shown = [row[:5] for row in rates.rows]
    assert shown == [
        ("float", "190", "200", "95.00%", "91.04% to 97.26%"),
        ("quantized", "180", "200", "90.00%", "85.06% to 93.43%"),
        ("mps2-an500 (emulated)", "8", "10", "80.00%", "49.02% to 94.33%"),
    ]
    assert cell(rates, 0, "top 5") == "99.50%"
    assert cell(rates, 2, "top 5") == ""
    assert "Drop 5.00%: 12 samples lost, 2 gained (McNemar's exact test: p = 0.013)." in lines(made)
    assert "9 of 10 samples give the reference's bytes; the first that differs is" in lines(made)
    assert "in 183 of 200 samples (91.50%)" in lines(made)
    outputs = table(made, "Outputs")
    assert cell(outputs, 0, "SQNR dB") == "no noise"
    moves = table(made, "change their class")
    assert moves.rows == (("0 cat", "1 dog", "7", "6"),)


def test_the_noisiest_layers_are_in_sight_and_the_others_folded(recorded: Recorded) -> None:
    made = told(recorded)
    shown = table(made, "Noisiest layers")
    assert len(shown.rows) == SHOWN_LAYERS
    assert cell(shown, 0, "layer") == "layer 0 (+1)"
    assert cell(shown, 0, "model dB") == "30.0"
    assert cell(shown, 0, "channels") == "640.2"
    assert cell(shown, 1, "channels") == ""
    (folded,) = (block for block in made.blocks if isinstance(block, Folded))
    assert folded.title == "2 layers that add less"
    assert "odd" in lines(made)


def test_what_helps_has_its_recovery_and_its_price(recorded: Recorded) -> None:
    made = told(recorded)
    helps = table(made, "What helps, measured")
    assert len(helps.rows) == 1, "advice that was not measured is no row"
    assert cell(helps, 0, "of the noise recovered") == "99.87%"
    assert cell(helps, 0, "right") == "94.50%"
    assert cell(helps, 0, "what it takes") == (
        "on mps2-an500: arena 1,000 to 2,000 bytes, model 5,000 to 7,000 bytes, "
        "instructions +16.5% (estimate)"
    )
    assert cell(helps, 0, "option") == "--int16-layers x"
    assert "not measured: train." in lines(made)
    assert "1 of 1 tensors differ" in lines(made)


def test_calibration_says_what_settled_and_what_clips(recorded: Recorded) -> None:
    made = accuracy_section(replace(recorded, ranges=RANGES))
    assert "after 147 samples (the last: hidden)" in lines(made)
    assert "up to 2.2% of a range: more may widen it further." in lines(made)
    clipped = table(made, "clips, in 1 tensors")
    assert clipped.rows == (("hidden", "1.250%", "-2 to 9.5", "-1 to 6"),)
    sound = replace(RANGES, tensors=RANGES.tensors[:1])
    said = lines(accuracy_section(replace(recorded, ranges=sound)))
    assert "there are enough." in said
    assert "No value of the calibration lies outside" in said


def test_a_model_without_classes_has_errors_alone(recorded: Recorded) -> None:
    against = Against((OutputError("y", 0.01, 0.25, 31.5, 0.1),), None, None, ())
    plain = replace(
        RECORD, k=None, exact=None, quantized=None, against=against, device=None, helps=()
    )
    made = told(recorded, plain)
    assert [one.caption[:8] for one in tables(made)][:2] == ["Outputs,", "Noisiest"]
    assert "without labels or classes" in lines(made)
    assert "same class" not in lines(made)


def test_what_was_measured_in_the_bundle_is_in_its_report(phone_bundle: Bundle) -> None:
    of_it = replace(RECORD, model_sha256=phone_bundle.facts.model_sha256)
    phone_bundle.record_accuracy(of_it)
    said = markdown_document(report(phone_bundle.path))
    assert "| `quantized` | 180 | 200 | 90.00% |" in said
    phone_bundle.record_accuracy(RECORD)
    made = section(report(phone_bundle.path), "accuracy")
    assert "is of another model" in lines(made)
    assert made.blocks[0].tone is Tone.BAD  # type: ignore[union-attr]
    (phone_bundle.path / "accuracy.json").unlink()
    made = section(report(phone_bundle.path), "accuracy")
    assert f"edgeserve accuracy {phone_bundle.path} --data DATA" in lines(made)


PACKAGE = CoremlFacts(
    sha256="cd" * 32,
    form=WeightsForm.FLOAT16,
    minimum_os="iOS 16",
    specification=7,
    inputs=(Port("image", PortKind.IMAGE_RGB, (1, 3, 32, 24)), Port("x", PortKind.ARRAY, (1, 4))),
    outputs=(Port("label", PortKind.LABEL, ()), Port("p", PortKind.PROBABILITIES, (10,))),
    operators=(OperatorCount("conv", 4), OperatorCount("relu", 3)),
    parameters=1234,
    weights_bytes=2468,
    package_bytes=9999,
    check=CoremlCheck(8, SamplesFrom.RANDOM, 0.02, (PackageError("p", 0.001, 0.5),), None, None, 8),
)


def test_a_package_for_ios_is_in_the_head(recorded: Recorded) -> None:
    made = make_report(replace(recorded, facts=replace(recorded.facts, coreml=PACKAGE)))
    assert [one.key for one in made.sections] == ["model", "claims"]
    assert made.summary == ("A package for iOS 16 or later.",)
    facts = {str(row[0]): str(row[1]) for row in tables(made.sections[0])[0].rows}
    assert facts["Core ML"].startswith("float16, iOS 16 or later, specification 7, SHA-256 cdcd")
    assert facts["package"] == "1,234 parameters, 2,468 bytes of weights, 9,999 in all"
    assert facts["operators"] == "4 conv, 3 relu"
    assert facts["takes"] == "image: image-rgb, 24 x 32, x: 1 x 4"
    assert facts["gives"] == "label (the class), p (of 10 classes)"
    assert facts["against float"] == (
        "evaluated without Core ML on 8 random inputs: p within 0.001 (0.002 of its largest "
        "value); at most 0.02 is taken"
    )
    assert facts["same greatest output"] == "8 of 8 random inputs"
    assert facts["by Core ML itself"] == "not run: that takes macOS"
    assert "not known" not in lines(made.sections[0])
