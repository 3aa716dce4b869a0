"""How much each class counts in the training loss: from what was typed to a number for each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.path import full_key
from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import ConfigError

KEY = "trainer.class_weight"
MOST_SHOWN = 10
"""Names of classes that a refusal lists."""


def named_weights(config: TrainerConfig, class_names: Sequence[str]) -> TrainerConfig:
    """The same training, its weights as one says them: by name, in order, without those of 1.

    Those of its phases too.

    Raises:
        ConfigError: a class that there is not, two weights for one, or no weight above 0.
    """
    phases = tuple(
        {key: _named(value, class_names) if full_key(key) == KEY else value for key, value in each}
        for each in (phase.items() for phase in config.phases)
    )
    return replace(config, class_weight=_named(config.class_weight, class_names), phases=phases)


def of_classes(config: TrainerConfig, data: Dataset) -> NDArray[np.float32] | None:
    """The weight of each class, (classes,); None where all are 1.

    `balanced` is that of scikit-learn, images / (classes * images of the class), over the
    training images and the classes that they have.

    Raises:
        ConfigError: see `named_weights`.
    """
    given = named_weights(config, data.class_names).class_weight
    if given == "none":
        return None
    if isinstance(given, Mapping):
        return np.array([given.get(name, 1) for name in data.class_names], dtype=np.float32)
    counts = np.bincount(data.y_train, minlength=data.num_classes)
    weights = len(data.y_train) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)


def _named(given: Any, class_names: Sequence[str]) -> Any:
    if not isinstance(given, Mapping):
        return given
    weights = _by_name(given, class_names)
    return {n: weights[n] for n in class_names if weights.get(n, 1.0) != 1} or "none"


def _by_name(given: Mapping[str, float], class_names: Sequence[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for key, weight in given.items():
        name = _name(key, class_names)
        if name in weights:
            raise ConfigError(f"{KEY} has two weights for the class {name}; type one.")
        weights[name] = weight
    if not any(weights.get(name, 1.0) for name in class_names):
        raise ConfigError(f"{KEY} has no weight above 0: nothing would be learnt.")
    return weights


def _name(key: str, class_names: Sequence[str]) -> str:
    """The class that a key means: its name, or else its number."""
    if key in class_names:
        return key
    if key.isdecimal() and int(key) < len(class_names):
        return class_names[int(key)]
    shown = ", ".join(class_names[:MOST_SHOWN]) + (" ..." if len(class_names) > MOST_SHOWN else "")
    raise ConfigError(
        f"{KEY} names the class {key}, and there is none.{_near(key, class_names)}\n"
        f"Type a name ({shown}) or a number from 0 to {len(class_names) - 1}."
    )


def _near(key: str, class_names: Sequence[str]) -> str:
    """The class whose name is most like a key, as a question."""
    folded = {name.casefold(): name for name in reversed(class_names)}
    near = get_close_matches(key.casefold(), folded, n=1)
    return f" Did you mean {folded[near[0]]}?" if near else ""
