"""`cnn-sweeps show`: one experiment found by the beginning of its hash."""

import json
from pathlib import Path

import pytest
from rich.text import Text

from cnn_sweeps.cli import show
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import BY_CALLBACK, LINEAGE, TRAJECTORY_HASH

FIRST, SECOND = "abcd" + "1" * 60, "abcd" + "2" * 60
IMAGES = {
    "class_names": ["ants", "bees"],
    "images_per_class": {"train": [99, 98], "validation": [11, 12], "test": [25, 24]},
    "notices": ["3 of 49 test images are exact copies of training images."],
}


@pytest.fixture
def runs(store: Store) -> Store:
    """A store with two runs of one experiment and one of another."""
    for config_hash, name in ((FIRST, "cnn 4x1"), (FIRST, "cnn 4x1"), (SECOND, "dnn 8")):
        with store.start_run(name, tags={"config_hash": config_hash}) as run:
            run.log_metrics({"val_accuracy": 0.875})
            run.log_text("seed: 7\n", "config.yaml")
            run.log_text(json.dumps({"python": "3.11.0"}), "environment.json")
            run.log_text(json.dumps(IMAGES), "images.json")
    return store


def test_one_experiment_is_shown_with_all_its_runs(
    runs: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Config, metrics and environment of the newest run, and a line for each run."""
    show.main(["abcd1", f"tracking.dir={runs.dir}"])
    shown = capsys.readouterr().out
    for part in (FIRST, "seed: 7", "val_accuracy  0.875", "python: 3.11.0", "2 runs"):
        assert part in shown


def test_what_is_copied_is_on_one_line(
    runs: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes, and values of the config, in a terminal of the usual width."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    path = "/".join(["pictures"] * 12)
    with runs.start_run("newest", tags={"config_hash": SECOND, TRAJECTORY_HASH: FIRST}) as run:
        run.log_text(f"path: {path}\n", "config.yaml")
    show.show(runs, lookup.one_experiment(runs, SECOND))
    lines = Text.from_ansi(capsys.readouterr().out).plain.splitlines()
    assert f"config hash      {SECOND}" in lines
    assert f"trajectory hash  {FIRST}" in lines
    assert f"path: {path}" in lines


def test_a_training_that_changes_is_shown_with_its_segments(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each, as long as it is; nothing for a training that never changes."""
    lines = [
        "epochs 1 to 8: trajectory 0a1b2c3d4e5f",
        "epochs 9 to 12: trajectory 5f4e3d2c1b0a, trainer.optimizer.learning_rate=0.0001",
    ]
    with store.start_run("forked", tags={"config_hash": FIRST, LINEAGE: "\n".join(lines)}):
        pass
    show.show(store, lookup.one_experiment(store, FIRST))
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lineage")]
    assert shown == [f"lineage          {line}" for line in lines]


def test_a_run_is_shown_by_its_id_too(runs: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is copied from a page of MLflow; all runs of its experiment are listed."""
    older = runs.find(FIRST)[-1]
    runs.reopen(older.run_id).log_metrics({"val_loss": 9.5})
    show.main([older.run_id, f"tracking.dir={runs.dir}"])
    shown = capsys.readouterr().out
    assert "val_loss      9.5" in shown
    assert "2 runs" in shown


def test_run_that_ended_early_is_shown_as_far_as_it_came(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run without stored config is shown all the same."""
    with store.start_run("early", tags={"config_hash": FIRST}):
        pass
    show.show(store, lookup.one_experiment(store, FIRST))
    assert "ended before config.yaml was stored" in capsys.readouterr().out


def test_reproductions_do_not_speak_for_an_experiment(
    runs: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run that was reproduced is shown, with the one that did it; both are listed."""
    (original, *_) = runs.find("abcd1")
    with runs.start_run("again", tags={"config_hash": FIRST, "reproduces": original.run_id}) as run:
        pass
    runs.reopen(original.run_id).set_tags({"reproduced_by": run.run_id})
    show.main(["abcd1", f"tracking.dir={runs.dir}"])
    shown = capsys.readouterr().out
    assert shown.startswith("cnn 4x1")
    assert f"reproduced by    {run.run_id}" in shown
    assert "3 runs" in shown


@pytest.mark.usefixtures("in_tmp")
def test_only_tracking_can_be_given() -> None:
    """A prefix may be followed by where to look, and by nothing else."""
    with pytest.raises(ConfigError, match=r"model=dnn is invalid here"):
        show.main(["abcd", "model=dnn"])
    assert not list(Path().iterdir())


@pytest.mark.usefixtures("in_tmp")
@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        pytest.param("xyz", "'xyz' is not a config hash", id="no hash"),
        pytest.param("abcd", r"begins with abcd, in .*mlruns", id="no store"),
    ],
)
def test_looking_makes_no_store(prefix: str, message: str) -> None:
    """Asking for a hash where no run was ever logged leaves nothing behind."""
    with pytest.raises(UnknownHashError, match=message):
        show.main([prefix])
    assert not list(Path().iterdir())


@pytest.mark.usefixtures("in_tmp")
def test_the_store_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that only the environment names, without its password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////nowhere/runs.db")
    with pytest.raises(UnknownHashError, match=r"abcd, in /nowhere/runs.db\."):
        show.main(["abcd"])


def test_the_images_that_were_read_are_shown(
    runs: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images per class and split, and what should be known of them."""
    show.main(["abcd1", f"tracking.dir={runs.dir}"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["ants", "99", "11", "25"] in lines
    assert ["all", "197", "23", "49"] in lines
    assert IMAGES["notices"][0].split() in lines


def test_files_that_were_damaged_are_shown_as_that(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where brackets in brackets would end Python's own reader with a traceback."""
    damaged = "[" * 100_000
    with store.start_run("damaged", tags={"config_hash": FIRST}) as run:
        run.log_text(damaged, "images.json")
        run.log_text(damaged, "environment.json")
    show.show(store, lookup.one_experiment(store, FIRST))
    lines = capsys.readouterr().out.splitlines()
    assert "(images.json was changed or damaged)" in lines
    assert damaged in lines


def test_what_a_callback_stopped_is_named_and_speaks_for_nothing_else(
    runs: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone it is shown as what it is; beside a whole run it is one of the lines."""
    for config_hash in (FIRST, "beef" + "3" * 60):
        tags = {"config_hash": config_hash, BY_CALLBACK: "enough at epoch 1"}
        with runs.start_run("cut", tags=tags):
            pass
    show.show(runs, runs.find("beef"))
    assert "stopped          by a callback: enough at epoch 1" in capsys.readouterr().out
    show.show(runs, runs.find(FIRST))
    shown = capsys.readouterr().out
    assert shown.startswith("cnn 4x1")
    assert "by a callback" not in shown
    assert shown.count("STOPPED") == 1
