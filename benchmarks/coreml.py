"""The table of docs/COREML.md: ``python -m benchmarks.coreml [--forms FORM...]``.

Five models in every form of weights, through ``edgeserve``'s own conversion: what operators a
package has, how large it is, for which iOS, and how far it is from the float model by evaluation
of the saved program. No figure is of a phone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.coreml_source import NAMES
from edgeserve.convert.apple import AppleWish
from edgeserve.convert.coreml_worker import BOUNDS
from edgeserve.convert.precision import Precision
from edgeserve.coreml_facts import CoremlFacts, OutputError, WeightsForm
from edgeserve.declaration_file import NOTHING_DECLARED
from edgeserve.errors import AccuracyError, ToolFailed
from edgeserve.pipeline.apple import convert_for_ios

HERE = Path(__file__).resolve().parent
DIGITS = HERE.parent / "models" / "digits"


def make_sources(folder: Path) -> None:
    """The four Keras models in ``folder``. Raises ToolFailed when Keras does."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.coreml_source", str(folder)],
        cwd=HERE.parent,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
            "KERAS_HOME": str(folder / "keras"),
            "TF_ENABLE_ONEDNN_OPTS": "0",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        tail = tuple(done.stderr.splitlines()[-20:])
        raise ToolFailed("keras", status=f"exit status {done.returncode}", tail=tail)


def converted(source: Path, samples: Path, form: WeightsForm, out: Path) -> CoremlFacts | None:
    """What the package of a model in one form is; None where its answers are refused."""
    try:
        bundle = convert_for_ios(
            source,
            out,
            calibration=samples,
            force=True,
            trust_source=False,
            image_range=(0.0, 1.0),
            declared=NOTHING_DECLARED,
            wish=AppleWish(Precision(form.value)),
            progress=lambda share, message: None,
        )
    except AccuracyError as error:
        print(f"{out.name}: {error.what}", file=sys.stderr, flush=True)
        return None
    assert bundle.facts.coreml is not None
    return bundle.facts.coreml


def worst(outputs: tuple[OutputError, ...]) -> str:
    """The largest error of all outputs, as a share of the output's largest value."""
    return f"{max(one.relative for one in outputs):.1e}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="*", default=list(WeightsForm), type=WeightsForm)
    forms: list[WeightsForm] = parser.parse_args().forms
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_sources(folder)
        sources = {"digits": (DIGITS / "model.keras", DIGITS / "calibration.npz")}
        sources |= {n: (folder / f"{n}.keras", folder / f"{n}.npz") for n in NAMES}
        rows = {}
        for name, (source, samples) in sources.items():
            for form in forms:
                print(f"{name} {form}", file=sys.stderr, flush=True)
                rows[name, form] = converted(source, samples, form, folder / "out" / name)
                made = folder / "out" / name / "model.tflite"
                if made.exists():
                    # What the first one was made of: the same graph, in less time.
                    source = folder / f"{name}.float.tflite"
                    source.write_bytes(made.read_bytes())
    _print_operators(rows, list(sources), forms[0])
    _print_forms(rows, list(sources), forms)


Rows = dict[tuple[str, WeightsForm], CoremlFacts | None]


def _print_operators(rows: Rows, names: list[str], form: WeightsForm) -> None:
    print("| model | parameters | oldest system | operators |\n|---|---:|---|---|")
    for name in names:
        facts = rows[name, form]
        if facts is None:
            continue
        counted = ", ".join(f"{one.count} {one.kind}" for one in facts.operators)
        print(f"| {name} | {facts.parameters:,} | {facts.minimum_os} | {counted} |")


def _print_forms(rows: Rows, names: list[str], forms: list[WeightsForm]) -> None:
    print("\n| model | " + " | ".join(forms) + " |\n|---" + "|---:" * len(forms) + "|")
    for name in names:
        cells = []
        for form in forms:
            facts = rows[name, form]
            if facts is None:
                cells.append("refused")
            else:
                cells.append(f"{facts.package_bytes:,} B, {worst(facts.check.outputs)}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("| taken up to | " + " | ".join(f"{BOUNDS[form]:g}" for form in forms) + " |")


if __name__ == "__main__":
    main()
