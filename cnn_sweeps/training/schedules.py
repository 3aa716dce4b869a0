"""The learning rate as a function of the step. Import this module late: it imports Keras."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Shape = Callable[[Any, float], Any]

SHAPES: dict[str, Shape] = {
    "constant": lambda progress, _end: ops.ones_like(progress),
    "linear": lambda progress, end: 1 - (1 - end) * progress,
    "cosine": lambda progress, end: end + (1 - end) * (1 + ops.cos(math.pi * progress)) / 2,
    "exponential": lambda progress, end: ops.power(end, progress),
    "sqrt": lambda progress, end: end + (1 - end) * (1 - ops.sqrt(progress)),
    "step": lambda progress, end: ops.power(end, ops.floor(progress)),
}
"""Share of the start value after a share (0 to 1) of the way, given the share at the end."""
ENDLESS = ("step",)
"""Shapes that go on in the same way after the end."""


@keras.saving.register_keras_serializable("cnn_sweeps")
class Planned(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # untyped
    """A linear rise from zero, a change of one shape, then the end value for good.

    One class for all shapes, because Keras has a warm-up for cosine only and lets an
    exponential decay fall on after its end.
    """

    def __init__(
        self,
        start: float,
        shape: str,
        *,
        end_factor: float,
        warmup_steps: int,
        end_step: int,
        first_step: int = 0,
    ) -> None:
        """Plan from `start` (after the warm-up) to `start * end_factor` at `end_step`.

        Both are counted from `first_step` on, with which the plan begins.
        """
        self.start = start
        self.shape = shape
        self.end_factor = end_factor
        self.warmup_steps = warmup_steps
        self.end_step = end_step
        self.first_step = first_step

    def __call__(self, step: Any) -> Any:
        """The learning rate of that step; steps count from 0."""
        step = ops.cast(step, "float32")
        if self.first_step:  # steps without a finite gradient are not counted by mixed_float16
            step = ops.maximum(step - self.first_step, 0.0)
        decay_steps = max(self.end_step - self.warmup_steps, 1)
        end = math.inf if self.shape in ENDLESS else 1.0
        progress = ops.clip((step - self.warmup_steps) / decay_steps, 0.0, end)
        rise = ops.minimum(step / max(self.warmup_steps, 1), 1.0) if self.warmup_steps else 1.0
        return self.start * rise * SHAPES[self.shape](progress, self.end_factor)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` needs to build it again."""
        return {
            "start": self.start,
            "shape": self.shape,
            "end_factor": self.end_factor,
            "warmup_steps": self.warmup_steps,
            "end_step": self.end_step,
            **({"first_step": self.first_step} if self.first_step else {}),
        }
