"""What a check finds, and what it is told to look at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cnn_sweeps.config.schema import Config
from cnn_sweeps.data.files import absolute

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the answer.

    Attributes:
        level: `fail` for what will not work, `warn` for what may go wrong.
        what: what was found.
        remedy: what to do about it; empty where there is nothing to do.
    """

    level: Level
    what: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is looked at.

    Attributes:
        config: where things are, and how many threads train.
        environ: the variables of the shell.
        folder: the working directory.
        gpu: whether TensorFlow is asked for GPUs, which takes as long as importing it.
    """

    config: Config
    environ: Mapping[str, str]
    folder: Path
    gpu: bool = False

    @property
    def home(self) -> Path:
        """Absolute folder of the local database, the artifacts, the studies and trajectories."""
        return absolute(self.config.tracking.dir)


Check = Callable[[Machine], Iterator[Finding]]


def ok(what: str) -> Finding:
    """Nothing is wrong."""
    return Finding(level="ok", what=what)


def warn(what: str, remedy: str) -> Finding:
    """Something may go wrong, or be slow."""
    return Finding(level="warn", what=what, remedy=remedy)


def fail(what: str, remedy: str) -> Finding:
    """Something will not work."""
    return Finding(level="fail", what=what, remedy=remedy)


def existing_folder(path: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next((each for each in (path, *path.parents) if each.exists()), path)
