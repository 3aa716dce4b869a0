"""An Optuna storage on a server, whose calls wait while the server is away.

A call that was cut off may have been carried out: the answer was lost, not the write. So what would
not be the same twice is looked up before it is tried again.
"""

import inspect
import uuid
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.tracking.patience import waiting

ENQUEUED_AS = "cnn_sweeps:enqueued_as"
"""The system attribute by which a trial is known that was enqueued, though nobody was told so."""


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: "PatientStorage", *args: Any, **kwargs: Any) -> Any:
        return waiting(partial(getattr(self.inner, name), *args, **kwargs))

    method.__name__ = name
    return method


_METHODS = [
    name
    for name, found in vars(BaseStorage).items()
    if inspect.isfunction(found) and not name.startswith("_")
]
_Delegating: Any = type("_Delegating", (BaseStorage,), {name: _delegate(name) for name in _METHODS})


class PatientStorage(_Delegating):  # type: ignore[misc]  # its methods are those of BaseStorage
    """Another storage, whose calls wait inside `tracking.patience.patient`."""

    def __init__(self, inner: BaseStorage) -> None:
        """Wait for a storage."""
        self.inner = inner

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial, once, however often that is tried."""
        if template_trial is None:
            return int(waiting(partial(self.inner.create_new_trial, study_id)))
        mark = uuid.uuid4().hex
        template = copy(template_trial)
        template.system_attrs = {**template_trial.system_attrs, ENQUEUED_AS: mark}
        tried = False

        def attempt() -> int:
            nonlocal tried
            if tried:
                for trial in self.inner.get_all_trials(study_id, deepcopy=False):
                    if trial.system_attrs.get(ENQUEUED_AS) == mark:
                        return trial._trial_id
            tried = True
            return self.inner.create_new_trial(study_id, template)

        return waiting(attempt)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Let a trial run or end; one that has ended so, by a call that was cut off, has.

        Of a claim that was cut off nobody can tell whose it is: it stays without an owner, and is
        requeued as such.
        """
        tried = False

        def attempt() -> bool:
            nonlocal tried
            again, tried = tried, True
            try:
                return self.inner.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if again and _ended_so(self.inner.get_trial(trial_id), state, values):
                    return True
                raise

        return waiting(attempt)


def _ended_so(trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> bool:
    same = trial.values is None if values is None else list(values) == trial.values
    return trial.state == state and same
