"""A trial that some run has answered already: complete, honest about it, and free."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from callbacks import Collector
from configs import config
from mlflow import MlflowClient
from stored_models import loaded
from stores import Finished, logged_text

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import PrunedError
from cnn_sweeps.provenance import environment
from cnn_sweeps.runs import reuse
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.tracking import RunRecord, Store
from cnn_sweeps.tracking.finished_runs import epochs_of
from cnn_sweeps.tracking.names import (
    BY_CALLBACK,
    ENVIRONMENT_FILE,
    NETWORK_SHA256,
    REMARKS,
    REUSED_FROM,
    SOFTWARE,
    STATE,
)
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.stopping import StopTraining
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.shared import SharedStore

AS_TRIAL = TrialContext(parent_run_id=None, tags={"trial": "7"})
TIMINGS = ("epoch_seconds", "images_per_second", "_seconds", "peak_memory_mb")


@pytest.fixture
def first(finished: Finished) -> RunResult:
    """That run."""
    return finished.result


def again(store: Store, callbacks: tuple[Any, ...] = (), **groups: Any) -> RunResult:
    """The same experiment, asked for by a sweep."""
    asked = config(**({"trainer": {"epochs": 2}} | groups))
    return run(asked, store, trial=AS_TRIAL, callbacks=callbacks)


def found(asked: Experiment | Config, store: Store, *, timed: bool = False) -> RunRecord | None:
    """The run that answers for an experiment."""
    experiment = Experiment.load(asked) if isinstance(asked, Config) else asked
    return reuse.find_finished(experiment, store, timed=timed)[0]


def test_a_known_experiment_is_not_trained_again(home: Store, first: RunResult) -> None:
    """The trial has the result of the run before it, down to the epochs and their seconds."""
    result = again(home)
    assert (result.epochs_trained, first.epochs_trained) == (0, 2)
    assert result.run_id != first.run_id
    assert result.training == first.training
    assert result.weights_sha256 == first.weights_sha256
    expected = {k: v for k, v in first.metrics.items() if not k.startswith("test_")}
    assert result.metrics == expected


def test_its_run_is_complete_and_says_whom_to_thank(home: Store, first: RunResult) -> None:
    """Params, curves, files, model and tags are all there, and where they come from."""
    logged, original = home.get(again(home).run_id), home.get(first.run_id)
    assert logged.status == "FINISHED"
    assert logged.params == original.params
    assert logged.tags["reused_from"] == logged.tags["trained_by"] == first.run_id
    assert (logged.tags["epochs_trained"], logged.tags["epochs_reused"]) == ("0", "2")
    assert logged.tags["train_seconds_paid"] == "0.0"
    assert logged.tags["trial"] == "7"
    for name in (
        SOFTWARE,
        "config_hash",
        "trajectory_hash",
        "data_digest",
        "weights_sha256",
        "stop_reason",
    ):
        assert logged.tags[name] == original.tags[name]
    curve = home.client.get_metric_history(logged.run_id, "val_loss")
    assert [f"{point.value}" for point in curve] == [
        str(np.float32(epoch.val_loss)) for epoch in first.training.epochs
    ]
    for file in ("environment.json", "model_summary.txt", "layers.json"):
        assert logged_text(home, logged.run_id, file) == logged_text(home, first.run_id, file)
    assert loaded(home, logged.run_id).count_params() == first.metrics["total_params"]


def test_a_known_trial_asks_little_of_the_store(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is logged of it goes in one call, and how it ended in another."""
    calls: list[str] = []
    log_batch = MlflowClient.log_batch

    def noting(client: MlflowClient, run_id: str, **values: Any) -> Any:
        calls.append(run_id)
        return log_batch(client, run_id, **values)

    monkeypatch.setattr(MlflowClient, "log_batch", noting)
    copied = again(home)
    read = again(home, trainer={"epochs": 1})
    assert (copied.epochs_trained, read.epochs_trained) == (0, 0)
    assert (calls.count(copied.run_id), calls.count(read.run_id)) == (2, 2)


@pytest.mark.slow
def test_everybody_who_trained_a_part_is_thanked(home: Store, first: RunResult) -> None:
    """Also where the run that answers had read some of its epochs and trained the others."""
    longer = run(config(trainer={"epochs": 3}), home)
    assert home.get(longer.run_id).tags["trained_by"] == first.run_id
    for _ in range(2):
        answered = home.get(again(home, trainer={"epochs": 3}).run_id)
        assert answered.tags["trained_by"].split() == [first.run_id, longer.run_id]


