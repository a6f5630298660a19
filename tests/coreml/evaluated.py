"""Float models made into packages in the test's own process, and the error of their evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.coreml.check import Answers, FloatModel, as_samples, package_answers
from edgeserve.convert.coreml.evaluate import evaluator
from edgeserve.convert.coreml.package import (
    Metadata,
    Recipe,
    compressed,
    convert_graph,
    save_package,
)
from edgeserve.convert.coreml.program import Edges
from edgeserve.convert.coreml.saved import SavedProgram, read_package
from edgeserve.coreml_facts import OutputError, WeightsForm
from edgeserve.tflite.reader import read_model

NO_EDGES = Edges()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A saved package, what it gave, and how far that is from LiteRT's answer."""

    folder: Path
    program: SavedProgram
    given: Answers
    wanted: Answers
    errors: tuple[OutputError, ...]

    @property
    def worst(self) -> float:
        return max(one.relative for one in self.errors)

    def kinds(self) -> set[str]:
        return {op.kind for op in self.program.operations}


def evaluated(
    model: bytes,
    folder: Path,
    rows: list[list[NDArray[np.float32]]],
    form: WeightsForm = WeightsForm.FLOAT32,
    *,
    minimum_ios: int = 16,
    edges: Edges = NO_EDGES,
    labels: tuple[str, ...] = (),
) -> Evaluated:
    """Builds, saves, reads back and evaluates; ``rows`` are samples of the model's inputs."""
    graph = read_model(model, name="test")
    recipe = Recipe(form, minimum_ios, edges, labels, Metadata())
    save_package(compressed(convert_graph(graph, recipe), form), folder)
    program = read_package(folder)
    samples = as_samples(rows, program, edges)
    wanted = FloatModel(model, graph, edges).answers(samples, program)
    given = package_answers(evaluator(program), samples, wanted)
    return Evaluated(folder, program, given, wanted, given.errors(wanted))
