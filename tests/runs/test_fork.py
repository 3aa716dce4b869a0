"""A run that is taken up after an epoch is a config like any other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from configs import config
from records import DIGEST, epochs, record

from cnn_sweeps.config import Config
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.data import load_cached
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.provenance.identity import identify, lineage
from cnn_sweeps.runs.export import export
from cnn_sweeps.runs.fork import Fork, fork, parse_fork_point
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.recorded.verdict import IDENTICAL
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.tracking import Store

RATE = "trainer.optimizer.learning_rate"
TEN = tuple(1 / n for n in range(1, 11))


def run_of(experiment: Config) -> Record:
    """The record of a finished run."""
    losses = TEN[: experiment.trainer.epochs]
    return record(config=experiment, identity=identify(experiment, DIGEST), epochs=epochs(*losses))


def ten(**trainer: Any) -> Record:
    """A run of ten epochs."""
    return run_of(config(trainer={"epochs": 10, **trainer}))


def forked(parent: Record, epoch: int | None, *typed: str) -> Fork:
    """What a fork of it would be."""
    return fork(parent, epoch, typed, Tracking())


def phases(*each: dict[str, Any], total: int = 10, **trainer: Any) -> str:
    """The config hash of an experiment with these phases."""
    made = config(trainer={"epochs": total, "phases": list(each), **trainer})
    return identify(made, DIGEST).config_hash


def test_a_fork_is_the_phases_that_could_have_been_typed() -> None:
    """Its hash is that of the experiment, which needs no parent."""
    made = forked(ten(), 8, f"{RATE}=1e-4", "trainer.epochs=12")
    assert made.identity.config_hash == phases({"first": 9, RATE: 1e-4}, total=12)
    assert lineage(made.config, DIGEST)[0] == made.parent.identity.trajectory_hash
    assert not made.is_parent


def test_a_fork_of_a_fork_is_one_path() -> None:
    """Whichever way it was gone: once, twice, or typed."""
    once = forked(ten(), 4, f"{RATE}=1e-4")
    twice = forked(run_of(once.config), 6, "trainer.batch_size=8", "trainer.epochs=9")
    typed = phases({"first": 5, RATE: 1e-4}, {"first": 7, "batch_size": 8}, total=9)
    assert twice.identity.config_hash == typed
    before = forked(run_of(once.config), 3, "trainer.batch_size=8")
    assert before.identity.config_hash == phases({"first": 4, "batch_size": 8})


@pytest.mark.parametrize("typed", [(), (f"{RATE}=0.001",), ("trainer.epochs=10",)])
def test_a_fork_that_changes_nothing_is_its_parent(typed: tuple[str, ...]) -> None:
    """Whatever its schedule is."""
    for parent in (
        ten(),
        ten(schedule={"name": "cosine"}),
        ten(schedule={"name": "wsd"}),
        ten(phases=[{"first": 9, "batch_size": 8}]),
    ):
        made = forked(parent, 4, *typed)
        assert made.is_parent
        assert made.identity == parent.identity


def test_the_part_of_the_parent_is_that_of_the_parent() -> None:
    """A decay goes on as it did there, and begins anew until the new end."""
    cosine = ten(schedule={"name": "cosine"})
    made = forked(cosine, 8, f"{RATE}=1e-4", "trainer.epochs=12")
    first, _ = lineage(made.config, DIGEST)
    assert first == cosine.identity.trajectory_hash
    *_, phase = made.config.trainer.phases
    assert phase == {"first": 9, RATE: 1e-4, "trainer.schedule.decay_epochs": None}
    longer = forked(cosine, 8, "trainer.epochs=12")
    assert longer.identity.trajectory_hash == first


def test_the_stable_part_goes_on_and_cools_down_again() -> None:
    """What was cooled down after the fork is no part of it."""
    wsd = ten(schedule={"name": "wsd"})
    stable = forked(wsd, 6, "trainer.epochs=20")
    assert stable.identity.trajectory_hash == identify(config(), DIGEST).trajectory_hash
    again = forked(wsd, 6, "trainer.schedule.name=wsd", "trainer.epochs=20")
    assert lineage(again.config, DIGEST)[0] == stable.identity.trajectory_hash
    assert len(lineage(again.config, DIGEST)) == 2


def test_it_is_taken_up_after_its_last_epoch_where_none_is_said() -> None:
    """As after any other."""
    made = forked(ten(), None, f"{RATE}=1e-4", "trainer.epochs=12")
    assert (made.epoch, made.config.trainer.phases[0]["first"]) == (10, 11)


def test_what_is_no_part_of_the_trajectory_holds_for_all_of_it() -> None:
    """When to stop, how to compute, what is kept."""
    made = forked(
        ten(),
        8,
        f"{RATE}=1e-4",
        "trainer.stop_at_loss=0.5",
        "trainer.threads=1",
        "trajectory.max_gb=2",
        "trainer.early_stopping.patience=2",
    )
    assert made.config.trainer.stop_at_loss == 0.5
    assert made.config.trainer.threads == 1
    assert made.config.trajectory.max_gb == 2
    assert made.config.trainer.early_stopping.patience == 2


@pytest.mark.parametrize(
    ("epoch", "typed", "said"),
    [
        pytest.param(11, (f"{RATE}=1",), "there is no epoch 11", id="beyond"),
        pytest.param(8, ("model.filters=8",), "model.filters cannot change", id="network"),
        pytest.param(8, ("data.limit=8",), "data.limit cannot change", id="data"),
        pytest.param(8, ("data.name=mnist",), "data.name cannot change", id="other data"),
        pytest.param(8, ("seed=1",), "seed cannot change", id="seed"),
        pytest.param(8, ("trainer.precision=float64",), "cannot change", id="precision"),
        pytest.param(8, ("trainer.epochs=7", f"{RATE}=1"), "Type trainer.epochs=9", id="before"),
        pytest.param(10, (f"{RATE}=1",), "Type trainer.epochs=11", id="no epoch left"),
        pytest.param(8, (f"{RATE}=1,2",), "with one value", id="sweep"),
        pytest.param(8, ("trainer.optimizer.rate=1",), "there is no such key", id="no key"),
        pytest.param(8, (f"{RATE}=-1",), "a number above 0", id="no value"),
        pytest.param(8, ("trainer.schedule.name=exponential",), "end_factor", id="impossible"),
        pytest.param(8, ("trainer.phases=[]",), "phases cannot change", id="phases"),
        pytest.param(8, ("trainer.class_weight.cat=2",), "Give all of it: {cat: 2}.", id="below"),
        pytest.param(8, ("trainer.stop_at.val_loss=1",), "stop_at=null has no keys", id="stop"),
    ],
)
def test_what_cannot_be_is_refused(epoch: int, typed: tuple[str, ...], said: str) -> None:
    """In a line or two, before anything starts."""
    with pytest.raises(ConfigError) as refused:
        forked(ten(), epoch, *typed)
    assert said in str(refused.value)


def test_a_fork_switches_nothing_off_unsaid() -> None:
    """All parameters of the optimizer as one value would."""
    with pytest.raises(ConfigError, match="as a whole would switch trainer.clip_norm=1.0 off"):
        forked(ten(clip_norm=1.0), 8, "trainer.optimizer.params={beta_1: 0.8}")


@pytest.mark.parametrize("name", ["abcd@", "abcd@0", "abcd@x", "abcd@-1", "abcd@1.5"])
def test_an_epoch_is_a_number_from_1(name: str) -> None:
    """Behind the hash and an @; without one it is the last."""
    assert parse_fork_point("abcd@8") == ("abcd", 8)
    assert parse_fork_point("abcd") == ("abcd", None)
    with pytest.raises(ConfigError, match="Type abcd@8"):
        parse_fork_point(name)


def test_a_parent_that_was_changed_is_refused() -> None:
    """As by whatever reads records."""
    parent = ten()
    with pytest.raises(RecordError, match="was changed after it was stored"):
        forked(record(config=parent.config, epochs=parent.epochs), 1, f"{RATE}=1")


@pytest.mark.slow
def test_a_fork_is_trained_and_reproduced_without_its_parent(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of its parent is read; from an exported folder it comes out the same."""
    from cnn_sweeps.runs.recorded import lookup
    from cnn_sweeps.runs.reproduce import reproduce
    from cnn_sweeps.runs.run import run
    from cnn_sweeps.tracking.names import LINEAGE

    tracking = Tracking(dir=store.address.dir, figures=False, log_model=False)

    def trained(experiment: Config) -> tuple[RunResult, Record]:
        done = run(experiment, store)
        return done, lookup.record_of(store, store.get(done.run_id))

    small = {"trainer": {"epochs": 4}, "data": {"limit": 60}}
    where = {"dir": str(tracking.dir), "figures": False, "log_model": False}
    _, parent = trained(config(**small, tracking=where))
    made = fork(parent, 2, ["trainer.optimizer.name=sgd", "trainer.epochs=3"], tracking)
    assert made.cost() == 2
    done, own = trained(made.config)
    assert (done.epochs_trained, len(own.epochs)) == (3, 3)
    assert done.identity == made.identity
    assert own.epochs[:2] == parent.epochs[:2]
    assert made.cost() == 0, "it is trained"
    again = fork(parent, 2, ["trainer.batch_size=8"], tracking)
    assert again.cost() == 0
    with monkeypatch.context() as elsewhere:  # image files that another decoder has decoded
        pixels = replace(load_cached(again.config.data), decoded="d" * 64)
        elsewhere.setattr("cnn_sweeps.data.load_cached", lambda _: pixels)
        assert again.cost() == 2
    assert len(store.get(done.run_id).tags[LINEAGE].splitlines()) == 2
    folder = tmp_path / "exported"
    export.write(own, folder)
    exported = export.read(folder)
    assert load_stored(yaml.safe_load((folder / export.CONFIG).read_text())) == exported.config
    assert identify(exported.config, own.identity.data_digest) == own.identity
    done_again = reproduce(exported, tracking, store)
    assert done_again.verdict.kind == IDENTICAL
    assert done_again.now.identity == own.identity
    assert done_again.now.weights_sha256 == own.weights_sha256
