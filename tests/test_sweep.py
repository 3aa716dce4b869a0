"""A sweep, end to end on real images: the study, the runs in MLflow, the table, the winner."""

import csv
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configs import config
from plans import plan, sweep_of
from programs import typed
from stores import logged_text, ready

from cnn_sweeps.cli.display import TerminalDisplay
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.report.publish import PAGE
from cnn_sweeps.sweeps import controller
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.study.attributes import RUN_ID
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store, artifacts, database, model_files, pages
from cnn_sweeps.tracking.names import KIND

PARAMS = {"model.filters": "choice(2,4)", "model.conv_blocks": "range(0,2)"}
IN_THIS_PROCESS = Budget(n_jobs=0)


def swept(folder: Path, budget: Budget = IN_THIS_PROCESS, **groups: object) -> Ranking:
    """A sweep of a few small networks, logged under a folder."""
    place = {"dir": str(folder), "figures": True}
    asked = plan(PARAMS, tracking=place, **groups)
    return sweep_of(asked, budget, config(tracking=place), TerminalDisplay()).ranking


@pytest.fixture(scope="module")
def home(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of one sweep, which the tests of it share; they may add runs, and change none."""
    with ready(tmp_path_factory.mktemp("sweep"), migrated_database) as tracking:
        yield Store.open(tracking)


@pytest.fixture(scope="module")
def ranking(home: Store) -> Ranking:
    """The table of a finished sweep: three experiments, since no block means no filters."""
    return swept(home.dir)


def test_trials_are_children_of_the_sweeps_run(home: Store, ranking: Ranking) -> None:
    """Every trial is a nested run, and the parent carries table, space and best values."""
    best = ranking.rows[0]
    assert best.run_id is not None
    parent_id = home.get(best.run_id).parent_id
    assert parent_id is not None
    children = home.children(parent_id)
    assert {run.run_id for run in children} == {row.run_id for row in ranking.rows}
    assert {run.status for run in children} == {"FINISHED"}
    assert ranking.differences == ()  # between the study and these runs
    parent = home.get(parent_id)
    assert parent.status == "FINISHED"
    assert parent.params["model.filters"] == "2,4"
    assert parent.metrics["best_val_accuracy"] == best.values["val_accuracy"]
    assert parent.tags["best.model.filters"] == str(best.params["model.filters"])
    table = list(csv.DictReader(io.StringIO(logged_text(home, parent_id, "ranking.csv"))))
    assert [row["config_hash"] for row in table] == [row.config_hash for row in ranking.rows]


def test_sweep_ends_with_a_report(
    home: Store, ranking: Ranking, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page and a text lie with the sweep's run, and the terminal says where; so they do again."""
    swept(home.dir)
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "report:" in text]
    page = Path(line.partition("report:")[2].strip())
    best = ranking.rows[0]
    assert best.config_hash is not None
    for written in (page.read_text(), page.with_suffix(".md").read_text()):
        assert best.config_hash[:12] in written
        assert f"{best.metrics['test_accuracy']:.4f}" in written
        assert "finished" in written


def test_test_split_is_scored_for_the_winner_alone(home: Store, ranking: Ranking) -> None:
    """Only the best trial has test metrics, and they are those of its own weights."""
    from cnn_sweeps.runs.run import run

    best, *others = ranking.rows
    assert best.run_id is not None
    assert "test_accuracy" in home.get(best.run_id).metrics
    for row in others:
        assert row.run_id is not None
        assert not any(name.startswith("test") for name in home.get(row.run_id).metrics)
    (config_of_best,) = [plan(PARAMS, tracking={"dir": str(home.dir)}).config(best.params)]
    alone = run(config_of_best, home)
    assert alone.metrics["test_accuracy"] == pytest.approx(best.metrics["test_accuracy"], abs=1e-6)
    assert alone.identity.config_hash == best.config_hash


def pictures(store: Store, run_id: str | None) -> int:
    """How many pictures a run has besides its learning curves."""
    assert run_id is not None
    found = store.client.list_artifacts(run_id, "figures")
    return sum(file.path.endswith(".png") for file in found)


