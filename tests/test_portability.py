"""Where there is neither `fcntl` nor `/proc`, everything imports and a sweep can be planned."""

import subprocess
import sys
from pathlib import Path

import pytest

HIDING = """
import builtins, io, os, runpy, sys, warnings
from importlib.abc import MetaPathFinder


class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "fcntl":
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


def without_proc(function):
    def hidden(path, *more, **options):
        named = isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path)
        if named and (named == "/proc" or named.startswith("/proc/")):
            raise FileNotFoundError(2, "hidden", named)
        return function(path, *more, **options)
    return hidden


sys.modules.pop("fcntl", None)
sys.meta_path.insert(0, Hidden())
builtins.open = io.open = without_proc(open)
for name in ("open", "stat", "listdir", "scandir", "readlink"):
    setattr(os, name, without_proc(getattr(os, name)))
warnings.simplefilter("ignore")  # filelock says that its locks are weaker without fcntl
"""

IMPORTING = """
import pkgutil
import cnn_sweeps
from importlib import import_module
for module in pkgutil.walk_packages(cnn_sweeps.__path__, "cnn_sweeps."):
    if not module.name.endswith(("__main__", "preload")):  # which run, and import TensorFlow
        import_module(module.name)
print("imported")
"""

RUNNING = """
sys.argv = ["cnn-sweeps", *sys.argv[1:]]
runpy.run_module("cnn_sweeps", run_name="__main__")
"""


def hidden(code: str, folder: Path, *arguments: str) -> str:
    """What a program prints that finds neither `fcntl` nor `/proc`."""
    done = subprocess.run(
        [sys.executable, "-c", HIDING + code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_hidden_is_hidden(tmp_path: Path) -> None:
    """The tests below are worth as much as this."""
    code = """
for look in (lambda: __import__("fcntl"), lambda: open("/proc/meminfo"), lambda: os.stat("/proc")):
    try:
        look()
    except (ImportError, FileNotFoundError):
        print("hidden")
"""
    assert hidden(code, tmp_path).split() == ["hidden"] * 3


@pytest.mark.slow
def test_every_module_imports(tmp_path: Path) -> None:
    """What only some systems have is asked for when it is needed."""
    assert hidden(IMPORTING, tmp_path) == "imported\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--cfg", "job", "data=digits"], "model:\n", id="config"),
        pytest.param(
            ["-m", "data=digits", "model.filters=4,8", "hydra.sweeper.dry_run=true"],
            "model.filters",
            id="plan",
        ),
    ],
)
def test_a_sweep_can_be_planned(arguments: list[str], told: str, tmp_path: Path) -> None:
    """Composing a config and a dry run need neither."""
    assert told in hidden(RUNNING, tmp_path, *arguments)
