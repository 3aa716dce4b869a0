"""One run, end to end on real digits: what is logged, and that it can be done again."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from callbacks import Collector
from configs import config, with_figures
from programs import begun, typed
from requests.exceptions import ConnectionError as NoConnection
from stored_models import loaded
from stores import Finished, copy_of, logged_text, ready

from cnn_sweeps.data import load_cached
from cnn_sweeps.errors import DivergedError, ModelError
from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.provenance.process import Owner, this_host
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.run import TrialContext, _start, run
from cnn_sweeps.text.argument_names import on_command_line
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.inspection import DIED
from cnn_sweeps.tracking.patience import waiting
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.loop import Callback

EPOCHS = {"epochs": 2}


@pytest.fixture
def result(finished: Finished) -> RunResult:
    """That run."""
    return finished.result


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A single run that stops early and stores neither figures nor model, seen by who watches.

    Attributes:
        store: where it is; not to be written to.
        result: what it returned.
        told: the run ids that it told before it trained.
        epochs: those that a callback saw.
    """

    store: Store
    result: RunResult
    told: list[str]
    epochs: list[Epoch]


@pytest.fixture(scope="module")
def watched(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One run for the tests of what a run does beside training."""
    told, watcher = list[str](), Collector()
    asked = config(
        trainer={"epochs": 2, "early_stopping": {"patience": 1, "monitor": "val_accuracy"}},
        tracking={"figures": False, "log_model": False},
    )
    with ready(tmp_path_factory.mktemp("watched"), migrated_database) as tracking:
        store = Store.open(tracking)
        done = run(asked, store, callbacks=[watcher], started=lambda run_id, _: told.append(run_id))
        yield Watched(store=store, result=done, told=told, epochs=watcher.epochs)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Two trials of a sweep, in a store with a single run.

    Attributes:
        store: where they are; tests may add runs.
        parent: the run of the sweep.
        trained: one with another seed, which was trained.
        answered: one that the single run answered.
    """

    store: Store
    parent: str
    trained: str
    answered: str


@pytest.fixture(scope="module")
def trials(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """One training for the tests of what a sweep gets."""
    with copy_of(finished.home, tmp_path_factory.mktemp("trials")) as store:
        with store.start_run("parent", tags={}) as parent:
            trial = TrialContext(parent_run_id=parent.run_id)
            asked = (with_figures(seed=1), with_figures(trainer=EPOCHS))
            trained, answered = (run(each, store, trial=trial).run_id for each in asked)
        yield Trials(store=store, parent=parent.run_id, trained=trained, answered=answered)


@pytest.mark.parametrize("typed_it", [True, False], ids=["typed", "called"])
def test_an_outage_in_the_middle_of_a_run_is_told(
    store: Store, capsys: pytest.CaptureFixture[str], *, typed_it: bool
) -> None:
    """In the terminal; in Python as a warning."""

    class Outage(Callback):
        """A server that refuses once."""

        refused = False

        def on_epoch(self, epoch: Epoch) -> None:
            """Ask it."""
            waiting(self.answer)

        def answer(self) -> None:
            """Refuse the first time."""
            if not self.refused:
                self.refused = True
                raise NoConnection("Connection refused")

    quick = config(tracking={"figures": False, "log_model": False})
    if typed_it:
        with on_command_line():
            run(quick, store, callbacks=[Outage()])
        assert "warning: Waiting for up to 300 s (tracking.patience)" in capsys.readouterr().err
    else:
        with pytest.warns(UserWarning, match="Waiting for up to 300 s|Back after") as told:
            run(quick, store, callbacks=[Outage()])
        assert len(told) == 2


def test_everything_about_a_run_is_logged(home: Store, result: RunResult) -> None:
    """Params, metrics, tags and artifacts of a run are all in the store."""
    logged = home.get(result.run_id)
    assert logged.status == "FINISHED"
    assert logged.name == f"cnn 4x1 e2 · {result.identity.short}"
    assert logged.params["model.filters"] == "4"
    assert logged.params["trainer.optimizer.learning_rate"] == "0.001"
    assert not any(key.startswith("tracking") for key in logged.params)
    expected = {
        *("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"),
        *("epoch_seconds", "images_per_second", "train_seconds", "build_seconds"),
        *("data_seconds", "total_seconds", "trainable_params", "total_params"),
        *("peak_memory_mb", "epochs"),
    }
    assert expected <= set(logged.metrics)
    assert logged.metrics["trainable_params"] == 4 * 10 + 13 * 13 * 4 * 8 + 8 + 8 * 10 + 10
    assert logged.tags["config_hash"] == result.identity.config_hash
    assert logged.tags["weights_sha256"] == result.weights_sha256
    assert logged.tags["data_digest"] == result.identity.data_digest
    assert logged.tags["stop_reason"] == "all 2 epochs"
    summary = logged_text(home, result.run_id, "model_summary.txt")
    assert "conv_1" in summary
    layers = json.loads(logged_text(home, result.run_id, "layers.json"))
    assert "name" in layers["columns"]
    assert len(layers["data"]) > 4
    assert "tensorflow" in logged_text(home, result.run_id, "environment.json")


def test_stored_config_gives_the_same_hash(home: Store, result: RunResult) -> None:
    """The config that a run stores is the config that made it."""
    from cnn_sweeps.config.loading import load

    stored = yaml.safe_load(logged_text(home, result.run_id, "config.yaml"))
    assert identify(load(stored), result.identity.data_digest) == result.identity


def test_each_epoch_is_logged_at_its_own_step(home: Store, result: RunResult) -> None:
    """The curves in MLflow have a point for each epoch."""
    history = home.client.get_metric_history(result.run_id, "val_accuracy")
    assert [point.step for point in history] == [1, 2]
    assert [str(point.value) for point in history] == [
        str(np.float32(epoch.val_accuracy)) for epoch in result.training.epochs
    ]


def test_a_final_metric_is_a_number_and_no_curve(home: Store, result: RunResult) -> None:
    """MLflow's pages draw a metric of step 0 as a bar with its value."""
    for name in ("test_accuracy", "train_seconds", "trainable_params"):
        history = home.client.get_metric_history(result.run_id, name)
        assert [point.step for point in history] == [0]


def test_the_best_epoch_is_logged_with_early_stopping(watched: Watched) -> None:
    """Curves and the weights of another epoch would not fit together without it."""
    logged = watched.store.get(watched.result.run_id)
    assert logged.metrics["best_epoch"] == watched.result.training.best


def test_logged_model_predicts_as_mlflow_loads_it(home: Store, result: RunResult) -> None:
    """`mlflow.pyfunc` loads the model, and it scores the test images as the run did."""
    import mlflow

    mlflow.set_tracking_uri(home.uri)
    model = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/model")
    data = load_cached(config(trainer=EPOCHS).data)
    predicted = np.argmax(model.predict(data.x_test), axis=1)
    assert np.mean(predicted == data.y_test) == pytest.approx(result.metrics["test_accuracy"])


def test_same_config_gives_the_same_weights(trials: Trials, result: RunResult) -> None:
    """A second training, with another network trained in between, ends with the same bits."""
    again = run(config(trainer=EPOCHS, trajectory={"reuse": False}), trials.store)
    other = trials.store.get(trials.trained).tags["weights_sha256"]
    assert again.epochs_trained == 2
    assert again.weights_sha256 == result.weights_sha256 != other
    assert again.identity == result.identity
    assert again.run_id != result.run_id


def test_search_does_not_see_the_test_split(trials: Trials) -> None:
    """A run for a search has no test metrics, and knows its parent."""
    children = {run.run_id: run for run in trials.store.children(trials.parent)}
    assert children.keys() == {trials.trained, trials.answered}
    metrics = [name for run in children.values() for name in run.metrics]
    assert not any(name.startswith("test") for name in metrics)


def pictures(store: Store, run_id: str) -> list[str]:
    """The names of a run's pictures, without the learning curves."""
    paths = [file.path for file in store.client.list_artifacts(run_id, "figures")]
    return [path for path in paths if path.endswith(".png")]


def test_a_run_closes_those_of_its_experiment_that_were_killed(
    tmp_path: Path, migrated_database: Path
) -> None:
    """Not one that lives, nor a trial, which its sweep takes up, nor one of another experiment."""
    dead = json.dumps(Owner(host=this_host(), pid=2**22 + 1, started="1").to_json())
    with ready(tmp_path, migrated_database) as tracking:
        store, experiment = Store.open(tracking), Experiment.load(config())
        same = {"kind": "run", "config_hash": experiment.identity.config_hash}
        left = [
            store._create("left", {**same, **tags}, parent)
            for tags, parent in (({}, None), ({}, "f" * 32), ({"config_hash": "0" * 64}, None))
        ]
        for each in left:
            each.set_tags({"process": dead})
        living = store._create("living", same, None)
        with _start(experiment, store, None, None) as tracked:
            ids = [each.run_id for each in (*left, living, tracked)]
            assert [store.get(run_id).status for run_id in ids] == ["FAILED", *["RUNNING"] * 4]
        assert store.get(left[0].run_id).tags["error"] == DIED


def test_a_single_run_has_pictures(home: Store, result: RunResult) -> None:
    """All of them, and none was left out."""
    assert [Path(path).stem for path in pictures(home, result.run_id)] == [
        *("classes", "confusion_matrix", "filters", "grad_cam", "kernels", "layers", "mistakes"),
        *("precision_recall", "reliability", "roc", "samples"),
    ]
    assert result.left_out == ()
    assert "figures_left_out" not in home.get(result.run_id).tags


def test_pictures_and_model_are_left_out_where_asked(watched: Watched) -> None:
    """The learning curves are not."""
    store, run_id = watched.store, watched.result.run_id
    assert store.client.get_run(run_id).outputs.model_outputs == []
    assert logged_text(store, run_id, "config.yaml")
    assert pictures(store, run_id) == []
    names = [file.path for file in store.client.list_artifacts(run_id)]
    assert "learning_curves.png" in names


def test_a_trial_has_no_pictures_of_the_test_split(trials: Trials, result: RunResult) -> None:
    """Neither one that is trained nor one that is answered from a single run that has them."""
    assert trials.store.get(trials.answered).tags["reused_from"] == result.run_id
    assert pictures(trials.store, trials.trained) == []
    assert pictures(trials.store, trials.answered) == []


@pytest.mark.slow
def test_a_picture_that_fails_costs_the_run_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is finished, with its model; what is missing and why is told and tagged."""
    from cnn_sweeps.figures import activations

    def fails(*_: Any) -> Any:
        raise ValueError("no kernel")

    monkeypatch.setattr(activations, "first_convolution", fails)
    done = run(with_figures(), store)
    said = "figures/kernels.png was skipped: ValueError: no kernel"
    assert done.left_out == (said,)
    logged = store.get(done.run_id)
    assert (logged.status, logged.tags["figures_left_out"]) == ("FINISHED", said)
    assert "figures/kernels.png" not in pictures(store, done.run_id)
    assert len(pictures(store, done.run_id)) == 10
    assert loaded(store, done.run_id) is not None


def test_what_computes_is_settled_before_anything_that_takes_long(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the images may take minutes, in which somebody may edit the program."""

    class SettledError(Exception):
        """Said in place of importing all."""

    def settle() -> None:
        raise SettledError

    monkeypatch.setattr(code, "import_all", settle)
    with pytest.raises(SettledError):
        run(config(data={"name": "npz", "path": "nowhere.npz"}), store)


def test_callbacks_see_every_epoch_and_started_comes_first(watched: Watched) -> None:
    """Whoever watches is told the run before training, and each epoch as it ends."""
    assert watched.told == [watched.result.run_id]
    assert watched.epochs == list(watched.result.training.epochs)


@pytest.mark.slow
def test_diverging_run_is_logged_as_failed(store: Store) -> None:
    """A loss that is no number ends the run as failed, with the epoch in the reason."""
    wild = {**EPOCHS, "optimizer": {"name": "sgd", "learning_rate": 1e30}}
    with pytest.raises(DivergedError, match="epoch 1"):
        run(config(trainer=wild), store)
    (failed,) = store.client.search_runs([store.experiment_id])
    assert failed.info.status == "FAILED"
    assert "epoch 1" in failed.data.tags["error"]


@pytest.mark.slow
def test_users_own_function_is_trained(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`model=custom` trains what the user's function returns."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_net_for_run.py").write_text(
        "import keras\n"
        "def build(input_shape, num_classes, units):\n"
        "    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(),\n"
        "        keras.layers.Dense(units), keras.layers.Dense(num_classes, 'softmax')])\n"
        "def broken(input_shape, num_classes):\n"
        "    return None\n"
    )
    custom = {"name": "custom", "function": "own_net_for_run:build", "params": {"units": 3}}
    assert run(config(model=custom), store).metrics["total_params"] == 784 * 3 + 3 + 3 * 10 + 10
    with pytest.raises(ModelError, match="broken"):
        run(config(model={"name": "custom", "function": "own_net_for_run:broken"}), store)


@pytest.fixture
def own_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with networks that Keras cannot make again, and one that it can."""
    name = f"own_nets_{tmp_path.name}"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{name}.py").write_text(
        "import keras\n"
        "from keras import layers\n"
        "class Scale(layers.Layer):\n"
        "    def __init__(self, factor):\n"
        "        super().__init__()\n"
        "        self.factor = factor\n"
        "    def call(self, x):\n"
        "        return x * self.factor\n"
        "class Net(keras.Model):\n"
        "    def __init__(self, classes):\n"
        "        super().__init__()\n"
        "        self.flat, self.head = layers.Flatten(), layers.Dense(classes, 'softmax')\n"
        "    def call(self, x):\n"
        "        return self.head(self.flat(x))\n"
        "def around(layer, shape, classes):\n"
        "    return keras.Sequential([keras.Input(shape), layers.Flatten(), layer,\n"
        "        layers.Dense(classes, 'softmax')])\n"
        "def a_layer(input_shape, num_classes):\n"
        "    return around(Scale(2), input_shape, num_classes)\n"
        "def a_lambda(input_shape, num_classes):\n"
        "    return around(layers.Lambda(lambda x: x * 2), input_shape, num_classes)\n"
        "def subclassed(input_shape, num_classes):\n"
        "    return Net(num_classes)\n"
        "def fine(input_shape, num_classes):\n"
        "    return around(layers.Dropout(0.5), input_shape, num_classes)\n"
    )
    return name


@pytest.mark.parametrize(
    ("function", "lacking"),
    [
        ("a_layer", r"Scale needs a get_config\(\) that returns its arguments with factor"),
        ("a_lambda", "is a Python lambda; write it as a keras.layers.Layer"),
        ("subclassed", r"Net needs a get_config\(\) that returns its arguments with classes"),
    ],
)
def test_a_network_that_cannot_be_stored_is_told_before_it_is_trained(
    store: Store, own_nets: str, function: str, lacking: str
) -> None:
    """No epoch is trained for nothing; it is said what lacks, and how to train it anyway."""
    model = {"name": "custom", "function": f"{own_nets}:{function}"}
    started: list[str] = []
    message = rf"cannot be stored.*{lacking}(.|\n)*tracking\.log_model=false"
    with pytest.raises(ModelError, match=message):
        run(config(model=model), store, started=lambda run_id, _identity: started.append(run_id))
    assert store.get(started[0]).metrics == {}


@pytest.mark.slow
def test_a_network_that_cannot_be_stored_is_trained_without(store: Store, own_nets: str) -> None:
    """As the refusal says."""
    model = {"name": "custom", "function": f"{own_nets}:subclassed"}
    assert run(config(model=model, tracking={"log_model": False}), store).metrics


@pytest.mark.slow
def test_trying_to_store_a_network_moves_no_bit(store: Store, own_nets: str) -> None:
    """Making a copy draws random numbers, which the training does not miss."""
    model = {"name": "custom", "function": f"{own_nets}:fine"}
    runs = [
        run(config(model=model, tracking={"log_model": stored}, trajectory={"reuse": False}), store)
        for stored in (True, False)
    ]
    assert runs[0].weights_sha256 == runs[1].weights_sha256


@pytest.mark.slow
def test_without_validation_split_there_are_no_validation_metrics(store: Store) -> None:
    """As in the notebook: all images are trained on, and the test split is scored."""
    done = run(config(data={"validation_fraction": 0}), store)
    assert not any(name.startswith("val") for name in done.metrics)
    assert done.metrics["test_accuracy"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_a_slice_of_fashion_mnist_from_the_command_line(tmp_path: Path) -> None:
    """A run of the program on real Fashion-MNIST learns, says so, and is found by its hash."""
    if "CNN_SWEEPS_DATA" not in os.environ:
        pytest.skip("CNN_SWEEPS_DATA does not name a folder with Fashion-MNIST")
    said = begun(tmp_path, "data.limit=3000", "trainer.epochs=2", "model.filters=8").well()
    score = float(said.split("test_accuracy ")[1].split()[0])
    assert score > 0.7
    prefix = said.split("cnn-sweeps show ")[1].split()[0]
    shown = typed(tmp_path, "show", prefix).well()
    assert "name: fashion_mnist" in shown
    assert f"{score:.3f}"[:4] in shown


@pytest.mark.slow
def test_an_average_that_is_taken_is_the_run(home: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is scored, stored and told; and a trial that is answered from the run has the same."""
    from cnn_sweeps.training import averaging

    monkeypatch.setattr(averaging, "_is_better", lambda *_, **__: True)
    asked = config(trainer={"epochs": 2, "weight_averaging": 2})
    result = run(asked, home)
    logged = home.get(result.run_id)
    assert logged.tags["chosen"] == "average of epochs 1 to 2"
    assert logged.metrics["averaged_epochs"] == 2
    assert result.metrics["val_loss"] == logged.metrics["average_val_loss"]
    assert result.metrics["val_loss"] != result.training.epochs[-1].val_loss
    again = run(asked, home, trial=TrialContext(parent_run_id=None))
    assert (again.epochs_trained, again.training.chosen) == (0, "average of epochs 1 to 2")
    assert again.metrics["val_loss"] == result.metrics["val_loss"]
    assert home.get(again.run_id).tags["chosen"] == "average of epochs 1 to 2"