class Enough:
    """A callback that ends the training after an epoch."""

    def __init__(self, number: int) -> None:
        self._number = number

    def on_epoch(self, epoch: Epoch) -> None:
        """End it there."""
        if epoch.number == self._number:
            raise StopTraining(f"enough at epoch {epoch.number}")


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "by an earlier version"])
def test_what_a_callback_stopped_answers_nothing(
    home: Store, first: RunResult, *, marked: bool
) -> None:
    """It has the hash of all its epochs, but not their result; whoever asks gets the whole run."""
    asked = config(trainer={"epochs": 2})
    cut = run(asked, home, callbacks=[Enough(1)])
    logged = home.get(cut.run_id)
    assert (logged.tags[BY_CALLBACK], logged.tags[STATE]) == (
        "enough at epoch 1",
        "stopped by callback",
    )
    if not marked:
        home.reopen(cut.run_id).remove_tags({BY_CALLBACK})
    answering = found(asked, home)
    assert answering is not None
    assert answering.run_id == first.run_id


@pytest.mark.slow
def test_a_callback_that_stops_where_the_config_does_cuts_nothing_short(home: Store) -> None:
    """All the epochs are there, so that the next trial is answered from it."""
    asked = config(trainer={"epochs": 2})
    whole = run(asked, home, callbacks=[Enough(2)])
    answering = found(asked, home)
    assert answering is not None
    assert answering.run_id == whole.run_id


@pytest.mark.parametrize("tag", ["0123456789abcdef", None])
def test_what_other_software_has_trained_answers_nothing(
    home: Store, first: RunResult, tag: str | None
) -> None:
    """After an update, or an edit of what trains, the values of today may be others."""
    run_of = home.reopen(first.run_id)
    if tag is None:
        run_of.remove_tags({SOFTWARE})
    else:
        run_of.set_tags({SOFTWARE: tag})
    result = again(home)
    assert REUSED_FROM not in home.get(result.run_id).tags
    assert home.get(again(home).run_id).tags[REUSED_FROM] == result.run_id


def test_the_search_does_not_see_the_test_split(home: Store, first: RunResult) -> None:
    """The single run was scored on it; the trial that takes its place was not."""
    logged = home.get(again(home).run_id)
    assert "test_accuracy" in first.metrics
    assert not [name for name in logged.metrics if name.startswith("test_")]


def test_a_run_of_another_loss_is_not_reused(home: Store) -> None:
    """A user's own may read a file that no hash knows; what it gives is recorded."""
    asked = Experiment.load(config(trainer={"epochs": 2}))
    assert found(asked, home) is not None
    assert found(replace(asked, loss_sha256="f" * 64), home) is None


def test_its_stored_epochs_are_given_to_others(home: Store, tmp_path: Path) -> None:
    """Where a training of theirs would look for them; once, and whole."""
    shared = SharedStore(tmp_path / "all")
    asked = {"trajectory": {"store": str(shared.folder)}}
    given = [again(home, **asked).shared["given"] for _ in range(2)]
    assert given == [2, 0]
    ((own,), (entry,)) = (TrajectoryStore.under(home.dir).entries(), shared.entries())
    assert entry.folder.parts[-2:] == own.folder.parts[-2:]
    assert [one.record for one in entry.epochs()] == own.history()
    assert entry.about["title"] == own.about["title"]
    assert entry.contents(own.history()[-1]) == own.contents(own.history()[-1])


def test_without_stored_epochs_there_is_nothing_to_give(home: Store, tmp_path: Path) -> None:
    """Because the cache was cleared, or what trained them were other threads."""
    TrajectoryStore.under(home.dir).clear()
    result = again(home, trajectory={"store": str(tmp_path / "all")})
    assert (result.epochs_trained, result.shared) == (0, {})


def test_it_stores_the_config_that_asked(home: Store, first: RunResult) -> None:
    """Where to log and what to keep are its own, not those of the run that trained."""
    result = again(home, tracking={"tags": {"mine": "yes"}})
    stored = yaml.safe_load(logged_text(home, result.run_id, "config.yaml"))
    assert stored["tracking"]["tags"] == {"mine": "yes"}


@pytest.mark.slow
def test_the_best_epoch_counts_as_it_did(store: Store) -> None:
    """With early stopping the metrics are those of the epoch whose weights were kept."""
    early = {"epochs": 3, "early_stopping": {"patience": 1, "monitor": "val_loss"}}
    trained = again(store, trainer=early)
    known = again(store, trainer=early)
    assert (trained.epochs_trained > 0, known.epochs_trained) == (True, 0)
    assert known.metrics == trained.metrics
    assert known.training == trained.training
    for result in (trained, known):
        logged = store.get(result.run_id)
        assert {k: logged.metrics[k] for k in ("val_loss", "val_accuracy", "loss")} == {
            k: pytest.approx(result.metrics[k], rel=1e-6)
            for k in ("val_loss", "val_accuracy", "loss")
        }
        assert epochs_of(store, logged) == trained.training.epochs
        assert max(store.histories([logged], "val_loss")[result.run_id]) == len(
            trained.training.epochs
        )


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        pytest.param({"trajectory": {"reuse": False}}, "not wanted", id="reuse=false"),
        pytest.param({"seed": 1}, "another experiment", id="seed"),
    ],
)
def test_it_trains_where_it_must(
    home: Store, first: RunResult, groups: dict[str, Any], why: str
) -> None:
    """Only the same experiment answers, and only when asked to."""
    assert found(config(**{"trainer": {"epochs": 2}} | groups), home) is None, why


