"""What `verify` found, on a device or in training's preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeserve.identifier import short_name
from edgeserve.show.console import say

if TYPE_CHECKING:
    from edgeserve.pipeline.device import OpenDevice
    from edgeserve.preprocess.skew import Diagnosis
    from edgeserve.program import Folded
    from edgeserve.verify import Coverage, FoldedTensor, Verification


def verification_json(target: OpenDevice, verification: Verification) -> dict[str, Any]:
    """``verify --format json``."""
    from edgeserve.strict_json import to_json

    first = verification.first_difference
    difference = None
    if first is not None:
        difference = {**to_json(first), "want": first.want.hex(), "got": first.got.hex()}
    return {
        "model": target.compiled.bundle.name,
        "bundle": str(target.compiled.bundle.path),
        "device": verification.device,
        "board": target.board.id,
        "equal": verification.equal,
        "steps": verification.steps,
        "inputs": list(verification.inputs),
        "coverage": to_json(verification.coverage),
        "differing_inputs": verification.differing_inputs,
        "differing_bytes": verification.differing_bytes,
        "first_difference": difference,
        "near": to_json(verification.near),
        "notes": list(verification.notes),
    }


def print_verification(target: OpenDevice, verification: Verification) -> None:
    """Coverage, and the first difference where there is one."""
    seen = verification.coverage
    say(
        f"{target.compiled.bundle.name} on {target.board.id}: {verification.steps} steps, "
        f"{len(verification.inputs)} inputs, {verification.differing_bytes:,} differing bytes"
    )
    say(
        f"  coverage {seen.covered}/{seen.total} tensors compared with the oracle, "
        f"{len(seen.folded)} folded into steps"
        + (f", not covered: {', '.join(seen.uncovered)}" if seen.uncovered else "")
    )
    if seen.narrowed:
        say(f"  {_told_narrowed(seen)}")
    for folded in seen.folded:
        say(f"  {told_folded(folded)}")
    for note in verification.notes:
        say(f"  note: {note}")
    first = verification.first_difference
    if first is None:
        say(f"  {_told_equal(verification)}")
        return
    where = "the model's output" if first.step is None else f"step {first.step} ({first.kernel})"
    say(
        f"  FIRST DIFFERENCE: {where}, {first.tensor}, on {first.input}: "
        f"{first.differing_bytes:,} of {first.total_bytes:,} bytes"
    )
    say(f"    row {first.row}, byte {first.offset}: want {first.want.hex(' ')}")
    say(f"    {'':>{len(str(first.row)) + len(str(first.offset)) + 11}} got  {first.got.hex(' ')}")


def _told_equal(verification: Verification) -> str:
    """How the steps were right: bit for bit, or nearly."""
    from edgeserve.closeness import TOLERANCE

    near = verification.near
    if not near:
        return "equal bit for bit"
    furthest = max(near, key=lambda one: one.distance)
    return (
        f"within {TOLERANCE:g}: {len(near)} steps of float32 arithmetic, the furthest "
        f"{furthest.distance:.2g} (step {furthest.step}, {short_name(furthest.label)}); all "
        "others equal bit for bit"
    )


def _told_narrowed(seen: Coverage) -> str:
    """How much of the tensors is on the device, and what is known of the rest."""
    total = sum(one.channels for one in seen.narrowed)
    kept = sum(one.kept for one in seen.narrowed)
    constant = sum(one.constant for one in seen.narrowed)
    return (
        f"of {len(seen.narrowed)} of them {kept:,} of {total:,} channels: {constant:,} were "
        f"constant in the oracle, as proven, and nothing reads {total - kept - constant:,}"
    )


def diagnosis_json(name: str, diagnosis: Diagnosis) -> dict[str, Any]:
    """``verify --reference --format json``."""
    found = diagnosis.found
    return {
        "model": name,
        "samples": diagnosis.samples,
        "agrees": diagnosis.agrees,
        "largest_steps": diagnosis.declared_steps,
        "changes": list(found.changes) if found else [],
        "left_steps": found.largest_steps if found else diagnosis.declared_steps,
    }


def print_diagnosis(name: str, diagnosis: Diagnosis) -> None:
    """Whether training did what is declared, and what it did instead."""
    say(
        f"{name}: training's inputs are {diagnosis.declared_steps:.2f} steps of the input from the "
        f"declared ones at most, over {diagnosis.samples} samples"
    )
    found = diagnosis.found
    if found is None:
        say("the declaration is what training did")
    elif found.is_exact:
        say(f"training used {' and '.join(found.changes)}: then the difference is none")
    else:
        say(
            f"nothing that was tried explains it; nearest is {' and '.join(found.changes)}, "
            f"{found.largest_steps:.2f} steps"
        )


def told_folded(folded: Folded | FoldedTensor) -> str:
    """Which step covers a tensor that no step writes."""
    if folded.step is None:
        return f"no step writes {short_name(folded.name)}: {folded.why}"
    return f"folded into step {folded.step}: {short_name(folded.name)}"
