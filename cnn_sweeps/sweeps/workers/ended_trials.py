"""How trials of workers elsewhere have ended, read from the study."""

from collections.abc import Iterator, Set

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.errors import InputError
from cnn_sweeps.models.names import title
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.study.attributes import (
    CONFIG_HASH,
    EPOCHS_TRAINED,
    REASON,
    REPLACED,
    REUSED_FROM,
    metrics_of,
)
from cnn_sweeps.sweeps.study.events import State, TrialEnded
from cnn_sweeps.sweeps.study.recovery import pid_here
from cnn_sweeps.sweeps.study.study import SweepStudy

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def finished_trials(study: SweepStudy) -> list[FrozenTrial]:
    """The trials that have ended, in whatever way."""
    return study.optuna_study.get_trials(deepcopy=False, states=tuple(STATES))


def ended_trials(
    study: SweepStudy, *, shown: Set[int] = frozenset(), own: Set[int] = frozenset()
) -> Iterator[TrialEnded]:
    """The ends of trials, as their workers would have emitted them.

    Args:
        study: whose trials.
        shown: trials that are passed over.
        own: processes of this host that tell of their trials by themselves.
    """
    for trial in finished_trials(study):
        attributes = trial.user_attrs
        if trial.number in shown or pid_here(trial) in own:
            continue
        if REPLACED not in attributes:
            yield _event(study, trial)
        elif REASON in attributes:
            reason = attributes[REASON]
            yield TrialEnded(worker=0, trial=trial.number, state="requeued", reason=reason)


def _event(study: SweepStudy, trial: FrozenTrial) -> TrialEnded:
    attributes = trial.user_attrs
    metrics = metrics_of(attributes)
    known = REUSED_FROM in attributes or attributes.get(EPOCHS_TRAINED) == 0
    return TrialEnded(
        worker=0,
        trial=trial.number,
        state="reused" if known else STATES[trial.state],
        values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
        name=_name(study, trial),
        config_hash=attributes.get(CONFIG_HASH),
        epochs=int(metrics.get("epochs", trial.last_step or 0)),
        seconds=metrics.get("train_seconds", 0.0),
        reason=attributes.get(REASON),
    )


def _name(study: SweepStudy, trial: FrozenTrial) -> str:
    """The name of a trial's run, as far as it had one."""
    config_hash: str | None = trial.user_attrs.get(CONFIG_HASH)
    if config_hash is None:
        return ""
    try:
        config = study.plan.config(study.carried_values(trial))
    except InputError:
        return config_hash[:SHOWN]
    return f"{title(config.model)} e{config.trainer.epochs} · {config_hash[:SHOWN]}"