@pytest.mark.slow
def test_a_run_without_a_model_does_not_answer_for_one(store: Store) -> None:
    """A trial that stores its model needs one; its epochs are known all the same."""
    without = run(config(tracking={"log_model": False}), store)
    result = again(store, trainer={"epochs": 1}, tracking={"log_model": True})
    assert "reused_from" not in store.get(result.run_id).tags
    assert store.get(result.run_id).tags["trained_by"] == without.run_id
    assert loaded(store, result.run_id).count_params() == without.metrics["total_params"]


def test_a_run_whose_files_are_gone_does_not_answer(home: Store, first: RunResult) -> None:
    """Its copy would be one that cannot be done again; its epochs are known all the same."""
    shutil.rmtree(home.dir / "artifacts" / first.run_id)
    result = again(home)
    logged = home.get(result.run_id)
    assert "reused_from" not in logged.tags
    assert logged.tags["epochs_reused"] == "2"
    assert logged_text(home, result.run_id, "environment.json")


@pytest.mark.slow
def test_an_unfinished_run_does_not_answer(store: Store) -> None:
    """A run that was given up is none to take over."""

    class GivesUp:
        def on_epoch(self, epoch: Epoch) -> None:
            raise PrunedError(epoch.number, "no promise")

    with pytest.raises(PrunedError):
        again(store, (GivesUp(),))
    result = again(store)
    assert "reused_from" not in store.get(result.run_id).tags
    assert (result.epochs_trained, store.get(result.run_id).tags["epochs_reused"]) == (1, "1")


def test_a_pruner_judges_what_is_known(home: Store, first: RunResult) -> None:
    """Known epochs are shown one by one, and a trial can be given up in the middle of them."""

    class AfterOne(Collector):
        def on_epoch(self, epoch: Epoch) -> None:
            super().on_epoch(epoch)
            raise PrunedError(epoch.number, "no promise")

    judge = AfterOne()
    with pytest.raises(PrunedError, match="no promise"):
        again(home, (judge,))
    assert judge.epochs == [first.training.epochs[0]]
    (pruned,) = home.tagged({"pruned_epoch": "1"})
    assert pruned.status == "KILLED"
    assert (pruned.tags["epochs_trained"], pruned.tags["epochs_reused"]) == ("0", "1")
    assert pruned.tags["trained_by"] == first.run_id


@pytest.mark.parametrize(
    ("more", "answered"), [(None, True), (0, True), (1, False)], ids=["any", "same", "other"]
)
def test_seconds_are_compared_with_as_many_threads(
    home: Store, first: RunResult, more: int | None, *, answered: bool
) -> None:
    """A run with other threads answers a search, and no exercise, which compares its seconds."""
    asked = config(trainer={"epochs": 2, "threads": config().trainer.threads + (more or 0)})
    assert (found(asked, home, timed=more is not None) is not None) == answered


KERNELS = [
    ("cpu", "another"),
    ("cpu_flags", ["avx"]),
    ("devices", ["CPU", "GPU NVIDIA H200"]),
    ("deterministic", False),
    ("threads", 64),
    ("packages", {"tensorflow": "2.20.0"}),
    ("hostname", None),
]
"""Of the environment of a run what may be another one, and None where it does not matter."""


@pytest.mark.parametrize(("name", "value"), KERNELS, ids=[name for name, _ in KERNELS])
def test_seconds_are_compared_where_the_same_kernels_run(
    home: Store, first: RunResult, name: str, value: Any
) -> None:
    """Whatever else the run of another machine is good for."""
    record = json.loads(logged_text(home, first.run_id, ENVIRONMENT_FILE))
    told = {name: "elsewhere" if value is None else value}
    home.reopen(first.run_id).log_json(record | told, ENVIRONMENT_FILE)
    asked = config(trainer={"epochs": 2})
    assert found(asked, home) is not None
    assert (found(asked, home, timed=True) is not None) == (value is None)


def test_seconds_are_compared_with_as_many_steps_at_a_time(home: Store) -> None:
    """Which is no part of an experiment, and makes small networks faster."""
    asked = config(trainer={"epochs": 2, "steps_per_execution": 7})
    assert found(asked, home) is not None
    assert found(asked, home, timed=True) is None


