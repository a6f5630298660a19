"""What the model is, where it came from, and how far its integers are from floats."""

from __future__ import annotations

from collections.abc import Iterator

from edgeserve.bundle import Agreement, BundleFacts, TensorFacts
from edgeserve.postprocess.declaration import told as told_back
from edgeserve.preprocess.declaration import told as told_front
from edgeserve.report.content import Block, Line, Section, Table, Tone, columns
from edgeserve.report.package import package_facts
from edgeserve.report.recorded import Recorded


def head_section(seen: Recorded) -> Section:
    """A table of facts, and what was remarked at conversion."""
    blocks: list[Block] = [Table(columns("!", "@"), tuple(_facts(seen.facts)))]
    missing = seen.facts.agreement is None and seen.facts.quantization is None
    if missing and seen.facts.coreml is None:
        why = seen.facts.absent_reason or "not recorded"
        blocks.append(
            Line(
                f"Quantization and agreement with the float model are not known: {why}. "
                "edgeserve convert of a Keras model or SavedModel records them.",
                Tone.QUIET,
            )
        )
    blocks += [Line(f"Note: {note}", Tone.QUIET) for note in dict.fromkeys(seen.facts.notes)]
    return Section("model", "Model", tuple(blocks))


def _facts(facts: BundleFacts) -> Iterator[tuple[str, str]]:
    yield "name", facts.name
    yield "source", f"{facts.source.kind.value}, SHA-256 {facts.source.sha256[:16]}"
    yield "model", f"SHA-256 {facts.model_sha256[:16]}"
    for tensor in facts.inputs:
        yield "input", _tensor(tensor)
    for tensor in facts.outputs:
        yield "output", _tensor(tensor)
    if facts.preprocess is not None:
        yield "before the model", told_front(facts.preprocess.front)
    if facts.postprocess is not None:
        yield "after the model", told_back(facts.postprocess)
    quantization = facts.quantization
    if quantization is not None:
        form = "per channel" if quantization.weights_per_channel else "per tensor"
        yield (
            "quantization",
            f"activations {quantization.activations.value}, weights {quantization.weights.value} "
            f"{form}, by {quantization.converter}",
        )
    if facts.agreement is not None:
        yield from _agreement(facts.agreement)
    if facts.coreml is not None:
        yield from package_facts(facts.coreml)
    yield "made by", ", ".join(f"{tool.name} {tool.version}" for tool in facts.tools)


def _tensor(tensor: TensorFacts) -> str:
    shape = " x ".join(map(str, tensor.shape)) or "scalar"
    scale = "" if tensor.scale is None else f", scale {tensor.scale:.6g}, zero {tensor.zero_point}"
    return f"{tensor.name}: {shape} {tensor.dtype.value}{scale}"


def _agreement(agreement: Agreement) -> Iterator[tuple[str, str]]:
    samples = f"over {agreement.samples} calibration samples"
    for output in agreement.outputs:
        yield (
            "against float",
            f"{output.name}: largest difference {output.max_abs_error:.4g}, mean "
            f"{output.mean_abs_error:.4g}, {samples}",
        )
    if agreement.top1_agreement is not None:
        yield "same class", f"{agreement.top1_agreement:.1%} {samples}"
    if agreement.float_accuracy is not None and agreement.int8_accuracy is not None:
        yield (
            "accuracy",
            f"float {agreement.float_accuracy:.1%}, quantized {agreement.int8_accuracy:.1%}, "
            f"{samples}",
        )
