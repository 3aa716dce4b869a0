"""The log of a sweep: where it is, what a line holds, and that it never stands in the way."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from plans import study

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.sweeps.plan.budget import LOG_LEVELS, Budget
from cnn_sweeps.sweeps.study import stored_studies
from cnn_sweeps.sweeps.study.attributes import LOG
from cnn_sweeps.sweeps.study.log import ROOT, LogTarget, logged_sweep, logged_worker
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text import terminal

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\d+) "
    r"(DEBUG|INFO|WARNING|ERROR) (cnn_sweeps[\w.]*): (.*)"
)
"""Time with milliseconds and zone, process, level, logger, message."""
ours = logging.getLogger("cnn_sweeps.tests")


@contextmanager
def sweep(made: SweepStudy, budget: Budget | None = None) -> Iterator[None]:
    """Log a sweep of a study as its controller does."""
    folder = Path(made.address.storage).parent
    with logged_sweep(made.address, budget or Budget(), folder, terminal.warn) as announce:
        announce(made)
        yield


def written(file: Path) -> list[tuple[str, str, str]]:
    """Process, level and message of each line; every line must be one that was meant."""
    matches = [LINE.fullmatch(line) for line in file.read_text().splitlines()]
    assert all(matches)
    return [(found[1], found[2], found[4]) for found in matches if found is not None]


@pytest.mark.parametrize(
    ("storage", "file", "expected"),
    [
        pytest.param("there/s.journal", None, "there/s.log", id="journal"),
        pytest.param("there/any.file", None, "there/s.log", id="file of another name"),
        pytest.param("sqlite:///there/s.db", None, "studies/s.log", id="file of a database"),
        pytest.param("mysql://me:secret@host/db", None, "studies/s.log", id="server"),
        pytest.param("there/s.journal", "my.log", "my.log", id="asked for"),
        pytest.param("there/s.log", None, "there/s.sweep.log", id="journal named as a log"),
    ],
)
def test_the_log_is_beside_the_study(
    in_tmp: Path, storage: str, file: str | None, expected: str
) -> None:
    """And of a study in a database in the folder of the studies, or where it was asked for."""
    address = StudyAddress(storage=storage, name="s")
    target = LogTarget.of(address, Budget(log_file=file), Path("studies"))
    assert Path(target.path) == in_tmp / expected


@pytest.mark.parametrize("file", ["there/s.txt", "x/../there/s.txt", "there/s.lock"])
def test_a_log_in_place_of_the_study_is_refused(in_tmp: Path, file: str) -> None:
    """Lines of a log would damage the study."""
    address = StudyAddress(storage="there/s.txt", name="s")
    with pytest.raises(ConfigError, match=r"log_file=.* is invalid: the study itself"):
        LogTarget.of(address, Budget(log_file=file), Path("studies"))


def test_a_sweep_says_when_it_started_and_ended(tmp_path: Path) -> None:
    """With the counts of its trials, in the process that steers it."""
    made = study(tmp_path)
    made.enqueue()
    with sweep(made):
        pass
    (_, level, started), (pid, _, ended) = written(tmp_path / "study.log")
    assert (pid, level) == (str(os.getpid()), "INFO")
    assert started.startswith("sweep study in ")
    assert started.endswith("started: 1 trial: 1 waiting")
    assert re.fullmatch(r"sweep study ended after \d+\.\d s: 1 trial: 1 waiting", ended)


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        pytest.param(KeyboardInterrupt(), "WARNING", "interrupted", id="Ctrl-C"),
        pytest.param(StoreError("no room"), "ERROR", "broken off.*no room", id="refusal"),
    ],
)
def test_a_sweep_that_ends_early_says_why(
    tmp_path: Path, error: BaseException, level: str, said: str
) -> None:
    """What ended it goes on its way."""
    with pytest.raises(type(error)), sweep(study(tmp_path)):
        raise error
    *_, (_, last_level, last) = written(tmp_path / "study.log")
    assert last_level == level
    assert re.search(said, last)


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_a_level_leaves_out_what_is_below_it(tmp_path: Path, level: str) -> None:
    """What the sweep itself says included."""
    with sweep(study(tmp_path), Budget(log_level=level)):
        for each in LOG_LEVELS:
            ours.log(logging.getLevelNamesMapping()[each.upper()], "of level %s", each)
    said = [message for _, _, message in written(tmp_path / "study.log")]
    kept = [message for message in said if message.startswith("of level")]
    assert kept == [f"of level {each}" for each in LOG_LEVELS[LOG_LEVELS.index(level) :]]


def test_a_record_is_one_line_without_a_password(tmp_path: Path) -> None:
    """What would begin a line, move the cursor or tell a password is escaped or starred out."""
    with sweep(study(tmp_path)):
        ours.info("one\ntwo \x1b[2J \udc80 at %s", "mysql://me:secret@host/db")
    _, (_, _, said), _ = written(tmp_path / "study.log")
    assert said == r"one\ntwo \x1b[2J \udc80 at mysql://me:***@host/db"


def test_a_traceback_stands_indented_below_its_line(tmp_path: Path) -> None:
    """So that every line that is not indented begins a record."""
    with sweep(study(tmp_path)):
        try:
            raise ZeroDivisionError("a\nbug")
        except ZeroDivisionError:
            ours.exception("failed")
    lines = (tmp_path / "study.log").read_text().splitlines()
    assert "    ZeroDivisionError: a" in lines
    assert all(line.startswith("    ") or LINE.fullmatch(line) for line in lines)


WORKER = """
import logging, sys
from cnn_sweeps.sweeps.study.log import logged_worker
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
with logged_worker(SweepStudy.load(StudyAddress(storage=sys.argv[1], name="study"))):
    print("ready", flush=True)
    for number in range(500):
        logging.getLogger("cnn_sweeps.worker").info("%d %s", number, "w" * 300)
