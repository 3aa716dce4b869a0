"""What is kept of one trajectory, and what becomes of it when files are not as they were."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damage
from plans import epoch

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import files
from cnn_sweeps.trajectories.entry import Entry

OLD = 1_000_000_000.0


def state(number: int) -> dict[str, Any]:
    """The variables after an epoch."""
    return {
        "model/0": np.full((2, 3), float(number)),
        "model/1": np.array(number),
        "optimizer/0": np.array(-number),
        "random/0": np.array([number, 7]),
    }


@pytest.fixture
def empty(tmp_path: Path) -> Entry:
    """An entry of which nothing is there."""
    return Entry(tmp_path / ("a" * 64) / "environment")


@pytest.fixture
def entry(empty: Entry) -> Entry:
    """An entry of four epochs."""
    for number in range(1, 5):
        empty.put(epoch(number, loss=1 / number), state(number), run_id="first")
    return empty


def names(entry: Entry) -> list[str]:
    """Every file of an entry."""
    return sorted(str(path.relative_to(entry.folder)) for path, _ in files.sizes(entry.folder))


def test_epochs_come_back_as_they_were_put(entry: Entry) -> None:
    """Metrics, runs and variables, in order."""
    history = entry.history()
    assert [one.epoch for one in history] == [epoch(n, loss=1 / n) for n in range(1, 5)]
    assert {one.run_id for one in history} == {"first"}
    for one in history:
        read = entry.weights(one)
        assert read is not None
        assert {k: v.tolist() for k, v in read.items()} == {
            k: v.tolist() for k, v in state(one.number).items() if k.startswith("model")
        }


def test_training_goes_on_from_the_last_two_epochs_only(entry: Entry) -> None:
    """The optimizers of the others are deleted, the weights of all are kept."""
    states = [entry.state(one) for one in entry.history()]
    assert [one is not None for one in states] == [False, False, True, True]
    assert states[-1] is not None
    assert {k: v.tolist() for k, v in states[-1].items()} == {
        k: v.tolist() for k, v in state(4).items()
    }
    assert names(entry) == [
        "history.json",
        *("optimizer/0003.npz", "optimizer/0004.npz"),
        *(f"weights/000{n}.npz" for n in range(1, 5)),
    ]


def test_variables_of_the_model_alone_cannot_be_gone_on_from(empty: Entry) -> None:
    """Where a network has a state that nobody can keep, its weights are kept all the same."""
    one = empty.put(epoch(1), {"model/0": np.array(1.0)}, run_id="run")
    assert empty.state(one) is None
    assert empty.weights(one) is not None
    assert names(empty) == ["history.json", "weights/0001.npz"]


def test_an_entry_that_is_not_there_is_empty(empty: Entry) -> None:
    """Asking makes nothing."""
    assert (empty.history(), empty.about, empty.size, empty.used) == ([], {}, 0, 0.0)
    assert empty.verify() == {}
    empty.mark_used()
    assert not empty.folder.exists()


def test_its_folder_says_what_it_is(empty: Entry) -> None:
    """The trajectory and the environment stand in the path."""
    assert (empty.trajectory_hash, empty.environment) == ("a" * 64, "environment")


def test_a_known_epoch_that_is_trained_again_keeps_its_first_record(entry: Entry) -> None:
    """Its lost files are restored; who trained it first, and how long that took, stays."""
    before = entry.history()
    (entry.folder / "weights" / "0002.npz").unlink()
    entry.put(replace(epoch(2, loss=1 / 2), seconds=9.0), state(2), run_id="second")
    again = entry.history()
    assert [(one.epoch, one.run_id) for one in again] == [(o.epoch, o.run_id) for o in before]
    assert entry.weights(again[1]) is not None


@pytest.mark.parametrize("what", ["results", "weights"])
def test_a_known_epoch_that_comes_out_otherwise_replaces_what_follows(
    entry: Entry, what: str
) -> None:
    """What went on from the other one is not of one training with it."""
    other = epoch(2, loss=9.0) if what == "results" else epoch(2, loss=1 / 2)
    entry.put(other, state(3 if what == "weights" else 2), run_id="second")
    assert [(one.epoch, one.run_id) for one in entry.history()] == [
        (epoch(1, loss=1.0), "first"),
        (other, "second"),
    ]
    assert sorted(path.name for path in (entry.folder / "weights").iterdir()) == [
        "0001.npz",
        "0002.npz",
    ]


def test_training_again_can_be_killed_and_gone_on_with(entry: Entry) -> None:
    """The optimizers of the last two epochs in hand stay until others are trained."""
    for number in (1, 2, 3):
        entry.put(epoch(number, loss=1 / number), state(number), run_id="second")
    assert [entry.state(one) is not None for one in entry.history()] == [False, True, True, True]
    entry.put(epoch(5), state(5), run_id="third")
    assert [one.number for one in entry.history() if one.optimizer] == [4, 5]


def test_what_the_disk_lost_is_written_from_what_is_known(entry: Entry) -> None:
    """A history that is gone while somebody trains is there again after the next epoch."""
    before = entry.history()
    (entry.folder / "history.json").unlink()
    entry.put(epoch(5), state(5), run_id="first", known=before)
    assert [one.number for one in entry.history()] == [1, 2, 3, 4, 5]
    assert [one.epoch for one in entry.history()[:4]] == [one.epoch for one in before]


def test_a_longer_history_on_disk_wins(entry: Entry) -> None:
    """Where a lock was lost, somebody else may have come further."""
    before = entry.history()
    entry.put(replace(epoch(1, loss=1.0), seconds=9.0), state(1), run_id="second", known=before[:2])
    assert [one.epoch for one in entry.history()] == [one.epoch for one in before]


@pytest.mark.parametrize(
    "name",
    [
        "history.json.77.part",
        "weights/0005.npz.77.part",
        "weights/0005.npz",
        "optimizer/0005.npz",
    ],
)
def test_what_a_killed_process_half_wrote_does_not_count(entry: Entry, name: str) -> None:
    """A file counts once the history names it, and the next epoch writes over it."""
    (entry.folder / name).write_bytes(b"half")
    assert [one.number for one in entry.history()] == [1, 2, 3, 4]
    assert entry.verify() == {}
    five = entry.put(epoch(5), state(5), run_id="first")
    assert entry.state(five) is not None
    assert entry.verify() == {}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"epochs": [', id="truncated"),
        pytest.param(b"null", id="another form"),
    ],
)
def test_a_damaged_history_is_set_aside(entry: Entry, content: bytes) -> None:
    """Nothing of it is used, and nothing of it is lost for whoever looks into it."""
    (entry.folder / "history.json").write_bytes(content)
    assert entry.history() == []
    assert (entry.folder / "history.json.damaged").read_bytes() == content
    assert entry.history() == []
    assert entry.verify() == {"history.json": "damaged"}


def test_a_history_that_cannot_be_read_now_stays_in_its_place(entry: Entry) -> None:
    """Too many open files, say, are no damage."""
    path = entry.folder / "history.json"
    path.unlink()
    path.mkdir()
    assert entry.history() == []
    assert path.is_dir()


@pytest.mark.parametrize("kind", ["weights", "optimizer"])
@pytest.mark.parametrize(
    "hurt",
    [
        pytest.param(damage, id="flipped bit"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:40]), id="truncated"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    ],
)
def test_a_damaged_file_is_never_used(entry: Entry, kind: str, hurt: Any) -> None:
    """It is set aside; the epoch is still known, and the one before can be gone on from."""
    hurt(entry.folder / kind / "0004.npz")
    third, fourth = entry.history()[2:]
    assert entry.state(fourth) is None
    assert entry.state(third) is not None
    assert f"{kind}/0004.npz.damaged" in names(entry)
    assert f"{kind}/0004.npz" not in names(entry)


def test_a_check_finds_every_fault_once_and_again(entry: Entry) -> None:
    """What does not fit is set aside and stays a fault until it is restored."""
    damage(entry.folder / "weights" / "0001.npz")
    (entry.folder / "weights" / "0002.npz").unlink()
    (entry.folder / "optimizer" / "0004.npz").write_bytes(b"")
    verify = {
        "weights/0001.npz": "damaged",
        "weights/0002.npz": "missing",
        "optimizer/0004.npz": "damaged",
    }
    assert entry.verify() == verify
    assert entry.verify() == verify
    for number in (1, 2, 4):
        entry.put(epoch(number, loss=1 / number), state(number), run_id="second")
    assert entry.verify() == {}


def test_an_optimizer_that_is_deleted_meanwhile_is_no_fault(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever trains at the moment deletes what the history no longer names."""
    read = files.read

    def trained_meanwhile(path: Path, digest: str) -> bytes | None:
        if path.parent.name == "weights" and path.stem == "0001":
            entry.put(epoch(5), state(5), run_id="first")
        return read(path, digest)

    monkeypatch.setattr(files, "read", trained_meanwhile)
    assert entry.verify() == {}
    assert "optimizer/0003.npz" not in names(entry)


