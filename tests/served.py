"""A local store as if a server had it: what is searched comes as the JSON of MLflow's REST API."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cnn_sweeps.tracking import Store


def as_served(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[int]]:
    """The store, and how many runs each search has brought so far."""
    brought: list[int] = []
    monkeypatch.setattr("mlflow.utils.rest_utils.http_request", _server(store, brought))
    tracking = SimpleNamespace(store=SimpleNamespace(get_host_creds=lambda: None))
    client: Any = SimpleNamespace(_tracking_client=tracking, get_run=store.client.get_run)
    return replace(store, client=client, local=None), brought


def _server(store: Store, brought: list[int]) -> Callable[..., requests.Response]:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.service_pb2 import SearchRuns
    from mlflow.utils.proto_json_utils import message_to_json, parse_dict

    def answer(_: None, endpoint: str, method: str, *, json: dict[str, Any]) -> requests.Response:
        assert (endpoint, method) == ("/api/2.0/mlflow/runs/search", "POST")
        asked, told = SearchRuns(), SearchRuns.Response()
        parse_dict(json, asked)
        response = requests.Response()
        try:
            found = store.client.search_runs(
                list(asked.experiment_ids),
                asked.filter,
                asked.run_view_type,
                asked.max_results,
                list(asked.order_by),
                asked.page_token or None,
            )
        except MlflowException as error:
            response.status_code, text = error.get_http_status_code(), error.serialize_as_json()
        else:
            brought.append(len(found))
            told.runs.extend(run.to_proto() for run in found)
            if found.token:
                told.next_page_token = found.token
            response.status_code, text = 200, message_to_json(told)
        response._content = text.encode()
        return response

    return answer