def test_the_winner_alone_has_pictures(home: Store, ranking: Ranking) -> None:
    """They show the test split, as its test metrics do."""
    best, *others = [pictures(home, row.run_id) for row in ranking.rows]
    assert best in (7, 11)  # without a convolution there are seven
    assert set(others) == {0}


def test_same_sweep_again_adds_nothing(
    home: Store,
    ranking: Ranking,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same command finds its study complete, shows the same, and does not ask for MLflow."""
    (parent,) = home.tagged({KIND: "sweep"})
    before = home.children(parent.run_id)

    def refuse(_: str) -> None:
        raise AssertionError("somebody asked for MLflow")

    monkeypatch.setattr(database, "_made", refuse)
    again = swept(home.dir)
    printed = capsys.readouterr().out
    assert [row.number for row in again.rows] == [row.number for row in ranking.rows]
    assert again.rows == ranking.rows
    assert len(before) == len(ranking.rows)
    assert home.children(parent.run_id) == before
    assert home.tagged({KIND: "sweep"}) == [parent]  # as it ended the first time
    for told in ("3 done before", "rerun best:", "report:"):
        assert told in printed


def test_what_was_changed_after_a_sweep_is_put_right_by_the_same_command(
    home: Store, ranking: Ranking
) -> None:
    """Table and report are made anew where one of them is gone."""
    (parent,) = home.tagged({KIND: "sweep"})
    page = Path(artifacts.where_is(home, parent.run_id, PAGE))
    page.unlink()
    assert swept(home.dir).rows == ranking.rows
    assert page.exists()


@pytest.mark.slow
def test_a_sweep_of_which_nothing_came_is_a_failure(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """After table and report its first error is raised, and its run is FAILED; so it is again."""
    diverging = {"optimizer": {"name": "sgd", "learning_rate": 1e30}}
    for _ in range(2):
        with pytest.raises(
            RunFailedError, match=r"^3 trials failed and none succeeded; trial 0: loss"
        ):
            swept(store.dir, trainer=diverging)
        assert "report:" in capsys.readouterr().out
    (parent,) = store.tagged({KIND: "sweep"})
    assert (parent.status, "diverged" in parent.tags["error"]) == ("FAILED", True)


@pytest.mark.slow
def test_a_sweep_that_is_given_up_has_a_report(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed, and why, can be looked up; also without worker processes."""
    diverging = {"optimizer": {"name": "sgd", "learning_rate": 1e30}}
    place = {"dir": str(store.dir)}
    asked = plan(PARAMS, tracking=place, trainer=diverging)
    budget = Budget(max_failures=1, n_jobs=0)
    with pytest.raises(RunFailedError, match=r"^hydra\.sweeper\.max_failures=1: 1 trial failed"):
        sweep_of(asked, budget, config(tracking=place), TerminalDisplay())
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "report:" in text]
    assert "diverged" in Path(line.partition("report:")[2].strip()).read_text()
    assert is_view_there(store)


def is_view_there(store: Store) -> bool:
    """Whether MLflow has a view of the sweep."""
    tags = store.client.get_experiment(store.experiment_id).tags
    return any(tag.startswith(pages.TAG) for tag in tags)


