"""Signs of life of a running trial, for processes on other hosts."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event as Flag
from threading import Thread

from optuna.exceptions import OptunaError
from optuna.trial import Trial

from cnn_sweeps.provenance.process import BEAT
from cnn_sweeps.sweeps.study import attributes
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue


@contextmanager
def heartbeat(study: TrialQueue, trial: Trial) -> Iterator[None]:
    """Say every few seconds that this process lives, where other hosts cannot look."""
    if not study.address.shared:
        yield
        return
    over = Flag()

    def beat() -> None:
        while not over.wait(BEAT):
            # A database that is out of reach for a moment; the training itself will tell.
            with suppress(OptunaError):
                trial.set_user_attr(attributes.BEAT, time.time())

    trial.set_user_attr(attributes.BEAT, time.time())
    thread = Thread(target=beat, name=f"heartbeat of {os.getpid()}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