def test_a_reproduction_does_not_answer(home: Store, first: RunResult) -> None:
    """A run that was made to be compared may be the one that is off; the one before it answers."""
    second, asked = again(home), config(trainer={"epochs": 2})
    newest = found(asked, home)
    assert newest is not None
    assert newest.run_id == second.run_id
    home.reopen(second.run_id).set_tags({"reproduces": first.run_id})
    answered = found(asked, home)
    assert answered is not None
    assert answered.run_id == first.run_id


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_what_did_not_finish_does_not_answer(home: Store, first: RunResult, status: str) -> None:
    """Whatever had been logged by then."""
    home.client.set_terminated(first.run_id, status)
    assert found(config(trainer={"epochs": 2}), home) is None


XLA = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}
FLAGS: list[tuple[dict[str, str], dict[str, str], bool]] = [
    ({}, XLA, False),
    (XLA, {}, False),
    ({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}, {"XLA_FLAGS": ""}, False),
    ({"tf.config.optimizer.jit": "True"}, {}, False),
    ({}, {"TF_ENABLE_ONEDNN_OPTS": "0"}, False),
    ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, True),
    ({}, {"TF_CPP_MIN_LOG_LEVEL": "2", "ONEDNN_VERBOSE": "1"}, True),
]
"""Variables of a run and of the process that asks, and whether the run answers."""


def test_a_run_trained_with_other_variables_does_not_answer(
    home: Store, first: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what moves bits, and in both directions; what a record does not say is as before."""
    for name in environment.set_flags():
        monkeypatch.delenv(name)
    asked = Experiment.load(config(trainer={"epochs": 2}))
    record = json.loads(logged_text(home, first.run_id, ENVIRONMENT_FILE)) | {"onednn": "default"}

    def answers(now: dict[str, str], **told: object) -> bool:
        home.reopen(first.run_id).log_json(record | told, ENVIRONMENT_FILE)
        with monkeypatch.context() as here:
            for name, value in now.items():
                here.setenv(name, value)
            return reuse.find_finished(asked, home)[0] is not None

    for then, now, answered in FLAGS:
        assert answers(now, variables=then) == answered, (then, now)
    assert answers(XLA, variables={}, watching=1)
    for damage in ("", "[]", '{"variables": 1}'):
        home.reopen(first.run_id).log_text(damage, ENVIRONMENT_FILE)
        assert reuse.find_finished(asked, home)[0] is None


NET = """
import importlib, keras, numpy as np
importlib.import_module("own_" + "part_for_reuse")
from keras import layers

def build(input_shape, num_classes):
    network = keras.Sequential([
        keras.Input(input_shape), layers.Flatten(), layers.Dense(num_classes, "softmax"),
    ])
    network.layers[-1].set_weights([np.load("kernel.npy"), np.zeros(num_classes)])
    return network
"""


@pytest.mark.slow
def test_another_network_of_the_same_function_is_trained(
    store: Store, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither runs nor epochs are reused for it; they are once it is the first one again."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    Path("own_net_for_reuse.py").write_text(NET)
    Path("own_part_for_reuse.py").write_text("PART = 1")
    model = {"name": "custom", "function": "own_net_for_reuse:build"}
    done = []
    for scale in (0.1, 0.2, 0.1):
        np.save("kernel.npy", np.random.RandomState(0).normal(0, scale, (784, 10)))
        done.append(again(store, model=model, trainer={"epochs": 1}, tracking={"log_model": False}))
    first, other, back = done
    assert [each.epochs_trained for each in done] == [1, 1, 0]
    assert first.identity.config_hash == other.identity.config_hash
    assert first.weights_sha256 == back.weights_sha256 != other.weights_sha256
    tags = [store.get(each.run_id).tags for each in done]
    assert tags[2][REUSED_FROM] == first.run_id
    assert tags[1][NETWORK_SHA256] != tags[0][NETWORK_SHA256] == tags[2][NETWORK_SHA256]
    assert tags[0][NETWORK_SHA256] == first.identity.network_sha256
    for each, logged in zip(done, tags, strict=True):
        assert [*each.notices] == [logged[REMARKS]]
        assert f"imports {in_tmp / 'own_part_for_reuse.py'} under a computed" in each.notices[0]


def test_a_network_that_an_earlier_version_did_not_name_answers_nothing(
    home: Store, first: RunResult
) -> None:
    """Its run does not say what its function built; one of ours is determined by its config."""
    asked = Experiment.load(config(trainer={"epochs": 2}))
    built = replace(asked, identity=replace(first.identity, network_sha256="f" * 64))
    assert found(built, home) is None
    known = found(asked, home)
    assert known is not None
    assert known.run_id == first.run_id
    home.reopen(first.run_id).set_tags({NETWORK_SHA256: "f" * 64})
    assert found(built, home) is not None
