"""`cnn-sweeps cache trajectory.store=FOLDER`."""

import json
import os
from pathlib import Path

import pytest
from plans import epoch

from cnn_sweeps.cli import cache
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.trajectories.files import digest_of
from cnn_sweeps.trajectories.history import EpochRecord
from cnn_sweeps.trajectories.shared import SharedEpoch, SharedStore

pytestmark = pytest.mark.usefixtures("in_tmp")


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """What names a store of three epochs in two trajectories."""
    store = SharedStore(tmp_path / "all")
    store.folder.mkdir()
    for letter, number in (("a", 1), ("a", 2), ("b", 1)):
        data = f"{letter}{number}".encode()
        record = EpochRecord(
            epoch=epoch(number), run_id="run", weights=digest_of(data), optimizer=None
        )
        given = SharedEpoch(
            record=record, writer="ana@lab-3", previous={}, contents={digest_of(data): data}
        )
        store.entry(letter * 64, "here").put(given, {"title": "cnn 4x1", "data": "digits"})
    return [f"trajectory.store={store.folder}"]


def test_all_is_listed(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With who wrote it; as JSON too."""
    assert cache.main(typed) == 0
    shown = capsys.readouterr().out
    assert "aaaaaaaaaaaa  cnn 4x1  digits       2" in shown
    assert "ana@lab-3" in shown
    assert "2 trajectories, 3 epochs" in shown
    cache.main(["list", "bbbb", *typed, "--json"])
    (row,) = json.loads(capsys.readouterr().out)["entries"]
    assert (row["epochs"], row["writers"]) == (1, ["ana@lab-3"])


def test_a_prefix_of_several_deletes_nothing(typed: list[str], tmp_path: Path) -> None:
    """Least of all what others wrote."""
    store = SharedStore(tmp_path / "all")
    record = EpochRecord(epoch=epoch(1), run_id="run", weights=digest_of(b"x"), optimizer=None)
    given = SharedEpoch(record=record, writer="b", previous={}, contents={digest_of(b"x"): b"x"})
    store.entry("aaaa" + "c" * 60, "here").put(given, {})
    before = sorted(store.folder.rglob("*"))
    with pytest.raises(UnknownHashError, match="aaaa matches 2 trajectory hashes"):
        cache.main(["clear", "aaaa", *typed, "--others"])
    assert sorted(store.folder.rglob("*")) == before


def test_damage_is_found(
    typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the digests, and once: it is set aside."""
    assert cache.main(["verify", *typed]) == 0
    next((tmp_path / "all" / "arrays").rglob("*.npz")).write_bytes(b"?")
    assert cache.main(["verify", *typed]) == 1
    assert ".npz is damaged" in capsys.readouterr().out
    assert cache.main(["verify", *typed]) == 0


def test_only_own_epochs_are_deleted(
    typed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of others where that is typed; a prefix leaves the others alone."""
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    cache.main(["clear", *typed])
    told = capsys.readouterr().out
    assert told.startswith("0 epochs deleted")
    assert "3 epochs of other users not deleted (--others)" in told
    cache.main(["clear", "aaaa", "--others", *typed])
    assert capsys.readouterr().out.startswith("2 epochs deleted")
    cache.main(typed)
    assert "1 trajectory, 1 epoch" in capsys.readouterr().out


def test_what_cannot_be_typed(typed: list[str]) -> None:
    """`--others` without a store, and a hash that nobody has."""
    with pytest.raises(ConfigError, match="add trajectory.store=FOLDER"):
        cache.main(["clear", "--others"])
    with pytest.raises(UnknownHashError, match="no trajectory hash begins with cccc"):
        cache.main(["list", "cccc", *typed])