"""


@pytest.mark.slow
def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    """A worker finds the log by its study alone; its lines and the controller's do not mix."""
    made = study(tmp_path)
    with sweep(made):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, made.address.storage], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        for number in range(500):
            ours.info("%d %s", number, "c" * 300)
        worker.communicate()
    lines = written(tmp_path / "study.log")
    pids = [pid for pid, _, _ in lines]
    assert (pids.count(str(worker.pid)), pids.count(str(os.getpid()))) == (500, 502)


def test_a_worker_on_another_host_writes_nothing(tmp_path: Path) -> None:
    """The path says nothing there."""
    made = study(tmp_path)
    made.optuna_study.set_user_attr(
        LOG, {"path": str(tmp_path / "x"), "level": "info", "host": "other"}
    )
    with logged_worker(made):
        ours.info("hello")
    assert not (tmp_path / "x").exists()


def test_a_worker_in_the_process_of_the_controller_writes_once(tmp_path: Path) -> None:
    """Some launchers run their jobs there."""
    made = study(tmp_path)
    with sweep(made), logged_worker(made):
        ours.info("hello")
    said = [message for _, _, message in written(tmp_path / "study.log")]
    assert said.count("hello") == 1


def test_nothing_goes_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither Python's last resort nor a handler that somebody has set up prints a record."""
    heard = StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(heard)])
    with sweep(study(tmp_path)):
        ours.error("a bug")
    assert (capsys.readouterr(), heard.getvalue()) == (("", ""), "")


def test_without_a_sweep_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library is silent until somebody wants to hear it."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    ours.error("a bug")
    assert capsys.readouterr() == ("", "")


def test_the_loggers_are_left_as_they_were(tmp_path: Path) -> None:
    """Another sweep of the same process has a log of its own."""
    before = ROOT.level, ROOT.propagate, list(ROOT.handlers)
    for name in ("one", "two"):
        with sweep(study(tmp_path, name=name)):
            pass
        assert (ROOT.level, ROOT.propagate, list(ROOT.handlers)) == before
    assert len(written(tmp_path / "one.log")) == len(written(tmp_path / "two.log")) == 2


def test_a_sweep_that_is_refused_leaves_no_log(tmp_path: Path) -> None:
    """Before its study is there, nothing is made."""
    address = StudyAddress(storage=str(tmp_path / "new" / "s.journal"), name="s")
    with pytest.raises(StoreError), logged_sweep(address, Budget(), tmp_path, terminal.warn):
        raise StoreError("refused")
    assert list(tmp_path.iterdir()) == []


def a_folder(path: Path) -> None:
    """A folder in place of the log."""
    path.mkdir()


def a_pipe(path: Path) -> None:
    """A named pipe that nobody reads."""
    os.mkfifo(path)


def a_full_disk(path: Path) -> None:
    """A device without room."""
    path.symlink_to("/dev/full")


def a_file_above(path: Path) -> None:
    """A file where the folder of the log should be."""
    path.parent.write_text("")


@pytest.mark.parametrize(
    "hinder", [a_folder, a_pipe, a_full_disk, a_file_above], ids=lambda made: made.__name__
)
def test_a_log_that_cannot_be_written_is_warned_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hinder: object
) -> None:
    """The sweep goes on to its end, and its workers do not even try."""
    file = tmp_path / "logs" / "my.log"
    if hinder is not a_file_above:
        file.parent.mkdir()
    hinder(file)  # type: ignore[operator]
    made, reached = study(tmp_path), False
    with sweep(made, Budget(log_file=str(file))):
        ours.info("one")
        ours.info("two")
        reached = True
    said = capsys.readouterr().err
    assert reached
    assert said.count("warning: the log") == 1
    assert "the sweep goes on" in said
    assert "hydra.sweeper.log_file=PATH" in said
    assert hinder is a_full_disk or made.optuna_study.user_attrs.get(LOG) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_log_in_a_folder_that_is_read_only_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason that the system gives."""
    (tmp_path / "logs").mkdir(mode=0o500)
    with sweep(study(tmp_path), Budget(log_file=str(tmp_path / "logs" / "my.log"))):
        pass
    assert "Permission denied; the sweep goes on" in capsys.readouterr().err


def test_a_log_is_no_study(tmp_path: Path) -> None:
    """Who looks for a study by the beginning of its name finds one."""
    tracking = Tracking(dir=tmp_path)
    made = study(stored_studies.studies_of(tracking), name="mine")
    with sweep(made):
        pass
    files = {file.name for file in stored_studies.studies_of(tracking).iterdir()}
    assert {"mine.journal", "mine.log"} <= files
    assert stored_studies.find_study("mi", tracking, None) == made.address
