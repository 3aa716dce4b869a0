"""The interpreter and the packages: versions, byte code."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cnn_sweeps.doctor.finding import Finding, Machine, fail, ok, warn
from cnn_sweeps.text.notebook import BACKEND, missing_backend

OURS = "cnn-sweeps"
NAMED = ("tensorflow", "keras", "hydra-core", "mlflow", "optuna")
"""Packages whose version is told also when it fits."""
SLOW = ("tensorflow", "keras", "mlflow")
"""Packages that take seconds to import, and several times as long without byte code."""


def python(_machine: Machine) -> Iterator[Finding]:
    """Whether TensorFlow serves this Python."""
    wanted = SpecifierSet(metadata(OURS)["Requires-Python"])
    told = f"Python {platform.python_version()}"
    if platform.python_version() in wanted:
        yield ok(told)
    else:
        yield fail(f"{told}, but {wanted} is required", "Make a new environment: make setup.")


def versions(_machine: Machine) -> Iterator[Finding]:
    """Whether what is installed is what this release was made for."""
    wanted = [Requirement(text) for text in requires(OURS) or ()]
    needed = [each for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]
    fitting = 0
    for each in needed:
        installed = _installed(each.name)
        if installed is not None and each.specifier.contains(installed, prereleases=True):
            fitting += 1
            continue
        found = "is not installed" if installed is None else f"is {installed}"
        yield fail(
            f"{each.name} {found}, but {each.specifier} is required",
            f"{sys.executable} -m pip install '{each.name}{each.specifier}'",
        )
    told = [f"{name} {_installed(name)}" for name in NAMED if _installed(name)]
    if fitting == len(needed):
        yield ok(f"{OURS} {_installed(OURS)}, {', '.join(told)}; {fitting} packages fit")


def byte_code(_machine: Machine) -> Iterator[Finding]:
    """Whether Python would compile TensorFlow anew with every start."""
    without = [name for name in SLOW if (file := _origin(name)) and not _compiled(file)]
    if without and sys.dont_write_bytecode:
        folders = " ".join(str(file.parent) for name in without if (file := _origin(name)))
        yield warn(
            f"{', '.join(without)} have no byte code, and PYTHONDONTWRITEBYTECODE keeps Python "
            "from storing it: every start takes about 10 s longer",
            f"{sys.executable} -m compileall -q -j 0 {folders}",
        )
    else:
        yield ok("byte code of the large packages is compiled, or will be on the first start")


def plotting(machine: Machine) -> Iterator[Finding]:
    """Whether Matplotlib, which Keras imports, has the backend that the shell asks for."""
    if (module := missing_backend(machine.environ)) is not None:
        yield fail(
            f"{BACKEND}={machine.environ[BACKEND]}, but {module} is not installed here: Keras "
            "cannot be imported",
            f"unset {BACKEND}",
        )
    elif _origin("matplotlib") is None:
        yield fail("Matplotlib is not installed", f"{sys.executable} -m pip install matplotlib")
    else:
        yield ok("figures are drawn without a window")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _origin(name: str) -> Path | None:
    """The file of a package, found without importing it."""
    spec = find_spec(name)
    return Path(spec.origin) if spec and spec.origin else None


def _compiled(file: Path) -> bool:
    tag = sys.implementation.cache_tag
    return (file.parent / "__pycache__" / f"{file.stem}.{tag}.pyc").exists()
