"""Which network a run has: a new one, or that of the trial before it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from configs import config
from sqlalchemy import event
from stores import Finished, copy_of, logged_text

from cnn_sweeps.config.schema import PretrainedModel
from cnn_sweeps.models import build
from cnn_sweeps.runs import backbone, stored_model
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.runs.weights import pretrained
from cnn_sweeps.tracking import RunRecord, Store, descriptions, model_files
from cnn_sweeps.tracking.names import MODEL_FROM
from cnn_sweeps.training import loop, state

TRIAL = TrialContext(parent_run_id=None)
MOST_STATEMENTS = 110


@pytest.fixture(scope="module")
def trained_further(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store in which a trial has trained a third epoch; copy it."""
    folder = tmp_path_factory.mktemp("further")
    with copy_of(finished.home, folder) as copied:
        tried(copied, 3)
    return folder / "mlruns"


@pytest.fixture
def further(trained_further: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it."""
    with copy_of(trained_further, tmp_path) as copied:
        yield copied


@pytest.fixture(scope="module")
def from_scratch(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], str]:
    """Gives the digest of the weights of a training that reads nothing, so many epochs long."""

    def trained(epochs: int) -> str:
        with copy_of(finished.home, tmp_path_factory.mktemp("scratch")) as copied:
            return tried(copied, epochs, trajectory={"reuse": False}).weights_sha256

    return cache(trained)


def tried(home: Store, epochs: int, **groups: Any) -> RunResult:
    """A trial of the same trajectory, so many epochs long."""
    groups.setdefault("tracking", {"figures": False, "log_model": False})
    trainer = {"epochs": epochs, **groups.pop("trainer", {})}
    return run(config(trainer=trainer, **groups), home, trial=TRIAL)


def refuse(*_: Any, **__: Any) -> Any:
    """Stand for what must not be called."""
    raise AssertionError("something was built or compiled")


def test_what_is_stored_is_neither_built_nor_compiled(
    home: Store, from_scratch: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of the trial before gets the weights, which are those of a training."""
    wanted = from_scratch(1)
    tried(home, 3)
    monkeypatch.setattr("cnn_sweeps.runs.built_network.build_model", refuse)
    monkeypatch.setattr(loop.Trainer, "compile", refuse)
    read = tried(home, 1)
    assert read.epochs_trained == 0
    assert read.weights_sha256 == wanted
    logged = home.get(read.run_id)
    assert logged.tags["epochs_reused"] == "1"
    assert "conv_1" in logged_text(home, read.run_id, "model_summary.txt")
    assert logged.metrics["trainable_params"] > 0


def test_without_a_trial_before_it_the_network_is_built(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process has none; what is stored is still not compiled."""
    monkeypatch.setattr("cnn_sweeps.runs.built_network._last", {})
    monkeypatch.setattr(loop.Trainer, "compile", refuse)
    assert tried(home, 1).epochs_trained == 0


def test_lost_weights_are_trained_again(further: Store, from_scratch: Callable[[int], str]) -> None:
    """In a network of its own, from the first epoch on."""
    for file in further.dir.glob("trajectories/*/*/weights/0001.npz"):
        file.unlink()
    assert tried(further, 1).weights_sha256 == from_scratch(1)


@pytest.mark.slow
def test_an_epoch_more_is_trained_in_a_network_of_its_own(
    home: Store, from_scratch: Callable[[int], str]
) -> None:
    """One that carries the weights of another trial is no beginning."""
    tried(home, 1)
    assert tried(home, 3).weights_sha256 == from_scratch(3)


@pytest.mark.slow
def test_another_trajectory_has_another_network(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the trial before it was."""
    made = []
    monkeypatch.setattr(
        "cnn_sweeps.runs.built_network.build_model",
        lambda *given: made.append(given) or build.build_model(*given),
    )
    tried(home, 1)
    tried(home, 1, model={"filters": 5})
    tried(home, 1, seed=1)
    assert [model.filters for model, *_ in made[-2:]] == [5, 4]


def test_a_stored_trial_asks_the_database_little(further: Store) -> None:
    """Each statement of MLflow's takes a millisecond; what a run logs is sent together."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = further.client._tracking_client.store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        tried(further, 1)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert 0 < len(asked) <= MOST_STATEMENTS


def left(further: Store) -> RunRecord:
    """The run of a stored trial that has left curves and model to its epochs."""
    return further.get(tried(further, 1, tracking={"figures": False}).run_id)


def test_a_stored_trial_leaves_curves_and_model_to_its_epochs(further: Store) -> None:
    """Its description says where MLflow's pages show the curves, and what stores the model."""
    run = left(further)
    assert not model_files.has_model(further, run)
    assert descriptions.pictures_of(further.client, run) == []
    assert run.tags[MODEL_FROM].startswith("epoch 1 of trajectory ")
    link = f"/runs/{run.tags['trained_by']}/artifacts/learning_curves.png"
    assert link in run.tags["mlflow.note.content"]
    assert "cnn-sweeps promote" in run.tags["mlflow.note.content"]


@pytest.mark.parametrize("log_model", [True, False])
def test_a_stored_trial_does_what_it_is_told_of_its_model(
    further: Store, *, log_model: bool
) -> None:
    """It stores it, or nobody does."""
    asked = {"figures": False, "log_model": log_model}
    run = further.get(tried(further, 1, tracking=asked).run_id)
    assert model_files.has_model(further, run) == log_model
    assert MODEL_FROM not in run.tags


@pytest.mark.parametrize(
    "limit", [pytest.param(20, id="small", marks=pytest.mark.slow), pytest.param(1e-3, id="large")]
)
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
    further: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server has the files of the runs, it has this one."""
    monkeypatch.setattr("cnn_sweeps.runs.run.local_folder", lambda _: None)
    run = further.get(tried(further, 1, tracking={"figures": False}).run_id)
    assert model_files.has_model(further, run)
    assert MODEL_FROM not in run.tags


def test_a_copy_of_a_stored_trial_leaves_them_as_well(further: Store) -> None:
    """What it is a copy of has neither."""
    run = left(further)
    again = further.get(tried(further, 1, tracking={"figures": False}).run_id)
    assert again.tags["reused_from"] == run.run_id
    assert again.tags[MODEL_FROM] == run.tags[MODEL_FROM]
    assert "learning_curves.png" in again.tags["mlflow.note.content"]


def test_a_winner_gets_what_it_left(further: Store) -> None:
    """Curves, and a model that its weights are checked in."""
    run = left(further)
    asked = config(trainer={"epochs": 1}, tracking={"figures": False})
    stored_model.score_stored(further, run, asked, best=True)
    won = further.get(run.run_id)
    model_files.check(further, won, model_files.model_of(further, won))
    assert descriptions.pictures_of(further.client, won) == ["learning_curves.png"]
    assert MODEL_FROM not in won.tags


def test_what_a_stored_trial_left_can_be_trained_on(further: Store) -> None:
    """`model.weights=HASH` takes the weights of its epoch."""
    run = left(further)
    model = PretrainedModel(weights=run.config_hash)
    trained = pretrained.trained_run(model, further)
    assert trained.run.run_id == run.run_id
    filled = backbone.load(trained, further)
    assert state.weights_sha256(filled) == run.tags["weights_sha256"]
