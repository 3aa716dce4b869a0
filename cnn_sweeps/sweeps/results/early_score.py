"""The leader of a search, scored while the last trials still train.

After the last trial all cores but one would be idle meanwhile, and the workers end at about the
same time: the longest trajectories go first. So the best trial is loaded, scored on the test split
and drawn once most trials have ended and few are left, in a process of its own. It logs nothing
before the search is over: a search must not see the test split, and the leader may still be beaten.
Then the process is ended, and the next leader is taken.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from typing import Any, Self

from cnn_sweeps.data import free_memory
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.plan.budget import WORKER_BYTES
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.test_scores import Unscored
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.tracking import Store


class EarlyScore:
    """The leader of one search on its way to the test split; a context manager.

    Where there are GPUs, several objectives or an exercise it does nothing; nor where seconds are
    the objective, which another process would make longer, or memory is short.
    """

    def __init__(self, study: SweepStudy, store: Store) -> None:
        """Nobody is scored yet."""
        self._study, self._store = study, store
        self._finished = 0
        self._leader: Unscored | None = None
        self._answer: Callable[[], Any] = dict
        self._gate: Connection | None = None
        self._process = ExitStack()

    def __enter__(self) -> Self:
        """Begin with nobody."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process."""
        self._process.close()

    def look(self) -> None:
        """Score the leader, unless that is under way; it can wait if the store refuses."""
        finished = self._study.counts().finished
        if finished == self._finished:
            return
        self._finished, plan = finished, self._study.plan
        several = len(plan.objectives.names) > 1 or plan.exercise is not None
        if several or plan.objectives.are_timed or devices.seats() or _memory_is_short():
            return
        with suppress(StoreError, OSError):  # it is only early: the winner is scored all the same
            self._score(test_scores.unscored(self._study, self._store)[1])

    def _score(self, leaders: list[Unscored]) -> None:
        if not leaders or leaders[0] == self._leader:
            return
        self._process.close()
        self._leader, tracking = None, self._study.plan.first.tracking
        there, self._gate = forkserver.CONTEXT.Pipe(duplex=False)
        self._process.callback(self._gate.close)
        asked = (tracking, leaders[0], HandedOver.kept(), there)
        with there:
            self._answer = self._process.enter_context(
                forkserver.asked(test_scores.score_if_it_wins, *asked)
            )
        self._leader = leaders[0]

    def of(self, winner: Unscored) -> dict[str, float]:
        """The test metrics of a trial that has won, logged by now; none where it was not scored."""
        if winner != self._leader or self._gate is None:
            return {}
        try:
            self._gate.send(True)
        except OSError:  # its process has died
            return {}
        answer = self._answer()
        return answer if isinstance(answer, dict) else {}


def _memory_is_short() -> bool:
    """Whether one more process might take the memory of a worker."""
    free = free_memory.free_bytes()
    return free is not None and free < WORKER_BYTES
