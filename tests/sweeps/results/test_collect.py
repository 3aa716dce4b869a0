"""What is gathered of a study, with the runs of its trials and without."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from fakes import score
from optuna.trial import FrozenTrial, TrialState
from plans import FakeRun, plan, study
from sweep_results import ended, trial

from cnn_sweeps.cli.display import TerminalDisplay
from cnn_sweeps.config.schema import Config, Tracking
from cnn_sweeps.errors import PrunedError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.report import markdown
from cnn_sweeps.sweeps.outcome import SweepOutcome
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.results.collect import FEWEST, _timing, importances, rank_trials, results
from cnn_sweeps.sweeps.results.commands import best_again, commands, save_command
from cnn_sweeps.sweeps.results.timeline import PAUSE, spans
from cnn_sweeps.sweeps.study import durations, requeue
from cnn_sweeps.sweeps.study.attributes import BEAT, COMMAND, OWNER
from cnn_sweeps.sweeps.study.durations import epochs_spent
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import Store


def worked(
    folder: Path, execute: object = None, made: Plan | None = None, **asked: object
) -> SweepStudy:
    """A study whose trials were scored by a formula, cell by cell."""
    return carried_out(study(folder, made or plan(**asked)), execute)  # type: ignore[arg-type]


def carried_out(made: SweepStudy, execute: object) -> SweepStudy:
    """A study whose trials have ended."""
    for cell in made.plan.distinct_cells().values():
        made.enqueue(cell)
    Worker(study=made, execute=execute or FakeRun(score)).work()  # type: ignore[arg-type]
    return made


def ran(number: int, begin: float, end: float) -> FrozenTrial:
    """A trial that ran for these seconds."""
    zero = datetime(2026, 1, 1)  # noqa: DTZ001 -- Optuna's times have no zone
    made = optuna.create_trial(state=TrialState.COMPLETE, value=0.0)
    made.number = number
    made.datetime_start = zero + timedelta(seconds=begin)
    made.datetime_complete = zero + timedelta(seconds=end)
    return made


def test_study_alone_has_most(tmp_path: Path) -> None:
    """Without a store there are trials, question, times and commands, and it is said."""
    found = results(worked(tmp_path), None)
    assert found.question == (
        "Which values of model.filters and model.conv_blocks give the highest val_accuracy?"
    )
    (missing,) = found.missing
    assert missing == (
        "The MLflow store of its runs does not exist. This is made from the study alone."
    )
    assert [trial.rank for trial in found.trials] == list(range(1, len(found.trials) + 1))
    (best,) = found.winners
    assert best.params == {"model.filters": 8, "model.conv_blocks": 2}
    assert found.unfinished == 0
    assert found.timing.workers == 1
    assert any("reproduce" in command.line for command in found.commands)


def test_waiting_trials_make_it_unfinished(tmp_path: Path) -> None:
    """A study with places left is reported as it stands."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    found = results(made, None)
    assert (found.trials, found.unfinished, found.ended) == ((), 1, None)


