"""Workers that join a sweep: from another terminal, or from another host."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import instant
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from plans import plan, study
from waiting import PATIENCE, until

from cnn_sweeps.errors import DataError, StoreError, UnknownStudyError
from cnn_sweeps.sweeps import join
from cnn_sweeps.sweeps.join import Join
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.results.commands import join_command
from cnn_sweeps.sweeps.study.attributes import FAILURES_ALLOWED, OPEN, PARENT
from cnn_sweeps.sweeps.study.journal import JournalOfStudies
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.text.argument_names import on_command_line
from cnn_sweeps.tracking import Store, patience

TWO = {"model.filters": "choice(4,8)"}


def begun(folder: Path, made: Plan | None = None) -> SweepStudy:
    """A study with a queue, as its controller leaves it to workers."""
    opened = study(folder, made or plan(TWO))
    fill_queue(opened, Budget())
    opened.optuna_study.set_user_attr(PARENT, "0" * 32)
    return opened


def joined(made: SweepStudy, **fields: Any) -> Join:
    """One worker process for a study that is there."""
    given = {"find": lambda: made.address, "workers": 1, "wait": 0.0, "say": print}
    return Join(**{**given, "view": lambda _: View(), "execute": "fakes:instant", **fields})


@pytest.mark.usefixtures("light_forkserver")
def test_workers_leave_when_the_sweep_has_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They try what waits, by processes of their own; the study may be begun after them."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    monkeypatch.setattr(join, "LOOK", 0.01)
    looked: list[int] = []
    made = begun(tmp_path)

    def find() -> Any:
        looked.append(1)
        if len(looked) < 3:
            raise UnknownStudyError("there is no study")
        return made.address

    told: list[str] = []
    with on_command_line():
        counts = joined(made, find=find, wait=60.0, say=told.append).work(Interrupts())
    assert (counts.total, counts.finished) == (2, 2)
    assert told == ["there is no study: waiting, up to 60 s (--wait)"]


def test_a_study_that_may_get_more_trials_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its controller is about to put some into the queue, and says when it will not."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    monkeypatch.setattr(join, "LOOK", 0.01)
    made = begun(tmp_path)
    made.optuna_study.set_user_attr(OPEN, True)
    rounds: list[int] = []

    class Group(join.Supervisor):
        """Carries out what waits at once; in the third round the controller ends the sweep."""

        def run(self, workers: Any, interrupts: Interrupts) -> None:
            rounds.append(1)
            made.optuna_study.set_user_attr(OPEN, len(rounds) < 3)

    monkeypatch.setattr(join, "Supervisor", Group)
    joined(made, wait=60.0).work(Interrupts())
    assert len(rounds) == 3


@pytest.mark.parametrize("asked", ["_store", "check_software", "importable_code"])
def test_a_storage_that_goes_away_at_the_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """As in the middle; what is gone for good is told in one line."""
    seconds: list[float] = []

    def gone(*_: Any, **__: Any) -> Any:
        seconds.append(patience._process.patience.seconds)
        raise StorageInternalError("An exception is raised during the commit.")

    monkeypatch.setattr(join, "_store", lambda _: None)
    monkeypatch.setattr(join, asked, gone)
    with pytest.raises(StoreError, match=r"storage .* cannot be used"):
        joined(begun(tmp_path), patience=7.0).work(Interrupts())
    assert seconds == [7.0]


@pytest.mark.parametrize("asked", ["parent_run_id", "counts"])
def test_a_storage_that_goes_away_while_a_study_is_looked_for_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Before anything is known of how long to wait."""

    def gone(*_: Any, **__: Any) -> Any:
        raise StorageInternalError("An exception is raised during the commit.")

    made = begun(tmp_path)
    monkeypatch.setattr(SweepStudy, asked, property(gone) if asked == "parent_run_id" else gone)
    with pytest.raises(StoreError, match=r"storage .* cannot be used"):
        joined(made, wait=60.0).work(Interrupts())


