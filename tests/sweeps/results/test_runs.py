"""A study is held against the runs of its trials: what differs is named, and the runs are shown."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import score
from plans import FakeRun, epoch, plan, study

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import StoreError
from cnn_sweeps.report import markdown
from cnn_sweeps.sweeps.controller import fill_queue
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.results import collect
from cnn_sweeps.sweeps.results.collect import rank_trials
from cnn_sweeps.sweeps.results.runs import Reading, Runs
from cnn_sweeps.sweeps.study.attributes import CONFIG_HASH, PARENT, RUN_ID, metrics_of
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import RunRecord, flatten
from cnn_sweeps.tracking.names import IMAGES_FILE, PLAN_FILE
from cnn_sweeps.tracking.params import shorten

EPOCH = 0.8
Damage = Callable[[Path, dict[str, RunRecord]], None]


class Reporting(FakeRun):
    """A run of one epoch that the study is told of."""

    def __call__(self, config: Config, **told: Any) -> Any:
        """Tell the epoch, then the score."""
        for callback in told["callbacks"]:
            callback.on_epoch(epoch(accuracy=EPOCH))
        return super().__call__(config, **told)


class FakeStore:
    """Has the runs of a study in memory."""

    def __init__(self, folder: Path, runs: Mapping[str, RunRecord]) -> None:
        self.dir, self.runs, self.address, self.local = folder, runs, None, None

    @property
    def client(self) -> None:
        """There are no files."""
        raise StoreError("there are no files")

    def children(self, _: str) -> list[RunRecord]:
        """All of them."""
        return list(self.runs.values())

    def reopen(self, run_id: str) -> None:
        """Its curves are gone."""
        raise StoreError(f"there is no run {run_id}")

    def histories(self, runs: list[RunRecord], metric: str) -> dict[str, dict[int, float]]:
        """One epoch of each, as it was told."""
        told = {1: EPOCH} if metric == "val_accuracy" else {}
        return {run.run_id: told for run in runs if run.run_id in self.runs}

    def get(self, run_id: str) -> RunRecord:
        """One of them."""
        if run_id not in self.runs:
            raise StoreError(f"there is no run {run_id}")
        return self.runs[run_id]


def swept(folder: Path) -> dict[str, RunRecord]:
    """Carry out a sweep of four trials; its runs by id."""
    made = study(folder, plan({"model.filters": "4,8", "model.conv_blocks": "1,2"}))
    made.optuna_study.set_user_attr(PARENT, "parent")
    fill_queue(made, Budget())
    Worker(study=made, execute=Reporting(score)).work()
    return {trial.user_attrs[RUN_ID]: record(made, trial) for trial in made.trials()}


def record(made: SweepStudy, trial: Any) -> RunRecord:
    """The run that a trial was logged to."""
    known = trial.user_attrs
    return RunRecord(
        run_id=known[RUN_ID],
        name="a run",
        experiment_id="1",
        status="FINISHED",
        config_hash=known[CONFIG_HASH],
        params=flatten(to_json(made.plan.config(trial.params))),
        metrics=metrics_of(known),
        tags={},
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=None,
        artifact_uri="",
        parent_id="parent",
    )


def in_journal(before: str, after: str) -> Damage:
    """Change the journal of the study, in one place."""

    def damage(journal: Path, _: dict[str, RunRecord]) -> None:
        changed, number = re.subn(before, after, journal.read_text(), count=1)
        assert number == 1
        journal.write_text(changed)

    return damage


def in_run(**changes: Any) -> Damage:
    """Change what MLflow has of the run of trial 1."""

    def damage(_: Path, runs: dict[str, RunRecord]) -> None:
        run = runs["run2"]
        both = {name: {**getattr(run, name), **change} for name, change in changes.items()}
        runs["run2"] = replace(run, **both)

    return damage


def opened(folder: Path) -> SweepStudy:
    """The study as it is stored now."""
    return study(folder, plan({"model.filters": "4,8", "model.conv_blocks": "1,2"}))


def opened_as_it_is(folder: Path) -> SweepStudy:
    """The study with whatever plan is stored in it."""
    return SweepStudy.load(StudyAddress(storage=str(folder / "study.journal"), name="study"))


def test_a_study_that_agrees_with_its_runs_is_shown_as_it_is(tmp_path: Path) -> None:
    """Nothing is said, and nothing corrected."""
    store: Any = FakeStore(tmp_path, swept(tmp_path))
    reconciled, said = Runs.of(opened(tmp_path), store).reconciled(opened(tmp_path))
    assert (reconciled.corrected, said) == ({}, ())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(
            in_journal(r'"values":\[0.10', '"values":[0.90'), "val_accuracy is 0.90", id="a value"
        ),
        pytest.param(
            in_journal(r'"metrics.train_seconds":3.0', '"metrics.train_seconds":4.0'),
            "train_seconds is 4.0, and 3.0",
            id="a metric",
        ),
        pytest.param(
            in_journal(r'"param_value_internal":0', '"param_value_internal":1'),
            r"model\.(filters|conv_blocks) is \d, and \d in the run",
            id="a param",
        ),
        pytest.param(
            in_journal(r'"intermediate_value":0.8', '"intermediate_value":0.9'),
            "val_accuracy of epoch 1 is 0.9, and 0.8",
            id="an epoch",
        ),
        pytest.param(
            in_journal(r'("config_hash":")\w{4}', r"\1abcd"), "config hash is abcd", id="a hash"
        ),
        pytest.param(
            in_run(metrics={"val_accuracy": 0.01}), "and 0.01 in the run", id="a value of the run"
        ),
        pytest.param(
            in_journal('"state":1,"values"', '"state":2,"values"'),
            "state is PRUNED, and COMPLETE in the run",
            id="pruned instead of complete",
        ),
        pytest.param(
            in_journal('"state":1,"values"', '"state":3,"values"'),
            "state is FAIL, and COMPLETE in the run",
            id="failed instead of complete",
        ),
        pytest.param(
            in_journal(r'"values":\[0[^]]*', '"values":[Infinity'),
            r"val_accuracy is inf, and 0\.\d+ in the run",
            id="infinite",
        ),
        pytest.param(
            in_journal(r'"metrics.train_seconds":3.0', '"metrics.train_seconds":NaN'),
            "train_seconds is nan, and 3.0",
            id="no number",
        ),
        pytest.param(
            in_run(params={"model.filters": "32"}),
            "model.filters is ., and 32 in the run",
            id="a param of the run",
        ),
    ],
)
def test_a_change_is_named_with_what_both_have(tmp_path: Path, damage: Damage, said: str) -> None:
    """Which trial, which name, both values, and which of them is shown."""
    runs = swept(tmp_path)
    damage(tmp_path / "study.journal", runs)
    found = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs))  # type: ignore[arg-type]
    (sentence,) = found.differences
    assert re.match(r"Trial \d in the study differs from its run run\d in MLflow: ", sentence)
    assert re.search(said, sentence)
    assert sentence.endswith("What the run has is shown.") or "but the study's" in sentence
    assert ("but the study's model.filters" in sentence) == ("and 32 in" in sentence)


def test_what_the_run_has_is_ranked_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digit that was changed in the journal makes no winner."""
    runs = swept(tmp_path)
    store: Any = FakeStore(tmp_path, runs)
    before = rank_trials(opened(tmp_path), store)
    worst = before.rows[-1].values["val_accuracy"]
    in_journal(rf'"values":\[{worst}', '"values":[0.99')(tmp_path / "study.journal", runs)
    after = rank_trials(opened(tmp_path), store)
    assert after.rows == before.rows
    monkeypatch.setattr(collect, "commands", lambda *_: ())  # they read files of the runs
    found = collect.results(opened(tmp_path), store)
    assert found.missing == after.differences
    assert "0.99, and" in markdown.markdown(found)


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        ({"status": "KILLED", "tags": {"pruned_epoch": "1"}}, "pruned"),
        ({"status": "FAILED"}, "failed"),
        ({"status": "RUNNING"}, "failed"),
    ],
)
def test_how_a_run_ended_is_shown(ended: dict[str, Any], shown: str, tmp_path: Path) -> None:
    """What was made complete in the journal, or otherwise in MLflow, is no result."""
    runs = swept(tmp_path)
    best = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs)).rows[0]  # type: ignore[arg-type]
    runs[best.run_id or ""] = replace(runs[best.run_id or ""], **ended)
    found = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs))  # type: ignore[arg-type]
    assert best.number not in [row.number for row in found.winners]
    assert {row.number: row.state for row in found.rows}[best.number].startswith(shown[:4])
    assert "state is COMPLETE, and " in found.differences[0]


