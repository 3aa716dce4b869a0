"""`cnn-sweeps doctor`: each check finds what it is for, and nothing where all is well."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cards import install
from configs import config
from http_servers import Request, serving
from stores import ready

from cnn_sweeps.cli import doctor
from cnn_sweeps.data import control_groups
from cnn_sweeps.data.cores import visible_cores
from cnn_sweeps.doctor import data, finding, installation, leftovers, machine, storage
from cnn_sweeps.doctor.finding import Check, Finding, Machine
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance import environment, process
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.tracking import Store, inspection
from cnn_sweeps.tracking.server import version_of
from cnn_sweeps.trajectories.cache import GB

DEAD = Owner(host=Owner.here().host, pid=2**22 + 1, started="1")
ELSEWHERE = Owner(host="lab-4:00000000", pid=1, started="1")


def looked(folder: Path, environ: Mapping[str, str] | None = None, **groups: Any) -> Machine:
    """A machine whose runs are in that folder."""
    made = config(tracking={"dir": str(folder)}, **groups)
    return Machine(config=made, environ=environ or {}, folder=folder.parent)


def found(check: Check, at: Machine) -> list[tuple[str, str]]:
    """Level and text of each finding."""
    return [(each.level, each.what) for each in check(at)]


def levels(check: Check, at: Machine) -> list[str]:
    """The level of each finding."""
    return [level for level, _ in found(check, at)]


@pytest.fixture
def here(store: Store) -> Machine:
    """A machine with an empty store."""
    return looked(store.dir)


@pytest.fixture(scope="module")
def sound(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with an empty store, to be looked at only."""
    with ready(tmp_path_factory.mktemp("sound"), migrated_database) as tracking:
        yield looked(Store.open(tracking).dir)


@pytest.mark.parametrize("name", sorted(set(doctor.CHECKS) - {"images"}))
def test_no_check_fails_on_a_sound_store(sound: Machine, name: str) -> None:
    """And none writes anything."""
    before = {path: path.stat().st_mtime_ns for path in sound.home.rglob("*")}
    assert "fail" not in levels(doctor.CHECKS[name], sound)
    assert {path: path.stat().st_mtime_ns for path in sound.home.rglob("*")} == before


