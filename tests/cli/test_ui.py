"""`cnn-sweeps ui`: what it refuses, which port it takes, and that nothing of it stays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from signals import heard

from cnn_sweeps.cli import ui
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, RunFailedError, StoreError, UnknownStudyError
from cnn_sweeps.tracking import Store, address, pages, server
from cnn_sweeps.tracking.names import KIND, STUDY_NAME

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind((server.HOST, 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80a", "", "٣"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    """Before anything is looked at."""
    with pytest.raises(ConfigError, match="Type a number from 1 to 65535."):
        ui.main([f"--port={text}"])


@pytest.mark.parametrize(
    ("word", "said"),
    [("a b", "^unexpected arguments: a b"), ("data=digits", "^data=digits is invalid here")],
)
def test_what_is_no_place_is_refused(word: str, said: str) -> None:
    """There is one study to choose, and where it is."""
    with pytest.raises(ConfigError, match=said):
        ui.main(word.split())


def test_where_no_run_was_ever_logged(in_tmp: Path) -> None:
    """That is said, and nothing is made."""
    with pytest.raises(StoreError, match="there are no runs in .*mlruns/mlflow.db.\n"):
        ui.main([])
    assert list(in_tmp.iterdir()) == []


def test_a_port_that_was_typed_and_is_taken(tracking: Tracking, taken: int) -> None:
    """Another one is named: who types a port wants to know which it is."""
    with pytest.raises(ConfigError, match=rf"port {taken} is taken.\n  Type --port \d+, or"):
        ui.main([f"--port={taken}", f"tracking.dir={tracking.dir}"])


def test_a_port_that_is_taken_is_passed_over(taken: int) -> None:
    """The one that is chosen can really be had."""
    with ui.hold_free(taken) as held, socket.socket() as probe:
        port = held.getsockname()[1]
        probe.bind((server.HOST, port))
        probe.listen()
    assert port != taken


def test_two_that_start_at_once_take_two_ports(taken: int) -> None:
    """The first one's server does not listen yet when the second one chooses."""
    with ui.hold_free(taken) as first, ui.hold_free(taken) as second:
        assert first.getsockname() != second.getsockname()


def test_a_server_has_its_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address is printed, without the password, and no second one is started."""
    there = replace(store.address, uri="http://me:secret@host:5000", artifacts=None)
    monkeypatch.setattr(Store, "open_existing", lambda _: replace(store, address=there))
    assert ui.main(["tracking.uri=http://host:5000"]) == 0
    assert capsys.readouterr().out == (
        f"http://me:***@host:5000/#/experiments/{store.experiment_id}/runs"
        "?workflowType=machine_learning\n"
    )


def test_the_ranking_of_a_sweep_comes_first(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the study that was named, or of the newest; the list of all runs below it."""
    for name in ("one", "two"):
        with store.start_run(name, tags={KIND: "sweep", STUDY_NAME: name}) as run:
            pass
        column = {pages.column("metrics", "val_accuracy"): 12}
        view = pages.View(name=name, parent_run_id=run.run_id, columns=column, rising=True)
        pages.save(store, store.experiment_id, view)
    there = replace(store.address, uri="http://host:5000", artifacts=None)
    monkeypatch.setattr(Store, "open_existing", lambda _: replace(store, address=there))
    monkeypatch.setattr(pages, "seen", lambda _: True)
    for typed, name in (("one", "one"), ("on", "one"), (None, "two")):
        assert ui.main(["tracking.uri=http://host:5000", *([typed] if typed else [])]) == 0
        first, second = capsys.readouterr().out.splitlines()
        assert f"viewStateShareKey={pages.key_of(name)}&workflowType=machine_learning" in first
        assert second.startswith("All runs: http://host:5000/#/experiments/1/runs?workflow")
    with pytest.raises(UnknownStudyError, match="^three is not a study with runs in"):
        ui.main(["tracking.uri=http://host:5000", "three"])


