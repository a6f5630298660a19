"""The facts of a Core ML package, for the table of a report's head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeserve.coreml_facts import CoremlFacts, OutputError, Port, PortKind, SamplesFrom


def package_facts(facts: CoremlFacts) -> Iterator[tuple[str, str]]:
    """What is in it, for which system, and how far it is from the float model."""
    yield (
        "Core ML",
        f"{facts.form.value}, {facts.minimum_os} or later, specification {facts.specification}, "
        f"SHA-256 {facts.sha256[:16]}",
    )
    yield (
        "package",
        f"{facts.parameters:,} parameters, {facts.weights_bytes:,} bytes of weights, "
        f"{facts.package_bytes:,} in all",
    )
    yield "operators", ", ".join(f"{one.count} {one.kind}" for one in facts.operators)
    yield "takes", ", ".join(map(_port, facts.inputs))
    yield "gives", ", ".join(map(_port, facts.outputs))
    check = facts.check
    samples = (
        "calibration samples" if check.samples_from is SamplesFrom.CALIBRATION else "random inputs"
    )
    yield (
        "against float",
        f"evaluated without Core ML on {check.samples} {samples}: {_errors(check.outputs)}; at "
        f"most {check.bound:g} is taken",
    )
    if check.uncompressed is not None:
        yield "weights in float16", _errors(check.uncompressed)
    if check.top1_equal is not None:
        yield "same greatest output", f"{check.top1_equal} of {check.samples} {samples}"
    yield (
        "by Core ML itself",
        "not run: that takes macOS" if check.predicted is None else _errors(check.predicted),
    )


def _port(port: Port) -> str:
    match port.kind:
        case PortKind.LABEL:
            return f"{port.name} (the class)"
        case PortKind.PROBABILITIES:
            return f"{port.name} (of {port.shape[0]} classes)"
        case PortKind.ARRAY:
            return f"{port.name}: {' x '.join(map(str, port.shape))}"
        case _:
            return f"{port.name}: {port.kind.value}, {port.shape[3]} x {port.shape[2]}"


def _errors(outputs: Sequence[OutputError]) -> str:
    return ", ".join(
        f"{one.name} within {one.max_abs_error:.2g} ({one.relative:.2g} of its largest value)"
        for one in outputs
    )
