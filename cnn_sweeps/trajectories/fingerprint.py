"""What names an environment among stored epochs: all beside the config that may move their bits."""

from collections.abc import Mapping
from typing import Any

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.text.json import sha256
from cnn_sweeps.trajectories.cache import SHOWN
from cnn_sweeps.trajectories.entry import Entry


def fingerprint(
    environment: Environment, *, steps_per_execution: int | None, network: str | None = None
) -> str:
    """Digest of everything beside the config that may move the bits of a training.

    An entry is only ever continued where its fingerprint is the same.

    Args:
        environment: captured after TensorFlow was started.
        steps_per_execution: steps of one call; no part of what an experiment is.
        network: digest of a user's own network; None for one of ours, which its config determines.
    """
    return _digest(environment.numerics, environment.code, steps_per_execution, network)


def was_trained_as_here(
    entry: Entry, trainer: TrainerConfig, environment: Environment, network: str | None = None
) -> bool:
    """Whether a training would go on from an entry, told before TensorFlow is started.

    What only TensorFlow knows, devices and what a user's own loss gives, is taken for the same.

    Args:
        entry: of its trajectory, in some environment.
        trainer: how it would be trained.
        environment: captured with its threads.
        network: digest of a user's own network, which only building it tells; without it, its
            epochs count as another's.
    """
    stored = entry.about.get("environment")
    if not isinstance(stored, Mapping):
        return False
    named = _digest(stored, environment.code, trainer.steps_per_execution, network)[:SHOWN]
    told_later = {"devices": stored.get("devices"), "precision": trainer.precision}
    told_later |= {"loss": stored["loss"]} if "loss" in stored else {}
    same = sha256({**environment.numerics, **told_later}) == sha256(dict(stored))
    return same and named == entry.environment


def _digest(
    numerics: Mapping[str, Any], code: str | None, steps: int | None, network: str | None = None
) -> str:
    beside = {"code": code, "steps_per_execution": steps}
    built = {"network": network} if network else {}
    return sha256({**numerics, **beside, **built})
