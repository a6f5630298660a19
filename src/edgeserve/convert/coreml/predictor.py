"""Core ML itself, where there is one: on macOS. Never run on a Mac yet.

Elsewhere there is no predictor, and the evaluation in numpy stands alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeserve.convert.coreml.frameworks import coremltools
from edgeserve.convert.coreml.saved import SavedProgram
from edgeserve.coreml_facts import Port, PortKind


class Predictor(Protocol):
    """What answers for a package: arrays in and out by name, images as pixels, channels first."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The outputs by name; of a classifier the probabilities in the order of its labels."""
        ...


def core_ml(folder: Path, program: SavedProgram, platform: str = sys.platform) -> Predictor | None:
    """Core ML's own answer for the package in ``folder``; None where the system is not macOS."""
    if platform != "darwin":
        return None
    return CoreMlPredictor(coremltools().models.MLModel(str(folder)), program)


@dataclass(frozen=True, slots=True)
class CoreMlPredictor:
    """``model`` is coremltools' ``MLModel``, or whatever has its ``predict``."""

    model: Any
    program: SavedProgram

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """As :class:`Predictor` says."""
        given = {port.name: _handed_in(port, inputs[port.name]) for port in self.program.inputs}
        answers = self.model.predict(given)
        return {
            port.name: self._taken_out(port, answers[port.name])
            for port in self.program.outputs
            if port.kind is not PortKind.LABEL
        }

    def _taken_out(self, port: Port, answer: Any) -> NDArray[Any]:
        if port.kind is PortKind.PROBABILITIES:
            return np.asarray([answer[label] for label in self.program.labels], np.float32)
        return np.asarray(answer, np.float32).reshape(port.shape)


def _handed_in(port: Port, values: NDArray[Any]) -> Any:
    if port.kind is PortKind.ARRAY:
        return np.asarray(values, np.float32)
    from PIL import Image

    pixels = np.asarray(values, np.uint8)[0]
    if port.kind is PortKind.IMAGE_GRAY:
        return Image.fromarray(pixels[0])
    # Pillow's pictures are RGB; Core ML turns them into the order that the model declares.
    ordered = pixels[::-1] if port.kind is PortKind.IMAGE_BGR else pixels
    return Image.fromarray(np.ascontiguousarray(ordered.transpose(1, 2, 0)))