@pytest.mark.slow
def test_a_server_that_dies_says_why(store: Store, taken: int) -> None:
    """With what it wrote: here that a driver is missing, which MLflow does not try again."""
    broken = replace(store.address, uri="mssql+nothing://nobody:secret@127.0.0.1:1/none")
    with (
        pytest.raises(RunFailedError, match="MLflow's server exited unexpectedly.\n  .*") as caught,
        server.serving_store(broken, taken),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_a_database_that_is_gone_is_told_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """MLflow's server would try to reach it for minutes."""
    with socket.socket() as probe:
        probe.bind((server.HOST, 0))
        port = probe.getsockname()[1]
    uri = f"postgresql+psycopg://me:secret@127.0.0.1:{port}/lab"
    gone = replace(store.address, uri=uri, database=None)
    starting = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(
        server, "_start", lambda *_: subprocess.Popen(starting, start_new_session=True)
    )
    monkeypatch.setattr(server, "LOOK", 0.0)
    monkeypatch.setattr(server.Server, "_answers", lambda _: False)
    with pytest.raises(StoreError) as caught, server.serving_store(gone, taken):
        pass
    assert "secret" not in str(caught.value)


def test_the_server_is_told_of_this_store_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the shell holds for another one."""
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", "/elsewhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    environment = server._environment(store.address)
    assert "MLFLOW_STATIC_PREFIX" not in environment
    assert environment["MLFLOW_TRACKING_URI"] == store.uri
    assert environment["MLFLOW_BACKEND_STORE_URI"] == store.uri


@pytest.mark.parametrize(
    ("tracking", "expected"),
    [
        (Tracking(), []),
        (Tracking(dir=Path("/a b/c")), ['tracking.dir="/a b/c"']),
        (Tracking(dir=Path("/a/c")), ["tracking.dir=/a/c"]),
        (Tracking(experiment="it's"), ['tracking.experiment="it\'s"']),
        (
            Tracking(uri="sqlite:////a/b.db", dir=Path("/c")),
            ["tracking.uri=sqlite:////a/b.db", "tracking.dir=/c"],
        ),
    ],
    ids=["default", "space", "folder", "experiment", "uri"],
)
def test_what_has_to_be_typed_leads_to_the_store(
    in_tmp: Path, tracking: Tracking, expected: list[str]
) -> None:
    """No more than is needed, and read back it is the same place."""
    from cnn_sweeps.runs.composition.validate import WHEREABOUTS, compose_tracking

    typed = address.overrides(address.resolve(tracking), tracking.experiment)
    assert typed == expected
    again = compose_tracking(typed, keys=(*WHEREABOUTS, "experiment"))
    assert address.resolve(again) == address.resolve(tracking)
    assert again.experiment == tracking.experiment


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_stops_and_leaves_nothing(tracking: Tracking, number: signal.Signals) -> None:
    """After Ctrl-C or a closed terminal no process of it is there.

    A folder that once turned MLflow to its retired file store makes no difference.
    """
    (stale := tracking.dir.parent / "mlruns" / "0").mkdir(parents=True)
    (stale / "meta.yaml").touch()
    Store.open(tracking)
    line = [sys.executable, "-m", "cnn_sweeps", "ui", f"tracking.dir={tracking.dir}"]
    place = tracking.dir.parent
    with heard(number):
        begun = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place
        )
    with begun as running:
        assert running.stdout
        assert running.stderr
        said = [running.stdout.readline(), running.stdout.readline()]
        below = [pid for pid in processes() if parent(pid) == running.pid]
        running.send_signal(number)
        errors = running.stderr.read()
        code = running.wait()
    assert (code, errors, said[1]) == (0, "", "Press Ctrl-C to stop it.\n")
    assert said[0].startswith("http://127.0.0.1:")
    assert len(below) == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(below[0], 0)
    assert sorted(path.name for path in place.iterdir()) == ["mlruns"]


def processes() -> list[int]:
    """Every process of this machine."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def parent(pid: int) -> int:
    """Of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
