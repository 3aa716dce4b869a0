"""What becomes of trials whose workers tell this process nothing: it is read from the study."""

from collections.abc import Iterator

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
from cnn_sweeps.sweeps.study.study import SweepStudy

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class StudyNews:
    """Tells of each trial that ends after this was made, once."""

    def __init__(self, study: SweepStudy) -> None:
        self._study = study
        self._seen = {trial.number for trial in self._finished()}

    @property
    def pending(self) -> bool:
        """Whether a trial has ended that was not told of."""
        return any(trial.number not in self._seen for trial in self._finished())

    def ended(self) -> Iterator[TrialEnded]:
        """The trials that have ended since the last look."""
        for trial in self._finished():
            if trial.number not in self._seen:
                self._seen.add(trial.number)
                if REPLACED not in trial.user_attrs:
                    yield self._event(trial)
                elif REASON in trial.user_attrs:
                    reason = trial.user_attrs[REASON]
                    yield TrialEnded(worker=0, trial=trial.number, state="requeued", reason=reason)

    def _event(self, trial: FrozenTrial) -> TrialEnded:
        attributes = trial.user_attrs
        metrics = metrics_of(attributes)
        known = REUSED_FROM in attributes or attributes.get(EPOCHS_TRAINED) == 0
        return TrialEnded(
            worker=0,
            trial=trial.number,
            state="reused" if known else STATES[trial.state],
            values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
            name=self._name(trial),
            config_hash=attributes.get(CONFIG_HASH),
            epochs=int(metrics.get("epochs", trial.last_step or 0)),
            seconds=metrics.get("train_seconds", 0.0),
            reason=attributes.get(REASON),
        )

    def _name(self, trial: FrozenTrial) -> str:
        """The name of a trial's run, as far as it had one."""
        config_hash: str | None = trial.user_attrs.get(CONFIG_HASH)
        if config_hash is None:
            return ""
        try:
            config = self._study.plan.config(self._study.carried_values(trial))
        except InputError:
            return config_hash[:SHOWN]
        return f"{title(config.model)} e{config.trainer.epochs} · {config_hash[:SHOWN]}"

    def _finished(self) -> list[FrozenTrial]:
        return self._study.optuna_study.get_trials(deepcopy=False, states=tuple(STATES))
