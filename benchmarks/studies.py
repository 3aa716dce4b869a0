"""What a finished sweep has left in its study."""

from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import KIND, SECONDS_PAID


def completed(folder: Path, expected: int) -> list[FrozenTrial]:
    """The completed trials of the one study under a folder, in the order they ended.

    Raises:
        RunFailedError: there is not one study, or not that many trials are complete; then
            the seconds are those of another amount of work.
    """
    journals = sorted(folder.rglob("*.journal"))
    if len(journals) != 1:
        raise RunFailedError(f"{folder} holds {len(journals)} studies; one sweep leaves one.")
    storage = JournalStorage(JournalFileBackend(str(journals[0])))
    (name,) = optuna.get_all_study_names(storage)
    return ended(optuna.load_study(study_name=name, storage=storage), expected)


def ended(study: optuna.Study, expected: int) -> list[FrozenTrial]:
    """The completed trials of a study, in the order they ended.

    Raises:
        RunFailedError: not that many trials are complete.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) != expected:
        raise RunFailedError(
            f"{len(trials)} trials are complete where {expected} were asked for, in "
            f"{study.study_name}."
        )
    return sorted(trials, key=lambda trial: span(trial)[1])


def train_seconds(folder: Path) -> float:
    """Seconds that the trials of the one study under a folder have trained, all together.

    A worker has one thread, so these are seconds of one thread; an epoch that was read counts
    nothing.
    """
    (home,) = {database.parent for database in folder.rglob("mlflow.db")}
    store = Store.open(Tracking(dir=home))
    runs = store.search(f"tags.{KIND} = 'trial'", [store.experiment_id])
    return sum(float(run.tags.get(SECONDS_PAID, 0)) for run in runs)


def span(trial: FrozenTrial) -> tuple[datetime, datetime]:
    """When a completed trial began and ended.

    Raises:
        RunFailedError: the study does not say.
    """
    if trial.datetime_start is None or trial.datetime_complete is None:
        raise RunFailedError(f"trial {trial.number} has no start or no end in its study.")
    return trial.datetime_start, trial.datetime_complete