def test_looking_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    """Not even the folder."""
    at = looked(tmp_path / "mlruns")
    for name, check in doctor.CHECKS.items():
        assert name == "images" or list(check(at)) is not None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MLFLOW_EXPERIMENT_NAME": "course"}, "MLFLOW_EXPERIMENT_NAME=course is not used"),
        ({"MLFLOW_EXPERIMENT_ID": "7"}, "MLFLOW_EXPERIMENT_ID is set"),
    ],
)
def test_a_variable_that_names_another_experiment_is_told(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    """Here the settings that are looked at come from elsewhere."""
    (found,) = storage.variables(looked(tmp_path / "mlruns", variables))
    assert (found.level, said in found.what) == ("warn", True)


def test_every_warning_has_a_remedy(tmp_path: Path) -> None:
    """To say what is wrong is half of it."""
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    at = looked(tmp_path / "mlruns", {"MLFLOW_TRACKING_URI": "http://x", "MLFLOW_RUN_ID": "y"})
    bad = [f for check in (storage.stale, storage.variables) for f in check(at)]
    assert [f.level for f in bad] == ["warn"] * 3
    assert all(f.remedy for f in bad)


def test_a_check_that_breaks_is_a_line() -> None:
    """The one command that is for sick machines does not fall ill itself."""

    def broken(_: Machine) -> Iterator[Finding]:
        raise ZeroDivisionError("by zero\n  Try again.")

    (told,) = doctor.examine("disk", broken, looked(Path("x")))
    assert told.level == "fail"
    assert told.what == "disk could not be checked: ZeroDivisionError: by zero"
    assert told.remedy == "Try again."


def test_a_package_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs one that fits; extras are not asked for."""
    wanted = ["optuna>=99", "nonesuch-xyz>=1", "torch>=2; extra == 'gp'", "rich"]
    monkeypatch.setattr(installation, "requires", lambda _: wanted)
    first, second = installation.versions(looked(Path("x")))
    assert first.what.startswith("optuna is ")
    assert first.what.endswith("but >=99 is required")
    assert first.remedy.endswith("-m pip install 'optuna>=99'")
    assert second.what == "nonesuch-xyz is not installed, but >=1 is required"


@pytest.mark.parametrize(("kept", "level"), [(True, "warn"), (False, "ok")])
def test_byte_code_that_is_never_stored_is_slow(
    monkeypatch: pytest.MonkeyPatch, kept: bool, level: str
) -> None:
    """Where it is only absent, the first start stores it."""
    monkeypatch.setattr(installation, "_compiled", lambda _: False)
    monkeypatch.setattr(installation.sys, "dont_write_bytecode", kept)
    assert levels(installation.byte_code, looked(Path("x"))) == [level]


@pytest.mark.parametrize(
    ("backend", "level"),
    [("", "ok"), ("agg", "ok"), ("module://json", "ok"), ("module://nonesuch.inline", "fail")],
)
def test_a_backend_that_is_not_here(backend: str, level: str) -> None:
    """Keras would not be imported."""
    at = looked(Path("x"), {"MPLBACKEND": backend})
    assert levels(installation.plotting, at) == [level]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    """No run could be written."""
    (tmp_path / "mlruns").write_text("")
    ((level, what),) = found(storage.folder, looked(tmp_path / "mlruns"))
    assert (level, "it is a file" in what) == ("fail", True)
    ((level, what),) = found(storage.folder, looked(tmp_path / "mlruns" / "below"))
    assert (level, "cannot be created" in what) == ("fail", True)


@pytest.mark.parametrize(("free", "level"), [(0.1 * GB, "fail"), (2 * GB, "warn"), (50 * GB, "ok")])
def test_room_for_what_may_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: str
) -> None:
    """Trajectories may grow to their limit of 5 GB."""
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert levels(storage.room, looked(tmp_path)) == [level]


def test_a_damaged_database(here: Machine) -> None:
    """A file that is no database, and one with a torn page."""
    file = here.home / "mlflow.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 9] = b"\xff" * 4096 * 6
    file.write_bytes(content)
    assert levels(storage.database, here)[0] == "fail"
    file.write_bytes(b"no database" * 1000)
    ((level, what),) = found(storage.database, here)
    assert (level, "file is not a database" in what) == ("fail", True)


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        pytest.param("ffffffffffff", "a newer MLflow", id="newer"),
        pytest.param("451aebb31d03", "an older MLflow", id="older"),
        pytest.param(None, "not an MLflow database", id="another program's"),
    ],
)
def test_a_database_of_another_release(here: Machine, revision: str | None, told: str) -> None:
    """Told from the revision of its tables, without importing MLflow."""
    with sqlite3.connect(here.home / "mlflow.db") as connection:
        if revision is None:
            connection.execute("DROP TABLE alembic_version")
        else:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    level, what = found(storage.database, here)[0]
    assert (level, told in what) == ("fail", True)


def test_a_locked_database(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be free in a moment, so this is a warning."""
    monkeypatch.setattr(inspection, "PATIENCE", 0.0)
    holder = sqlite3.connect(here.home / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    level, what = found(storage.database, here)[-1]
    holder.close()
    assert (level, "is locked" in what) == ("warn", True)


@pytest.fixture
def asked() -> list[str | None]:
    """The credentials of each question that the server got."""
    return []


@pytest.fixture
def server(asked: list[str | None]) -> Iterator[str]:
    """A server that tells a version of MLflow from long ago, and notes who asks for it."""

    def answer(request: Request) -> None:
        asked.append(request.headers.get("Authorization"))
        request.send_response(200 if request.path == "/version" else 401)
        request.end_headers()
        request.wfile.write(b"1.30.0")

    with serving(answer) as url:
        yield url


def test_a_server_is_asked_for_its_version(server: str, tmp_path: Path) -> None:
    """One of another age understands us badly."""
    at = looked(tmp_path, {"MLFLOW_TRACKING_URI": server})
    ((level, what),) = found(storage.database, at)
    assert (level, "is MLflow 1.30.0" in what) == ("warn", True)


def test_a_server_with_a_password_is_asked_without_telling_it(
    server: str, tmp_path: Path, asked: list[str | None]
) -> None:
    """MLflow takes it in the address; a server may refuse who has none."""
    at = looked(tmp_path, {"MLFLOW_TRACKING_URI": server.replace("//", "//me:p%40ss@")})
    ((level, what),) = found(storage.database, at)
    assert (level, "me:***@127" in what) == ("warn", True)
    assert asked == ["Basic bWU6cEBzcw=="]
    at = looked(tmp_path, {"MLFLOW_TRACKING_URI": f"{server}/elsewhere/"})
    ((level, what),) = found(storage.database, at)
    assert (level, "returned 401" in what) == ("fail", True)


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        (
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "p@ss"},
            "Basic bWU6cEBzcw==",
        ),
        ({"MLFLOW_TRACKING_TOKEN": "abc"}, "Bearer abc"),
    ],
    ids=["password", "token"],
)
def test_a_server_is_asked_with_the_credentials_of_the_client(
    server: str,
    asked: list[str | None],
    variables: dict[str, str],
    header: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where runs can be logged, neither doctor nor the view of a sweep is refused."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert version_of(server, 3) == "1.30.0"
    assert asked == [header]


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Nothing could be logged."""
    at = looked(tmp_path, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    ((level, what),) = found(storage.database, at)
    assert (level, "does not respond" in what) == ("fail", True)


def left(store: Store, process: Owner | None, *, days: float = 0) -> str:
    """A run that is RUNNING since so many days, of that process; its id."""
    run = store._create("left", {}, None)
    if process is None:
        store.client.delete_tag(run.run_id, "process")
    else:
        run.set_tags({"process": process.to_json()})
    with sqlite3.connect(store.dir / "mlflow.db") as connection:
        connection.execute(
            "UPDATE runs SET start_time = start_time - ? WHERE run_uuid = ?",
            (int(days * 86_400_000), run.run_id),
        )
    connection.close()
    return run.run_id


@pytest.mark.parametrize(
    ("process", "days", "level"),
    [
        pytest.param(Owner.here(), 9, "ok", id="lives"),
        pytest.param(DEAD, 0, "warn", id="is gone"),
        pytest.param(None, 0, "ok", id="unknown and young"),
        pytest.param(None, 2, "warn", id="unknown and old"),
        pytest.param(ELSEWHERE, 2, "warn", id="on another host, and old"),
    ],
)
def test_runs_that_nobody_trains(
    store: Store, here: Machine, process: Owner | None, days: float, level: str
) -> None:
    """Whether the process lives decides; where that cannot be known, the age."""
    left(store, process, days=days)
    assert levels(leftovers.runs, here) == [level]


def test_a_run_of_before_a_restart_of_the_machine(
    store: Store, here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that ran before can still run."""
    monkeypatch.setattr(process, "this_machine", lambda: "a1b2")
    before = f"{process.this_host().partition(':')[0]}:00000000"
    left(store, Owner(host=before, pid=1, started="1", machine="a1b2"))
    assert levels(leftovers.runs, here) == ["warn"]


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_runs_of_dead_processes_are_closed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no others; one of which it cannot be known, by its id."""
    dead, living, unknown = (left(store, each) for each in (DEAD, Owner.here(), None))
    where = f"tracking.dir={store.dir}"
    assert doctor.main(["--close-runs", where]) == 0
    assert capsys.readouterr().out == f"ended: left ({dead})\n"
    assert [store.get(run).status for run in (dead, living, unknown)] == [
        "FAILED",
        "RUNNING",
        "RUNNING",
    ]
    assert doctor.main(["--close-runs", unknown, where]) == 0
    assert store.get(unknown).status == "FAILED"
    with pytest.raises(ConfigError, match="is still running and was not closed"):
        doctor.main(["--close-runs", living, where])
    with pytest.raises(ConfigError, match="is not a RUNNING run"):
        doctor.main(["--close-runs", dead, where])


def test_a_study_with_a_damaged_journal(here: Machine) -> None:
    """Its sweep could not be continued."""
    (here.home / "studies").mkdir()
    (here.home / "studies" / "depth.journal").write_text("{}\n")
    ((level, what),) = found(leftovers.studies, here)
    assert (level, "line 1 is damaged" in what) == ("fail", True)


def test_damaged_trajectories_are_counted(here: Machine) -> None:
    """And stay where they are."""
    folder = here.home / "trajectories" / ("a" * 64) / ("5" * 12)
    folder.mkdir(parents=True)
    (folder / "history.json").write_text("no JSON")
    ((level, what),) = found(leftovers.trajectories, here)
    assert (level, "1 damaged files" in what) == ("warn", True)
    assert (folder / "history.json").exists()


def test_a_container_is_given_fewer_cores_than_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers and threads are as many as that, and those that are typed are compared with it."""
    (tmp_path / "groups").write_text("0::/")
    (tmp_path / "cpu.max").write_text("50000 100000")
    monkeypatch.setattr(control_groups, "TREE", tmp_path)
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    here, typed = found(machine.processors, looked(tmp_path, trainer={"threads": 2}))
    assert here == ("ok", f"1 core of {visible_cores()}; the limit is 0.5")
    assert typed[0] == "warn"
    assert "trainer.threads=2 is more than the 1 core" in typed[1]
    _, memory = found(machine.memory, looked(tmp_path))[0]
    assert memory.endswith("for a worker (hydra.sweeper.n_jobs=auto)")


def test_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine, or of what a container is given."""
    monkeypatch.setattr(machine.free_memory, "free_bytes", lambda: 2.0**30)
    level, what = found(machine.memory, looked(tmp_path))[0]
    assert (level, "1.0 GiB of memory are available" in what) == ("warn", True)


def test_more_threads_than_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they were asked for here or in the shell."""
    monkeypatch.setattr(machine, "cores", lambda: 2)
    at = looked(tmp_path, {"OMP_NUM_THREADS": "64"}, trainer={"threads": 8})
    told = " ".join(what for level, what in found(machine.processors, at) if level == "warn")
    assert "trainer.threads=8" in told
    assert "OMP_NUM_THREADS=64" in told


@pytest.mark.parametrize(
    ("flags", "switch", "expected"),
    [
        ("fma avx512_vnni", {}, ["warn"]),
        ("fma amx_tile", {}, ["warn"]),
        ("fma avx2", {}, []),
        ("fma avx512_vnni", {"TF_ENABLE_ONEDNN_OPTS": "0"}, []),
        ("fma avx2", {"TF_ENABLE_ONEDNN_OPTS": "1"}, ["warn"]),
    ],
    ids=["vnni", "amx", "older", "off", "on"],
)
def test_kernels_that_may_crash(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    switch: dict[str, str],
    expected: list[str],
) -> None:
    """TensorFlow takes oneDNN's by itself on newer processors, and where it is told to."""
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    assert levels(machine.kernels, looked(tmp_path, switch)) == expected


@pytest.mark.parametrize(("cuda", "level"), [(True, "ok"), (False, "warn")])
def test_a_card_that_tensorflow_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: bool, level: str
) -> None:
    """Told from what is installed, without importing TensorFlow."""
    monkeypatch.setattr(machine, "CARD", str(tmp_path))
    monkeypatch.setattr(machine, "_has_cuda", lambda: cuda)
    assert levels(machine.gpu, looked(tmp_path)) == [level]