def test_it_is_described_once(empty: Entry) -> None:
    """Who came first says what it is."""
    empty.describe({"title": "cnn 4x1"})
    empty.describe({"title": "another"})
    assert empty.about == {"title": "cnn 4x1"}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_description_is_none(empty: Entry, content: bytes) -> None:
    """It is for people only: nothing depends on it."""
    empty.describe({})
    (empty.folder / "about.json").write_bytes(content)
    assert empty.about == {}


def test_size_is_that_of_all_files(entry: Entry) -> None:
    """Also of those that no history names."""
    before = entry.size
    (entry.folder / "weights" / "x.part").write_bytes(b"12345")
    assert entry.size == before + 5


def test_use_is_noted(entry: Entry) -> None:
    """Reading is use too; making and deleting other files in its folder is not."""
    os.utime(entry.folder / "history.json", (OLD, OLD))
    (entry.folder / "lock").touch()
    entry.prune()
    assert entry.used == OLD
    entry.mark_used()
    assert entry.used > OLD


def test_a_training_in_its_first_epoch_is_in_use(empty: Entry) -> None:
    """There is no history yet, but a folder."""
    empty.describe({})
    os.utime(empty.folder, (OLD, OLD))
    assert empty.used == OLD
    empty.mark_used()
    assert empty.used > OLD


