"""`cnn-sweeps worker [STUDY]`: workers of this host for a sweep that runs here or anywhere."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnn_sweeps.cli.arguments import BEHIND, STUDY, Arguments, filled
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.files import absolute
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance import devices
from cnn_sweeps.runs.composition.validate import WHEREABOUTS, compose_tracking, typed_keys
from cnn_sweeps.sweeps.plan.budget import STORAGE_VARIABLE, fitting_workers
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.terminal import say

if TYPE_CHECKING:
    from cnn_sweeps.sweeps.live_view import View
    from cnn_sweeps.sweeps.study.counts import Counts
    from cnn_sweeps.sweeps.study.study import SweepStudy

WAIT = 600.0
"""Seconds to wait for a study, and for more of its trials."""
WAITING = f"how long to wait for the study, and for more of its trials ({WAIT:g})"

OWN = (*WHEREABOUTS, "patience")
"""Settings of `tracking` that are those of a host, and not of the sweep."""
COUNT = "processes (one for each core, as far as memory and GPUs allow)"
TRUST = "run networks, losses and metrics that travel with the study and are not in this folder"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed.

    Attributes:
        study: its name or a prefix of it; None for the newest.
        storage: where studies are; None for the folder of `tracking`.
        tracking: says where that folder is.
        reached: of it what was typed, by which this host reaches the runs of the sweep.
        count: worker processes.
        wait: seconds to wait for the study.
        patience: seconds to wait for a server that is away; None for what the sweep was told.
        trust: whether code that travels with the study may run here.
    """

    study: str | None
    storage: str | None
    tracking: Tracking
    reached: tuple[tuple[str, str], ...]
    count: int
    wait: float
    patience: float | None
    trust: bool

    @classmethod
    def read(cls, typed: Sequence[str]) -> "Asked":
        """Parse and check it, and let this process use no other GPU than the one that was typed.

        Raises:
            ConfigError: this is nothing that can be typed.
        """
        parser = Arguments(
            "worker",
            "[STUDY] [--storage URL] [--count K] [--gpu N] [--wait SECONDS] [--trust]",
            "Train trials of a sweep on this host, together with the workers that it has, until no "
            "trial is left. Asked to stop (Ctrl-C, TERM, USR1, USR2) it requeues the trials in "
            "hand, which others resume after their last epoch.",
            names=(0, 1),
            epilog=f"{STUDY} Storage and tracking store may come from {STORAGE_VARIABLE} and "
            "MLFLOW_TRACKING_URI, so that no password is typed.",
        )
        parser.add_argument(
            "--storage", type=filled, metavar="URL", help="database or journal of the study"
        )
        parser.add_argument("--count", type=int, metavar="K", help=COUNT)
        parser.add_argument("--gpu", metavar="N", help="the GPU to use, by index or UUID")
        parser.add_argument("--wait", type=float, default=WAIT, metavar="SECONDS", help=WAITING)
        parser.add_argument("--trust", action="store_true", help=TRUST)
        asked = parser.read(typed)
        if asked.gpu is not None:
            devices.use(devices.check_there(asked.gpu))
        count = fitting_workers() if asked.count is None else asked.count
        if count < 1:
            raise ConfigError(f"--count {count} is invalid: it takes a number of processes from 1.")
        if not asked.wait >= 0:
            raise ConfigError(f"--wait {asked.wait:g} is invalid: it takes seconds from 0.")
        keys = typed_keys(asked.overrides)
        tracking = compose_tracking(asked.overrides, BEHIND, keys=OWN)
        places = {"uri": str(tracking.uri), "dir": str(absolute(tracking.dir))}
        return cls(
            study=asked.names[0] if asked.names else None,
            storage=asked.storage or os.environ.get(STORAGE_VARIABLE) or None,
            tracking=tracking,
            reached=tuple((name, place) for name, place in places.items() if name in keys),
            count=count,
            wait=asked.wait,
            patience=tracking.patience if "patience" in keys else None,
            trust=asked.trust,
        )


def main(typed: list[str]) -> int:
    """Train trials until the sweep has no more; 0 then, and 128 + signal when asked to stop.

    Raises:
        ConfigError: this is nothing that can be typed, or the user's own code is not here.
        DataError: the images are not here.
        UnknownStudyError: no study, or several, have that name.
        StoreError: the study or the tracking store cannot be used from here.
        KeyboardInterrupt: asked to stop; the trials in hand were requeued.
    """
    asked = Asked.read(typed)
    from cnn_sweeps.sweeps.join import Join  # noqa: PLC0415 -- imports Optuna, MLflow
    from cnn_sweeps.sweeps.study.stored_studies import find_study  # noqa: PLC0415
    from cnn_sweeps.sweeps.supervisor import interruptible  # noqa: PLC0415
    from cnn_sweeps.sweeps.workers.signals import WORKER_STOPS  # noqa: PLC0415

    join = Join(
        find=lambda: replace(
            find_study(asked.study, asked.tracking, asked.storage), tracking=asked.reached
        ),
        name=asked.study,
        workers=asked.count,
        wait=asked.wait,
        patience=asked.patience,
        trust=asked.trust,
        say=say,
        view=_begun,
    )
    with interruptible(say, WORKER_STOPS) as interrupts:
        counts = join.work(interrupts)
    say(_ended(counts))
    return 0


def _ended(counts: "Counts") -> str:
    """How far the sweep is when its workers leave; what waits then may not begin any more."""
    done = f"{counts.finished} of {pluralize(counts.total, 'trial')} done"
    if not counts.waiting:
        return f"{done}; nothing waits."
    return (
        f"{done}; {counts.waiting} wait, and the time of the sweep is over.\n"
        "  Type it again with a larger hydra.sweeper.timeout."
    )


def _begun(study: "SweepStudy") -> "View":
    """Say what there is to do."""
    from cnn_sweeps.sweeps.live_view import WorkerView  # noqa: PLC0415 -- imports Optuna

    counts = study.counts()
    told = f"{counts.finished} of {pluralize(counts.total, 'trial')} done"
    say(f"study {study.address.name}: {told}, {counts.waiting} waiting")
    return WorkerView(study.plan.objectives, counts.total)
