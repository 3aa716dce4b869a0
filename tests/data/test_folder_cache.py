"""Folders of the cache: written whole, made by one process at a time, deleted in order."""

import errno
import os
from pathlib import Path

import filelock
import pytest

from cnn_sweeps.data.folder_cache import (
    ABOUT,
    DECODED,
    FEATURES,
    GB,
    CachedFolder,
    FolderCache,
    cache_folder,
)

KINDS = (DECODED, FEATURES)


def made(root: Path, kind: str, key: str, size: int = 98) -> CachedFolder:
    """A folder of so many bytes and two."""
    folder = CachedFolder(root / kind / key)
    with folder.locked(), folder.written() as part:
        (part / "content").write_bytes(bytes(size))
        (part / ABOUT).write_text("{}")
    return folder


def names(root: Path) -> list[str]:
    """The keys that are there, the least recently used first."""
    return [each.folder.name for each in FolderCache(root).folders(*KINDS)]


def test_all_kinds_have_one_limit(tmp_path: Path) -> None:
    """Whatever was not used for longest goes first, but for what is named; its lock goes too."""
    for number, kind in enumerate((DECODED, FEATURES, DECODED, FEATURES)):
        folder = made(tmp_path, kind, f"k{number}")
        os.utime(folder.folder / ABOUT, (number, number))
    CachedFolder(tmp_path / FEATURES / "k1").mark_used()
    assert names(tmp_path) == ["k0", "k2", "k3", "k1"]
    gone = FolderCache(tmp_path).evict(200 / GB, keep=[tmp_path / DECODED / "k0"])
    assert [each.folder.name for each in gone] == ["k2", "k3"]
    assert names(tmp_path) == ["k0", "k1"]
    locks = sorted(path.name for path in tmp_path.rglob("*.lock"))
    assert locks == ["k0.lock", "k1.lock"]


def test_nothing_need_be_there(tmp_path: Path) -> None:
    """A cache that nobody has written to is empty."""
    cache = FolderCache(tmp_path / "none")
    assert (cache.folders(*KINDS), cache.evict(0), cache.left()) == ([], [], 0)
    assert not cache.root.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_killed_processes_have_left_is_deleted(tmp_path: Path, kind: str) -> None:
    """Of any key that nobody makes now, whatever the name of the part; whole folders stay."""
    cache = FolderCache(tmp_path)
    kept = made(tmp_path, kind, "whole")
    for name in ("k1.part-999999", "k1.part-gone", "whole.part-3f2a", "busy.part-1"):
        (tmp_path / kind / name).mkdir()
        (tmp_path / kind / name / "content").write_bytes(bytes(10))
    (tmp_path / kind / "k2.lock").touch()
    with CachedFolder(tmp_path / kind / "other").locked():
        with filelock.FileLock(tmp_path / kind / "busy.lock"):
            assert cache.left() == 30
            cache.evict(1)
        here = {path.name for path in (tmp_path / kind).iterdir()}
    assert here == {"whole", "whole.lock", "busy.part-1", "busy.lock", "other.lock"}
    assert kept.size == 100
    with CachedFolder(tmp_path / kind / "busy").locked():
        assert not list(tmp_path.rglob("*.part-*"))


def test_what_is_not_written_whole_is_never_there(tmp_path: Path) -> None:
    """Neither under its name nor under another."""
    folder = CachedFolder(tmp_path / DECODED / "k")

    def full() -> None:
        with folder.written() as part:
            (part / "content").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        full()
    assert list((tmp_path / DECODED).iterdir()) == []


def test_without_locks_two_processes_make_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers have one number of a process; the first that is done is read by both."""

    def refuse(_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    folder = CachedFolder(tmp_path / DECODED / "k")
    with folder.locked(), folder.written() as slow:
        (slow / "content").write_bytes(b"same")
        made(tmp_path, DECODED, "k", size=4)
        FolderCache(tmp_path).evict(1)
        assert slow.exists()
    assert (folder.size, list((tmp_path / DECODED).iterdir())) == (6, [folder.folder])


def test_the_cache_is_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the config, the variable of ours, that of the desktop, or in the home folder."""
    monkeypatch.setenv("HOME", "/home/ana")
    assert cache_folder(Path("~/x")) == Path("/home/ana/x")
    monkeypatch.delenv("CNN_SWEEPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert cache_folder(None) == Path("/fast/cnn_sweeps")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder(None) == Path("/home/ana/.cache/cnn_sweeps")
