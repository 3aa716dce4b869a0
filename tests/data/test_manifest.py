"""The second start does not read files again that look as they did."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.data import manifest
from cnn_sweeps.data.manifest import Manifest, sha256_of
from cnn_sweeps.errors import DataError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files that nobody has changed for a day."""
    paths = [tmp_path / "files" / name for name in ("a", "b", "\udce4")]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text(path.name.encode(errors="replace").decode())
    return paths


def digests(files: list[Path], tmp_path: Path) -> list[str]:
    """What a manifest that is stored here says of the files."""
    found = Manifest.of(files[-1].parent, tmp_path).digests([str(path) for path in files])
    return [digest.decode() for digest in found.tolist()]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is a moment ago counts as long ago, but for the test of just that."""
    monkeypatch.setattr(manifest, "TICK", -(10**12))


def read(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read when their digests are asked for."""
    seen = []

    def noted(path: Path) -> str:
        seen.append(path.name)
        return sha256_of(path)

    with monkeypatch.context() as patched:
        patched.setattr(manifest, "sha256_of", noted)
        found = digests(files, tmp_path)
    assert found == [sha256_of(path) for path in files]
    return seen


def test_known_files_are_not_read(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only new and changed ones are."""
    assert len(read(files, tmp_path, monkeypatch)) == 3
    assert read(files, tmp_path, monkeypatch) == []
    files[1].write_text("c")
    assert read(files, tmp_path, monkeypatch) == ["b"]
    os.utime(files[0], ns=(1, 1))
    assert read(files, tmp_path, monkeypatch) == ["a"]
    files[1].replace(files[0])
    files.pop(1)
    assert read(files, tmp_path, monkeypatch) == ["a"]


def test_a_file_of_this_moment_is_read_again(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change could fall into the same tick of the clock."""
    monkeypatch.setattr(manifest, "TICK", 10**12)
    read(files, tmp_path, monkeypatch)
    assert len(read(files, tmp_path, monkeypatch)) == 3


def other_columns(stored: Path) -> None:
    """Columns that do not belong together."""
    with np.load(stored) as held:
        np.savez(stored, **{**held, "looks": held["looks"][1:]})


def pickled(stored: Path) -> None:
    """An array that would be carried out when it is read."""
    with np.load(stored) as held:
        np.savez(stored, **{**held, "names": np.array([print], dtype=object)})


SPOILT: dict[str, Callable[[Path], Any]] = {
    "empty": lambda stored: stored.write_bytes(b""),
    "text": lambda stored: stored.write_text("{}"),
    "cut": lambda stored: stored.write_bytes(stored.read_bytes()[:300]),
    "flipped": lambda stored: stored.write_bytes(stored.read_bytes().replace(b"\0" * 9, b"1" * 9)),
    "other-format": lambda stored: np.savez(stored, format=9),
    "other-columns": other_columns,
    "pickled": pickled,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_damaged_manifest_is_made_again(
    files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], Any],
) -> None:
    """Nothing is believed of it."""
    read(files, tmp_path, monkeypatch)
    (stored,) = (tmp_path / manifest.FOLDER).iterdir()
    spoil(stored)
    assert len(read(files, tmp_path, monkeypatch)) == 3
    assert read(files, tmp_path, monkeypatch) == []


def test_a_change_that_nothing_shows_is_found(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`changed` reads all files again."""
    read(files, tmp_path, monkeypatch)
    known = Manifest.of(files[0].parent, tmp_path)
    assert list(known.changed()) == []
    frozen: dict[str | Path, Any] = {path: manifest._look(path) for path in files}
    files[1].write_text("c")
    monkeypatch.setattr(manifest, "_look", lambda path: frozen[path])
    assert list(known.changed()) == [str(files[1])]


def test_where_nothing_can_be_written_files_are_read(files: list[Path], tmp_path: Path) -> None:
    """And what is missing is told."""
    (tmp_path / manifest.FOLDER).touch()
    assert len(digests(files, tmp_path)) == 3
    files[0].unlink()
    with pytest.raises(DataError, match="does not exist"):
        digests(files, tmp_path)
