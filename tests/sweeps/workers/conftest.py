"""Processes to fork from that start at once."""

from collections.abc import Iterator
from multiprocessing import forkserver as server

import pytest

from cnn_sweeps.sweeps.workers import forkserver


@pytest.fixture(scope="module")
def light_forkserver() -> Iterator[None]:
    """One without TensorFlow, for what trains nothing; that of real sweeps waits meanwhile."""
    shared = vars(server._forkserver)
    kept = dict(shared)
    shared.update(vars(server.ForkServer()))
    forkserver.warm_up("cnn_sweeps.sweeps.workers.worker:Worker")
    yield
    server._forkserver._stop()
    shared.update(kept)
