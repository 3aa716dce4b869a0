"""The program as a user types it, in a process of its own that begins at once.

`python -m cnn_sweeps` imports for seconds before it does anything. A process of `typed` is forked
from one that has imported all of it, and is fresh otherwise: nothing was computed in it, and
TensorFlow has not been started. `begun` begins with Python, for what is about the start itself or
about variables that are read when TensorFlow is imported, which `cnn-sweeps reproduce` sets.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cnn_sweeps.sweeps.workers.forkserver import CONTEXT, warm_up


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A program that has ended.

    Attributes:
        returncode: its exit code.
        stdout: what it printed.
        stderr: what it complained about.
    """

    returncode: int | None
    stdout: str
    stderr: str

    def well(self) -> str:
        """What it printed, if it has nothing to complain about."""
        assert (self.returncode, self.stderr) == (0, ""), self.stderr
        return self.stdout


def typed(folder: Path, *words: str, **variables: str) -> Ended:
    """Run `cnn-sweeps WORDS` in a folder, where no store but that of `variables` is set."""
    warm_up()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "", **variables}
    with TemporaryDirectory() as said:
        out, errors = Path(said, "out"), Path(said, "errors")
        process = CONTEXT.Process(target=_program, args=(folder, words, environment, out, errors))
        process.start()
        process.join()
        return Ended(returncode=process.exitcode, stdout=out.read_text(), stderr=errors.read_text())


@contextmanager
def running(
    folder: Path, *words: str, variables: Mapping[str, str] = os.environ
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m cnn_sweeps WORDS` while the block lasts; it writes to `said.txt` of the folder."""
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cnn_sweeps", *words],
            cwd=folder,
            env=dict(variables),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def begun(folder: Path, *words: str, **variables: str) -> Ended:
    """Run `python -m cnn_sweeps WORDS` in a folder, as `typed` does."""
    done = subprocess.run(
        [sys.executable, "-m", "cnn_sweeps", *words],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


def on_a_full_disk(folder: Path, *words: str) -> Ended:
    """The same, where standard output cannot be written."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cnn_sweeps", *words],
            cwd=folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return Ended(returncode=done.returncode, stdout="", stderr=done.stderr)


def _program(
    folder: Path, words: tuple[str, ...], environment: dict[str, str], out: Path, errors: Path
) -> None:
    """Be the program, as `python -m` begins it."""
    for stream, file in ((1, out), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = ["cnn-sweeps", *words], str(folder)

    from cnn_sweeps.__main__ import main

    main()
