"""Runs that are read while others still train are those that are read at the end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeps.results.test_runs import FakeStore, opened, swept

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.results import early_runs
from cnn_sweeps.sweeps.results.early_runs import EarlyRuns
from cnn_sweeps.sweeps.study.attributes import RUN_ID
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import RunRecord


class Served(FakeStore):
    """A store on a server, which notes what it is asked for by id."""

    experiment_id = "1"

    def __init__(self, folder: Path, runs: dict[str, RunRecord]) -> None:
        super().__init__(folder, runs)
        self.asked: list[list[str]] = []
        self.curves: list[list[str]] = []
        self.refuses = self.read_whole = False

    def children(self, parent: str) -> list[RunRecord]:
        """All runs, and that they were read."""
        self.read_whole = True
        return super().children(parent)

    def histories(self, runs: list[RunRecord], metric: str) -> dict[str, dict[int, float]]:
        """The epochs of runs, and whose were read."""
        self.curves.append([run.run_id for run in runs])
        return super().histories(runs, metric)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """It has the four runs of a sweep; a look reads two."""
    served = Served(tmp_path, swept(tmp_path))

    def runs_of_ids(_: Any, run_ids: list[str], experiment: str) -> list[RunRecord]:
        if served.refuses:
            raise StoreError("it refuses")
        served.asked.append(run_ids)
        assert experiment == "1"
        return [served.runs[run_id] for run_id in run_ids if run_id in served.runs]

    def beside(_: Any, parent: str, known: list[RunRecord]) -> list[RunRecord]:
        assert parent == "parent"
        return [*{**served.runs, **{run.run_id: run for run in known}}.values()]

    monkeypatch.setattr(early_runs.children, "runs_of_ids", runs_of_ids)
    monkeypatch.setattr(early_runs.children, "children_beside", beside)
    monkeypatch.setattr(early_runs, "PAGE", 2)
    return served


def ids(study: SweepStudy) -> list[str]:
    """The runs of the trials, the first in front."""
    return [trial.user_attrs[RUN_ID] for trial in study.trials()]


def test_runs_are_read_some_at_a_time(store: Any, tmp_path: Path) -> None:
    """Once enough trials have ended, each once."""
    study = opened(tmp_path)
    runs = EarlyRuns(study, store)
    runs.look(1)
    assert store.asked == []
    for _ in range(4):
        runs.look(4)
    assert store.asked == [ids(study)[:2], ids(study)[2:]]


def test_what_is_shown_first_is_read_again(store: Any, tmp_path: Path) -> None:
    """Of the others what was read is what is there at the end, their epochs too."""
    study = opened(tmp_path)
    runs = EarlyRuns(study, store)
    for _ in range(2):
        runs.look(4)
    best = sorted(store.runs.values(), key=lambda run: run.metrics["val_accuracy"])[-2:]
    best_ids = {run.run_id for run in best}
    read = {n: run for n, run in store.runs.items() if n not in best_ids}
    store.curves.clear()
    store.runs |= {n: replace(run, name="changed since") for n, run in store.runs.items()}
    found = runs.reading()
    assert {n: found.runs.by_id[n] for n in read} == read
    assert {found.runs.by_id[run_id].name for run_id in best_ids} == {"changed since"}
    assert [set(ids) for ids in store.curves] == [best_ids]
    assert (found.differences, store.read_whole) == ((), False)


def test_a_run_that_still_runs_is_read_again(store: Any, tmp_path: Path) -> None:
    """Its worker seemed dead, and was not."""
    study = opened(tmp_path)
    store.runs |= {n: replace(run, status="RUNNING") for n, run in store.runs.items()}
    runs = EarlyRuns(study, store)
    for _ in range(2):
        runs.look(4)
    assert (len(runs.reading().runs.by_id), store.read_whole) == (4, True)


def test_a_server_that_refuses_is_asked_at_the_end(store: Any, tmp_path: Path) -> None:
    """Nothing is told before, and it is not asked again and again."""
    store.refuses = True
    runs = EarlyRuns(opened(tmp_path), store)
    runs.look(4)
    store.refuses = False
    runs.look(4)
    assert (len(runs.reading().runs.by_id), store.asked, store.read_whole) == (4, [], True)


def test_a_local_store_is_read_at_the_end(store: Any, tmp_path: Path) -> None:
    """That takes no longer then."""
    store.local = "a database"
    runs = EarlyRuns(opened(tmp_path), store)
    runs.look(4)
    assert (len(runs.reading().runs.by_id), store.asked, store.read_whole) == (4, [], True)
