"""Answering a trial from a run of the same experiment that is finished already."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.metrics import PREFIX, measured_names
from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import RecordError
from cnn_sweeps.runs import stored_model
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.log import cut_texts, final_steps, log_remarks, neutral_params
from cnn_sweeps.runs.recorded.lookup import HOW
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.stored_epochs import environment_of, stored_here
from cnn_sweeps.text.format import first_line
from cnn_sweeps.tracking import RunRecord, Store, TrackedRun, finished_runs, model_files
from cnn_sweeps.tracking.names import (
    CHOSEN,
    EPOCHS_TRAINED,
    GIT_COMMIT,
    GIT_DIRTY,
    MODEL_FROM,
    SOFTWARE,
    STOP_REASON,
    TRAINED_BY,
    WEIGHTS,
)
from cnn_sweeps.tracking.params import as_text
from cnn_sweeps.tracking.records import stop_reason
from cnn_sweeps.tracking.run import EpochLog
from cnn_sweeps.training import stopping
from cnn_sweeps.training.epoch import Epoch, TrainingCost, TrainingResult, WeightAverage
from cnn_sweeps.trajectories.sharing import Sharing

if TYPE_CHECKING:
    from cnn_sweeps.training.loop import Callback

KEPT = (GIT_COMMIT, GIT_DIRTY, SOFTWARE, CHOSEN, MODEL_FROM)
"""Tags that tell what has trained the run, and which weights it ended with."""
TOTAL_PARAMS = "total_params"
TEST = "test_"
"""Metrics that a search must not see begin so."""


def find_finished(
    experiment: Experiment, store: Store, *, timed: bool = False
) -> tuple[RunRecord | None, Experiment]:
    """The newest finished run that is this experiment; None where there is none, or none is wanted.

    One that did not measure all that is asked for now is passed over: its epochs are measured from
    their weights where they are stored. So is one that a callback stopped, which an earlier
    version did not say, and one whose stored model was changed: what it logged
    may have been, too.

    Args:
        experiment: with the digest of a user's own network, which was built for it.
        store: where to look.
        timed: whether its seconds are compared with those of others: then it has to be trained in
            the same way, and where the same kernels run.

    Returns:
        The run, and the experiment with a remark on each that was passed over.
    """
    config, identity = experiment.config, experiment.identity
    if not config.trajectory.reuse:
        return None, experiment
    like = environment_of(experiment, config.trainer.threads) if timed else None
    for run in finished_runs.find_finished_runs(
        store,
        identity.config_hash,
        network=identity.network_sha256,
        loss=experiment.loss_sha256,
        like=like,
    ):
        if not _can_answer(run, config, store, timed=timed):
            continue
        logged = model_files.find_model(store, run)
        if logged is None:
            left = stored_model.for_winners_only(
                config, run.metrics.get(TOTAL_PARAMS, 0), stored=MODEL_FROM in run.tags
            )
            if config.tracking.log_model and not left:
                continue
            return run, experiment
        try:
            stored_model.check(store, run, logged, experiment)
        except RecordError as error:
            said = f"{first_line(error).rstrip('.')}: the run was not reused."
            experiment = experiment.noting([said])
        else:
            return run, experiment
    return None, experiment


def _can_answer(run: RunRecord, config: Config, store: Store, *, timed: bool) -> bool:
    """Whether a run has measured all that is asked for, ended by itself and can be compared."""
    asked = {f"{PREFIX}{name}" for name in measured_names(config.trainer)}
    if not asked <= run.metrics.keys() or (timed and not _is_computed_alike(run, config)):
        return False
    return not _was_stopped(run, config, store)


def _is_computed_alike(run: RunRecord, config: Config) -> bool:
    """Whether a run was computed with the same settings that say nothing of its experiment."""
    return all(
        run.params.get(f"trainer.{name}") == as_text(getattr(config.trainer, name)) for name in HOW
    )


def _was_stopped(run: RunRecord, config: Config, store: Store) -> bool:
    """Whether the epochs of a run are fewer than its config asks for; all are read only then."""
    if run.metrics.get("epochs", 0) >= config.trainer.epochs:
        return False
    return stopping.is_stopped_early(config.trainer, finished_runs.epochs_of(store, run))


def answer(
    known: RunRecord,
    experiment: Experiment,
    tracked: TrackedRun,
    callbacks: "Sequence[Callback]",
    swept: Sequence[str] = (),
) -> RunResult:
    """Log a finished run once more, as the trial that asks for it, and train nothing.

    Callbacks see every epoch, so that a pruner judges it as it would judge a training. The
    seconds are those of the original; the scores of the test split are left behind. What is stored
    of its epochs is given to the store of others that the config names.

    Args:
        known: the finished run.
        experiment: what it trained.
        tracked: the run of the trial.
        callbacks: see each epoch.
        swept: keys whose params are logged whatever their value.

    Raises:
        ConfigError: the store of others is the own cache.
        PrunedError: a callback ended it.
    """
    shared = _given(experiment, tracked.address.dir)
    with tracked.together() as copy:
        return replace(_copied(known, experiment, copy, callbacks, swept), **shared)


def _given(experiment: Experiment, folder: Path) -> dict[str, Any]:
    """What of a result tells of the epochs that were given to a store of others."""
    config = experiment.config
    if config.trajectory.store is None:
        return {}
    environment = environment_of(experiment, config.trainer.threads)
    chain = stored_here(experiment, environment, folder)
    sharing = chain and Sharing.of(chain, config, environment)
    if not chain or not sharing:
        return {}
    sharing.put_all(chain, config.trainer.epochs)
    return {"shared": sharing.counts}


def _copied(
    known: RunRecord,
    experiment: Experiment,
    tracked: TrackedRun,
    callbacks: "Sequence[Callback]",
    swept: Sequence[str],
) -> RunResult:
    epochs = finished_runs.epochs_of(tracked, known)
    finished_runs.take_over(known, tracked)
    tracked.log_params({**neutral_params(experiment.config, swept), **known.params})
    tracked.log_config(to_json(experiment.config))
    tracked.log_dataset(experiment.dataset)
    log_remarks(tracked, experiment)
    _show(epochs, known, tracked, callbacks)
    kept = {name: value for name, value in known.metrics.items() if not name.startswith(TEST)}
    weights, stopped = known.tags[WEIGHTS], stop_reason(known.tags) or ""
    trained = TrainingResult(
        epochs=epochs,
        best=int(kept.get("best_epoch", len(epochs))),
        stopped=stopped,
        average=WeightAverage.of_logged(kept, len(epochs)),
    )
    tracked.log_steps(final_steps(trained, kept))
    kept_tags = {key: known.tags[key] for key in KEPT if key in known.tags}
    tracked.set_tags({**kept_tags, WEIGHTS: weights, STOP_REASON: stopped})
    return RunResult(
        name=known.name,
        run_id=tracked.run_id,
        identity=experiment.identity,
        metrics={**kept, **trained.metrics},
        training=trained,
        weights_sha256=weights,
        epochs_trained=0,
        notices=(*experiment.dataset.notices, *cut_texts(experiment.config)),
    )


def _show(
    epochs: Sequence[Epoch],
    known: RunRecord,
    tracked: TrackedRun,
    callbacks: "Sequence[Callback]",
) -> None:
    """Show callbacks each epoch, and tag the run with how many they saw, and whose."""
    shown: list[Epoch] = []
    try:
        with EpochLog(tracked, live=False) as log:
            for epoch in epochs:
                shown.append(epoch)
                for callback in (log, *callbacks):
                    callback.on_epoch(epoch)
    finally:
        cost = TrainingCost(
            trained=0, reused=len(shown), seconds=0.0, trained_by=_trained_by(known)
        )
        tracked.log_cost(cost, reused_from=known.run_id)


def _trained_by(known: RunRecord) -> list[str]:
    """The runs that trained the epochs of a finished one; it is one of them unless it read all."""
    own = [] if known.tags.get(EPOCHS_TRAINED) == "0" else [known.run_id]
    return [*known.tags.get(TRAINED_BY, "").split(), *own]
