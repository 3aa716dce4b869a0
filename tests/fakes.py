"""Trials that train nothing, for the workers of a real pool; found by their dotted path."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from plans import FakeRun, epoch
from waiting import until

from cnn_sweeps.config import Config
from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.runs.result import RunResult

EPOCH_SECONDS = float(os.environ.get("FAKE_EPOCH_SECONDS", "0.05"))
MARK = "mark"
CONTROLLER = "controller"
"""Tags of a config: a folder in which trials leave marks, and the process that steers."""


def score(config: Config) -> float:
    """A score that more filters and more blocks raise."""
    assert isinstance(config.model, CnnModel)
    assert isinstance(config.model.filters, int)
    return config.model.filters / 1000 + config.model.conv_blocks / 10


LEFT: list[bytearray] = []
"""What trials of a process have left in memory."""


def instant(
    config: Config,
    *,
    trial: int,
    started: Callable[[str, Identity], None],
    callbacks: Sequence[Any],
) -> RunResult:
    """A trial that is over at once."""
    return FakeRun(score)(config, trial=trial, started=started, callbacks=callbacks)


def handed(config: Config, *, trial: int, started: Any, callbacks: Sequence[Any]) -> RunResult:
    """A trial that marks from where its worker has images before any trial has asked for some."""
    kept = [str(data.source) for data in HandedOver.kept().datasets.values()]
    (Path(config.tracking.tags[MARK]) / f"worker-{os.getpid()}").write_text(" ".join(kept))
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def growing(config: Config, *, trial: int, started: Any, callbacks: Sequence[Any]) -> RunResult:
    """A trial that leaves 20 MB behind, as TensorFlow does, only more."""
    LEFT.append(bytearray(b"x") * 20_000_000)
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def slow(config: Config, *, trial: int, started: Any, callbacks: Sequence[Any]) -> RunResult:
    """A trial of some epochs, each seen by the observers."""
    for number in range(1, config.trainer.epochs + 1):
        time.sleep(EPOCH_SECONDS)
        for callback in callbacks:
            callback.on_epoch(epoch(number, accuracy=score(config)))
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def failing(config: Config, *, trial: int, started: Any, callbacks: Sequence[Any]) -> RunResult:
    """A trial with a bug."""
    raise ZeroDivisionError(f"bug in trial {trial}")


def dying_once(config: Config, *, trial: int, started: Any, callbacks: Any) -> RunResult:
    """A trial whose worker is killed the first time it is tried, and leaves a file behind."""
    mark = Path(config.tracking.tags[MARK]) / f"{score(config)}"
    if not mark.exists():
        mark.write_text(tempfile.mkstemp()[1])
        os.kill(os.getpid(), signal.SIGKILL)
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def starved(config: Config, *, trial: int, started: Any, callbacks: Any) -> RunResult:
    """A trial of 8 filters whose worker the system kills to free memory, and counts."""
    assert isinstance(config.model, CnnModel)
    if config.model.filters == 8:
        counter = Path(config.tracking.tags[MARK]) / "memory.events"
        with counter.open("r+") as file:
            flock(file, LOCK_EX)
            kills = int(file.read().split()[1])
            file.seek(0)
            file.write(f"oom_kill {kills + 1}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def crashing(config: Config, *, trial: int, started: Any, callbacks: Any) -> RunResult:
    """A trial of 8 filters that always ends its worker by a fault in native code."""
    assert isinstance(config.model, CnnModel)
    if config.model.filters == 8:
        os.kill(os.getpid(), signal.SIGSEGV)
    return instant(config, trial=trial, started=started, callbacks=callbacks)


def told_to_stop(config: Config, *, trial: int, started: Any, callbacks: Any) -> RunResult:
    """A long trial that asks its controller to stop as soon as it runs."""
    mark = Path(config.tracking.tags[MARK]) / "asked"
    if not mark.exists():
        mark.touch()
        os.kill(int(config.tracking.tags[CONTROLLER]), signal.SIGINT)
    return slow(config, trial=trial, started=started, callbacks=callbacks)


def seeing(config: Config, *, trial: int, started: Any, callbacks: Any) -> RunResult:
    """A trial that leaves a note of the GPU that its process may use."""
    note = Path(config.tracking.tags[MARK]) / f"gpu-{os.getpid()}"
    note.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "any"))
    until(lambda: len(list(note.parent.glob("gpu-*"))) > 1, pause=0.05)  # not all by one worker
    return slow(config, trial=trial, started=started, callbacks=callbacks)
