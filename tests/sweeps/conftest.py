"""Processes to fork from that start at once."""

from collections.abc import Iterator
from multiprocessing import forkserver as server
from typing import Any

import pytest

from cnn_sweeps.sweeps.workers import forkserver


@pytest.fixture(scope="session")
def without_tensorflow() -> Iterator[dict[str, Any]]:
    """What multiprocessing knows of a process to fork from that does not import TensorFlow."""
    known = dict(vars(server.ForkServer()))
    yield known
    shared = vars(server._forkserver)
    kept = dict(shared)
    shared.update(known)
    server._forkserver._stop()
    shared.update(kept)


@pytest.fixture(scope="module")
def light_forkserver(without_tensorflow: dict[str, Any]) -> Iterator[None]:
    """It, for what trains nothing; that of real sweeps waits meanwhile."""
    shared = vars(server._forkserver)
    kept = dict(shared)
    shared.update(without_tensorflow)
    forkserver.warm_up("cnn_sweeps.sweeps.workers.worker:Worker")
    yield
    without_tensorflow.update(shared)  # a test may have had to start it again
    shared.update(kept)
