"""The locks of studies in databases: the user's own, and found again by all of their processes."""

import os
from pathlib import Path

import pytest

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.study import runtime
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.trajectories.lock import hold_lock

DATABASE = StudyAddress(storage="postgresql://me:secret@host/db", name="s")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Where it may be: XDG's folder, the home and the temporary folder, none of them the user's."""
    made = {name: tmp_path / name for name in ("run", "home", "tmp")}
    for folder in made.values():
        folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made["run"]))
    monkeypatch.setenv("HOME", str(made["home"]))
    monkeypatch.setattr(runtime.tempfile, "gettempdir", lambda: str(made["tmp"]))
    return made


def test_every_process_finds_it_again_and_nobody_else(places: dict[str, Path]) -> None:
    """In a folder of mode 0700, under a name that is not the same for another user."""
    lock = DATABASE.lock
    assert (lock, lock.parent) == (DATABASE.lock, places["run"] / "cnn_sweeps")
    assert lock.parent.stat().st_mode & 0o777 == 0o700
    with hold_lock(lock):
        assert lock.exists()
    (lock.parent / runtime.KEY).unlink()  # another user has another key
    assert lock.name != DATABASE.lock.name


def test_another_study_has_another_lock(places: dict[str, Path]) -> None:
    """Of another name, or in another database."""
    others = (
        StudyAddress(storage=DATABASE.storage, name="t"),
        StudyAddress(storage="mysql://host/db", name="s"),
    )
    assert len({DATABASE.lock, *(other.lock for other in others)}) == 3


def test_a_link_is_not_followed(places: dict[str, Path], tmp_path: Path) -> None:
    """Whoever has put it there; the next place is taken."""
    (places["run"] / "cnn_sweeps").symlink_to(tmp_path)
    assert DATABASE.lock.parent == places["home"] / ".cache" / "cnn_sweeps"


def test_a_folder_that_others_may_open_is_closed(places: dict[str, Path]) -> None:
    """It was made with another umask, say."""
    (places["run"] / "cnn_sweeps").mkdir(0o755)
    assert DATABASE.lock.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_in_which_others_may_write_is_not_taken(
    mode: int, places: dict[str, Path]
) -> None:
    """What is in it, such as the key, may be theirs."""
    folder = places["run"] / "cnn_sweeps"
    folder.mkdir()
    folder.chmod(mode)
    assert DATABASE.lock.parent == places["home"] / ".cache" / "cnn_sweeps"


@pytest.mark.parametrize("value", [None, "", "nowhere", "x" * 5000, "a-file"])
def test_another_place_is_found_whatever_the_variable_says(
    value: str | None, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is missing, empty, no folder, no name that there can be, or a file."""
    monkeypatch.chdir(places["tmp"])
    Path("a-file").touch()
    monkeypatch.setattr(runtime, "_user_folder", lambda _: "/nowhere")
    if value is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert DATABASE.lock.parent == places["home"] / ".cache" / "cnn_sweeps"


def test_a_folder_that_may_not_be_looked_at(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run-time folder of another user, as sudo keeps it; and no temporary folder is left."""

    def refused(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    def none_left() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(Path, "is_dir", refused)
    monkeypatch.setattr(runtime.tempfile, "gettempdir", none_left)
    assert list(runtime._places()) == [places["home"] / ".cache" / "cnn_sweeps"]


@pytest.mark.parametrize("kind", ["link", "half", "folder"])
def test_a_key_that_is_none(kind: str, places: dict[str, Path], tmp_path: Path) -> None:
    """A link is not written through, half of a key is replaced, and what is in the way is told."""
    file, other = DATABASE.lock.parent / runtime.KEY, tmp_path / "mine.txt"
    other.write_text("x" * runtime.KEY_BYTES)
    file.unlink()
    if kind == "folder":
        file.mkdir()
        with pytest.raises(StoreError, match="no folder for locks: .*key cannot be used"):
            _ = DATABASE.lock
        return
    file.symlink_to(other) if kind == "link" else file.write_bytes(b"half")
    lock = DATABASE.lock
    assert (len(file.read_bytes()), file.is_symlink()) == (runtime.KEY_BYTES, False)
    assert other.read_text() == "x" * runtime.KEY_BYTES
    assert DATABASE.lock == lock


def test_without_a_run_time_folder(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder comes last, and a file in the way is told."""
    monkeypatch.setattr(runtime, "_places", lambda: [places["tmp"] / "mine"])
    assert DATABASE.lock.parent == places["tmp"] / "mine"
    monkeypatch.setattr(runtime, "_places", lambda: [Path(os.devnull)])
    with pytest.raises(StoreError, match="no folder for locks.*\n.*XDG_RUNTIME_DIR=FOLDER"):
        _ = DATABASE.lock