def test_a_storage_that_is_gone_for_good_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials in hand cannot be requeued then, which is not what is told."""
    monkeypatch.setattr(join, "_store", lambda _: None)

    def gone(*_: Any, **__: Any) -> Any:
        raise StorageInternalError("An exception is raised during the commit.")

    class Group:
        """Workers in whose first moment the storage goes."""

        pids, idle = frozenset[int](), False

        def __init__(self, *_: Any, **__: Any) -> None:
            """There they are."""

        def step(self, show: Any, *, waiting: Any) -> dict[int, str]:
            """Train."""
            monkeypatch.setattr(JournalOfStudies, "get_all_trials", gone)
            return {}

        def kill(self) -> None:
            """They have gone."""

    monkeypatch.setattr(join, "Pool", Group)
    with pytest.raises(StoreError, match="the study's storage .* cannot be used"):
        joined(begun(tmp_path)).work(Interrupts())


def test_workers_that_come_after_the_end_leave_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They start no process, and tell how far the sweep is."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    made = begun(tmp_path)
    Worker(study=made, execute=instant).work()
    asked = joined(made, wait=600.0, name="study", execute="fakes:missing")
    counts = asked.work(Interrupts())
    assert (counts.total, counts.finished) == (2, 2)


@pytest.mark.parametrize(
    ("name", "left", "waits"),
    [("lab", 0, True), (None, 0, True), ("lab-old", 0, False), ("lab", 1, False)],
    ids=["prefix", "newest", "its name", "not ended"],
)
def test_the_end_of_an_earlier_study_is_not_what_was_typed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
    left: int,
    waits: bool,
) -> None:
    """Workers often come before their sweep; after waiting in vain they take what there is."""
    made = study(tmp_path, plan(TWO), name="lab-old")
    fill_queue(made, Budget())
    made.optuna_study.set_user_attr(PARENT, "0" * 32)
    Worker(study=made, execute=instant).work(most=2 - left)
    monkeypatch.setattr(join, "LOOK", 0.01)
    monkeypatch.setattr(join.forkserver, "warming_up", nullcontext)
    told: list[str] = []
    asked = joined(made, name=name, wait=0.05, say=told.append)
    with on_command_line():
        assert asked._found(Interrupts()).address == made.address
    assert told == (["lab-old has ended: waiting, up to 0.05 s (--wait)"] if waits else [])


def test_failures_are_those_that_the_sweep_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its retries are; a study of an earlier version has the default."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    allowed: list[tuple[int, int]] = []

    class Group(join.Supervisor):
        """Carries nothing out."""

        def run(self, workers: Any, interrupts: Interrupts) -> None:
            allowed.append((self.budget.max_failures, self.budget.retries))

    monkeypatch.setattr(join, "Supervisor", Group)
    made = begun(tmp_path)
    joined(made).work(Interrupts())
    made.optuna_study.set_user_attr(FAILURES_ALLOWED, 2)
    joined(made).work(Interrupts())
    assert allowed == [(Budget.max_failures, Budget.retries), (2, Budget.retries)]


def test_the_store_is_reached_as_it_is_typed(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep had a relative folder, and the worker is in another one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = begun(tmp_path, plan(TWO, tracking={"dir": "mlruns", "figures": False}))
    with store.start_run("sweep", tags={}) as parent:
        made.optuna_study.set_user_attr(PARENT, parent.run_id)
    with pytest.raises(StoreError, match="it is another store"):
        join._store(SweepStudy.load(made.address))
    reached = replace(made.address, tracking=(("dir", str(store.dir)),))
    loaded = SweepStudy.load(reached)
    assert join._store(loaded).dir == store.dir
    for config in (loaded.plan.first, loaded.plan.config({"model.filters": 8})):
        assert (config.tracking.dir, config.tracking.figures) == (store.dir, False)


def test_the_line_that_starts_workers_is_for_any_folder(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the sweep itself needed none of it, in its own folder."""
    monkeypatch.chdir(store.dir.parent)
    line = join_command(study(store.dir / "studies"), store)
    assert line == f"cnn-sweeps worker study tracking.dir={store.dir}"


def test_a_study_that_is_not_there_is_waited_for_so_long(tmp_path: Path) -> None:
    """Then the refusal is that of any command."""

    def find() -> Any:
        raise UnknownStudyError("there is no study in nowhere")

    with pytest.raises(UnknownStudyError, match="no study in nowhere"):
        joined(study(tmp_path), find=find).work(Interrupts())