def test_tensorflow_that_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line is told."""
    monkeypatch.setattr(machine, "ASKING", "raise ValueError('no such library')")
    ((level, what),) = found(machine.gpu, replace(looked(tmp_path), gpu=True))
    assert (level, "ValueError: no such library" in what) == ("warn", True)


def test_data_that_is_absent_damaged_or_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent is a warning; damaged where the user keeps it, and a folder without any, is worse."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("CNN_SWEEPS_DATA", str(tmp_path))
    at = looked(tmp_path, data={"name": "digits"})
    assert levels(data.images, at) == ["warn", "warn", "warn", "fail"]
    (tmp_path / "mnist.npz").write_bytes(b"no archive")
    assert levels(data.images, at) == ["warn", "fail", "warn"]
    monkeypatch.setenv("CNN_SWEEPS_DATA", str(tmp_path / "nowhere"))
    assert levels(data.images, at)[0] == "fail"


def test_text_that_is_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of runs have a dot that ASCII does not know."""
    monkeypatch.setattr(machine.locale, "getpreferredencoding", lambda **_: "ANSI_X3.4-1968")
    ((level, what),) = found(machine.text, looked(tmp_path))
    assert (level, "files in ANSI_X3.4-1968" in what) == ("warn", True)


def run(
    monkeypatch: pytest.MonkeyPatch, *findings: Finding, arguments: tuple[str, ...] = ()
) -> int:
    """The exit code of the command where these are found."""
    monkeypatch.setattr(doctor, "CHECKS", {"disk": lambda _: iter(findings)})
    return doctor.main(list(arguments))


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        pytest.param([finding.ok("a")], 0, "no problems found", id="ok"),
        pytest.param([finding.warn("a", "b")], 0, "no failures, 1 warning", id="warn"),
        pytest.param([finding.fail("a", "b")] * 2, 1, "2 failures, no warnings", id="fail"),
    ],
)
def test_the_exit_code_says_whether_something_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    findings: list[Finding],
    code: int,
    last: str,
) -> None:
    """And the last line how much."""
    assert run(monkeypatch, *findings) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
def test_a_program_is_told_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An object for each line."""
    assert run(monkeypatch, finding.fail("a", "b"), arguments=("--json",)) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"check": "disk", "level": "fail", "what": "a", "remedy": "b"}
    ]


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
def test_a_word_too_many_is_refused() -> None:
    """Run ids are for --close-runs alone."""
    with pytest.raises(ConfigError, match="unexpected arguments: abcd"):
        doctor.main(["abcd"])


def test_cards_are_listed_with_the_workers_that_they_have_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without free memory is a warning."""
    install(tmp_path, monkeypatch, "16384/1000", "16384/15000")
    monkeypatch.setattr(machine, "_has_cuda", lambda: True)
    told = found(machine.gpu, looked(tmp_path))
    assert [level for level, _ in told] == ["ok", "warn", "ok"]
    assert "GPU 0: NVIDIA Fake, 15,384 of 16,384 MiB free: 3 workers" in told[0][1]
