"""Pictures of a run, drawn from plain values: epochs, images, probabilities, a Keras model."""

from typing import Final

from cnn_sweeps.figures.curves import learning_curves, learning_curves_png
from cnn_sweeps.figures.style import warm_up

__all__ = [
    "EVALUATION",
    "EXAMPLES",
    "FOLDER",
    "learning_curves",
    "learning_curves_png",
    "warm_up",
]

FOLDER: Final = "figures"
"""Where among the artifacts of a run its pictures are; the learning curves stand outside."""
EVALUATION: Final = f"{FOLDER}/evaluation.json"
EXAMPLES: Final = f"{FOLDER}/examples.json"
"""What the pictures show, as values: an `Evaluation`, and `Examples`."""
