"""An exercise, end to end: trained on a few digits, scored, answered, and asked again."""

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from configs import config
from exercises import answer, exercise
from plans import FakeRun, plan, study, sweep_of
from stores import logged_text, ready

from cnn_sweeps.cli.display import TerminalDisplay
from cnn_sweeps.sweeps import controller
from cnn_sweeps.sweeps.comparison.chart import NAME
from cnn_sweeps.sweeps.comparison.definition import ComparisonSpec
from cnn_sweeps.sweeps.comparison.tables import MINUS
from cnn_sweeps.sweeps.join import Join
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.cells import laid_out
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.results.exercise_answer import answer_of, log
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.results.test_scores import Unscored, _by_start
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import RunRecord, Store


def asked(params: dict[str, Any], question: ComparisonSpec, **groups: Any) -> Plan:
    """A plan of an exercise, as the command line would make it."""
    made = plan(params, **groups)
    settled, space, _ = laid_out(question, made.space, {})
    return replace(made, space=space, exercise=settled)


def filters(**groups: Any) -> Plan:
    """Two networks with two seeds each."""
    base = exercise(seeds=2, base={"model.filters": 4}, phrases={})
    return asked({"model.filters": "choice(4,2)"}, base, **groups)


def worked(folder: Path, made: Plan) -> SweepStudy:
    """A study whose trials were carried out by a formula: a hundredth for each filter."""
    held = study(folder, made)
    for cell in made.space.cells():
        held.enqueue(cell)
    Worker(study=held, execute=FakeRun(lambda c: c.model.filters / 100 + c.seed / 1000)).work()  # type: ignore[union-attr]
    return held


def test_answer_is_computed_from_the_trials_and_their_scores(tmp_path: Path) -> None:
    """Trials are told apart by cell and seed, and scores come to them by number."""
    held = worked(tmp_path, filters())
    scores = {trial.number: {"test_accuracy": trial.values[0]} for trial in held.trials()}
    found = answer_of(held, scores)
    assert found is not None
    base, other = found.cells
    assert (base.typed, base.base) == ("model.filters=4", True)
    assert other.by_seed("test_accuracy") == {0: 0.02, 1: 0.021}
    ((_, test, *_),) = found.differences.rows
    assert test == f"{MINUS}2.00 ± 0.00"


def test_a_trial_that_failed_gives_its_reason(tmp_path: Path) -> None:
    """A cell that cannot be carried out does not keep the others from being compared."""
    base = exercise(seeds=1, base={"model.conv_blocks": 1}, phrases={})
    held = worked(tmp_path, asked({"model.conv_blocks": "choice(1,9)"}, base))
    found = answer_of(held, {})
    assert found is not None
    assert [len(cell.measured) for cell in found.cells] == [1, 0]
    assert "conv_blocks=9 has no result: model.conv_blocks=9 does not fit" in found.sentences[0]


def test_cells_without_a_trial_are_missing(tmp_path: Path) -> None:
    """What a timeout left over is said, and cells that mean the same are one."""
    base = exercise(seeds=1, base={"model.filters": 4, "model.conv_blocks": 0}, phrases={})
    params = {"model.conv_blocks": "choice(0,1)", "model.filters": "choice(2,4)"}
    made = asked(params, base)
    held = study(tmp_path, made)
    held.enqueue(next(made.space.cells()))
    Worker(study=held, execute=FakeRun()).work()
    found = answer_of(held, {})
    assert found is not None
    assert [cell.base for cell in found.cells] == [True]
    assert len(found.missing) == 2


def test_a_search_has_no_answer(tmp_path: Path) -> None:
    """A sweep without a question is ranked and nothing more."""
    assert answer_of(study(tmp_path), {}) is None


def test_what_is_left_of_an_exercise_has_the_threads_of_what_is_done(tmp_path: Path) -> None:
    """Its seconds are compared; one worker that goes on with a search may have every core."""
    held, budget = study(tmp_path, filters()), Budget(n_jobs=4)
    controller.fill_queue(held, budget)
    assert controller._cpu_slots(held, budget, workers=1) == 4
    assert controller._cpu_slots(held, Budget(n_jobs=0), workers=1) == 4
    assert controller._cpu_slots(study(tmp_path, name="search"), budget, workers=1) == 1


