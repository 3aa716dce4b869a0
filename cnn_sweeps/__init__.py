"""Sweep the design of convolutional networks.

import cnn_sweeps as cs

config = cs.compose("data=digits", "model.filters=32")
result = cs.run(config)
outcome = cs.sweep("data=digits", "model.filters=16,32", "trainer.epochs=1,2,5")
record = cs.load(result.identity.short)
cs.compare(metric="val_accuracy")
cs.reproduce(result.identity.short).verdict
cs.fork(f"{result.identity.short}@3", "trainer.optimizer.learning_rate=1e-4")
"""

import logging
import os

from cnn_sweeps.api import compare, compose, evaluate, fork, load, reproduce, run, sweep, what_if
from cnn_sweeps.text import notebook

__all__ = [
    "compare",
    "compose",
    "evaluate",
    "fork",
    "load",
    "reproduce",
    "run",
    "sweep",
    "what_if",
]

# Whoever runs a sweep reads the terminal; `sweeps.study.log` is what writes the records down.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# For a script that a notebook's cell starts; in the notebook its own backend is there, and stays.
notebook.drop_missing_backend(os.environ)
