"""The file of a user's own function: found without importing anything, laid before others."""

import sys
from pathlib import Path

import pytest

from cnn_sweeps.models.source import Source, places


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> Path:
    """A package whose import would be noticed, on Python's path."""
    folder = in_tmp / "noticed"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "nets.py").write_text("def build(): ...\n")
    monkeypatch.syspath_prepend(str(in_tmp))
    return folder


@pytest.mark.parametrize(
    ("function", "path"),
    [
        pytest.param("noticed.nets:build", "noticed/nets.py", id="module"),
        pytest.param("noticed:build", "noticed/__init__.py", id="package"),
    ],
)
def test_nothing_is_imported_to_find_a_file(package: Path, function: str, path: str) -> None:
    """Looking must not run code that nobody has agreed to."""
    found = Source.find(function)
    assert found is not None
    assert (found.path, path in places(function)) == (path, True)
    assert found.content == (package.parent / path).read_bytes()
    assert "noticed" not in sys.modules


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    "function", ["nowhere:f", "noticed.nowhere:f", "noticed.nets.deeper:f", "sys:exit", "a..b:f"]
)
def test_what_has_no_file_is_not_found(function: str) -> None:
    """Neither a module that is not there nor one that is built in has a source."""
    assert Source.find(function) is None


def test_a_module_without_a_spec_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put among the modules by hand may come from nowhere."""
    monkeypatch.setitem(sys.modules, "made_by_hand", type(sys)("made_by_hand"))
    assert Source.find("made_by_hand:f") is None


def test_a_file_is_laid_before_others(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    """The recorded file is found in the place of the one in the current folder."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    (in_tmp / "own_net_laid.py").write_text("new = 1\n")
    recorded = Source(path="own_net_laid.py", content=b"old = 1\r\n")
    recorded.lay(in_tmp / "recorded")
    assert Source.find("own_net_laid:build") == recorded
