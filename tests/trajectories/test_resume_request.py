"""Where the epochs of a run come from, as its config has it; and what its tags say of that."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from configs import config
from formulas import Formula, expected, losses
from tracked import Tracked

from cnn_sweeps.config import Config
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.training.epoch import TrainingResult
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.shared import SharedStore


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    """A run that is logged to a folder."""
    return Tracked(tmp_path)


def ran(
    tracked: Tracked, asked: Config, during: Any = lambda _: None
) -> tuple[TrainingResult, Formula]:
    """Train what is asked for, with whatever is known."""
    from cnn_sweeps.runs.run import logged_epoch_source
    from cnn_sweeps.training.loop import train
    from cnn_sweeps.trajectories.resume import TrainingRequest

    trainer = Formula(during)
    environment = Environment.capture(threads=1, deterministic=True)
    request = TrainingRequest(
        config=asked,
        identity=identify(asked, "d" * 64),
        environment=environment,
        folder=tracked.address.dir,
    )
    with logged_epoch_source(trainer, request, tracked) as source:  # type: ignore[arg-type]
        return train(source, asked.trainer), trainer


def test_epochs_are_kept_and_read_beside_the_runs(tracked: Tracked) -> None:
    """A longer run of the same experiment trains the rest."""
    ran(tracked, config(trainer={"epochs": 2}))
    assert tracked.tags == {"epochs_trained": 2, "epochs_reused": 0, "train_seconds_paid": 2.0}
    done, trainer = ran(tracked, config(trainer={"epochs": 5}))
    assert trainer.done == [3, 4, 5]
    assert (losses(done), trainer.weights) == expected(5)
    assert tracked.tags["trained_by"] == "run"


def test_an_entry_says_what_it_is(tracked: Tracked) -> None:
    """For people and for the list: network, data and where it was trained."""
    asked = config()
    ran(tracked, asked)
    (entry,) = TrajectoryStore.under(tracked.address.dir).entries()
    about = entry.about
    assert (about["title"], about["data"]) == ("cnn 4x1", "digits")
    assert about["trajectory_hash"] == identify(asked, "d" * 64).trajectory_hash
    assert entry.trajectory_hash == about["trajectory_hash"]
    assert about["environment"]["threads"] == 1


def test_without_reuse_nothing_is_read_or_kept(tracked: Tracked) -> None:
    """Neither what is known nor what is trained counts."""
    ran(tracked, config(trainer={"epochs": 3}))
    shutil.copytree(tracked.address.dir, tracked.address.dir.with_name("before"))
    tracked.tags = {}
    asked = config(trainer={"epochs": 3}, trajectory={"reuse": False})
    done, trainer = ran(tracked, asked)
    assert trainer.done == [1, 2, 3]
    assert losses(done) == expected(3)[0]
    assert tracked.tags == {"epochs_trained": 3, "epochs_reused": 0, "train_seconds_paid": 3.0}
    (entry,) = TrajectoryStore.under(tracked.address.dir).entries()
    assert len(entry.history()) == 3
    before = TrajectoryStore.under(tracked.address.dir.with_name("before")).entries()[0]
    assert entry.used == before.used


def test_steps_in_one_call_have_an_entry_of_their_own(tracked: Tracked) -> None:
    """The trajectory is the same; its bits need not be."""
    ran(tracked, config())
    _, trainer = ran(tracked, config(trainer={"steps_per_execution": 4}))
    assert trainer.done == [1]
    one, other = TrajectoryStore.under(tracked.address.dir).entries()
    assert one.trajectory_hash == other.trajectory_hash


def test_too_much_is_deleted_after_a_training(tracked: Tracked) -> None:
    """Where not even one fits, nothing stays, and the run is none the worse for it."""
    done, trainer = ran(tracked, config(trainer={"epochs": 3}, trajectory={"max_gb": 1e-9}))
    assert (losses(done), trainer.weights) == expected(3)
    assert TrajectoryStore.under(tracked.address.dir).entries() == []


def test_reading_deletes_nothing(tracked: Tracked) -> None:
    """Nothing has been added."""
    ran(tracked, config(trainer={"epochs": 2}))
    ran(tracked, config(trainer={"epochs": 2}, trajectory={"max_gb": 1e-9}))
    assert len(TrajectoryStore.under(tracked.address.dir).entries()) == 1


def test_a_failed_training_says_what_it_paid_and_makes_room(tracked: Tracked) -> None:
    """A sweep may be pruned for hours without one run that ends well."""
    with pytest.raises(ZeroDivisionError):
        ran(
            tracked,
            config(trainer={"epochs": 9}, trajectory={"max_gb": 1e-9}),
            lambda number: number // (3 - number),
        )
    assert tracked.tags["epochs_trained"] == 2
    assert TrajectoryStore.under(tracked.address.dir).entries() == []


def test_what_went_wrong_is_told_though_the_tags_are_refused(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the training is the one that helps."""

    def refuse(tags: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(tracked, "set_tags", refuse)
    with pytest.raises(ZeroDivisionError):
        ran(tracked, config(), lambda number: number // 0)


def test_what_cannot_be_described_can_be_read(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only folder without a description is as good as one with."""
    from cnn_sweeps.trajectories import files

    ran(tracked, config(trainer={"epochs": 2}))
    (entry,) = TrajectoryStore.under(tracked.address.dir).entries()
    (entry.folder / "about.json").unlink()

    def refuse(path: Path, data: bytes) -> str:
        raise StoreError("read-only")

    monkeypatch.setattr(files, "write", refuse)
    done, trainer = ran(tracked, config(trainer={"epochs": 2}))
    assert (losses(done), trainer.done) == (expected(2)[0], [])


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden state", "none"])
def test_only_a_network_of_the_users_is_looked_into(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    """Ours have no state that cannot be kept."""
    from cnn_sweeps.trajectories import resume

    looked: list[object] = []
    monkeypatch.setattr(resume, "has_untracked_state", lambda model: looked.append(model) or hidden)
    ran(tracked, config())
    assert looked == []
    custom = config(model={"name": "custom", "function": "nowhere:build"}, trainer={"epochs": 2})
    _, trainer = ran(tracked, custom)
    assert looked == [trainer.model]
    longer = config(model={"name": "custom", "function": "nowhere:build"}, trainer={"epochs": 3})
    assert ran(tracked, longer)[1].done == ([1, 2, 3] if hidden else [3])


def wsd(epochs: int) -> Config:
    """An experiment that cools down at its end."""
    return config(trainer={"epochs": epochs, "schedule": {"name": "wsd"}})


def test_the_stable_part_is_trained_once_for_all_lengths(tracked: Tracked) -> None:
    """5, 10 and 20 epochs as a sweep has them: 16 stable ones, and 1, 2 and 4 that cool down."""
    trained = [ran(tracked, wsd(epochs))[1].done for epochs in (5, 10, 20)]
    assert trained == [[1, 2, 3, 4, 5], [5, 6, 7, 8, 9, 10], list(range(9, 21))]
    assert sum(map(len, trained)) == 23
    again = [ran(tracked, wsd(epochs)) for epochs in (20, 10, 5)]
    assert [trainer.done for _, trainer in again] == [[], [], []]
    assert [(losses(done), trainer.weights) for done, trainer in again] == [
        expected(epochs) for epochs in (20, 10, 5)
    ]


def test_where_a_segment_begins_the_state_is_kept(tracked: Tracked) -> None:
    """However far the one before is trained afterwards; from elsewhere it is trained again."""
    ran(tracked, wsd(5))
    ran(tracked, config(trainer={"epochs": 9}))
    shorter = config(trainer={"epochs": 6, "phases": [{"first": 5, "batch_size": 8}]})
    assert ran(tracked, shorter)[1].done == [5, 6]
    elsewhere = config(trainer={"epochs": 7, "phases": [{"first": 7, "batch_size": 8}]})
    assert ran(tracked, elsewhere)[1].done == [5, 6, 7]
    assert ran(tracked, elsewhere)[1].done == []


def test_segments_that_are_lost_are_trained_again(tracked: Tracked) -> None:
    """The first, the second or both, whole or in part: the numbers are the same."""
    asked = config(
        trainer={
            "epochs": 7,
            "phases": [{"first": 3, "batch_size": 8}, {"first": 6, "batch_size": 4}],
        }
    )
    ran(tracked, asked)
    store = TrajectoryStore.under(tracked.address.dir)
    folders = {entry.about.get("first", 1): entry.folder for entry in store.entries()}
    assert sorted(folders) == [1, 3, 6]
    assert [entry.verify() for entry in store.entries()] == [{}, {}, {}]
    for lost in ([1], [3], [6], [1, 3], [3, 6], [1, 6]):
        for first in lost:
            shutil.rmtree(folders[first])
        done, trainer = ran(tracked, asked)
        assert (losses(done), trainer.weights) == expected(7)
        assert {first for first in lost if not folders[first].exists()} == set()
        again, unmoved = ran(tracked, asked)
        assert (losses(again), unmoved.weights, unmoved.done) == (*expected(7), [])


def test_an_entry_says_what_it_goes_on_from(tracked: Tracked) -> None:
    """For people, and for the list."""
    asked = wsd(5)
    ran(tracked, asked)
    named = {
        entry.about["trajectory_hash"]: entry
        for entry in TrajectoryStore.under(tracked.address.dir).entries()
    }
    last = named[identify(asked, "d" * 64).trajectory_hash].about
    assert (last["first"], last["previous"]) == (5, identify(config(), "d" * 64).trajectory_hash)


def test_damaged_weights_of_an_earlier_segment_are_trained_again(tracked: Tracked) -> None:
    """Where the best epoch lies before the last change."""
    early = {"patience": 6, "min_delta": 99.0}
    asked = config(
        trainer={
            "epochs": 5,
            "phases": [{"first": 3, "batch_size": 8}],
            "early_stopping": early,
        }
    )
    first, trainer = ran(tracked, asked)
    best = trainer.weights
    assert first.best == 1
    for entry in TrajectoryStore.under(tracked.address.dir).entries():
        (entry.folder / "weights" / "0001.npz").unlink(missing_ok=True)
    _, trainer = ran(tracked, asked)
    assert (trainer.weights, trainer.done) == (best, [1])


def test_a_store_for_all_is_used_where_one_is_named(tracked: Tracked, tmp_path: Path) -> None:
    """By each segment of a training; what became of the epochs is said with the run."""
    asked = config(
        trainer={"epochs": 3, "phases": [{"first": 3, "batch_size": 8}]},
        trajectory={"store": str(tmp_path / "all")},
    )
    ran(tracked, asked)
    ran(Tracked(tmp_path / "elsewhere"), asked)
    done, trainer = ran(Tracked(tmp_path / "third"), asked)
    assert (losses(done), trainer.done) == (expected(3)[0], [])
    entries = SharedStore(tmp_path / "all").entries()
    assert sorted(len(entry.paths) for entry in entries) == [1, 2]
    assert {entry.about["title"] for entry in entries} == {"cnn 4x1"}


def test_the_own_cache_is_no_store_for_all(tracked: Tracked) -> None:
    """It deletes what it does not know, so it is refused before anything is trained."""
    own = TrajectoryStore.under(tracked.address.dir).folder
    for folder in (own, own / "all"):
        with pytest.raises(ConfigError, match="is in the cache of .* itself"):
            ran(tracked, config(trajectory={"store": str(folder)}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"store": "x", "reuse": False}, "trajectory.store=x has no effect", id="none"),
        pytest.param({"audit": 0.1}, "audit=0.1 has no effect without", id="nothing to audit"),
        pytest.param({"store": "x", "audit": 2}, "trajectory.audit", id="more than all"),
    ],
)
def test_a_store_without_effect_is_refused(given: dict[str, Any], message: str) -> None:
    """No setting is accepted and ignored."""
    with pytest.raises(ConfigError, match=message):
        config(trajectory=given)