def test_a_sweep_that_is_stopped_has_a_view(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its trials so far."""

    def stopped(study: SweepStudy, store: Store, *_: object, **__: object) -> None:
        parent = study.parent_run_id
        with store.start_run("r", tags={}, parent_run_id=parent) as run:
            run.log_params({"model.filters": "4"})
        trial = study.claim(Owner.here())
        assert trial is not None
        trial.set_user_attr(RUN_ID, run.run_id)
        study.done(trial, [0.5])
        raise KeyboardInterrupt(2)

    place = {"dir": str(store.dir)}
    monkeypatch.setattr(controller, "_carry_out", stopped)
    asked = plan(PARAMS, tracking=place)
    with pytest.raises(KeyboardInterrupt):
        sweep_of(asked, Budget(n_jobs=0), config(tracking=place), TerminalDisplay())
    assert is_view_there(store)


@pytest.mark.slow
@pytest.mark.parametrize("reuse", [True, False], ids=["from its epoch", "trained again"])
def test_large_models_are_stored_of_the_winner_only(store: Store, *, reuse: bool) -> None:
    """Once the search is over; a model is large beyond `trajectory.epoch_mb`."""
    groups = {
        "tracking": {"dir": str(store.dir), "log_model": "auto", "figures": False},
        "trajectory": {"epoch_mb": 0, "reuse": reuse},
    }
    made = plan(PARAMS, **groups)
    ranked = sweep_of(made, Budget(n_trials=2, n_jobs=0), config(**groups)).ranking
    runs = [store.get(str(row.run_id)) for row in ranked.rows]
    assert [model_files.has_model(store, run) for run in runs] == [True, False]
    assert "test_accuracy" in runs[0].metrics


@pytest.mark.slow
def test_a_winner_that_is_deleted_before_it_is_scored_leaves_the_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no scores, and stays first as far as the study knows it."""
    score, tracking = test_scores.score, {"dir": str(store.dir), "figures": False}

    def deleting(study: SweepStudy, *given: Any, **more: Any) -> test_scores.Scores:
        store.client.delete_run(test_scores.best_trials(study)[0].user_attrs[RUN_ID])
        return score(study, *given, **more)

    monkeypatch.setattr(test_scores, "score", deleting)
    made = plan(PARAMS, tracking=tracking)
    ranked = sweep_of(made, Budget(n_trials=2, n_jobs=0), config(tracking=tracking)).ranking
    assert len(ranked.rows) == 2
    assert not any("test_loss" in row.metrics for row in ranked.rows)


@pytest.mark.slow
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_sweep_of_config_groups_from_the_command_line(tmp_path: Path) -> None:
    """Hydra's groups are swept, one failing combination is reported, the rest is ranked."""
    printed = typed(
        tmp_path,
        *("-m", "data=digits", "data.limit=300", "model=dnn,cnn", "model.dense_units=8"),
        *("trainer.epochs=1", "trainer.optimizer.name=sgd", "tracking.figures=false"),
        *("trainer.optimizer.learning_rate=0.01,1e30", "hydra.sweeper.n_jobs=0"),
    ).well()
    assert printed.count(" failed: ") >= 2
    assert "rerun best:  cnn-sweeps data=digits" in printed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlruns"]


@pytest.mark.slow
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_the_command_for_the_best_trial_is_that_trial(tmp_path: Path) -> None:
    """Typed as it is printed, it gives the same bits, and trains nothing that is known."""
    small = ("data=digits", "data.limit=300", "model.filters=4", "tracking.figures=false")
    done = typed(tmp_path, "-m", *small, "trainer.epochs=1,2")
    assert done.returncode == 0, done.stderr
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("rerun best:")]
    program, *words = shlex.split(line.removeprefix("rerun best:"))
    again = typed(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    store = Store.open(Tracking(dir=tmp_path / "mlruns"))
    (short,) = re.findall(r"cnn-sweeps show (\w+)", again.stdout)
    alone, trial = store.find(short)
    assert (program, alone.parent_id) == ("cnn-sweeps", None)
    assert alone.tags["weights_sha256"] == trial.tags["weights_sha256"]
    assert alone.tags["epochs_trained"] == "0"


@pytest.mark.slow
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_sweep_with_two_objectives(tmp_path: Path) -> None:
    """A sampler searches for accuracy against time."""
    done = typed(
        tmp_path,
        *("-m", "search=speed", "data=digits", "data.limit=300", "trainer.epochs=1"),
        "tracking.figures=false",
        *("hydra.sweeper.n_trials=3", "hydra/sweeper/sampler=nsgaii", "hydra.sweeper.n_jobs=0"),
    )
    assert done.returncode == 0, done.stderr
    assert "train_seconds" in done.stdout
    assert "1*" in done.stdout
