"""An Optuna storage on a server, whose calls wait while the server is away.

A call that was cut off may have been carried out: the answer was lost, not the write. So what would
not be the same twice is looked up before it is tried again.
"""

import inspect
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from functools import partial
from typing import Any, cast

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.study.journal import JournalOfStudies
from cnn_sweeps.sweeps.study.transaction import transaction
from cnn_sweeps.tracking.patience import STUDY, waiting

ENQUEUED_AS = "cnn_sweeps:enqueued_as"
"""The system attribute by which a trial is known that was enqueued, though nobody was told so."""

Writes = Callable[[BaseStorage], bool]
"""Several writes to the storage that it is given; False where there is nothing to be written."""


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: "PatientStorage", *args: Any, **kwargs: Any) -> Any:
        return waiting(partial(getattr(self.inner, name), *args, **kwargs), STUDY)

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

    def __init__(self, inner: BaseStorage, database: RDBStorage | None = None) -> None:
        """Wait for a storage; `database` is the one below it that knows transactions."""
        self.inner, self.database = inner, database
        self._known: FrozenTrial | None = None
        if database is not None:
            database.remove_session()  # that of the check of its tables, which is not configured
            # What Optuna has read in a session it reads again when it wants it again.
            database.scoped_session.configure(expire_on_commit=False)

    @contextmanager
    def knowing(self, trial: FrozenTrial) -> Iterator[None]:
        """In the block that trial is what it is here, and is not read."""
        self._known = trial
        try:
            yield
        finally:
            self._known = None

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """What the storage has of a trial, or is known to have."""
        known = self._known
        if known is not None and known._trial_id == trial_id:
            return known
        return waiting(partial(self.inner.get_trial, trial_id), STUDY)

    def together(self, writes: Writes, was_done: Callable[[], bool]) -> bool:
        """Carry out writes in one transaction; see `together`."""
        tried = False

        def attempt() -> bool:
            nonlocal tried
            if tried and was_done():
                return True
            tried = True
            if self.database is None:
                return writes(self.inner)
            return _in_a_transaction(
                self.database, writes, cast("BaseStorage", _Cached(self.inner, self.database))
            )

        return waiting(attempt, STUDY)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial, once, however often that is tried."""
        if template_trial is None:
            return int(waiting(partial(self.inner.create_new_trial, study_id), STUDY))
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

        return waiting(attempt, STUDY)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Let a trial run or end; one that has ended so, by a call that was cut off, has.

        A claim is made by `together`, which knows its own again.
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

        return waiting(attempt, STUDY)


def together(storage: BaseStorage, writes: Writes, was_done: Callable[[], bool]) -> bool:
    """Carry out writes so that others see all of them or none, where the storage can do that.

    Of a journal others may see the first of them: whoever dies then is recovered from.

    Args:
        storage: where to write.
        writes: what to do with the storage that it is given; False where nothing is to be done.
        was_done: whether an attempt whose answer was lost was carried out; else it is repeated.

    Returns:
        What `writes` says.
    """
    if isinstance(storage, RDBStorage):
        return _in_a_transaction(storage, writes, storage)
    if isinstance(storage, PatientStorage | JournalOfStudies):
        return storage.together(writes, was_done)
    return writes(storage)


def knowing(storage: BaseStorage, trial: FrozenTrial) -> AbstractContextManager[None]:
    """A block in which a storage that is far away is not asked for what is known here."""
    return storage.knowing(trial) if isinstance(storage, PatientStorage) else nullcontext()


class _Cached:
    """A database inside a transaction, by Optuna's cache of it, which knows the ranges of params.

    Trials are created below that: it would keep one whose transaction comes to nothing.
    """

    def __init__(self, cache: BaseStorage, database: RDBStorage) -> None:
        self._cache = cache
        self.create_new_trial = database.create_new_trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


def _in_a_transaction(database: RDBStorage, writes: Writes, storage: BaseStorage) -> bool:
    with transaction(database):
        return writes(storage)


def _ended_so(trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> bool:
    same = trial.values is None if values is None else list(values) == trial.values
    return trial.state == state and same
