"""Two states of the package are told apart where what differs may move bits."""

import hashlib
import json
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from records import environment

from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.code import MODULES, PACKAGE, digest
from cnn_sweeps.provenance.environment import same_software

BYTE_CODE = shutil.ignore_patterns("__pycache__")
HERE = environment()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of our own package."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "cnn_sweeps", ignore=BYTE_CODE))


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A package with one line in each module that computes: a digest goes by their names."""
    for name in MODULES:
        file = tmp_path / "stubs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("VALUE = 1\n", "utf-8")
    return tmp_path / "stubs"


def again(package: Path) -> str | None:
    """The digest, computed once more."""
    digest.cache_clear()
    return digest(package)


def append(file: Path, text: str) -> None:
    """Add lines to a module, or to an empty one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as module:
        module.write(f"\n{text}\n")


@pytest.mark.parametrize("name", MODULES)
def test_an_edit_of_what_computes_shows(stubs: Path, name: str) -> None:
    """Readers, split, building, steps, loop, optimizers, backend, variables, trajectories."""
    before = again(stubs)
    append(stubs / name, "EPSILON = 1e-7")
    assert again(stubs) not in (before, None)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "training/progress.py",
            "training/clock.py",
            "models/names.py",
            "text/format.py",
            "cli/output.py",
        ),
        *("data/download.py", "data/memory_cache.py", "data/readers/catalog.py", "runs/run.py"),
        "__init__.py",
        *(
            "trajectories/lock.py",
            "trajectories/cache.py",
            "tracking/run.py",
            "sweeps/study/study.py",
        ),
    ],
)
def test_an_edit_of_what_shows_and_searches_does_not(stubs: Path, name: str) -> None:
    """Epochs are not trained again because a bar or a sentence looks different."""
    before = again(stubs)
    assert (PACKAGE / name).is_file()
    append(stubs / name, "WORD = 'another'")
    assert again(stubs) == before is not None


def test_comments_docstrings_and_line_breaks_do_not_show(package: Path) -> None:
    """What Python does not run moves no bit."""
    before = again(package)
    file = package / "data" / "split.py"
    text = file.read_text("utf-8").replace('"""Which images', '# why\n"""Other images', 1)
    file.write_text(text.replace("return x, y, x[:0], y[:0]", "return (x, y, x[:0], y[:0])"))
    assert again(package) == before


def test_how_networks_are_called_does_not_show(package: Path) -> None:
    """A kind of network names itself in the module that builds it; a name moves no bit."""
    before = again(package)
    file = package / "models" / "cnn.py"
    text = file.read_text("utf-8")
    assert 'return "cnn' in text or 'return f"cnn' in text
    file.write_text(
        text.replace('return "cnn', 'return "net').replace('return f"cnn', 'return f"net')
    )
    assert again(package) == before


def test_a_release_does_not_show() -> None:
    """The version is no part of what keys stored epochs and the reuse of finished runs."""
    released = {**HERE.packages, "cnn-sweeps": "9.0"}
    assert replace(HERE, packages=released).software == HERE.software
    assert replace(HERE, packages=released).numerics == HERE.numerics


def test_finished_runs_of_an_earlier_state_with_the_same_bits_hold() -> None:
    """A run of commit 2427821 on this machine's versions is reused by this one."""
    versions = {name: HERE.packages.get(name) for name in ("keras", "numpy", "tensorflow")}
    told = {
        "python": "3.11",
        "packages": {"cnn-sweeps": "0.1.0", **versions},
        "code": "696e8ca94602cdf4",
    }
    text = json.dumps(told, sort_keys=True)
    tag = hashlib.sha256(text.encode()).hexdigest()[:16]
    same = same_software(HERE.python, HERE.packages)
    assert tag in same
    assert HERE.software not in same  # it does not say by which code it was trained
    assert replace(HERE, code=digest()).software in same


def test_where_no_source_is_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """Byte code alone is no reason to fail."""
    assert again(tmp_path) is None


def test_a_running_process_keeps_what_it_imported(stubs: Path) -> None:
    """An edit while a sweep runs is not what its workers run."""
    before = again(stubs)
    append(stubs / "training/loop.py", "NAME = 'another'")
    assert digest(stubs) == before


def test_all_of_it_is_imported_and_its_digest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is imported late would otherwise be run as it is later, under the digest of before."""
    imported: list[str] = []
    monkeypatch.setattr(code, "import_module", imported.append)
    digest.cache_clear()
    code.import_all.__wrapped__()
    names = {f"cnn_sweeps.{name.removesuffix('.py').replace('/', '.')}" for name in MODULES}
    assert set(imported) == names
    assert digest.cache_info().currsize == 1


def test_a_worker_begins_with_all_of_it_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that workers are forked from does so before it forks."""
    asked: list[str] = []
    monkeypatch.setattr(code, "import_all", lambda: asked.append("all"))
    runpy.run_module("cnn_sweeps.sweeps.workers.preload")
    assert asked == ["all"]


def test_our_own_package_is_found(in_tmp: Path) -> None:
    """The one that is imported, not one in the current folder."""
    (in_tmp / "training").mkdir()
    (in_tmp / "training/loop.py").touch()
    assert digest() == again(PACKAGE) is not None


def test_a_registry_line_puts_a_kind_into_the_digest() -> None:
    """No second list has to be kept for readers and networks."""
    readers = {f"data/readers/{name}.py" for name in ("digits", "idx", "image_folder", "npz")}
    networks = {f"models/{name}.py" for name in ("cnn", "custom", "dnn")}
    assert readers | networks | {"data/readers/published.py"} <= set(MODULES)


def test_every_module_that_is_named_is_there() -> None:
    """One that was renamed would leave nothing to tell."""
    assert all((PACKAGE / name).is_file() for name in MODULES)
