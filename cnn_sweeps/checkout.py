"""The commit of a git repository around a folder, as far as there is one."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

OWN_CHECKOUT: Final = Path(__file__).resolve().parent.parent


def commit() -> tuple[str | None, bool | None]:
    """Commit of the user's repository, else of our own checkout, and whether it has changes."""
    git = shutil.which("git")
    if git is None:
        return None, None
    here = _status(git, Path.cwd())
    # A .git right above the package: a wheel in a .venv may lie in somebody else's checkout.
    return here if here[0] or not (OWN_CHECKOUT / ".git").exists() else _status(git, OWN_CHECKOUT)


def _status(git: str, folder: Path) -> tuple[str | None, bool | None]:
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
