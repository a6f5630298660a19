"""Makes the digits model hard to quantize: ``python hard_model.py FOLDER``.

One channel behind the first convolution becomes a thousand times as large, and the depthwise layer
that reads it takes the factor back. In floats nothing changes; one scale for all channels of that
tensor leaves the others next to nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

FACTOR = 1000.0
DIGITS = Path(__file__).resolve().parents[2] / "models" / "digits"


def main(folder: Path) -> None:
    import keras

    model = keras.models.load_model(DIGITS / "model.keras", compile=False)
    layers = [layer for layer in model.layers if layer.weights]
    normalised, depthwise = layers[1], layers[2]
    gamma, beta, *rest = normalised.get_weights()
    gamma[0] *= FACTOR
    beta[0] *= FACTOR
    normalised.set_weights([gamma, beta, *rest])
    (kernel,) = depthwise.get_weights()
    kernel[:, :, 0, :] /= FACTOR
    depthwise.set_weights([kernel])
    model.save(folder / "hard.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
