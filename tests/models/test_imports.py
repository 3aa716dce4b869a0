"""A user's own modules, imported as their files are now."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import pytest

from cnn_sweeps.models import imports
from cnn_sweeps.models.source import Source


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> Iterator[Path]:
    """A module that imports another one; both are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    (in_tmp / "own_net_now.py").write_text("from own_part_now import ACT\n")
    (in_tmp / "own_part_now.py").write_text("ACT = 'relu'\n")
    yield in_tmp
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def imported() -> object:
    """The module, as it is imported for a run."""
    with imports.fresh_modules(Source.find("own_net_now:build")):
        return import_module("own_net_now")


@pytest.mark.parametrize("name", ["own_net_now", "own_part_now"])
def test_an_edited_file_is_imported_anew(folder: Path, name: str) -> None:
    """Also within the second in which it was imported, and with as many bytes."""
    before = imported()
    file = folder / f"{name}.py"
    file.write_text(file.read_text() + "x = 1\n")
    assert imported() is not before
    (folder / "own_part_now.py").write_text("ACT = 'tanh'\n")
    assert vars(imported())["ACT"] == "tanh"


def test_a_file_of_data_is_read_anew(folder: Path) -> None:
    """A module may read it when it is imported, and be unchanged itself."""
    text = "from pathlib import Path\nACT = Path('act.txt').read_text()\n"
    (folder / "own_part_now.py").write_text(text)
    for act in ("relu", "tanh"):
        (folder / "act.txt").write_text(act)
        assert vars(imported())["ACT"] == act


def test_a_script_that_trains_as_it_is_imported_ends(folder: Path) -> None:
    """It asks for itself once more, and is not imported without end."""
    (folder / "own_net_now.py").write_text(
        "from cnn_sweeps.models import imports\nfrom cnn_sweeps.models.source import Source\n"
        "with imports.fresh_modules(Source.find('own_net_now:build')):\n    import own_net_now\n"
    )
    assert imported() is sys.modules["own_net_now"]


def test_what_others_imported_is_not_trusted(folder: Path) -> None:
    """Nobody knows what the file held when a notebook imported it."""
    import_module("own_net_now")
    (folder / "own_part_now.py").write_text("ACT = 'tanh'\n")
    assert vars(imported())["ACT"] == "tanh"


def test_a_module_that_no_statement_names_is_followed(folder: Path) -> None:
    """It was imported while the function was looked for, and its file is another one now."""
    text = "from importlib import import_module\nACT = import_module('own_' + 'part_now').ACT\n"
    (folder / "own_net_now.py").write_text(text)
    assert vars(imported())["ACT"] == "relu"
    (folder / "own_part_now.py").write_text("ACT = 'tanh'\n")
    assert vars(imported())["ACT"] == "tanh"


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('own_' + 'part')",
        "importlib.import_module(f'own_{\"part\"}')",
        "sys.path.insert(0, str(Path(__file__).parent / 'lib')); import own_in_lib",
        "own_lazy = importlib.import_module('own_p'); own_lazy.part",
        "x = spec_from_file_location('x', 'own_part.py'); x.loader.exec_module(made(x))",
        "sys.path.append('own.zip'); import own_zipped",
        "__import__(os.environ.get('OWN_PART', 'own_part'))",
    ],
)
def test_what_no_reading_tells_is_told_each_time(folder: Path, line: str) -> None:
    """It is in no hash, neither at first nor when Python knows the way to it."""
    (folder / "own_lib.py").write_text(
        "import importlib, os, sys\nfrom pathlib import Path\n"
        "from importlib.util import module_from_spec as made, spec_from_file_location\n"
        f"{line}\n"
    )
    (folder / "own_part.py").write_text("PART = 1")
    (folder / "lib").mkdir()
    (folder / "lib" / "own_in_lib.py").write_text("PART = 1")
    with ZipFile(folder / "own.zip", "w") as archive:
        archive.writestr("own_zipped.py", "PART = 1")
    (folder / "own_p").mkdir()
    (folder / "own_p" / "__init__.py").write_text(
        "import importlib\ndef __getattr__(name):\n"
        "    return importlib.import_module('.' + name, __name__)\n"
    )
    (folder / "own_p" / "part.py").write_text("PART = 1")
    digests = set()
    for _ in range(2):
        source = Source.find("own_lib:build")
        assert source is not None
        digests.add(source.imports_sha256)
        with imports.fresh_modules(source):
            import_module("own_lib")
        (unseen,) = imports.unseen_modules(source)
        assert unseen.content == b"PART = 1"
    assert len(digests) == 1
