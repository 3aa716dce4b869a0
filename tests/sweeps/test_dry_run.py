"""A dry run: what a sweep would do, told in words before anything is trained."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plans import epoch, plan, study
from rich.console import Console

from cnn_sweeps.cli.display import TerminalDisplay
from cnn_sweeps.cli.output import show_dry_run
from cnn_sweeps.config import Config
from cnn_sweeps.provenance.environment import Environment, cores
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.sweeps import preview
from cnn_sweeps.sweeps.dry_run import describe
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.attributes import METRICS
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.fingerprint import fingerprint

EPOCHS = {"model.filters": "choice(4,8)", "trainer.epochs": "choice(1,2)"}


def told(made: Plan, budget: Budget | None = None, known: SweepStudy | None = None) -> str:
    """The description as plain text; one space between words."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        show_dry_run(describe(made, budget or Budget(), known), console)
    return "\n".join(" ".join(line.split()) for line in capture.get().splitlines())


def finish(made: SweepStudy, cells: Sequence[dict[str, Any]], **metrics: float) -> None:
    """Put cells into a study and end their trials."""
    for cell in cells:
        made.enqueue(cell)
        trial = made.claim(Owner.here())
        assert trial is not None
        made.values_of(trial)
        trial.set_user_attr(METRICS, metrics)
        made.done(trial, [0.5])


def test_the_space_and_its_experiments_are_counted() -> None:
    """Cells that mean one experiment are one trial."""
    text = told(plan())
    assert "space model.filters=4,8\nmodel.conv_blocks=0,1,2\n" in text
    assert "cells 6, 5 different experiments" in text
    assert "known none\nto do 5 trials, 5 epochs\n" in text


def test_one_is_one() -> None:
    """An epoch, not 1 epochs."""
    text = told(plan({"model.dropout": "interval(0.1,0.1)"}))
    assert "cells 1, 1 different experiment\n" in text
    assert "to do 1 trial, 1 epoch\n" in text


def test_sampler_goal_and_budget_are_named() -> None:
    """Who chooses, what for, how many and how long."""
    text = told(plan(sampler="tpe"), Budget(n_trials=4, timeout=3600))
    assert "to do 4 trials, about 4 epochs, none started after 3600 s" in text
    assert "goal maximize val_accuracy" in text
    assert "chosen by sampler tpe, 4 trials\npruner none\nduplicates skip\n" in text


def test_failed_trials_are_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is said, with what to type, before and when the sweep is begun again."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4})
    trial = made.claim(Owner.here())
    assert trial is not None
    made.failed(trial, "out of memory")
    what_to_type = "not tried again; type hydra.sweeper.study_name=NAME for a new study"
    assert what_to_type in told(plan(), known=made)
    TerminalDisplay().started(made)
    said = capsys.readouterr().out
    assert "1 trial, 1 failed before  sampler" in said
    assert what_to_type in said


def test_a_pruner_makes_the_epochs_a_limit() -> None:
    """Some of them will not be trained, and nobody knows how many."""
    text = told(plan(EPOCHS, pruner="median"))
    assert "to do 4 trials, at most 6 epochs" in text
    assert "pruner median" in text


def test_a_sampler_does_not_repeat_itself_beyond_the_cells() -> None:
    """Where repetitions are skipped there are no more trials than experiments."""
    cells = {"model.filters": "4,8,16", "model.conv_blocks": "0,1"}
    skip, replicate = (
        plan(cells, sampler="tpe", duplicates=policy) for policy in ("skip", "replicate")
    )
    assert "to do 4 trials" in told(skip, Budget(n_trials=5))
    assert "to do 5 trials" in told(replicate, Budget(n_trials=5))


def test_an_enumeration_says_so() -> None:
    """Where no sampler chooses, that is what is told."""
    assert "chosen by enumeration (sampler auto), every cell once" in told(plan())


def test_sizes_are_those_of_the_networks() -> None:
    """Parameters of each cell, and the smallest and the largest network."""
    text = told(plan())
    assert "networks 1,086 parameters (cnn 4x2) to 10,994 parameters (cnn 8x1)" in text
    assert "\n8 1 10,994 1\n" in text


