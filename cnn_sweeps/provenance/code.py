"""The part of this package that computes, how to tell two states of it apart, and its commit.

The commit is that of the git repository around a folder, as far as there is one.
"""

import ast
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Final

from cnn_sweeps.data.readers import READERS
from cnn_sweeps.models import NETWORKS
from cnn_sweeps.provenance.cached_files import kept_text

PACKAGE: Final = Path(__file__).resolve().parents[1]


def _kinds() -> Iterator[str]:
    """The modules of all kinds of data and of networks: their registry line puts them in."""
    readers = [each.read for each in READERS.values()]
    builders = [each.build for each in NETWORKS.values()]
    for function in (*readers, *builders):
        yield function.__module__.partition(".")[2].replace(".", "/") + ".py"


MODULES: Final = (
    *sorted(set(_kinds())),
    # from files to arrays: what the readers share, split
    *("data/readers/__init__.py", "data/readers/cifar.py", "data/readers/picture.py"),
    *("data/readers/listed.py", "data/readers/split_names.py"),
    *("data/arrays.py", "data/dataset.py", "data/decoded.py", "data/loading.py", "data/split.py"),
    "data/row_file.py",
    # from phases and schedules to what is trained in each epoch
    "config/path.py",
    # from config to network: what the kinds share
    *(
        "models/__init__.py",
        "models/build.py",
        "models/dense.py",
        "models/network.py",
        "models/hub.py",
    ),
    # from network to epochs: what is trained on, steps, loop, optimizers, backend, variables
    *("training/augmentation.py", "training/class_weights.py", "training/losses.py"),
    *("training/own_loss.py", "training/ema.py", "training/freezing.py"),
    *("training/features.py", "training/feature_cache.py"),
    "training/averaging.py",
    *("training/backend.py", "training/loop.py", "training/optimizers.py"),
    *("training/plateau.py", "training/schedules.py", "training/state.py", "training/steps.py"),
    # what a learning rate may follow
    *("config/metrics.py", "evaluation/calibration.py", "evaluation/metrics.py"),
    *("evaluation/named.py", "training/validation_metrics.py"),
    # trajectories: epochs, stored and resumed
    *("trajectories/files.py", "trajectories/resume.py", "trajectories/entry.py"),
    *("trajectories/history.py", "trajectories/retention.py"),
    *("trajectories/chain.py", "trajectories/fingerprint.py", "trajectories/frozen.py"),
    *("trajectories/shared.py", "trajectories/sharing.py", "trajectories/stored.py"),
)
"""What stands between a config and the bits of its epochs; the rest composes, searches, shows."""
SHOWN: Final = 16
"""Hex digits of the digest: it tells states of a checkout apart, and stands in messages."""

KEPT: Final = "code.json"
"""File with the digest of the code as it was last."""
NAMING: Final = frozenset({"title"})
"""Functions of these modules that only name what is built, for a person."""

OWN_CHECKOUT: Final = Path(__file__).resolve().parents[2]

Commit = tuple[str | None, bool | None]
"""A commit, and whether tracked files differ from it; None twice where there is none."""
_asked_once: list[dict[Path, Commit]] = []
"""Holds what git has said of each folder, inside `commit_asked_once`."""


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
    try:
        sources = {
            file.relative_to(package).as_posix(): file.read_bytes() for file in files_of(package)
        }
    except OSError:
        return None
    state = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode())
    for name, source in sources.items():
        state.update(f"{name} {hashlib.sha256(source).hexdigest()}\n".encode())
    return kept_text(KEPT, state.hexdigest(), partial(_digest, sources))


def _digest(sources: Mapping[str, bytes]) -> str:
    """The same of the sources by their names: read by Python, which takes half a second."""
    content = hashlib.sha256()
    for name, source in sources.items():
        own = hashlib.sha256(_code(source).encode()).hexdigest()
        content.update(f"{name} {own}\n".encode())
    return content.hexdigest()[:SHOWN]


def _code(source: bytes) -> str:
    """A module as what Python makes of it, without docstrings and without what only names."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.name in NAMING)
    ]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


@cache
def import_all() -> None:
    """Import all that computes and keep its digest: a later edit changes nothing in this process.

    To be called before anything that takes long.
    """
    for file in files_of():
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        import_module(".".join(parts))
    digest()


@contextmanager
def commit_asked_once() -> Iterator[None]:
    """Ask git once for all runs inside the block: they are of the code that was read at its start.

    So it is with the trials of a worker, for which git would be started again and again.
    """
    _asked_once.append({})
    try:
        yield
    finally:
        _asked_once.pop()


def commit() -> Commit:
    """Commit of the user's repository, else of our own checkout, and whether it has changes."""
    known = _asked_once[-1] if _asked_once else dict[Path, Commit]()
    folder = Path.cwd()
    if folder not in known:
        known[folder] = _commit(folder)
    return known[folder]


def _commit(folder: Path) -> Commit:
    git = shutil.which("git")
    if git is None:
        return None, None
    here = _status(git, folder)
    # A .git right above the package: a wheel in a .venv may lie in somebody else's checkout.
    return here if here[0] or not (OWN_CHECKOUT / ".git").exists() else _status(git, OWN_CHECKOUT)


def _status(git: str, folder: Path) -> Commit:
    """Commit of the repository around a folder, and whether tracked files differ from it."""
    command = [git, "-C", str(folder), "status", "--porcelain=v2", "--branch"]
    command.append("--untracked-files=no")
    try:
        done = subprocess.run(  # noqa: S603 a fixed command
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None, None  # no repository, or one that git refuses
    lines = done.stdout.splitlines()
    heads = [line.split()[-1] for line in lines if line.startswith("# branch.oid ")]
    if not heads or heads[0] == "(initial)":
        return None, None
    return heads[0], any(not line.startswith("#") for line in lines)
