"""The trials of a large sweep on a server, which takes milliseconds for each run."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import suppress
from functools import partial
from itertools import chain
from threading import Thread
from typing import Final

from cnn_sweeps.tracking import params
from cnn_sweeps.tracking.names import PARENT
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.store import DELETED_ONLY, Store

MOST: Final = 500
"""Ids that a filter lists: MLflow's parser takes no more than 10,000 words."""
AT_ONCE: Final = 4
"""Requests at a time: an MLflow server has so many processes unless it is told otherwise."""


def children_of(store: Store, parent_run_id: str, run_ids: Sequence[str]) -> list[RunRecord]:
    """The trials of a sweep as `Store.children` has them; of many, several at once.

    Args:
        store: where they are.
        parent_run_id: the run of the sweep.
        run_ids: those of its runs that are known; the others are found as well.
    """
    if store.local is not None or len(run_ids) <= MOST:
        return store.children(parent_run_id)
    experiment = store.get(parent_run_id).experiment_id
    parts = params.batches(run_ids, MOST)
    found = _at_once(partial(runs_of_ids, store, experiment=experiment), parts)
    return children_beside(store, parent_run_id, [*chain.from_iterable(found)])


def _at_once(
    search: Callable[[Sequence[str]], list[RunRecord]], parts: Iterable[Sequence[str]]
) -> list[list[RunRecord]]:
    """What a search finds for each part, several at a time.

    Nobody waits for a search after another one has failed or Ctrl-C was heard, and a server may
    take minutes: an executor would, also at the end of the process.
    """
    left = deque((part, Future[list[RunRecord]]()) for part in parts)
    futures = [future for _, future in left]

    def work() -> None:
        with suppress(IndexError):  # none is left
            while True:
                part, future = left.popleft()
                try:
                    future.set_result(search(part))
                except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
                    future.set_exception(error)

    try:
        for _ in range(AT_ONCE):
            Thread(target=work, daemon=True).start()
        for future in as_completed(futures):
            future.result()  # the first that fails ends it
        return [future.result() for future in futures]
    finally:
        left.clear()


def runs_of_ids(store: Store, run_ids: Sequence[str], experiment: str) -> list[RunRecord]:
    """The active ones of some runs of an experiment, in no order."""
    return [
        run
        for some in params.batches(run_ids, MOST)
        for run in store.search(f"attributes.run_id IN ({_listed(some)})", [experiment])
    ]


def children_beside(
    store: Store, parent_run_id: str, known: Sequence[RunRecord]
) -> list[RunRecord]:
    """The trials of a sweep as `Store.children` has them; what is known is not read again.

    One that was deleted since is left out.
    """
    where = [store.get(parent_run_id).experiment_id]
    ours = Selection(tags={PARENT: parent_run_id}).to_filter()
    deleted = {run.run_id for run in store.search(ours, where, view=DELETED_ONLY)}
    found = {run.run_id: run for run in known if run.run_id not in deleted}
    for asked in _others(known):
        found |= {run.run_id: run for run in store.search(f"{ours}{asked}", where)}
    return sorted(found.values(), key=lambda run: (run.start, run.run_id))


def _others(known: Sequence[RunRecord]) -> Iterator[str]:
    """Conditions that let all runs through but these, for one stretch of time after another."""
    stretches = [*params.batches(sorted(known, key=lambda run: run.start), MOST)]
    begins = [round(some[0].start.timestamp() * 1000) for some in stretches[1:]]
    pairs = zip([None, *begins], [*begins, None], stretches or [[]], strict=True)
    for begin, end, some in pairs:
        later = "" if begin is None else f" AND attributes.start_time >= {begin}"
        earlier = "" if end is None else f" AND attributes.start_time < {end}"
        listed = _listed([run.run_id for run in some])
        yield f"{later}{earlier}" + (f" AND attributes.run_id NOT IN ({listed})" if some else "")


def _listed(run_ids: Sequence[str]) -> str:
    return ", ".join(f"'{run_id}'" for run_id in run_ids)
