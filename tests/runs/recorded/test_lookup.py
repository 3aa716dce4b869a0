"""From what is typed to the runs of a store, and to what is on record of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from configs import config
from records import environment, record

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import RecordError, UnknownHashError
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import verify
from cnn_sweeps.tracking import RunRecord, Store, TrackedRun

FIRST, SECOND = "abcd" + "1" * 60, "abcd" + "2" * 60


def logged(store: Store, config_hash: str = FIRST, name: str = "r", **tags: Any) -> str:
    """The id of a run that ended well."""
    with store.start_run(name, tags={"config_hash": config_hash, **tags}) as run:
        return run.run_id


def failed(store: Store) -> str:
    """The id of a run that did not."""
    with (
        pytest.raises(ValueError, match="no"),
        store.start_run("f", tags={"config_hash": FIRST}) as r,
    ):
        raise ValueError("no")
    return r.run_id


def as_run_does(run: TrackedRun) -> None:
    """Log the record of the fakes as a run logs itself."""
    made = record()
    run.log_text(yaml.safe_dump(to_json(made.config)), "config.yaml")
    run.log_environment(made.environment)
    for epoch in made.epochs:
        run.log_metrics(epoch.metrics, step=epoch.number)
    run.log_metrics({"test_loss": 1.2})
    run.set_tags({"weights_sha256": made.weights_sha256, "stopped": made.stopped})


IDENTITY = {
    "config_hash": record().identity.config_hash,
    "trajectory_hash": record().identity.trajectory_hash,
    "data_digest": record().identity.data_digest,
}


def test_ambiguous_prefix_is_refused_with_the_candidates(store: Store) -> None:
    """A prefix of two experiments names both."""
    logged(store, FIRST, "cnn 4x1")
    logged(store, SECOND, "dnn 8")
    with pytest.raises(UnknownHashError, match=r"2 hashes; type more digits") as caught:
        lookup.one_experiment(store, "abcd")
    assert "abcd111111111111  cnn 4x1" in str(caught.value)
    assert "abcd222222222222  dnn 8" in str(caught.value)


def test_unknown_prefix_is_refused_with_where_was_looked(store: Store) -> None:
    """A prefix that nothing has says which store was searched."""
    with pytest.raises(UnknownHashError, match=r"begins with ffff, in .*mlflow.db"):
        lookup.one_experiment(store, "ffff")


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_a_deleted_run_is_told_with_what_brings_it_back(store: Store, what: str) -> None:
    """It is not said that nothing has that hash; the command restores it."""
    run_id = logged(store, name="cnn 4x1")
    if what == "run":
        store.client.delete_run(run_id)
        restored = f"mlflow runs restore --run-id {run_id}"
    else:
        store.client.delete_experiment(store.experiment_id)
        restored = f"mlflow experiments restore --experiment-id {store.experiment_id}"
    message = (
        rf"{run_id}.* was deleted\.\n  Restore it with MLFLOW_TRACKING_URI=sqlite.* {restored}$"
    )
    for look in (lookup.one_experiment, lookup.one_run):
        with pytest.raises(UnknownHashError, match=message):
            look(store, FIRST[:8])


def test_a_hash_of_which_one_run_is_left_is_found(store: Store) -> None:
    """Deleted runs beside it do not matter."""
    store.client.delete_run(logged(store))
    left = logged(store)
    assert lookup.one_run(store, FIRST[:8]).run_id == left


def test_the_newest_finished_run_speaks_for_a_hash(store: Store) -> None:
    """Neither a later failure does, nor a run that was made to be compared."""
    logged(store)
    second = logged(store)
    logged(store, reproduces=second)
    failed(store)
    assert lookup.one_run(store, "abcd").run_id == second


def test_a_run_that_was_trained_speaks_before_one_that_was_answered(store: Store) -> None:
    """What took everything over from another run has nothing of its own to say."""
    trained = logged(store)
    logged(store, reused_from=trained)
    assert lookup.one_run(store, "abcd").run_id == trained


def test_a_run_that_was_answered_is_read_as_it_was_trained(store: Store) -> None:
    """Threads and the like are those of the training, not of the sweep that asked."""
    with store.start_run("cnn", tags={**IDENTITY, "reused_from": "b" * 32}) as run:
        as_run_does(run)
        run.log_params({"trainer.threads": "3", "trainer.deterministic": "false", "seed": "9"})
    found = lookup.record_of(store, store.get(run.run_id))
    verify(found)
    assert (found.config.trainer.threads, found.config.trainer.deterministic) == (3, False)
    assert found.config.trainer.steps_per_execution == config().trainer.steps_per_execution


def test_an_epoch_without_a_metric_is_refused(store: Store) -> None:
    """A curve with a gap belongs to no whole training."""
    with store.start_run("cnn", tags=IDENTITY) as run:
        as_run_does(run)
        run.log_metrics({"loss": 0.1}, step=7)
    with pytest.raises(RecordError, match="metrics of run .* are incomplete"):
        lookup.record_of(store, store.get(run.run_id))


def test_where_there_is_no_other_a_reproduction_speaks(store: Store) -> None:
    """As after reproducing an exported run in an empty store; before that, a failure does."""
    only = failed(store)
    assert lookup.one_run(store, "abcd").run_id == only
    again = logged(store, reproduces="a" * 32)
    assert lookup.one_run(store, "abcd").run_id == again


def test_a_run_is_found_by_its_id(store: Store) -> None:
    """A run id is as good as a hash, and one that is not there is said to be unknown."""
    first = logged(store)
    logged(store)
    assert lookup.one_run(store, first).run_id == lookup.run_of_id(store, first).run_id == first
    with pytest.raises(UnknownHashError, match=f"no run with the id {'0' * 32} in .*mlflow.db"):
        lookup.run_of_id(store, "0" * 32)
    with pytest.raises(UnknownHashError, match="no run with the id ab"):
        lookup.run_of_id(store, "ab")


def test_a_record_is_read_as_it_was_logged(store: Store) -> None:
    """Hashes, config, environment and every epoch of a run come back from the store."""
    with store.start_run("cnn", tags=IDENTITY) as run:
        as_run_does(run)
    found = lookup.record_of(store, store.get(run.run_id))
    verify(found)
    assert (found.epochs, found.environment) == (record().epochs, environment())
    assert found.config == config()
    assert found.metrics["test_loss"] == 1.2
    assert (found.status, found.stopped) == ("FINISHED", "all 2 epochs")


@pytest.mark.parametrize(
    ("path", "content"),
    [("config.yaml", "a: [1"), ("environment.json", "{"), ("config.yaml", "\tx")],
)
def test_a_damaged_file_is_refused(store: Store, path: str, content: str) -> None:
    """The file that cannot be read is named."""
    with store.start_run("cnn", tags=IDENTITY) as run:
        as_run_does(run)
        run.log_text(content, path)
    with pytest.raises(RecordError, match=f"{path} of run .* cannot be read"):
        lookup.record_of(store, store.get(run.run_id))


def test_a_run_that_ended_too_early_is_refused(store: Store) -> None:
    """Without its config there is nothing to go by."""
    with pytest.raises(RecordError, match=r"ended before (config.yaml|environment.json) was"):
        lookup.record_of(store, store.get(logged(store)))


def test_the_run_of_a_sweep_is_no_experiment(store: Store) -> None:
    """A parent has no hash."""
    with store.start_run("sweep", tags={}) as run:
        pass
    with pytest.raises(RecordError, match="is not an experiment"):
        lookup.record_of(store, store.get(run.run_id))


def test_a_tag_that_is_missing_is_named(store: Store) -> None:
    """A run whose tags were removed is refused as a damaged one."""
    with store.start_run("cnn", tags={"config_hash": FIRST}) as run:
        as_run_does(run)
    with pytest.raises(RecordError, match="'trajectory_hash' is missing"):
        lookup.record_of(store, store.get(run.run_id))


def test_stored_values_are_plain_json(store: Store) -> None:
    """What a store gives can be exported as it is."""
    with store.start_run("cnn", tags=IDENTITY) as run:
        as_run_does(run)
    assert json.dumps(lookup.record_of(store, store.get(run.run_id)).to_json(), allow_nan=False)


@pytest.mark.parametrize("find", [lookup.run_of_id, lookup.one_run])
def test_a_deleted_run_is_refused_by_its_id(
    store: Store, find: Callable[[Store, str], RunRecord]
) -> None:
    """With what brings it back, the run alone or the experiment that was deleted with it."""
    run_id = logged(store)
    store.client.delete_run(run_id)
    with pytest.raises(UnknownHashError, match=f"was deleted.*\n.*restore --run-id {run_id}"):
        find(store, run_id)
    store.client.restore_run(run_id)
    assert find(store, run_id).run_id == run_id
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(UnknownHashError, match="experiment .* was deleted"):
        find(store, run_id)
