"""Looking at the studies of a folder without touching them."""

from dataclasses import dataclass
from pathlib import Path

from optuna.trial import TrialState

from cnn_sweeps.errors import StoreError
from cnn_sweeps.search.address import Address
from cnn_sweeps.search.journal import SUFFIX
from cnn_sweeps.search.recovery import is_owned


@dataclass(frozen=True, kw_only=True)
class Look:
    """What can be seen of one study.

    Attributes:
        name: of the study.
        orphans: running trials whose worker does not live.
        running: trials that live.
        waiting: trials that wait.
        refusal: why it cannot be read; None where it can.
    """

    name: str
    orphans: int = 0
    running: int = 0
    waiting: int = 0
    refusal: str | None = None


def look(folder: Path) -> list[Look]:
    """Look at each journal in a folder, which need not exist."""
    return [_look(file) for file in sorted(folder.glob(f"*{SUFFIX}"))]


def _look(file: Path) -> Look:
    try:
        storage = Address(storage=str(file), name=file.stem).open()
        names = [study.study_name for study in storage.get_all_studies()]
        open_ = (TrialState.RUNNING, TrialState.WAITING)
        trials = [
            trial
            for study_id in map(storage.get_study_id_from_name, names)
            for trial in storage.get_all_trials(study_id, deepcopy=False, states=open_)
        ]
    except StoreError as error:
        return Look(name=file.stem, refusal=str(error))
    running = [is_owned(trial) for trial in trials if trial.state == TrialState.RUNNING]
    return Look(
        name=file.stem,
        orphans=running.count(False),
        running=running.count(True),
        waiting=len(trials) - len(running),
    )
