"""A Core ML package for people: what is in it, how large, for which iOS, how far from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeserve.coreml_facts import CoremlCheck, OutputError, Port, PortKind, SamplesFrom
from edgeserve.show.console import say, shown_path
from edgeserve.strict_json import to_json

if TYPE_CHECKING:
    from edgeserve.bundle_store import Bundle


def package_json(bundle: Bundle) -> dict[str, Any]:
    """The facts of a bundle as ``bundle.json`` has them, and where it is."""
    return {
        "bundle": str(bundle.path),
        "mlpackage": str(bundle.mlpackage_path),
        **to_json(bundle.facts),
    }


def print_package(bundle: Bundle) -> None:
    """What `convert --target ios` made, and `inspect` finds."""
    facts = bundle.facts.coreml
    assert facts is not None
    assert bundle.mlpackage_path is not None
    say(
        f"{shown_path(bundle.mlpackage_path)}: {facts.form}, {facts.minimum_os} or later, "
        f"{facts.parameters:,} parameters, {facts.weights_bytes:,} bytes of weights, "
        f"{facts.package_bytes:,} in all"
    )
    say(f"  operators: {', '.join(f'{one.count} {one.kind}' for one in facts.operators)}")
    for what, ports in (("takes", facts.inputs), ("gives", facts.outputs)):
        say(f"  {what}: {', '.join(map(_told, ports))}")
    for line in _check_lines(facts.check):
        say(f"  {line}")
    for note in bundle.facts.notes:
        say(f"  note: {note}")


def _told(port: Port) -> str:
    match port.kind:
        case PortKind.LABEL:
            return f"{port.name} (the class)"
        case PortKind.PROBABILITIES:
            return f"{port.name} (of {port.shape[0]} classes)"
        case PortKind.ARRAY:
            return f"{port.name} {'x'.join(map(str, port.shape))}"
        case _:
            return f"{port.name} ({port.kind}, {port.shape[3]}x{port.shape[2]})"


def _check_lines(check: CoremlCheck) -> list[str]:
    source = (
        "calibration samples" if check.samples_from is SamplesFrom.CALIBRATION else "random inputs"
    )
    lines = [
        f"evaluated without Core ML against the float model on {check.samples} {source}: "
        f"{_told_errors(check.outputs)}; at most {check.bound:g} is taken"
    ]
    if check.uncompressed is not None:
        lines.append(f"with its weights in float16: {_told_errors(check.uncompressed)}")
    if check.top1_equal is not None:
        lines.append(f"same greatest output in {check.top1_equal} of them")
    if check.predicted is None:
        lines.append("not run by Core ML itself, which takes macOS")
    else:
        lines.append(f"Core ML on this Mac: {_told_errors(check.predicted)}")
    return lines


def _told_errors(outputs: tuple[OutputError, ...]) -> str:
    return ", ".join(
        f"{one.name} within {one.max_abs_error:.2g} ({one.relative:.2g} of its largest value)"
        for one in outputs
    )
