"""`cnn-sweeps worker`: what can be typed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cards import UUID, install

from cnn_sweeps.cli import main, worker
from cnn_sweeps.errors import ConfigError, UnknownStudyError
from cnn_sweeps.sweeps.study.counts import Counts


@pytest.mark.usefixtures("in_tmp")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param(["--count", "0"], "--count 0 is invalid: it takes a number", id="none"),
        pytest.param(["--count", "two"], "invalid int value", id="no number"),
        pytest.param(["--wait", "-1"], "--wait -1 is invalid: it takes seconds", id="wait"),
        pytest.param(["--wait", "nan"], "--wait nan is invalid: it takes seconds", id="nan"),
        pytest.param(["one", "two"], "unexpected arguments: one two", id="two studies"),
        pytest.param(["model.filters=3"], "only tracking.KEY=VALUE", id="of a run"),
        *(
            pytest.param([text], "has no effect here: of tracking, only", id=text)
            for text in ("tracking.figures=false", "tracking.tags.a=b", "+tracking.tags.a=b")
        ),
        pytest.param(["tracking.experiment=x"], "tracking.uri, tracking.dir", id="experiment"),
    ],
)
def test_what_cannot_be_typed(typed: list[str], message: str) -> None:
    """It is refused in one line."""
    with pytest.raises(ConfigError, match=message):
        worker.main(typed)


@pytest.mark.usefixtures("in_tmp")
def test_a_study_that_nobody_begins_is_refused() -> None:
    """After the time that was typed, as any command would."""
    with pytest.raises(UnknownStudyError, match="there is no study in"):
        worker.main(["lab", "--wait", "0"])


def test_storage_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no password stands in a list of processes; what is typed comes first."""
    monkeypatch.setenv("CNN_SWEEPS_STORAGE", "postgresql://me:pw@db/studies")
    assert worker.Asked.read([]).storage == "postgresql://me:pw@db/studies"
    assert worker.Asked.read(["--storage", "other.journal"]).storage == "other.journal"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_schedulers_end_in_order(number: signal.Signals) -> None:
    """The exit code is that of a shell, and a sentence is said."""
    assert number in main.ENDED_BY


@pytest.mark.usefixtures("in_tmp")
def test_a_worker_uses_the_card_that_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its number on the bus, as nvidia-smi shows it; it has no more processes than fit on it."""
    install(tmp_path, monkeypatch, "81920/0", "5000/0")
    assert worker.Asked.read(["--gpu", "1"]).count == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == UUID.format(1)
    with pytest.raises(ConfigError, match="--gpu 7: there is no such GPU here"):
        worker.Asked.read(["--gpu", "7"])


@pytest.mark.usefixtures("in_tmp")
def test_where_the_runs_are_is_what_is_typed() -> None:
    """A folder for any process of this host; what is not typed is as the sweep has it."""
    assert worker.Asked.read([]).reached == ()
    folder = ("dir", str(Path.cwd() / "lab"))
    assert worker.Asked.read(["tracking.dir=lab"]).reached == (folder,)
    typed = ["tracking.uri=http://db:5000", "tracking.dir=lab"]
    assert worker.Asked.read(typed).reached == (("uri", "http://db:5000"), folder)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [([], None), (["tracking.patience=300"], 300.0), (["tracking.dir=x"], None)],
)
def test_patience_is_that_of_the_sweep_unless_it_is_typed(
    typed: list[str], seconds: float | None
) -> None:
    """A worker on a bad network may need more of it than the others."""
    assert worker.Asked.read(typed).patience == seconds


@pytest.mark.parametrize(
    ("waiting", "said"),
    [(0, "2 of 5 trials done; nothing waits."), (3, "3 wait, and the time of the sweep is over")],
)
def test_what_is_left_when_workers_leave_is_told(waiting: int, said: str) -> None:
    """Trials that may not begin any more are not passed over."""
    assert said in worker._ended(Counts(total=5, finished=2, running=0, waiting=waiting))


@pytest.mark.slow
@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare"
)
def test_a_worker_that_is_the_first_process_of_a_container_ends_in_order(tmp_path: Path) -> None:
    """The system ignores SIGTERM for process 1 unless it listens; `docker stop` sends no other."""
    words = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "cnn_sweeps"]
    with subprocess.Popen(
        [*words, "worker", "lab"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as outside:
        assert outside.stdout is not None
        assert "waiting, up to" in outside.stdout.readline()
        (first,) = psutil.Process(outside.pid).children()
        first.terminate()
        assert outside.stdout.read().endswith("cnn-sweeps: terminated.\n")
    assert outside.returncode == 128 + signal.SIGTERM