def test_unknown_sizes_stay_blank(tmp_path: Path) -> None:
    """Where the images cannot be read in advance, no number is made up."""
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"no arrays")
    text = told(plan(EPOCHS, data={"name": "npz", "path": str(broken)}))
    assert "networks sizes are known once they are built" in text
    assert "\n4 1 - 1\n" in text


def test_a_cell_that_cannot_be_carried_out_is_told() -> None:
    """It would be a failed trial: the reason stands there before anything is started."""
    text = told(plan({"model.filters": "4,8", "model.conv_blocks": "1,5"}))
    assert "2 give no valid config: model.conv_blocks=5 does not fit" in text
    assert "\n4 5 impossible -\n" in text


def test_epochs_are_added_up() -> None:
    """All epochs of all trials that the budget still holds, and those that nothing answers."""
    assert "to do 4 trials, 6 epochs, of which 4 are trained\n" in told(plan(EPOCHS))
    three = told(plan(EPOCHS, sampler="grid"), Budget(n_trials=3))
    assert "to do 3 trials, 4 epochs, of which 3 are trained\n" in three


def test_shared_segments_are_trained_once() -> None:
    """The stable part of a schedule, and all phases before they differ."""
    epochs = {"trainer.epochs": "choice(5,10,20)"}
    wsd = told(plan(epochs, trainer={"schedule": {"name": "wsd"}}))
    assert "to do 3 trials, 35 epochs, of which 23 are trained\n" in wsd
    assert "schedule" not in wsd
    phases = [{"first": 4, "batch_size": 8}, {"first": 9, "batch_size": 4}]
    rates = {"trainer.epochs": "choice(9,12)"}
    assert "of which 12 are trained\n" in told(
        plan(rates, trainer={"phases": phases, "epochs": 12})
    )
    both = {**epochs, "trainer.schedule.name": "choice(constant,wsd)"}
    assert "70 epochs, of which 27 are trained\n" in told(plan(both))


def test_a_decay_says_what_it_costs() -> None:
    """Where its end is that of the training, and epochs are swept."""
    epochs = {"trainer.epochs": "choice(5,10,20)"}
    said = "schedule cosine shares no epochs between numbers of them: 35 epochs for 5, 10, 20; "
    said += "trainer.schedule.name=wsd would train 23\n"
    assert said in told(plan(epochs, trainer={"schedule": {"name": "cosine"}}))
    for trainer in ({"name": "cosine", "decay_epochs": 5}, {"name": "step"}):
        assert "would train" not in told(plan(epochs, trainer={"schedule": trainer}))
    for swept in ({"trainer.epochs": "choice(1,2)"}, {"model.filters": "choice(4,8)"}):
        alone = plan(swept, trainer={"schedule": {"name": "linear"}})
        assert "would train" not in told(alone)


def test_without_reuse_every_epoch_is_trained() -> None:
    """There is nothing to tell apart then."""
    alone = plan(EPOCHS, trajectory={"reuse": False})
    assert "to do 4 trials, 6 epochs\n" in told(alone)


def test_a_long_table_is_cut() -> None:
    """The first twenty experiments, and how many more there are."""
    text = told(plan({"model.dense_units": "range(1,31)"}))
    assert "\n20 " in text
    assert "\n21 " not in text
    assert text.endswith("and 10 more")


def test_finished_trials_are_known(tmp_path: Path) -> None:
    """What the study holds is not done again, whichever cell stands for it."""
    made = study(tmp_path)
    finish(made, [{"model.filters": 8, "model.conv_blocks": 0}])
    text = told(made.plan, known=made)
    assert "known 1, from 1 trial\n" in text
    assert "to do 4 trials" in text


