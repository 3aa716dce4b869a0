"""Ctrl-C while a launcher works: what its processes hear, and what is left of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from signals import heard
from waiting import PATIENCE

from cnn_sweeps.sweeps.application import interruption
from cnn_sweeps.sweeps.application.interruption import SHIELDED, Hearing, launch

MASK = "import signal; print(signal.pthread_sigmask(0, []))"
JOBS = [["x=1"], ["x=2"]]


class ProcessLauncher(Launcher):
    """Lets a process of its own work, as submitit's local one does.

    Attributes:
        program: what the process runs.
        begun: is called while it runs.
        printed: what it has printed.
    """

    def __init__(self, program: str, begun: Callable[[], None] = lambda: None) -> None:
        self.program, self.begun, self.printed = program, begun, ""
        self.process: subprocess.Popen[str] | None = None

    def setup(self, **_: Any) -> None:
        """Take nothing."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Return as many results as there are jobs."""
        asked = [sys.executable, "-S", "-c", self.program]
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as self.process:
            self.begun()
            self.printed, _ = self.process.communicate()
        return [JobReturn(status=JobStatus.COMPLETED) for _ in job_overrides]


def test_the_processes_of_a_launcher_do_not_hear_ctrl_c() -> None:
    """They would print where they were; this process hears it as before."""
    launcher = ProcessLauncher(MASK)
    assert len(launch(launcher, JOBS, 0)) == 2
    assert "SIGINT" in launcher.printed
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_ctrl_c_ends_what_a_launcher_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that does not end by itself goes on for nobody."""
    monkeypatch.setattr(interruption, "GRACE", 0.1)
    launcher = ProcessLauncher(
        "import time; time.sleep(60)", lambda: os.kill(os.getpid(), signal.SIGINT)
    )
    with heard(signal.SIGINT, signal.default_int_handler), pytest.raises(KeyboardInterrupt):
        launch(launcher, JOBS, 0)
    for thread in threading.enumerate():
        if thread.name == "launcher":
            thread.join(10)
    assert launcher.process is not None
    assert launcher.process.returncode == -signal.SIGKILL


def test_what_a_launcher_raises_is_raised_here() -> None:
    """As it was, the end of the program included."""

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        launch(ProcessLauncher(MASK, leave), JOBS, 0)
    assert caught.value.code == 3


def test_a_job_hears_ctrl_c() -> None:
    """Also one that came before it was begun; afterwards it is as it was."""
    heard: list[set[signal.Signals]] = []

    def job(config: DictConfig) -> int:
        heard.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))  # type: ignore[arg-type]
        return int(config.x)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED)
    try:
        assert Hearing(job)(OmegaConf.create({"x": 3})) == 3
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) >= set(SHIELDED)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert not heard[0] & set(SHIELDED)


APPLICATION = """
import time

import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    time.sleep(30)
    return 1.0


if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_ctrl_c_under_submitit_prints_no_traceback(tmp_path: Path) -> None:
    """Whichever of its processes it reaches; every trial is there for the next call."""
    pytest.importorskip("submitit")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("x: 1\n")
    (tmp_path / "app.py").write_text(APPLICATION)
    options = ("hydra/sweeper=cnn_sweeps", "hydra/launcher=submitit_local", "hydra.sweep.dir=swept")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = subprocess.Popen(
        [sys.executable, "app.py", "-m", *options, "x=1,2,3", "hydra.sweeper.n_jobs=2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    assert program.stdout is not None
    printed = ""
    while "#1 : x=2" not in printed:
        printed += program.stdout.readline()
        assert program.poll() is None, printed
    time.sleep(1)  # so that its processes are there
    os.killpg(program.pid, signal.SIGINT)
    printed += program.communicate(timeout=PATIENCE)[0]
    assert program.returncode == 130
    assert "Traceback" not in printed
    assert "Stopped with 0 of 3 trials done; run the same command to continue" in printed
