"""What names a trajectory on disk: what is trained, and where."""

import hashlib
import json

from cnn_sweeps.environment import Environment

SHOWN = 12
"""Hex digits of the environment's digest in the name of a folder."""


def fingerprint(environment: Environment, *, steps_per_execution: int | None) -> str:
    """Digest of everything beside the config that may move the bits of a training.

    An entry is only ever continued where its fingerprint is the same.

    Args:
        environment: captured after TensorFlow was started.
        steps_per_execution: steps of one call; no part of what an experiment is.
    """
    beside = {"code": environment.code, "steps_per_execution": steps_per_execution}
    text = json.dumps(environment.moving | beside, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
