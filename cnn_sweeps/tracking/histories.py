"""The history of a metric in many runs, read in few requests."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.tracking import params
from cnn_sweeps.tracking.patience import waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUNS: Final = 100
"""Runs that a database or a server is asked for at a time; an MLflow server takes no more."""
MOST: Final = 25_000
"""Values that an MLflow server gives at a time."""
PAGE: Final = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
"""Where MLflow's own pages ask a server for the curves of several runs."""

Point = tuple[str, int, float]
"""Run id, epoch and value."""


def points_of(client: "MlflowClient", run_ids: Sequence[str], metric: str) -> Iterator[Point]:
    """All values of a metric, for each run by the time of logging."""
    store: Any = client._tracking_client.store
    for some in params.batches(run_ids, RUNS):
        if hasattr(store, "get_metric_history_bulk"):
            for found in store.get_metric_history_bulk(some, metric, sys.maxsize):
                yield found.run_id, found.step, found.value
        else:
            yield from _of_server(client, some, metric)


def _of_server(client: "MlflowClient", run_ids: Sequence[str], metric: str) -> Iterator[Point]:
    """The same of a server, in halves where it has more than it gives at a time."""
    told = _told_together(client._tracking_client.store, run_ids, metric)
    if told is not None and len(told) < MOST:
        yield from told
    elif told is None or len(run_ids) == 1:
        for run_id in run_ids:
            for point in client.get_metric_history(run_id, metric):
                yield run_id, point.step, point.value
    else:
        middle = len(run_ids) // 2
        yield from _of_server(client, run_ids[:middle], metric)
        yield from _of_server(client, run_ids[middle:], metric)


def _told_together(store: Any, run_ids: Sequence[str], metric: str) -> list[Point] | None:
    """What a server says of several runs in one answer; None where it has no such page."""
    if not hasattr(store, "get_host_creds"):
        return None
    from mlflow.utils.rest_utils import http_request

    asked = {"run_id": list(run_ids), "metric_key": metric, "max_results": MOST}
    ask: Any = partial(http_request, store.get_host_creds(), PAGE, "GET", params=asked)
    answer = waiting(ask)
    with suppress(ValueError, KeyError, TypeError):  # not the answer of an MLflow server
        if answer.status_code == 200:  # noqa: PLR2004 -- OK
            told = answer.json()["metrics"]
            return [(each["run_id"], int(each["step"]), float(each["value"])) for each in told]
    return None