def test_a_trial_has_the_retries_that_led_to_it(tmp_path: Path) -> None:
    """Those of a trial that ended at the first attempt are none."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    trial = made.claim(Owner.here())
    assert trial is not None
    requeue.after_interruption(made, made.frozen(trial), "interrupted")
    made.enqueue({"model.filters": 8, "model.conv_blocks": 1})
    Worker(study=made, execute=FakeRun(score)).work()
    found = {
        each.number: [retry.reason for retry in each.retries] for each in results(made, None).trials
    }
    assert found == {1: ["interrupted"], 2: []}


def test_failure_keeps_its_reason(tmp_path: Path) -> None:
    """A bug is told with its traceback."""

    def failing(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    found = results(worked(tmp_path, failing), None)
    assert {trial.reason for trial in found.trials} == {"ZeroDivisionError: a bug"}
    assert all("ZeroDivisionError" in (trial.traceback or "") for trial in found.trials)


def test_pruned_trial_knows_what_it_was_spared(tmp_path: Path) -> None:
    """The epochs that it has, and those that it would have had."""

    def pruned(asked: object, *, callbacks: tuple[object, ...], **_: object) -> None:
        raise PrunedError(1, "pruned by hand")

    found = results(worked(tmp_path, pruned, trainer={"epochs": 7}), None)
    assert {(trial.state, trial.epochs_asked) for trial in found.trials} == {("pruned", 7)}


def test_importances_need_some_trials(tmp_path: Path) -> None:
    """A handful of trials tells nothing, and that is said."""
    (found,) = importances(worked(tmp_path))
    assert found.shares == {}
    assert f"{FEWEST} complete trials or more" in str(found.reason)


def test_without_a_trial_it_is_not_the_keys_that_are_too_few(tmp_path: Path) -> None:
    """A sweep that has just begun, or that only fails, varies as many keys as any other."""
    (found,) = importances(study(tmp_path))
    assert found.reason == f"it takes {FEWEST} complete trials or more, and there are 0"


def test_importances_find_what_matters(tmp_path: Path) -> None:
    """The key that decides has the greater share; shares add up to one."""
    made = worked(
        tmp_path,
        FakeRun(lambda asked: float(asked.model.conv_blocks)),  # type: ignore[union-attr]
        params={"model.filters": "choice(4,8,16,32)", "model.conv_blocks": "range(1,4)"},
    )
    (found,) = importances(made)
    assert next(iter(found.shares)) == "model.conv_blocks"
    assert sum(found.shares.values()) == pytest.approx(1)


def test_a_key_that_counts_in_some_trials_has_an_importance(tmp_path: Path) -> None:
    """What only networks with a block have is no less important for that."""
    filters = {"sweep": "choice(4,8,16,32,64)", "when": {"model.conv_blocks": ">0"}}
    params = {"model.conv_blocks": "range(0,3)", "model.filters": filters}

    def by_filters(asked: Config) -> float:
        blocks = asked.model.conv_blocks  # type: ignore[union-attr]
        return float(asked.model.filters) if blocks else 1.0  # type: ignore[union-attr, arg-type]

    (found,) = importances(worked(tmp_path, FakeRun(by_filters), params=params))
    assert next(iter(found.shares)) == "model.filters"
    assert set(found.shares) == {"model.filters", "model.conv_blocks"}


def test_trials_at_once_have_lanes_of_their_own() -> None:
    """Two trials that overlap are beside each other, the next one takes a lane that is free."""
    made = [ran(0, 0, 10), ran(1, 1, 4), ran(2, 5, 8)]
    assert {n: span.lane for n, span in spans(made).items()} == {0: 0, 1: 1, 2: 1}


def test_a_process_stays_in_its_lane() -> None:
    """Whenever it has claimed a trial, which stands with whose the trial is."""

    def by(pid: int, number: int, begin: float, end: float) -> FrozenTrial:
        made = ran(number, begin, end)
        owner = Owner(host="lab", pid=pid, started="1").to_json()
        made.user_attrs = {**made.user_attrs, OWNER: {**owner, BEAT: begin}}
        return made

    made = [by(1, 0, 0, 4), by(2, 1, 1, 3), by(2, 2, 5, 8), by(1, 3, 6, 9)]
    assert {n: span.lane for n, span in spans(made).items()} == {0: 0, 1: 1, 2: 1, 3: 0}


def test_pauses_are_left_out() -> None:
    """A sweep that was continued the next day has one short timeline."""
    found = spans([ran(0, 0, 10), ran(1, 10_000, 10_005)])
    assert found[1].begin < 10 + PAUSE
    assert found[1].end - found[1].begin == pytest.approx(5)


def test_command_is_remembered_without_passwords(tmp_path: Path) -> None:
    """What was typed can be typed again, but for what is nobody else's business."""
    made = worked(tmp_path)
    save_command(made, ["-m", "a=1,2", "hydra.sweeper.storage=postgresql://me:secret@host/db"])
    kept = made.optuna_study.user_attrs[COMMAND]
    assert kept == "cnn-sweeps -m a=1,2 'hydra.sweeper.storage=postgresql://me:***@host/db'"


