"""Wait for a database or a server that is unavailable for a while, instead of giving up.

A training run has work to lose; a command that was typed should fail at once.
So nothing waits by default, and inside `patient` everything does: the calls of an `MlflowClient`
and of Optuna's storage that go through `Patient`, in all threads of the process.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from random import SystemRandom
from typing import Any, Final, TypeVar, cast

from cnn_sweeps.text.redact import hidden_in
from cnn_sweeps.tracking.errors import absence, is_away, is_deadlock, is_standby, said_by

logger = logging.getLogger(__name__)

FIRST, LONGEST = 0.5, 5.0
"""Seconds between the first attempts, and at most: no longer than between two heartbeats."""

DEADLOCKS, PAUSE = 20, 0.1
"""How often in a row a transaction may be undone, and the most seconds until it is made again."""

NO_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
CONTACT, ATTEMPT = 4, 10
"""Seconds for an answer: to the first contact, and to an attempt that training waits for."""

RUNS: Final = "runs"
STUDY: Final = "study"
"""What may be away, each for itself: the store of the runs, and that of the study."""

WHILE_AWAY = 10.0
"""Seconds to the next attempt between epochs, where the last one met nobody."""
SHARE = 0.1
"""Most of the time that attempts may hold a training up."""

Result = TypeVar("Result")


@dataclass(kw_only=True)
class Patience:
    """How this process waits.

    Attributes:
        seconds: for how long; 0 for not at all.
        chosen: whether somebody has said so, for all blocks inside.
        say: is told once that something is away, and once that it is back.
        heed: is called between attempts; it raises where the wait is to be broken off.
        setting: what the seconds are typed with.
        away_since: when each that is away was first found to be, by a clock that is never set.
        back_since: when the last outage was over, by that clock.
        read_only: what of these can be read: that it answers others is no sign that it is back.
    """

    seconds: float = 0.0
    chosen: bool = False
    say: Callable[[str], None] = logger.warning
    heed: Callable[[], None] = lambda: None
    setting: str = "tracking.patience"
    away_since: dict[str, float] = field(default_factory=dict)
    back_since: float = -math.inf
    read_only: set[str] = field(default_factory=set)

    def call(self, attempt: Callable[[], Result], what: str) -> Result:
        """What an attempt returns, repeated as long as a database or server is away.

        Args:
            attempt: what is repeated.
            what: may be away. That another one answers says nothing of it.

        Raises:
            Exception: what the attempt raises, if not for that, or for longer than `seconds`.
        """
        wait, since = FIRST, None
        while True:
            try:
                result = _out_of_deadlocks(attempt)
            except Exception as error:
                since = time.monotonic() if since is None else since
                cause = absence(error)
                if cause is None or not self._goes_on(what, cause, since):
                    raise
            else:
                if since is not None or what not in self.read_only:
                    self._back(what)
                return result
            self.heed()
            time.sleep(wait)
            wait = min(2 * wait, LONGEST)

    def _goes_on(self, what: str, cause: BaseException, since: float) -> bool:
        """Whether to wait (still), as one does since then; what is away is told once."""
        if self.seconds <= 0:
            return False
        now = time.monotonic()
        if what not in self.away_since:
            self.away_since[what] = now
            told = hidden_in(said_by(cause, 160))
            self.say(f"Waiting for up to {self.seconds:g} s ({self.setting}): {told}")
        if is_standby(cause):
            self.read_only.add(what)
        return now - min(since, self.away_since[what]) < self.seconds

    def _back(self, what: str) -> None:
        if (since := self.away_since.pop(what, None)) is not None:
            self.read_only.discard(what)
            self.back_since = time.monotonic()
            self.say(f"Back after {self.back_since - since:.0f} s.")


def _out_of_deadlocks(attempt: Callable[[], Result]) -> Result:
    """What an attempt returns, made again where a database has undone it for the sake of another.

    Each waits for a time of its own, or they would meet again.
    """
    for _ in range(DEADLOCKS):
        try:
            return attempt()
        except Exception as error:
            if not is_deadlock(error):
                raise
            time.sleep(PAUSE * SystemRandom().random())
    return attempt()


@dataclass
class _Process:
    """What all threads of this process share."""

    patience: Patience


_process = _Process(Patience())


@contextmanager
def patient(
    seconds: float,
    *,
    say: Callable[[str], None] = logger.warning,
    heed: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Let this process wait inside the block for what is away; an outer block decides how.

    See `Patience`. MLflow's own retries, of which nobody is told, are left to it elsewhere.
    """
    if _process.patience.chosen:
        yield
        return
    with _set(NO_RETRIES), _be(Patience(seconds=seconds, chosen=True, say=say, heed=heed)):
        yield


@contextmanager
def patient_sweep(seconds: float, *, say: Callable[[str], None], setting: str) -> Iterator[None]:
    """The same for a sweep of jobs that are not ours, which are run inside the block.

    They decide for themselves how they wait: MLflow's own retries stay, and so does what a
    `patient` in them says.
    """
    with _be(Patience(seconds=seconds, say=say, setting=setting)):
        yield


@contextmanager
def short_timeouts(seconds: int = CONTACT) -> Iterator[None]:
    """Let MLflow give a server up within seconds; its own default is minutes of retries.

    What the user has set stays.
    """
    with _set({**NO_RETRIES, TIMEOUT: str(seconds)}):
        yield


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of MLflow's, as far as the user has set no other."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _be(patience: Patience) -> Iterator[None]:
    before, _process.patience = _process.patience, patience
    try:
        yield
    finally:
        _process.patience = before


def tried(attempt: Callable[[], object]) -> bool:
    """Make an attempt that must not wait; False where it is to be made again later.

    A network that swallows what is sent keeps MLflow waiting for minutes, so that it gets less.

    Raises:
        Exception: what it raises, if nothing is away, or if nothing waits here.
    """
    later = _process.patience.seconds > 0
    try:
        with _be(Patience()), short_timeouts(ATTEMPT) if later else nullcontext():
            attempt()
    except Exception as error:
        if later and is_away(error):
            return False
        raise
    return True


@dataclass(kw_only=True)
class Attempts:
    """What a training tells between its epochs: nobody who is away holds it up.

    Attributes:
        pause: least seconds between two attempts.
        next: when the next one may be made, by a clock that is never set.
    """

    pause: float = 0.0
    next: float = -math.inf

    def make(self, attempt: Callable[[], object]) -> bool:
        """Make an attempt, unless it is too early; False where it is to be made again later.

        Raises:
            Exception: see `tried`.
        """
        if (begin := time.monotonic()) < self.next:
            return False
        done = tried(attempt)
        now = time.monotonic()
        self.next = now + (self.pause if done else max(WHILE_AWAY, (now - begin) / SHARE))
        return done


def waiting(attempt: Callable[[], Result], what: str = RUNS) -> Result:
    """What an attempt returns, which waits as this process does now; see `Patience.call`."""
    return _process.patience.call(attempt, what)


def last_outage_end() -> float:
    """When this process last could go on after an outage, by `time.monotonic`."""
    return _process.patience.back_since


def patiently(make: Callable[[], Result]) -> Result:
    """Something whose calls wait inside `patient`, such as a client; made when it is first used."""
    return cast("Result", _Patient(make))


class _Patient:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._made = cache(make)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made(), name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return waiting(partial(found, *args, **kwargs))

        return call
