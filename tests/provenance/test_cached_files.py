"""What takes long to make is kept, and made again wherever that is of no use."""

import json
from pathlib import Path

import pytest

from cnn_sweeps.provenance import cached_files, code
from cnn_sweeps.provenance.cached_files import kept_text

NAME = "made.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept."""
    monkeypatch.setenv("CNN_SWEEPS_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def refuse() -> str:
    """Made a second time."""
    raise AssertionError("it was known")


def test_a_text_is_made_once_for_each_state(folder: Path) -> None:
    """That of another state takes its place."""
    assert kept_text(NAME, "one", lambda: "made of one") == "made of one"
    assert kept_text(NAME, "one", refuse) == "made of one"
    assert kept_text(NAME, "two", lambda: "made of two") == "made of two"
    assert json.loads((folder / NAME).read_text()) == {"two": "made of two"}


@pytest.mark.parametrize("content", ["", "[]", '{"one": 1}', "\0"])
def test_a_file_that_somebody_has_changed_is_made_anew(folder: Path, content: str) -> None:
    """Whatever stands in it."""
    folder.mkdir()
    (folder / NAME).write_text(content)
    assert kept_text(NAME, "one", lambda: "made") == "made"
    assert kept_text(NAME, "one", refuse) == "made"


def test_without_a_folder_it_is_made_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file stands in its place, or there is no home."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNN_SWEEPS_CACHE", str(tmp_path / "file"))
    assert kept_text(NAME, "one", lambda: "a") == "a"
    assert kept_text(NAME, "one", lambda: "b") == "b"
    monkeypatch.setattr(cached_files, "cache_folder", lambda _: Path("~/.cache"))
    monkeypatch.chdir(tmp_path)
    assert kept_text(NAME, "one", lambda: "made") == "made"
    assert not Path("~").exists()


@pytest.mark.usefixtures("folder")
def test_the_code_that_computes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process knows its digest from the bytes of its files."""
    code.digest.cache_clear()
    known = code.digest()
    code.digest.cache_clear()
    monkeypatch.setattr(code, "_code", refuse)
    assert code.digest() == known
