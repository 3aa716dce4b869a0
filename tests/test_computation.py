"""Two states of the package are told apart where what differs may move bits."""

import subprocess
import sys
from pathlib import Path

import pytest

from cnn_sweeps.computation import MODULES, PACKAGE, digest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a module that computes, one of its data, and one that only shows."""
    (tmp_path / "data").mkdir()
    for name in ("training.py", "data/split.py", "console.py"):
        (tmp_path / name).write_text(f"NAME = {name!r}\n")
    return tmp_path


def again(package: Path) -> str | None:
    """The digest, computed once more."""
    digest.cache_clear()
    return digest(package)


@pytest.mark.parametrize("name", ["training.py", "data/split.py", "trajectory/walk.py"])
def test_a_change_of_what_computes_shows(package: Path, name: str) -> None:
    """An edit, and a module that was not there."""
    before = again(package)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("NAME = 'another'\n")
    assert again(package) != before


def test_a_module_that_moves_shows(package: Path) -> None:
    """The same text under another name is another package."""
    before = again(package)
    (package / "training.py").rename(package / "models.py")
    assert again(package) != before


def test_a_change_of_what_shows_and_searches_does_not(package: Path) -> None:
    """Epochs are not trained again because a table looks different."""
    before = again(package)
    (package / "console.py").write_text("NAME = 'another'\n")
    assert again(package) == before


def test_where_no_source_is_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """Byte code alone is no reason to fail."""
    assert again(tmp_path) is None


def test_a_running_process_keeps_what_it_imported(package: Path) -> None:
    """An edit while a sweep runs is not what its workers run."""
    before = again(package)
    (package / "training.py").write_text("NAME = 'another'\n")
    assert digest(package) == before


def test_a_worker_begins_with_all_of_it_imported() -> None:
    """What is imported late would otherwise be run as it is later, under the digest of before."""
    code = (
        "import sys, cnn_sweeps.search.preload\n"
        "from cnn_sweeps import computation\n"
        "assert computation.digest.cache_info().currsize == 1\n"
        "assert {'cnn_sweeps.schedules', 'cnn_sweeps.data.picture'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_our_own_package_is_found(in_tmp: Path) -> None:
    """The one that is imported, not one in the current folder."""
    (in_tmp / "training.py").touch()
    assert digest() == again(PACKAGE) != again(in_tmp)


@pytest.mark.parametrize("pattern", MODULES)
def test_every_module_that_is_named_is_there(pattern: str) -> None:
    """One that was renamed would drop out of the digest without a word."""
    assert list(PACKAGE.glob(pattern))
