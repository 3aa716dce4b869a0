"""The part of this package that computes, and how to tell two states of it apart."""

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
MODULES: Final = (
    "custom_model.py",
    "data/*.py",
    "geometry.py",
    "models.py",
    "optimizers.py",
    "passes.py",
    "run.py",
    "runtime.py",
    "schedules.py",
    "training.py",
    "trajectory/*.py",
    "variables.py",
)
"""What stands between a config and the bits of its epochs; the rest composes, searches, shows."""
SHOWN: Final = 16
"""Hex digits of the digest: it tells states of a checkout apart, and stands in messages."""


def files_of(package: Path = PACKAGE) -> list[Path]:
    """The modules that compute, as files."""
    return sorted({file for pattern in MODULES for file in package.glob(pattern)})


@cache
def digest(package: Path = PACKAGE) -> str | None:
    """Beginning of the SHA-256 of the modules that compute; None where their sources are not there.

    A version says which release this is. A checkout has one version through all its commits, and
    what it trained before it was pulled or edited may have other bits.

    Args:
        package: folder of the package.
    """
    files = files_of(package)
    content = hashlib.sha256()
    try:
        for file in files:
            own = hashlib.sha256(file.read_bytes()).hexdigest()
            content.update(f"{file.relative_to(package).as_posix()} {own}\n".encode())
    except OSError:
        return None
    return content.hexdigest()[:SHOWN] if files else None


@cache
def settle() -> None:
    """Import all that computes and keep its digest: a later edit changes nothing in this process.

    To be called before anything that takes long.
    """
    for file in files_of():
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        import_module(".".join(part for part in parts if part != "__init__"))
    digest()
