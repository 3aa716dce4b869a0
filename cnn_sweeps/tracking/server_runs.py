"""The runs of a server, made of the JSON that it sends.

MLflow's own client makes two objects of each param, metric and tag on the way, which takes it a
quarter of the time that the server needs to find them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.tracking.paging import page_by_page
from cnn_sweeps.tracking.patience import waiting
from cnn_sweeps.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList

SEARCH: Final = "/api/2.0/mlflow/runs/search"
"""Where MLflow's REST API searches runs."""
VIEWS: Final = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}
"""The names of `mlflow.entities.ViewType`."""

Page = tuple[list[RunRecord], bool]
"""Some runs, and whether they are the last ones."""


def run_pages(
    client: "MlflowClient",
    size: int,
    *,
    experiments: Sequence[str],
    where: str,
    order: Sequence[str] = (),
    view: int,
) -> Iterator[Page]:
    """What a search finds, in pages of so many, each asked for when it is wanted.

    Args:
        client: of the store.
        size: runs of a page.
        experiments: ids.
        where: in MLflow's search syntax.
        order: in MLflow's syntax.
        view: MLflow's `ViewType`.
    """
    store: Any = client._tracking_client.store
    served = hasattr(store, "get_host_creds")  # else it is a database
    search: Any = partial(_search, store) if served else client.search_runs
    found = page_by_page(
        search,
        size,
        experiment_ids=list(experiments),
        filter_string=where,
        run_view_type=view,
        order_by=list(order),
    )
    for page in found:
        yield [_record(run) if served else RunRecord.of(run) for run in page], not page.token


def _search(
    store: Any, *, filter_string: str, run_view_type: int, **asked: Any
) -> "PagedList[Mapping[str, Any]]":
    """A page of what `MlflowClient.search_runs` finds, as the server sends it.

    Raises:
        MlflowException: it refuses, or is not there.
    """
    from mlflow.store.entities import PagedList

    asked |= {"filter": filter_string, "run_view_type": VIEWS[run_view_type]}
    answer = waiting(partial(_answer, store, asked))
    return PagedList(answer.get("runs", ()), answer.get("next_page_token"))


def _answer(store: Any, asked: Mapping[str, Any]) -> Any:
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    ask: Any = partial(http_request, store.get_host_creds(), SEARCH, "POST", json=asked)
    return verify_rest_response(ask(), SEARCH).json()


def _record(run: Mapping[str, Any]) -> RunRecord:
    info, data = run["info"], run.get("data", {})
    return RunRecord.of_values(
        run_id=info["run_id"],
        name=info.get("run_name"),
        experiment_id=info["experiment_id"],
        status=info["status"],
        start=info.get("start_time"),
        end=info.get("end_time"),
        artifact_uri=info["artifact_uri"],
        stage=info["lifecycle_stage"],
        # Most runs of a sweep have most of these in common.
        params={name: intern(value) for name, value in _by_name(data, "params")},
        tags=dict(_by_name(data, "tags")),
        metrics={name: float(value) for name, value in _by_name(data, "metrics")},
    )


def _by_name(data: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    return ((intern(each["key"]), each["value"]) for each in data.get(kind, ()))
