"""The part of this package that computes, and how to tell two states of it apart."""

import ast
import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
MODULES: Final = (
    # readers and split: from files to arrays
    *("data/archives.py", "data/arrays.py", "data/cifar.py", "data/content.py"),
    *("data/digits.py", "data/idx.py", "data/image_folder.py", "data/loading.py"),
    *("data/npz.py", "data/picture.py", "data/split.py"),
    # building: from config to network
    *("custom_model.py", "geometry.py", "models.py"),
    # steps, loop, optimizers, backend, variables: from network to epochs
    *("optimizers.py", "passes.py", "runtime.py", "schedules.py", "training.py", "variables.py"),
    # trajectories: epochs, stored and resumed
    *("trajectory/arrays.py", "trajectory/course.py", "trajectory/entry.py"),
    *("trajectory/hidden.py", "trajectory/kept.py", "trajectory/walk.py"),
)
"""What stands between a config and the bits of its epochs; the rest composes, searches, shows."""
SHOWN: Final = 16
"""Hex digits of the digest: it tells states of a checkout apart, and stands in messages."""


def files_of(package: Path = PACKAGE) -> list[Path]:
    """The modules that compute, as files."""
    return [package / name for name in sorted(MODULES)]


@cache
def digest(package: Path = PACKAGE) -> str | None:
    """Beginning of the SHA-256 of the modules that compute; None where their sources are not there.

    It keys what is stored of trainings, so it covers what may move bits and nothing else: the
    code itself, not its comments, docstrings and line breaks, and not the version, which a
    checkout keeps through all its commits and which a release changes without a reason.

    Args:
        package: folder of the package.
    """
    content = hashlib.sha256()
    try:
        for file in files_of(package):
            own = hashlib.sha256(_code(file).encode()).hexdigest()
            content.update(f"{file.relative_to(package).as_posix()} {own}\n".encode())
    except OSError:
        return None
    return content.hexdigest()[:SHOWN]


def _code(file: Path) -> str:
    """A module as what Python makes of it, without docstrings."""
    tree = ast.parse(file.read_bytes())
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


@cache
def settle() -> None:
    """Import all that computes and keep its digest: a later edit changes nothing in this process.

    To be called before anything that takes long.
    """
    for file in files_of():
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        import_module(".".join(parts))
    digest()