def test_an_exercise_without_workers_here_has_the_threads_of_the_first_that_join(
    tmp_path: Path,
) -> None:
    """Who only looks on divides no cores; whoever joins later goes on as the first did."""
    held = study(tmp_path, filters())
    controller.fill_queue(held, Budget(n_jobs=0, elsewhere=True))
    controller.CpuShare.of(held, Budget(n_jobs=0, elsewhere=True))

    def shares(count: int) -> int:
        given = {"find": lambda: held.address, "workers": count, "wait": 0.0, "say": print}
        return Join(**given, view=lambda _: View())._cpu_slots(held)

    assert [shares(3), shares(8)] == [3, 3]
    assert controller.CpuShare.of(held, Budget(n_jobs=8)).slots == 3


def test_trials_with_other_threads_are_scored_in_other_processes() -> None:
    """TensorFlow takes its threads once in a process."""

    def asked_for(trial: int, threads: int) -> Unscored:
        plain = {"trainer": {"threads": threads, "deterministic": True}}
        return Unscored(trial=trial, run_id="", config=plain, best=False)

    alike = _by_start([asked_for(0, 1), asked_for(1, 2), asked_for(2, 1)])
    assert [[each.trial for each in some] for some in alike] == [[0, 2], [1]]


def test_a_question_is_drawn_as_it_is(store: Store) -> None:
    """What Matplotlib would read as a formula is text."""
    found = replace(answer((0.9,), (0.8,)), exercise=exercise(question=r"Is $\frac worth $5?"))
    with store.start_run("sweep", tags={}) as parent:
        log(found, parent)
    assert NAME in [file.path for file in store.client.list_artifacts(parent.run_id)]


def carried_out(store: Store, **groups: Any) -> Ranking:
    """The exercise, carried out on a few digits."""
    place = {"tracking": {"dir": str(store.dir), "figures": True, **groups}}
    asked = filters(**place)
    return sweep_of(asked, Budget(n_jobs=0), config(**place), TerminalDisplay()).ranking


def children(store: Store) -> tuple[RunRecord, list[RunRecord]]:
    """The run of the only sweep, and those of its trials."""
    (parent,) = store.tagged({"kind": "sweep"})
    return parent, store.children(parent.run_id)


@pytest.fixture(scope="module")
def answered(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, str]]:
    """The store of an exercise that was carried out, and what was printed."""
    with ready(tmp_path_factory.mktemp("answered"), migrated_database) as tracking:
        store = Store.open(tracking)
        with redirect_stdout(StringIO()) as printed:
            carried_out(store)
        yield store, printed.getvalue()


@pytest.mark.slow
def test_exercise_is_answered_from_trained_networks(answered: tuple[Store, str]) -> None:
    """Every trial is scored, the answer is with the sweep's run, and is printed."""
    store, printed = answered
    parent, trials = children(store)
    assert len(trials) == 4
    assert all(0 < run.metrics["test_accuracy"] <= 1 for run in trials)
    assert {" seed 1 " in run.name for run in trials} == {True, False}
    plain = json.loads(logged_text(store, parent.run_id, "answer.json"))
    by_hash = {run.tags["config_hash"]: run.metrics["test_accuracy"] for run in trials}
    for cell in plain["cells"]:
        for seed, config_hash in cell["config_hashes"].items():
            assert cell["test_accuracy"]["by_seed"][seed] == by_hash[config_hash]
    text = logged_text(store, parent.run_id, "answer.md")
    assert parent.tags["mlflow.note.content"].startswith(text.strip())
    assert NAME in [file.path for file in store.client.list_artifacts(parent.run_id)]
    assert "What do fewer filters change?\n" in printed
    assert all(f"- {line}\n" in printed for line in plain["sentences"])


@pytest.mark.slow
def test_exercise_again_trains_and_scores_nothing(
    answered: tuple[Store, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command finds everything there, and gives the same answer."""
    store, printed = answered
    first = printed.partition("What do fewer")[2]
    monkeypatch.setattr("cnn_sweeps.sweeps.results.test_scores.score_all", None)
    carried_out(store)
    assert capsys.readouterr().out.partition("What do fewer")[2] == first
    _, trials = children(store)
    assert len(trials) == 4


@pytest.mark.slow
def test_exercise_is_answered_without_stored_models(store: Store) -> None:
    """Where models are not stored, the test scores come from training again."""
    carried_out(store, log_model=False)
    _, trials = children(store)
    assert all("test_accuracy" in run.metrics for run in trials)
    drawn = [run for run in trials if store.client.list_artifacts(run.run_id, "figures")]
    assert len(drawn) == 1


@pytest.mark.slow
def test_processes_share_the_scoring(store: Store) -> None:
    """Two workers score half of the trials each, and no trial is left out."""
    place = {"tracking": {"dir": str(store.dir)}}
    sweep_of(filters(**place), Budget(n_jobs=2), config(**place))
    _, trials = children(store)
    assert ["test_accuracy" in run.metrics for run in trials] == [True] * 4
