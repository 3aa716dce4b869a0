"""The files of a user's own function: found without importing anything, laid before others."""

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


def written(folder: Path, files: dict[str, str]) -> None:
    """Modules by their paths."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> Path:
    """An empty folder on Python's path."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    return in_tmp


@pytest.mark.parametrize(
    ("files", "function", "imports"),
    [
        pytest.param(
            {"own_a.py": "import own_b", "own_b.py": "from own_c import X", "own_c.py": "X = 1"},
            "own_a:f",
            ["own_b.py", "own_c.py"],
            id="transitively",
        ),
        pytest.param(
            {"own_a.py": "import own_b", "own_b.py": "import own_a"},
            "own_a:f",
            ["own_b.py"],
            id="in a circle",
        ),
        pytest.param(
            {"own_a.py": "def f():\n    from own_b import x", "own_b.py": ""},
            "own_a:f",
            ["own_b.py"],
            id="late",
        ),
        pytest.param(
            {
                "own_p/__init__.py": "",
                "own_p/a.py": "from . import b\nfrom .q.c import X\nfrom .. import no",
                "own_p/b.py": "",
                "own_p/q/__init__.py": "from .d import *",
                "own_p/q/c.py": "from ..e import X",
                "own_p/q/d.py": "",
                "own_p/e.py": "",
                "own_p/unused.py": "",
            },
            "own_p.a:f",
            [
                *("own_p/__init__.py", "own_p/b.py", "own_p/e.py"),
                *("own_p/q/__init__.py", "own_p/q/c.py", "own_p/q/d.py"),
            ],
            id="relatively",
        ),
        pytest.param(
            {
                "own_a.py": "import own_p.q.b as b",
                "own_p/__init__.py": "import own_c",
                "own_p/q/b.py": "",
                "own_c.py": "",
            },
            "own_a:f",
            ["own_c.py", "own_p/__init__.py", "own_p/q/b.py"],
            id="of a package",
        ),
        pytest.param(
            {
                "own_a.py": "import importlib\nb = importlib.import_module('own_b')\n"
                "c = __import__('own_c')\nname = b.__name__\nimportlib.import_module(name)",
                "own_b.py": "",
                "own_c.py": "",
            },
            "own_a:f",
            ["own_b.py", "own_c.py"],
            id="by name",
        ),
        pytest.param(
            {
                "own_a.py": "from importlib import import_module as get\nget('own_b')\n"
                "get(name='own_c')\nget('.d', 'own_p')\nget(package='own_p', name='.e')",
                **dict.fromkeys(("own_b.py", "own_c.py"), ""),
                **dict.fromkeys(("own_p/__init__.py", "own_p/d.py", "own_p/e.py"), ""),
            },
            "own_a:f",
            ["own_b.py", "own_c.py", "own_p/__init__.py", "own_p/d.py", "own_p/e.py"],
            id="by name, called otherwise",
        ),
        pytest.param(
            {
                "own_a.py": "from own_p import *",
                "own_p/__init__.py": "__all__ = ['b']\n__all__ += ('q', 'f')\ndef f(): ...",
                "own_p/b.py": "",
                "own_p/c.py": "",
                "own_p/q/__init__.py": "__all__: list[str] = ['d']",
                "own_p/q/d.py": "",
            },
            "own_a:f",
            ["own_p/__init__.py", "own_p/b.py", "own_p/q/__init__.py", "own_p/q/d.py"],
            id="by a star",
        ),
        pytest.param(
            {"own_p/__init__.py": "from .b import f", "own_p/b.py": ""},
            "own_p:f",
            ["own_p/b.py"],
            id="package",
        ),
        pytest.param(
            {"own_a.py": "import os, keras, cnn_sweeps.errors, own_nowhere\nfrom ... import x"},
            "own_a:f",
            [],
            id="nothing of the user's",
        ),
        pytest.param({"own_a.py": "import own_b(", "own_b.py": ""}, "own_a:f", [], id="broken"),
    ],
)
def test_the_users_modules_that_it_imports_are_found(
    modules: Path, files: dict[str, str], function: str, imports: list[str]
) -> None:
    """Wherever and however they are imported; Python's own and installed ones are not."""
    written(modules, files)
    found = Source.find(function)
    assert found is not None
    assert [each.path for each in found.imports] == imports
    imported = {Path(path).parts[0].removesuffix(".py") for path in files}
    assert not imported & sys.modules.keys()  # found statically


def test_installed_packages_are_not_the_users(modules: Path) -> None:
    """Those of a virtual environment in the project's folder neither."""
    inner = modules / ".venv" / "lib" / "site-packages"
    written(modules, {"own_a.py": "import own_installed"})
    written(inner, {"own_installed.py": ""})
    sys.path.append(str(inner))
    found = Source.find("own_a:f")
    assert found is not None
    assert found.imports == ()


def test_a_package_without_code_gives_no_digest(modules: Path) -> None:
    """A function in a package with an empty `__init__.py` keeps the hash that it had."""
    written(modules, {"own_p/__init__.py": '"""Nets."""\n# none', "own_p/a.py": ""})
    found = Source.find("own_p.a:f")
    assert found is not None
    assert ([each.path for each in found.imports], found.imports_sha256) == (
        ["own_p/__init__.py"],
        None,
    )
    written(modules, {"own_p/__init__.py": "import keras"})
    changed = Source.find("own_p.a:f")
    assert changed is not None
    assert changed.imports_sha256 is not None


def test_what_was_stored_is_what_was_found(modules: Path) -> None:
    """The files come back by their paths alone."""
    written(modules, {"own_p/__init__.py": "", "own_p/a.py": "from . import b", "own_p/b.py": ""})
    found = Source.find("own_p.a:f")
    assert found is not None
    contents = {each.path: each.content for each in found.files}
    assert Source.stored("own_p.a:f", contents) == found
    assert Source.stored("own_p.c:f", contents) is None