def test_commands_lead_to_the_store_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the one that was typed where the store is, and the study in a storage of its own."""
    made = worked(tmp_path)
    save_command(made, ["a=1,2", "tracking.dir=mlruns", "hydra.sweeper.storage=s.journal", "-m"])
    store = Store.open(Tracking(dir=tmp_path / "mlruns"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    best = rank_trials(made, None).winners[0]
    lines = {each.purpose: each.line for each in commands(made, best, store)}
    where = f"tracking.dir={tmp_path}/mlruns"
    stored = f"hydra.sweeper.storage={tmp_path}/study.journal"
    assert all(where in line for line in lines.values())
    assert lines["resume or extend the sweep"] == f"cnn-sweeps {where} {stored} a=1,2 -m"
    assert lines["write the report again"].endswith(f"{where} {stored}")


def test_best_again_is_its_overrides(tmp_path: Path) -> None:
    """Without its run, the command is made of what was swept and fixed."""
    made = worked(tmp_path)
    line = best_again(made, rank_trials(made, None).winners[0], None)
    assert line == "cnn-sweeps model.filters=8 model.conv_blocks=2"


def test_best_again_has_the_hash_that_it_has(tmp_path: Path) -> None:
    """Where an earlier version began the study, whose values are as they were typed."""
    made = worked(tmp_path, made=plan().spelt(1))
    line = best_again(made, rank_trials(made, None).winners[0], None)
    assert line == "cnn-sweeps model.filters=8 model.conv_blocks=2 ++rules=1"


@pytest.mark.parametrize(
    "typed",
    [["--config-dir", "own", "--config-name", "mine"], ["-cn", "mine", "-cd=own"]],
)
def test_best_again_has_the_users_own_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    """What a primary config of one's own sets is typed nowhere else; from any folder."""
    monkeypatch.chdir(tmp_path)
    made = worked(tmp_path)
    save_command(made, [*typed, "-m", "hydra.searchpath=[pkg://mine]", "model.filters=8,16"])
    line = best_again(made, rank_trials(made, None).winners[0], None)
    own = f"--config-name mine --config-dir {tmp_path}/own 'hydra.searchpath=[pkg://mine]'"
    assert line == f"cnn-sweeps {own} model.filters=8 model.conv_blocks=2"
    lines = {each.purpose: each.line for each in commands(made, None, None)}
    assert f"{tmp_path}/own" in lines["resume or extend the sweep"]


def test_no_password_is_told(tmp_path: Path) -> None:
    """Neither in what was the same for all, nor in a command that leads on."""
    address = "tracking.uri=postgresql://me:secret@host/db"
    found = results(worked(tmp_path, made=replace(plan(), fixed=(address,))), None)
    assert "me:***@host" in found.fixed[0]
    assert "secret" not in markdown.to_json(found)


def test_a_trial_without_an_end_takes_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report of a sweep that was killed a year ago does not say that it ran for a year."""
    made = worked(tmp_path)
    before = results(made, None).timing
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    assert made.claim(Owner.here())
    monkeypatch.setattr(durations, "time", SimpleNamespace(time=lambda: 1e12))
    found = results(made, None)
    assert (found.timing, found.unfinished) == (before, 1)


def test_what_a_pruned_trial_has_paid_is_not_taken_from_what_was_saved() -> None:
    """Nothing is known of what the rest of it would have cost."""
    pruned = ended(1, state="pruned", seconds_paid=3.0)
    timing = _timing((trial(metrics={"train_seconds": 2.0}, seconds_paid=0.5), pruned), 1.0)
    assert timing.train_original - timing.phases["train"] == pytest.approx(1.5)


def test_a_pruned_trial_did_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal says which of the two it was."""

    def pruned(*_: object, **__: object) -> None:
        raise PrunedError(1, "worse than the median")

    made = worked(tmp_path, pruned)
    TerminalDisplay().ended(
        SweepOutcome(
            study=made,
            store=None,  # type: ignore[arg-type]
            ranking=rank_trials(made, None),
            answer=None,
            epochs=epochs_spent(made.trials()),
            rerun_best="",
            read=None,  # type: ignore[arg-type]
        )
    )
    said = capsys.readouterr().out
    assert "trial 0 pruned: worse than the median" in said
    assert "failed" not in said
