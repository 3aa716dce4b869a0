"""MLflow's pages of the runs: their addresses, and a named view with the ranking of each sweep.

MLflow keeps the named views of an experiment as its tags. The form of such a tag is nobody's
promise, so that a view is written and linked only for versions whose pages `tests/test_browser.py`
has seen; the others get the page that everybody gets.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlencode

from cnn_sweeps.errors import StoreError
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.text.shell import command_for
from cnn_sweeps.tracking.address import SERVERS, overrides
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.names import KIND, STUDY_NAME
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.server import version_of
from cnn_sweeps.tracking.store import Store

SEEN = ("3.17",)
"""Versions of MLflow whose pages the browser test has seen."""
TAG = "mlflow.sharedViewState."
OURS = "cnn-sweeps-"
"""How the keys of our views begin."""
MOST = 20
"""Views of sweeps in an experiment; MLflow takes no more than 40, a person's own among them."""
PATIENCE = 5.0
"""Seconds that a server has to say its version."""
LETTER, MARKS = 7, 44
"""Pixels of a letter, and of what stands beside the name of a column."""
NARROWEST, WIDEST = 90, 360
"""Pixels of a column."""
NAME, NAME_WIDTH = "attributes.`Run Name`", 215
"""The column that always comes first, and its pixels."""
TYPE = {"workflowType": "machine_learning"}
"""Of MLflow's two menus, the one for trainings; the other one has no runs."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What the list of runs shows of a sweep.

    Attributes:
        name: of the study.
        parent_run_id: of the sweep.
        columns: each by MLflow's name, such as "metrics.`loss`", and how many letters stand in it.
            The trials are sorted by the first.
        rising: whether more is better there.
    """

    name: str
    parent_run_id: str
    columns: Mapping[str, int]
    rising: bool

    def to_json(self) -> dict[str, object]:
        """The state of MLflow's page."""
        widths = {
            column: min(max(LETTER * letters + MARKS, NARROWEST), WIDEST)
            for column, letters in self.columns.items()
        }
        return {
            "searchFilter": f"tags.`mlflow.parentRunId` = '{self.parent_run_id}'",
            "orderByKey": next(iter(self.columns)),
            "orderByAsc": not self.rising,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "selectedColumns": list(self.columns),
            "columnOrder": [NAME, *self.columns],
            "columnWidths": {NAME: NAME_WIDTH, **widths},
        }


def column(kind: str, name: str) -> str:
    """A column by MLflow's name; `kind` is metrics, params or tags."""
    return f"{kind}.`{name}`"


def save(store: Store, experiment_id: str, view: View) -> None:
    """Write the view of a sweep over that of an earlier call; views without a sweep are deleted.

    A store that refuses it refuses no more than that: the sweep has ended as it has.
    """
    with suppress(StoreError), as_store_error(store.address):
        if not seen(store):
            return
        sweeps = store.select(Selection(tags={KIND: "sweep"}), [experiment_id])
        active = {TAG + key_of(run.tags[STUDY_NAME]) for run in sweeps}
        tag, state = TAG + key_of(view.name), json.dumps(view.to_json(), separators=(",", ":"))
        value = {"name": view.name, "createdAt": time.time_ns() // 1_000_000, "state": state}
        store.client.set_experiment_tag(experiment_id, tag, json.dumps(value))
        views = _views(store, experiment_id)
        newest = sorted(views.keys() & active, key=lambda name: views[name], reverse=True)
        for name in views.keys() - {tag, *newest[:MOST]}:
            store.client.delete_experiment_tag(experiment_id, name)


def browse(store: Store, sweep: RunRecord | None = None) -> str:
    """What leads to the runs: a command, or the address of a server's page.

    Args:
        store: where they are.
        sweep: whose ranking is to be seen; None for all runs.
    """
    if store.address.artifacts is None:
        return page(store, store.uri, sweep)
    told = overrides(store.address, store.experiment)
    return command_for("ui", sweep.tags[STUDY_NAME] if sweep else None, *told)


def page(store: Store, server: str, sweep: RunRecord | None = None) -> str:
    """The address of a sweep's ranking at a server, or of all runs where that is not to be had."""
    server = without_password(server).rstrip("/")
    if not server.startswith("http"):
        return server
    experiment = sweep.experiment_id if sweep else store.experiment_id
    if not experiment:
        return f"{server}/#/experiments"
    asked = {"viewStateShareKey": key} if sweep and (key := _key(store, sweep)) else {}
    return f"{server}/#/experiments/{experiment}/runs?{urlencode({**asked, **TYPE})}"


def key_of(study: str) -> str:
    """The key of a study's view."""
    return OURS + hashlib.sha256(study.encode()).hexdigest()[:12]


def seen(store: Store) -> bool:
    """Whether the pages of the MLflow that serves the store are known."""
    there = version("mlflow")
    if store.uri.startswith(SERVERS):
        try:
            there = version_of(store.uri, PATIENCE)
        except OSError:
            return False
    return there.startswith(tuple(f"{each}." for each in SEEN))


def _key(store: Store, sweep: RunRecord) -> str | None:
    """The key of a sweep's view; None where it has none, or this MLflow may not know it."""
    key = key_of(sweep.tags.get(STUDY_NAME, ""))
    there = seen(store) and TAG + key in _views(store, sweep.experiment_id)
    return key if there else None


def _views(store: Store, experiment_id: str) -> dict[str, int]:
    """Our views of an experiment: their tags, and when each was written."""
    with as_store_error(store.address):
        tags = store.client.get_experiment(experiment_id).tags
    return {name: _written(value) for name, value in tags.items() if name.startswith(TAG + OURS)}


def _written(value: str) -> int:
    try:
        return int(json.loads(value)["createdAt"])
    except (ValueError, KeyError, TypeError):  # somebody has changed it
        return 0