def test_removing_takes_the_folder_of_the_trajectory_with_it(entry: Entry) -> None:
    """Nothing is left of it."""
    assert entry.remove()
    assert not entry.folder.parent.exists()


def test_removing_leaves_other_environments(entry: Entry) -> None:
    """They are entries of their own."""
    other = Entry(entry.folder.with_name("other"))
    other.put(epoch(1), state(1), run_id="run")
    assert entry.remove()
    assert len(other.history()) == 1


def test_what_is_gone_is_removed(empty: Entry) -> None:
    """Two may remove at once."""
    assert empty.remove()


def test_a_removal_that_is_interrupted_leaves_nothing_to_read(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is renamed first, so that nobody finds half an entry."""
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert entry.remove()
    assert entry.history() == []
    (left,) = entry.folder.parent.iterdir()
    assert ".removed-" in left.name


def test_tidying_leaves_what_the_history_names(entry: Entry) -> None:
    """Half-written, damaged and forgotten files go; epochs, description and lock stay."""
    entry.describe({"title": "cnn 4x1"})
    (entry.folder / "lock").touch()
    before = names(entry)
    for name in ("history.json.7.part", "weights/0002.npz.damaged", "optimizer/0001.npz"):
        (entry.folder / name).write_bytes(b"left behind")
    entry.prune()
    assert names(entry) == before


def test_a_full_disk_leaves_the_epochs_before(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch that does not fit is not known; the others are."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"0005\.npz cannot be written: No space left"):
        entry.put(epoch(5), state(5), run_id="first")
    assert [one.number for one in entry.history()] == [1, 2, 3, 4]
    assert entry.verify() == {}


def test_a_process_killed_between_files_leaves_the_epochs_before(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever file it ends, the history is that of before, and can be gone on from."""
    write = files.write

    for survived in range(3):
        left = iter(range(survived))

        def killed(path: Path, data: bytes, left: Any = left) -> str:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return write(path, data)

        monkeypatch.setattr(files, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            entry.put(epoch(5), state(5), run_id="first")
        monkeypatch.setattr(files, "write", write)
        assert [one.number for one in entry.history()] == [1, 2, 3, 4]
        assert entry.verify() == {}
        assert entry.state(entry.history()[-1]) is not None


def test_a_history_can_be_read_by_people(entry: Entry) -> None:
    """It is JSON, with a metric of each epoch under its name."""
    stored = json.loads((entry.folder / "history.json").read_text())
    assert [one["epoch"]["loss"] for one in stored["epochs"]] == [1.0, 1 / 2, 1 / 3, 1 / 4]