def test_a_trial_that_failed_without_a_value_is_as_its_run(tmp_path: Path) -> None:
    """Its run came to its end, with a loss that is no number."""
    runs = swept(tmp_path)
    in_journal('"state":1,"values"', '"state":3,"values"')(tmp_path / "study.journal", runs)
    runs |= {
        n: replace(r, metrics={**r.metrics, "val_accuracy": float("nan")}) for n, r in runs.items()
    }
    found = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs))  # type: ignore[arg-type]
    assert not [each for each in found.differences if "state is FAIL" in each]


def test_a_value_that_the_run_does_not_have_is_named(tmp_path: Path) -> None:
    """The study's own is shown, and that is said."""
    runs = swept(tmp_path)
    metrics = {n: v for n, v in runs["run2"].metrics.items() if n != "val_accuracy"}
    runs["run2"] = replace(runs["run2"], metrics=metrics)
    (said,) = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs)).differences  # type: ignore[arg-type]
    assert re.search("val_accuracy is 0.*, and not there in the run", said)
    assert said.endswith("but the study's val_accuracy.")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"mlflow_run_id":"run2"', '"mine":1', "The run of trial 1 is not in MLflow any more"),
        ('"mlflow_run_id":"run2"', '"superseded":true', "The finished run run2 has no trial"),
        (
            r'"val_accuracy":"maximize"',
            '"val_accuracy":"minimize"',
            "The study's objectives is not",
        ),
        (r'"sampler":\{"name":"auto"', '"sampler":{"name":"random"', "The study's sampler is not"),
    ],
    ids=["no run", "hidden", "direction", "plan"],
)
def test_what_was_taken_out_or_turned_round_is_named(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    """A trial without its run, a run without its trial, another question than was asked."""
    runs = swept(tmp_path)
    (tmp_path / PLAN_FILE).write_text(json.dumps(opened(tmp_path).plan.to_json()))
    own = {"run_id": "parent", "parent_id": None, "artifact_uri": tmp_path.as_uri()}
    store: Any = FakeStore(tmp_path, {**runs, "parent": replace(runs["run1"], **own)})
    assert rank_trials(opened(tmp_path), store).differences == ()
    in_journal(before, after)(tmp_path / "study.journal", runs)
    address = opened_as_it_is(tmp_path)
    assert said in rank_trials(address, store).differences[0]


def test_a_run_that_was_deleted_is_named(tmp_path: Path) -> None:
    """The trial stays, with what the study has."""
    runs = swept(tmp_path)
    before = rank_trials(opened(tmp_path), FakeStore(tmp_path, runs))  # type: ignore[arg-type]
    left = {run_id: run for run_id, run in runs.items() if run_id not in ("run1", "run3")}
    found = rank_trials(opened(tmp_path), FakeStore(tmp_path, left))  # type: ignore[arg-type]
    assert found.rows == before.rows
    assert found.differences == (
        "The runs of trials 0, 2 are not in MLflow any more; reports show what the study has.",
    )


def test_a_study_is_read_once_for_table_and_report(tmp_path: Path) -> None:
    """What was read is used again; only the runs that were scored since are looked up."""
    runs = swept(tmp_path)
    store: Any = FakeStore(tmp_path, runs)
    read = Reading.of(opened(tmp_path), store, known=[*runs.values()])
    assert read.runs.by_id == runs == Reading.of(opened(tmp_path), store).runs.by_id
    best = max(runs, key=lambda run_id: runs[run_id].metrics["val_accuracy"])
    scored = replace(runs[best], metrics={**runs[best].metrics, "test_accuracy": 0.7})
    store.get, store.children = {best: scored}.__getitem__, None  # nobody asks for all of them
    again = read.again([best])
    assert again.runs.by_id == {**runs, best: scored}
    assert [*again.runs.scores(again.study).values()] == [{"test_accuracy": 0.7}]


class Curves(FakeStore):
    """Has epochs of the seconds too, and notes which runs' epochs of what are read."""

    def __init__(self, folder: Path, runs: Mapping[str, RunRecord], best: float) -> None:
        super().__init__(folder, runs)
        self.best, self.read = best, dict[str, list[str]]()

    def histories(self, runs: list[RunRecord], metric: str) -> dict[str, dict[int, float]]:
        """The second epoch has other seconds than the last."""
        self.read[metric] = [run.run_id for run in runs]
        if metric == "epoch_seconds":
            return {run.run_id: {1: 9.0, 2: self.best, 3: 9.0} for run in runs}
        return super().histories(runs, metric)


@pytest.mark.parametrize(
    ("last", "best", "asked", "said"),
    [
        pytest.param(3.0, 3.0, False, "", id="measured once more"),
        pytest.param(4.0, 3.0, True, "", id="not measured once more"),
        pytest.param(4.0, 5.0, True, "epoch_seconds is 3.0, and 5.0", id="changed"),
    ],
)
def test_of_a_run_that_went_back_those_epochs_are_read_that_tell_more(
    tmp_path: Path, last: float, best: float, asked: bool, said: str
) -> None:
    """Where its last value is the study's, that of its best epoch need not be looked up."""
    runs, journal = swept(tmp_path), tmp_path / "study.journal"
    in_journal('"metrics.train_seconds":3.0', '"metrics.epoch_seconds":3.0')(journal, runs)
    (trial,) = (t for t in opened(tmp_path).trials() if "epoch_seconds" in metrics_of(t.user_attrs))
    run_id = trial.user_attrs[RUN_ID]
    own = {"epoch_seconds": last, "epochs": 3.0, "best_epoch": 2.0}
    runs[run_id] = replace(runs[run_id], metrics={**runs[run_id].metrics, **own})
    store: Any = Curves(tmp_path, runs, best)
    _, found = Runs.of(opened(tmp_path), store).reconciled(opened(tmp_path))
    assert store.read.get("epoch_seconds", []) == [run_id] * asked
    assert (len(found), said in "".join(found)) == (bool(said), True)


def test_runs_of_others_are_none_of_a_study(tmp_path: Path) -> None:
    """Of all that was read of a store only the trials of the sweep count."""
    runs = swept(tmp_path)
    beside = replace(runs["run1"], run_id="beside", parent_id=None)
    store: Any = FakeStore(tmp_path, runs)
    assert Runs.of(opened(tmp_path), store, [beside, *runs.values()]).by_id == runs


NOTICES = {"a": ["x"], "b": ["x"], "c": ["y", "x"]}
DAMAGED = "[" * 100_000
"""Nested more deeply than Python's own reader goes."""


def test_each_notice_of_the_data_is_said_once(tmp_path: Path) -> None:
    """Of all data that was swept; a run whose record is gone or damaged is passed over."""
    digests = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "4"}
    by_id: Any = {
        run_id: SimpleNamespace(
            run_id=run_id,
            tags={"data_digest": digest},
            params={"data.limit": "9"},
            artifact_uri=(tmp_path / run_id).as_uri(),
        )
        for run_id, digest in digests.items()
    }
    notices = {run_id: json.dumps({"notices": said}) for run_id, said in NOTICES.items()}
    for run_id, text in {**notices, "e": DAMAGED}.items():
        (tmp_path / run_id).mkdir()
        (tmp_path / run_id / IMAGES_FILE).write_text(text)
    store: Any = FakeStore(tmp_path, by_id)
    assert sorted(Runs(store=store, by_id=by_id, missing=()).notices()) == ["x", "y"]
    for run_id, remarks in {"b": "of its network\nx", "d": "of its network"}.items():
        by_id[run_id].tags["remarks"] = remarks
    assert Runs(store=store, by_id=by_id, missing=()).notices()[-1] == "of its network"
    assert len(Runs(store=store, by_id=by_id, missing=()).notices()) == 3


def test_text_that_mlflow_cut_is_told_once_for_all_trials(tmp_path: Path) -> None:
    """What was cut ends in an ellipsis; MLflow's own tags are not the user's."""
    stored = {
        "params": flatten({"data": {"limit": 9}}) | {"model.args": shorten("a" * 9000, 6000)},
        "tags": {"note": shorten("b" * 9000, 8000), "mlflow.x": shorten("c" * 9000, 8000)},
    }
    gone = tmp_path.as_uri()
    by_id: Any = {n: SimpleNamespace(run_id=n, artifact_uri=gone, **stored) for n in "ab"}
    store: Any = FakeStore(tmp_path, by_id)
    found = Runs(store=store, by_id=by_id, missing=()).notices()
    assert [line.partition(" that")[0] for line in found] == [
        "model.args has more than the 6,000 characters",
        "note has more than the 8,000 characters",
    ]