def test_another_tracking_store_is_refused_before_a_trial_is_claimed(
    tmp_path: Path, in_tmp: Path
) -> None:
    """Trials would be logged to a store that nobody looks at."""
    made = begun(tmp_path)
    with pytest.raises(StoreError, match="Set MLFLOW_TRACKING_URI") as refused:
        joined(made).work(Interrupts())
    assert "from here it is another store" in str(refused.value)
    assert made.counts().waiting == 2
    assert not (in_tmp / "mlruns").exists()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_server_whose_files_are_not_on_this_host_is_refused(
    tmp_path: Path, store: Store, scheme: str
) -> None:
    """MLflow would write a folder of that name on each host; a mounted one is fine."""
    served = replace(store, address=replace(store.address, uri="http://db:5000", database=None))
    with store.start_run("sweep", tags={}) as parent:
        known = store.get(parent.run_id)
    there = replace(known, artifact_uri=f"{scheme}{tmp_path}")
    join._check_files(served, there)
    join._check_files(served, replace(known, artifact_uri="mlflow-artifacts:/1/ab/artifacts"))
    away = replace(known, artifact_uri=f"{scheme}{tmp_path}/srv/1/ab/artifacts")
    join._check_files(store, away)  # a local database makes its folders
    with pytest.raises(StoreError, match=r"db:5000 keeps .* not have: /.*/srv/1/ab/artifacts\."):
        join._check_files(served, away)


def test_missing_images_are_refused_before_a_trial_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial would fail on this host, and not on others."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    file = tmp_path / "images.npz"
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
    made = begun(tmp_path, plan(TWO, data={"name": "npz", "path": str(file)}))
    file.unlink()
    with pytest.raises(DataError, match=r"images\.npz"):
        joined(SweepStudy.load(made.address)).work(Interrupts())
    assert made.counts().waiting == 2


def test_images_of_trials_that_are_only_scheduled_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trials wait; the one whose images are missing would be the third."""
    monkeypatch.setattr(join, "_store", lambda _: None)
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    files = [tmp_path / f"{name}.npz" for name in "abc"]
    for file in files:
        np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
    swept = {"data.path": ",".join(map(str, files))}
    made = begun(tmp_path, plan(swept, data={"name": "npz", "path": str(files[0])}))
    files[2].unlink()
    with pytest.raises(DataError, match=r"c\.npz"):
        joined(SweepStudy.load(made.address)).work(Interrupts())
    assert made.counts().waiting == 3


NAMESPACES = shutil.which("unshare") is not None and os.getuid() == 0


@contextmanager
def on_host(name: str, *typed: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line in a process of its own, under another host name."""
    command = f"hostname {name} && exec {sys.executable} -m cnn_sweeps " + " ".join(typed)
    with subprocess.Popen(
        ["unshare", "--uts", "sh", "-c", command],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow(minutes=2)
@pytest.mark.skipif(not NAMESPACES, reason="host names of one's own need root and unshare")
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_hosts_share_a_folder_and_one_of_them_dies(tmp_path: Path) -> None:
    """A live trial of another host is left alone, a dead host's is tried again, none twice."""
    sweep = "-m data=digits data.limit=200 trainer.batch_size=1 trainer.epochs=6 search=null"
    keys = "model.filters=2,3,4,5 hydra.sweeper.study_name=lab trajectory.reuse=false"
    keys += " tracking.figures=false"
    with on_host("boss", sweep, keys, "--no-workers", folder=tmp_path) as boss:
        journal = tmp_path / "mlruns" / "studies" / "lab.journal"

        def running() -> dict[str, int]:
            """The processes that train, by host."""
            address = StudyAddress(storage=str(journal), name="lab")
            made, states = SweepStudy.existing(address), (TrialState.RUNNING,)
            trials = made.optuna_study.get_trials(states=states) if made else []
            owners = [t.user_attrs["owner"] for t in trials if "owner" in t.user_attrs]
            return {owner["host"].partition(":")[0]: owner["pid"] for owner in owners}

        worker = "worker lab --count 1 --wait 1200"
        with on_host("lab-1", worker, folder=tmp_path) as first:
            until(lambda: "lab-1" in running())
            with on_host("lab-2", worker, folder=tmp_path) as second:
                until(lambda: len(running()) == 2)
                first.kill()
                os.kill(running()["lab-1"], signal.SIGKILL)
                assert second.wait(timeout=PATIENCE) == 0
                assert boss.wait(timeout=PATIENCE) == 0
        made = SweepStudy.load(StudyAddress(storage=str(journal), name="lab"))
        assert made.counts().total == made.counts().finished == 4
        assert len(made.trials(TrialState.COMPLETE)) == 4
        replaced = [t for t in made.optuna_study.get_trials() if "superseded" in t.user_attrs]
        assert len(replaced) == 1  # the one that the dead host had, and no live one
