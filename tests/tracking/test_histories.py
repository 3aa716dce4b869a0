"""The curves of many runs of a server: few questions, however many runs."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlparse

import pytest
from http_servers import Request, serving
from mlflow import MlflowClient

from cnn_sweeps.tracking import histories

EPOCHS = (0.5, 0.25, math.nan)
RUNS = [f"{number:032x}" for number in range(5)]


@contextmanager
def served(answer: int) -> Iterator[tuple[MlflowClient, list[str]]]:
    """A server that knows the curves of all runs, or has no page for several; what it was asked."""
    asked: list[str] = []

    def curves(request: Request) -> None:
        where = urlparse(request.path)
        asked.append(where.path.rpartition("/")[2])
        status = answer if where.path == histories.PAGE else 200
        values = [
            {"key": "loss", "value": value, "timestamp": 0, "step": step, "run_id": run_id}
            for run_id in parse_qs(where.query)["run_id"]
            for step, value in enumerate(EPOCHS, 1)
        ]
        most = int(parse_qs(where.query).get("max_results", ["99"])[0])
        text = json.dumps({"metrics": values[:most]}).encode()
        if where.path != histories.PAGE:  # as protobuf writes it
            text = text.replace(b"NaN", b'"NaN"')
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    with serving(curves) as url:
        yield MlflowClient(url), asked


@pytest.mark.parametrize(
    ("answer", "most", "questions"),
    [
        pytest.param(200, 25_000, ["get-history-bulk"], id="at once"),
        pytest.param(200, 7, ["get-history-bulk"] * 5, id="more than it gives"),
        pytest.param(404, 25_000, ["get-history-bulk", *["get-history"] * 5], id="no such page"),
    ],
)
def test_a_server_is_asked_for_many_runs_at_once(
    monkeypatch: pytest.MonkeyPatch, answer: int, most: int, questions: list[str]
) -> None:
    """It has the same in as many answers as it needs; one that knows no better, run by run."""
    monkeypatch.setattr(histories, "MOST", most)
    with served(answer) as (client, asked):
        found = list(histories.points_of(client, RUNS, "loss"))
    assert [(run_id, step) for run_id, step, _ in found] == [
        (run_id, step) for run_id in RUNS for step in (1, 2, 3)
    ]
    assert [value for *_, value in found[:2]] == [0.5, 0.25]
    assert math.isnan(found[2][2])
    assert asked == questions
