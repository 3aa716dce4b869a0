"""All trajectories together: what is there, and what goes when there is too much."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from plans import epoch

from cnn_sweeps.trajectories import cache as stores
from cnn_sweeps.trajectories.cache import GB, TrajectoryStore
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.files import sizes
from cnn_sweeps.trajectories.lock import Lock

HERE, THERE = "1" * 64, "2" * 64


@pytest.fixture
def store(tmp_path: Path) -> TrajectoryStore:
    """Three trajectories; the letters say in which order they were used."""
    made = TrajectoryStore.under(tmp_path)
    for age, letter in enumerate("cba"):
        entry = made.entry(letter * 64, HERE)
        entry.put(epoch(1), {"model/0": np.zeros(1000)}, run_id="run")
        used_ago(entry, age)
    return made


def used_ago(entry: Entry, hours: float) -> None:
    """Let an entry have been used so long ago."""
    moment = time.time() - 3600 * hours
    for path in (entry.folder / "history.json", entry.folder):
        if path.exists():
            os.utime(path, (moment, moment))


def letters(entries: list[Entry]) -> str:
    """The entries of the fixture by the first letter of their hash."""
    return "".join(entry.trajectory_hash[0] for entry in entries)


def gb(store: TrajectoryStore, entries: float) -> float:
    """The size of so many entries of the fixture."""
    return entries * store.entries()[0].size / GB


def test_an_entry_belongs_to_a_trajectory_in_an_environment(tmp_path: Path) -> None:
    """Its folder says so; asking for it makes nothing."""
    entry = TrajectoryStore.under(tmp_path).entry("a" * 64, HERE)
    assert entry.folder == tmp_path / "trajectories" / ("a" * 64) / ("1" * 12)
    assert list(tmp_path.iterdir()) == []


def test_entries_come_in_the_order_of_their_use(store: TrajectoryStore) -> None:
    """The one that was not used for longest is first, and first to go."""
    assert letters(store.entries()) == "abc"
    store.entry("a" * 64, HERE).mark_used()
    assert letters(store.entries()) == "bca"


def test_one_trajectory_in_two_environments_is_two_entries(store: TrajectoryStore) -> None:
    """They have different bits."""
    store.entry("a" * 64, THERE).put(epoch(1), {"model/0": np.zeros(1)}, run_id="run")
    assert letters(store.entries()) == "abca"


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    """A store that was never used can be asked, emptied and tidied."""
    store = TrajectoryStore.under(tmp_path)
    assert (store.entries(), store.evict(1.0), store.clear()) == ([], [], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("room", "gone", "left"),
    [
        pytest.param(3.5, "", "abc", id="all fit"),
        pytest.param(3.0, "", "abc", id="just"),
        pytest.param(2.5, "a", "bc", id="one too many"),
        pytest.param(1.0, "ab", "c", id="two"),
        pytest.param(0.5, "abc", "", id="not even one fits"),
    ],
)
def test_what_was_not_used_for_longest_goes_first(
    store: TrajectoryStore, room: float, gone: str, left: str
) -> None:
    """Until the rest fits, and no more than that."""
    assert letters(store.evict(gb(store, room))) == gone
    assert letters(store.entries()) == left


def test_what_is_in_use_stays(store: TrajectoryStore) -> None:
    """The next one goes in its place; afterwards it can go too."""
    with Lock(store.entry("a" * 64, HERE).folder) as lock:
        assert lock.acquire()
        assert letters(store.evict(gb(store, 2.5))) == "b"
        assert letters(store.clear()) == "c"
        assert letters(store.entries()) == "a"
    assert letters(store.clear()) == "a"


def test_what_a_training_uses_stays_though_its_lock_is_free(store: TrajectoryStore) -> None:
    """Until it ends, or dies: then its mark goes with the rest."""
    used = store.entry("a" * 64, HERE)
    (used.folder / "users" / "of-a-dead-process").mkdir(parents=True)
    with used.in_use():
        store.prune()
        assert letters(store.evict(0.0)) == "bc"
        assert letters(store.entries()) == "a"
    assert not used.is_in_use()
    assert list((used.folder / "users").iterdir()) == []
    assert letters(store.clear()) == "a"


def test_clearing_takes_everything_or_what_is_named(store: TrajectoryStore) -> None:
    """Nothing is left behind, not even empty folders."""
    assert letters(store.clear(store.entries()[1:2])) == "b"
    assert letters(store.clear()) == "ac"
    assert list(store.folder.iterdir()) == []


def test_a_training_that_never_ended_an_epoch_goes_too(store: TrajectoryStore) -> None:
    """Its folder holds a description and a lock, and no history."""
    room, begun = gb(store, 3), store.entry("d" * 64, HERE)
    begun.describe({"title": "cnn 4x1"})
    used_ago(begun, 9)
    assert letters(store.entries()) == "dabc"
    assert letters(store.evict(room)) == "d"


def leave_behind(store: TrajectoryStore) -> list[Path]:
    """What dead processes and damage leave: in an entry, and of one that was being removed."""
    entry = store.entry("a" * 64, HERE)
    left = [
        entry.folder / "history.json.7.part",
        entry.folder / "weights" / "0001.npz.damaged",
        entry.folder.with_name("111111111111.removed-x") / "weights" / "0001.npz",
        store.folder / ("e" * 64) / "111111111111.removed-y" / "history.json",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10_000)
    used_ago(entry, 9)
    return left


def test_what_is_left_behind_is_no_entry(store: TrajectoryStore) -> None:
    """A folder that was being removed is never found again."""
    leave_behind(store)
    assert letters(store.entries()) == "abc"


def test_what_is_left_behind_goes_before_any_entry(store: TrajectoryStore) -> None:
    """When room is needed, what nobody can use makes it."""
    room, left = gb(store, 3.5), leave_behind(store)
    assert store.evict(room) == []
    assert not [path for path in left if path.exists()]
    assert letters(store.entries()) == "abc"
    assert not (store.folder / ("e" * 64)).exists()


def test_clearing_takes_what_is_left_behind_with_it(store: TrajectoryStore) -> None:
    """Also where only one trajectory is named."""
    left = leave_behind(store)
    store.clear([])
    assert not [path for path in left if path.exists()]
    assert letters(store.entries()) == "abc"


def test_what_is_being_written_is_not_tidied_away(store: TrajectoryStore) -> None:
    """Somebody who trains has half-written files of his own."""
    left = leave_behind(store)
    with Lock(store.entry("a" * 64, HERE).folder) as lock:
        assert lock.acquire()
        store.prune()
    assert [path.exists() for path in left] == [True, True, False, False]


def test_a_store_that_cannot_be_written_stays_as_it_is(
    store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others' entries may be read-only; that is no reason to fail a run that is done."""

    def read_only(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", read_only)  # which is how a lock is opened
    monkeypatch.setattr(Path, "rename", read_only)
    assert store.evict(0.0) == []
    monkeypatch.undo()
    monkeypatch.setattr(Path, "rename", read_only)
    assert store.evict(0.0) == []
    assert letters(store.entries()) == "abc"


def test_two_may_make_room_at_once(store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other has deleted meanwhile is counted by nobody, and comes back for nobody."""
    first = store.entries()[0]
    size = Entry.size.fget  # type: ignore[attr-defined]

    def removed_meanwhile(entry: Entry) -> int:
        if entry == first and entry.folder.exists():
            shutil.rmtree(entry.folder.parent)
        return int(size(entry))

    monkeypatch.setattr(Entry, "size", property(removed_meanwhile))
    store.evict(2.5 * size(first) / GB)
    assert letters(store.entries()) == "bc"
    assert [path.name[0] for path in sorted(store.folder.iterdir())] == ["b", "c"]


def test_a_look_at_the_size_is_followed_by_a_rest(
    store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred times as long as the look took: a full store has many files."""
    now = [1000.0]
    monkeypatch.setattr(stores.time, "time", lambda: now[0])
    look = TrajectoryStore.evict

    def of_half_a_second(self: TrajectoryStore, max_gb: float) -> list[Entry]:
        now[0] += 0.5
        return look(self, max_gb)

    monkeypatch.setattr(TrajectoryStore, "evict", of_half_a_second)
    most, least = gb(store, 2.5), gb(store, 1.5)
    assert letters(store.evict_at_times(most)) == "a"
    store.entry("d" * 64, HERE).put(epoch(1), {"model/0": np.zeros(1000)}, run_id="run")
    now[0] = 1049.9
    assert store.evict_at_times(most) == []
    assert letters(store.evict_at_times(least)) == "bc"  # less room than it was looked for
    store.entry("e" * 64, HERE).put(epoch(1), {"model/0": np.zeros(1000)}, run_id="run")
    assert store.evict_at_times(least) == []
    now[0] = 1100.0
    assert letters(store.evict_at_times(least)) == "d"


@pytest.mark.parametrize("content", ["", "soon"])
def test_a_note_of_the_last_look_that_makes_no_sense_is_none(
    store: TrajectoryStore, content: str
) -> None:
    """Two may write it at once."""
    (store.folder / "next_look").write_text(content)
    assert letters(store.evict_at_times(0.0)) == "abc"


def test_the_size_counts_every_file(store: TrajectoryStore) -> None:
    """Room is room, whatever takes it."""
    before = store.size
    leave_behind(store)
    assert store.size == before + 40_000 == sum(size for _, size in sizes(store.folder))


FROZEN = {"model/0": np.zeros(50), "model/1": np.ones(1000)}
"""A state of which the second variable is frozen."""


@pytest.fixture
def sharing(tmp_path: Path) -> TrajectoryStore:
    """Three trajectories, of which the two that were used last share a frozen variable."""
    made = TrajectoryStore.under(tmp_path)
    for age, letter in enumerate("cba"):
        entry = made.entry(letter * 64, HERE)
        still = {} if letter == "a" else {"unchanged": ["model/1"]}
        entry.put(epoch(1), FROZEN, run_id="run", **still)  # type: ignore[arg-type]
        used_ago(entry, age)
    return made


def test_a_shared_variable_stays_until_its_last_user_goes(sharing: TrajectoryStore) -> None:
    """Whether they are deleted one after another or at once."""
    first, second, third = sharing.entries()
    assert (len(sharing.frozen.sizes), second.shared) == (1, third.shared)
    assert letters(sharing.clear([first, second])) == "ab"
    assert third.weights(third.history()[0]) is not None
    assert letters(sharing.clear()) == "c"
    assert sharing.frozen.sizes == {}


def test_room_is_made_with_what_is_shared(sharing: TrajectoryStore) -> None:
    """Deleting one of those that share it frees it only once the other is gone too."""
    own = [entry.size for entry in sharing.entries()]
    (shared,) = sharing.frozen.sizes.values()
    assert sharing.size >= sum(own) + shared
    assert letters(sharing.evict((sum(own[1:]) + shared) / GB)) == "a"
    assert letters(sharing.evict((own[2] + shared) / GB)) == "b"
    assert len(sharing.frozen.sizes) == 1
    assert letters(sharing.evict(own[2] / GB)) == "c"
    assert sharing.frozen.sizes == {}


def test_pruning_deletes_what_no_epoch_names(sharing: TrajectoryStore) -> None:
    """What a killed process wrote, what was set aside; what is named stays."""
    used = set(sharing.frozen.sizes)
    sharing.frozen.put({"model/0": np.zeros(3)})
    (sharing.frozen.folder / "x.npz.77.part").write_bytes(b"half")
    (sharing.frozen.folder / "x.npz.damaged").write_bytes(b"damaged")
    sharing.prune()
    assert set(sharing.frozen.sizes) == used
    left = {path.name for path in sharing.frozen.folder.iterdir()}
    assert left == {"lock", *(f"{digest}.npz" for digest in used)}
