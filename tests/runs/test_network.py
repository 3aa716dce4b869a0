"""Which network a run has: a new one, or that of the trial before it."""

from typing import Any

import pytest
from configs import config
from sqlalchemy import event

from cnn_sweeps.config.schema import PretrainedModel
from cnn_sweeps.models import build
from cnn_sweeps.runs import backbone, pretrained, stored_model
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.tracking import RunRecord, Store, model_files, notes
from cnn_sweeps.tracking.names import MODEL_FROM
from cnn_sweeps.training import loop, state

TRIAL = TrialContext(parent_run_id=None)
MOST_STATEMENTS = 110


def tried(home: Store, epochs: int, **groups: Any) -> RunResult:
    """A trial of the same trajectory, so many epochs long."""
    groups.setdefault("tracking", {"figures": False, "log_model": False})
    trainer = {"epochs": epochs, **groups.pop("trainer", {})}
    return run(config(trainer=trainer, **groups), home, trial=TRIAL)


def trained(home: Store, epochs: int) -> str:
    """The digest of the weights of a training that reads nothing."""
    return tried(home, epochs, trajectory={"reuse": False}).weights_sha256


def refuse(*_: Any, **__: Any) -> Any:
    """Stand for what must not be called."""
    raise AssertionError("something was built or compiled")


def test_what_is_stored_is_neither_built_nor_compiled(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of the trial before gets the weights, which are those of a training."""
    wanted = trained(home, 1)
    tried(home, 3)
    monkeypatch.setattr("cnn_sweeps.runs.network.build_model", refuse)
    monkeypatch.setattr(loop.Trainer, "compile", refuse)
    read = tried(home, 1)
    assert read.epochs_trained == 0
    assert read.weights_sha256 == wanted
    logged = home.get(read.run_id)
    assert logged.tags["epochs_reused"] == "1"
    assert "conv_1" in home.read_text(read.run_id, "model_summary.txt")
    assert logged.metrics["trainable_params"] > 0


def test_without_a_trial_before_it_the_network_is_built(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process has none; what is stored is still not compiled."""
    monkeypatch.setattr("cnn_sweeps.runs.network._last", {})
    monkeypatch.setattr(loop.Trainer, "compile", refuse)
    assert tried(home, 1).epochs_trained == 0


def test_lost_weights_are_trained_again(home: Store) -> None:
    """In a network of its own, from the first epoch on."""
    wanted = trained(home, 1)
    tried(home, 3)
    for file in home.dir.glob("trajectories/*/*/weights/0001.npz"):
        file.unlink()
    again = tried(home, 1)
    assert again.weights_sha256 == wanted


def test_an_epoch_more_is_trained_in_a_network_of_its_own(home: Store) -> None:
    """One that carries the weights of another trial is no beginning."""
    tried(home, 1)
    assert tried(home, 3).weights_sha256 == trained(home, 3)


def test_another_trajectory_has_another_network(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the trial before it was."""
    made = []
    monkeypatch.setattr(
        "cnn_sweeps.runs.network.build_model",
        lambda *given: made.append(given) or build.build_model(*given),
    )
    tried(home, 1)
    tried(home, 1, model={"filters": 5})
    tried(home, 1, seed=1)
    assert [model.filters for model, *_ in made[-2:]] == [5, 4]


def test_a_stored_trial_asks_the_database_little(home: Store) -> None:
    """Each statement of MLflow's takes a millisecond; what a run logs is sent together."""
    tried(home, 3)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = home.client._tracking_client.store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        tried(home, 1)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert 0 < len(asked) <= MOST_STATEMENTS


def left(home: Store) -> RunRecord:
    """The run of a stored trial that has left curves and model to its epochs."""
    tried(home, 3)
    return home.get(tried(home, 1, tracking={"figures": False}).run_id)


def test_a_stored_trial_leaves_curves_and_model_to_its_epochs(home: Store) -> None:
    """Its description says where MLflow's pages show the curves, and what stores the model."""
    run = left(home)
    assert not model_files.has_model(home, run)
    assert notes.pictures_of(home.client, run) == []
    assert run.tags[MODEL_FROM].startswith("epoch 1 of trajectory ")
    link = f"/runs/{run.tags['trained_by']}/artifacts/learning_curves.png"
    assert link in run.tags["mlflow.note.content"]
    assert "cnn-sweeps promote" in run.tags["mlflow.note.content"]


@pytest.mark.parametrize("log_model", [True, False])
def test_a_stored_trial_does_what_it_is_told_of_its_model(home: Store, *, log_model: bool) -> None:
    """It stores it, or nobody does."""
    tried(home, 3)
    asked = {"figures": False, "log_model": log_model}
    run = home.get(tried(home, 1, tracking=asked).run_id)
    assert model_files.has_model(home, run) == log_model
    assert MODEL_FROM not in run.tags


@pytest.mark.parametrize("limit", [20, 1e-3], ids=["small", "large"])
@pytest.mark.parametrize(
    "more",
    [{"trajectory": {"reuse": False}}, {"trainer": {"weight_averaging": 2}}],
    ids=["nothing is stored of it", "it is an average"],
)
def test_a_model_is_left_only_where_an_epoch_has_its_weights(
    home: Store, more: dict[str, Any], limit: float
) -> None:
    """Else nobody could read it; a large one is stored of the winner alone all the same."""
    groups = {**more, "trajectory": {**more.get("trajectory", {}), "epoch_mb": limit}}
    run = home.get(tried(home, 2, tracking={"figures": False}, **groups).run_id)
    assert model_files.has_model(home, run) == (limit == 20)
    averaged = "average" in run.tags.get("chosen", "")
    assert (MODEL_FROM in run.tags) <= ("trainer" in more and not averaged)


def test_a_model_is_not_left_to_epochs_of_another_host(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server has the files of the runs, it has this one."""
    tried(home, 3)
    monkeypatch.setattr("cnn_sweeps.runs.run.local_folder", lambda _: None)
    run = home.get(tried(home, 1, tracking={"figures": False}).run_id)
    assert model_files.has_model(home, run)
    assert MODEL_FROM not in run.tags


def test_a_copy_of_a_stored_trial_leaves_them_as_well(home: Store) -> None:
    """What it is a copy of has neither."""
    run = left(home)
    again = home.get(tried(home, 1, tracking={"figures": False}).run_id)
    assert again.tags["reused_from"] == run.run_id
    assert again.tags[MODEL_FROM] == run.tags[MODEL_FROM]
    assert "learning_curves.png" in again.tags["mlflow.note.content"]


def test_a_winner_gets_what_it_left(home: Store) -> None:
    """Curves, and a model that its weights are checked in."""
    run = left(home)
    asked = config(trainer={"epochs": 1}, tracking={"figures": False})
    stored_model.score_stored(home, run, asked, best=True)
    won = home.get(run.run_id)
    model_files.check(home, won, model_files.model_of(home, won))
    assert notes.pictures_of(home.client, won) == ["learning_curves.png"]
    assert MODEL_FROM not in won.tags


def test_what_a_stored_trial_left_can_be_trained_on(home: Store) -> None:
    """`model.weights=HASH` takes the weights of its epoch."""
    run = left(home)
    model = PretrainedModel(weights=run.config_hash)
    trained = pretrained.trained_run(model, home)
    assert trained.run.run_id == run.run_id
    filled = backbone.load(trained, home)
    assert state.weights_sha256(filled) == run.tags["weights_sha256"]