def test_waiting_trials_are_still_to_do(tmp_path: Path) -> None:
    """A place in the queue is no result."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 8, "model.conv_blocks": 0})
    assert "to do 5 trials" in told(made.plan, known=made)


def test_a_finished_sweep_has_nothing_left(tmp_path: Path) -> None:
    """The same command again would only show the table."""
    made = study(tmp_path)
    finish(made, list(made.plan.distinct_cells().values()))
    text = told(made.plan, known=made)
    assert "to do 0 trials, 0 epochs" in text
    assert "time nothing is left to do" in text


def test_without_timed_trials_there_is_no_estimate(tmp_path: Path) -> None:
    """No number is made up."""
    made = study(tmp_path)
    finish(made, [{"model.filters": 8, "model.conv_blocks": 1}], val_accuracy=0.5)
    assert "time no trial has been timed yet" in told(made.plan)
    assert "time no trial has been timed yet" in told(made.plan, known=made)


@pytest.mark.parametrize(
    ("reuse", "jobs", "time_"),
    [
        pytest.param(False, 1, "about 4 min with 1", id="alone"),
        pytest.param(False, 2, "about 2 min with 2", id="two workers"),
        pytest.param(True, 1, "about 2.5 min with 1", id="with what is known"),
    ],
)
def test_time_is_judged_by_finished_trials(
    tmp_path: Path, reuse: bool, jobs: int, time_: str
) -> None:
    """Three trials of 5 epochs in all are left, of which 3 are new; an epoch took 50 seconds."""
    made = study(tmp_path, plan(EPOCHS, trajectory={"reuse": reuse}))
    first = {"model.filters": 4, "trainer.epochs": 1}
    finish(made, [first], epochs=1, total_params=5546, total_seconds=50)
    text = told(made.plan, Budget(n_jobs=jobs), made)
    assert f"time {time_} worker" in text
    assert text.count("estimated from 1 trial\n") == 1


def test_a_continuous_space_has_no_cells() -> None:
    """Its trials are the budget's, and a dimension without end is shown as an interval."""
    text = told(plan({"model.dropout": "interval(0.0,0.5)"}), Budget(n_trials=7))
    assert "cells infinitely many" in text
    assert "to do 7 trials, about 7 epochs" in text
    assert "\n0–0.5 " in text


def test_of_a_large_space_some_cells_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million cells take no longer than a thousand."""
    monkeypatch.setattr(preview, "MOST_CELLS", 10)
    monkeypatch.setattr("cnn_sweeps.sweeps.dry_run.MOST_CELLS", 10)
    text = told(plan({"model.dense_units": "range(1,1001)", "seed": "range(0,1000)"}))
    assert "cells 1,000,000; 10 drawn at random are 10 different experiments" in text
    assert "to do 1,000,000 trials, about 1,000,000 epochs" in text


def test_epochs_that_earlier_runs_stored_are_not_trained(in_tmp: Path) -> None:
    """Those that a trial would go on from: on as many threads, with the same code."""
    made = plan({"trainer.epochs": "2,5"}, data={"name": "digits"})
    store_epochs(made, 3, threads=cores() + 1)
    assert "2 trials, 7 epochs, of which 5 are trained" in told(made, Budget(n_jobs=cores()))
    store_epochs(made, 3, threads=1)
    text = told(made, Budget(n_jobs=cores()))
    assert "2 trials, 7 epochs, of which 2 are trained" in text
    assert "3 epochs of earlier runs: read, not trained" in text
    store_epochs(made, 9, threads=1)
    assert "of which 0 are trained" in told(made, Budget(n_jobs=cores()))


def store_epochs(made: Plan, count: int, *, threads: int) -> None:
    """Leave epochs of the first experiment of a plan as a training of it would."""
    config = made.first
    environment = Environment.capture(threads=threads, deterministic=config.trainer.deterministic)
    environment = replace(environment, devices=("CPU",), precision=config.trainer.precision)
    identity = Experiment.load(config).identity
    entry = TrajectoryStore.under(config.tracking.dir).entry(
        identity.trajectory_hash, fingerprint(environment, steps_per_execution=None)
    )
    entry.describe({"environment": environment.numerics})
    for number in range(1, count + 1):
        entry.put(epoch(number), {"model/0": np.zeros(1)}, run_id="run")


def test_it_imports_neither_tensorflow_nor_mlflow() -> None:
    """A dry run answers before they could have been imported."""
    script = (
        "import sys; import cnn_sweeps.sweeps.dry_run;"
        "print({'tensorflow', 'keras', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"


def test_each_cell_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composing is what takes the time: once for each cell, and not at all for known ones."""
    composed: list[Any] = []
    config = Plan.config

    def pluralize(made: Plan, cell: dict[str, Any]) -> Config:
        composed.append(cell)
        return config(made, cell)

    monkeypatch.setattr(Plan, "config", pluralize)
    told(plan())
    assert len(composed) == 6
