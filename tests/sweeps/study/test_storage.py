"""Where a study lies: databases of other versions, and who may read it."""

import gc
import socket
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from plans import plan, study
from services import postgres
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, StoreError, UnknownStudyError
from cnn_sweeps.runs.composition.validate import compose_tracking
from cnn_sweeps.sweeps.application.study import ApplicationStudy
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study import storage
from cnn_sweeps.sweeps.study.log import LogTarget
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.stored_studies import find_study, studies_of
from cnn_sweeps.sweeps.study.study import SweepStudy


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE alembic_version SET version_num = 'v2.6.0.a'",
            "(?s)by an older Optuna .*unasked.*Copy it, .*optuna storage upgrade",
        ),
        ("UPDATE alembic_version SET version_num = 'v99.0.0.a'", "by a newer Optuna"),
        ("DROP TABLE studies", "is not an Optuna database"),
    ],
    ids=["older", "newer", "another program's"],
)
def test_a_study_is_not_migrated_either(statement: str, said: str, tmp_path: Path) -> None:
    """Optuna makes the tables that are missing before it looks at their version."""
    file = tmp_path / "studies.db"
    address = StudyAddress(storage=f"sqlite:///{file}", name="x")
    address.open()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
        connection.execute("DROP TABLE trial_heartbeats")
    before = file.read_bytes()
    with pytest.raises(StoreError, match=said):
        address.open()
    assert file.read_bytes() == before


def test_a_study_and_its_log_lie_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """However the place was typed: no shell replaces the `~` in `KEY=~/x`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert studies_of(Tracking(dir=Path("~/runs"))) == tmp_path / "runs" / "studies"
    address = StudyAddress(storage="~/lab.journal", name="x")
    assert address.file == tmp_path / "lab.journal"
    log = LogTarget.of(address, Budget(log_file="~/lab.log"), tmp_path)
    assert log.path == str(tmp_path / "lab.log")
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.storage=~nobody-here/x .* whole path"):
        StudyAddress(storage="~nobody-here/x", name="x")
    with pytest.raises(StoreError, match=rf"called ~ in .*\n.*=sqlite:///{tmp_path}/x.db"):
        StudyAddress(storage="sqlite:///~/x.db", name="x")
    with pytest.raises(ConfigError, match=r"tracking\.dir=~nobody-here/x .* whole path"):
        compose_tracking(["tracking.dir='~nobody-here/x'"])


@pytest.mark.parametrize("kind", [SweepStudy, ApplicationStudy], ids=["sweep", "application"])
def test_to_look_for_a_study_makes_nothing(
    kind: type[SweepStudy | ApplicationStudy], tmp_path: Path
) -> None:
    """Neither Optuna's tables beside those of another program, nor a study in Optuna's."""
    address = StudyAddress(storage=f"sqlite:///{tmp_path / 'db'}", name="lab")
    with closing(sqlite3.connect(tmp_path / "db")) as connection, connection:
        connection.execute("CREATE TABLE own (a)")
    before = (tmp_path / "db").read_bytes()
    assert kind.existing(address) is None
    assert (tmp_path / "db").read_bytes() == before
    optuna.create_study(storage=address.open(), study_name="lab")  # without a plan of ours
    for name in ("lab", "other"):
        assert kind.existing(StudyAddress(storage=address.storage, name=name)) is None


@pytest.mark.parametrize(
    ("scheme", "isolation", "longest"),
    [("mysql+pymysql", "READ COMMITTED", 65_000), ("postgresql+psycopg", None, None)],
)
def test_a_transaction_sees_what_others_have_committed(
    monkeypatch: pytest.MonkeyPatch, scheme: str, isolation: str | None, longest: int | None
) -> None:
    """MySQL has to be told, or two workers give two trials one number; its attributes are short."""
    made: list[dict[str, object]] = []

    def make(_url: str, *, engine_kwargs: dict[str, object], **_: object) -> None:
        made.append(engine_kwargs)

    monkeypatch.setattr(storage, "create_engine", lambda *_, **__: create_engine("sqlite://"))
    monkeypatch.setattr(storage, "RDBStorage", make)
    address = StudyAddress(storage=f"{scheme}://me@db/studies", name="lab")
    address._tables(make=True)
    assert made[0].get("isolation_level") == isolation
    assert address.longest_attribute == longest


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_to_look_for_a_study_leaves_no_connection_open(tmp_path: Path) -> None:
    """Forty workers may wait for one on a server, which has a hundred connections."""
    address = StudyAddress(storage=f"sqlite:///{tmp_path / 'lab.db'}", name="lab")
    SweepStudy.create(address, plan())
    gc.collect()

    def opened() -> int:
        files = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        return files.count(tmp_path / "lab.db")

    before = opened()
    for _ in range(3):
        assert find_study("la", Tracking(dir=tmp_path), address.storage) == address
        looked = SweepStudy.existing(address)
        assert looked is not None
        assert looked.counts().total == 0
        assert SweepStudy.existing(replace(address, name="other")) is None
    assert opened() == before


def test_studies_of_somebody_else_are_not_called_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker would wait ten minutes for what is there; a folder that is not may come."""
    asked = Tracking(dir=tmp_path)
    with pytest.raises(UnknownStudyError, match="there is no study in"):
        find_study("lab", asked, None)

    def denied(_: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(StoreError, match=r"permission denied\. Change .*, or look elsewhere"):
        find_study("lab", asked, None)


def test_a_process_keeps_one_connection(tmp_path: Path) -> None:
    """Also where its heartbeat has used another one: a server has few for all workers."""
    opened = StudyAddress(storage=f"sqlite:///{tmp_path}/studies.db", name="lab").open()
    assert isinstance(opened, RDBStorage)
    pool = opened.engine.pool
    with opened.engine.connect(), opened.engine.connect():
        pass
    assert isinstance(pool, QueuePool)
    assert (pool.checkedin(), pool.checkedout()) == (1, 0)
    opened.engine.dispose()


def test_a_new_journal_is_its_owners(tmp_path: Path) -> None:
    """Whatever the umask is: the address of the runs is in it."""
    file = study(tmp_path).address.file
    assert file
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("uri", "mode"),
    [("https://me:secret@host", 0o600), ("https://host/?token=secret", 0o600), (None, 0o644)],
    ids=["password", "token", "nothing secret"],
)
def test_a_file_that_gets_a_password_is_closed(uri: str | None, mode: int, tmp_path: Path) -> None:
    """A journal of an earlier version, or an SQLite database; else it stays as its owner has it."""
    made = plan(tracking={"uri": uri})
    for file in ("s.journal", "s.db"):
        url = str(tmp_path / file) if file != "s.db" else f"sqlite:///{tmp_path / file}"
        address = StudyAddress(storage=url, name="s")
        address.open()
        (tmp_path / file).chmod(0o644)
        SweepStudy.create(address, made)
        assert (tmp_path / file).stat().st_mode & 0o777 == mode


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_database_that_several_hosts_make_at_once_is_made_once() -> None:
    """Whoever looks before or meanwhile finds no study, and is not refused."""
    import_module("sqlalchemy.orm")  # a thread that imports it meanwhile may find half of it
    with postgres() as database:
        address = StudyAddress(storage=database.url, name="lab")

        def look(number: int) -> list[object]:
            try:
                return address.open(make=number % 2 == 0).get_all_studies()
            except UnknownStudyError:
                return []

        assert look(1) == []
        with ThreadPoolExecutor(8) as hosts:
            assert list(hosts.map(look, range(8))) == [[]] * 8
        gc.collect()  # of pooled connections, which nobody closes


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://h/db", r"psycopg2: install the extra postgres and type .*psycopg:"),
        ("mysql://h/db", r"MySQLdb: install the extra mysql and type mysql\+pymysql://"),
    ],
)
def test_a_database_whose_driver_is_missing_names_the_extra(url: str, said: str) -> None:
    """And how the address begins that uses it."""
    driver = said.partition(":")[0]
    if find_spec(driver):
        pytest.skip(f"{driver} is installed")
    address = StudyAddress(storage=url, name="s")
    with pytest.raises(StoreError, match=rf"needs the Python package {said}"):
        address.open()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycop://h/db", r"driver that is not known .*extra postgres .*\+psycopg:"),
        ("mysql+pysql://h/db", r"driver that is not known .*extra mysql .*\+pymysql:"),
        ("postgresql+psycopg://me:top@se:cret@h:x/db", r"is no address of a database.*%3A"),
        ("postgresql+psycopg://h:port/db", r"is no address of a database"),
    ],
    ids=["driver", "mysql", "password", "port"],
)
def test_an_address_with_a_slip_says_how_it_is_written(url: str, said: str) -> None:
    """And shows nothing of a password that cannot be told from the rest."""
    with pytest.raises(StoreError, match=said) as refused:
        StudyAddress(storage=url, name="s").open()
    assert "cret" not in str(refused.value)


def test_a_pooler_that_exchanges_connections_is_named() -> None:
    """Statements that were prepared on one connection are there on the next, or are not."""
    psycopg = pytest.importorskip("psycopg")
    address = StudyAddress(storage="postgresql+psycopg://h/db", name="s")
    error = psycopg.errors.DuplicatePreparedStatement('prepared statement "_pg3_0" already exists')
    with pytest.raises(StoreError, match=r"exists.\n  A pooler .*pool_mode=session"):
        raise address._refusal(error)


def test_a_server_that_says_nothing_is_refused_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A firewall that swallows what is sent would keep the driver waiting for minutes."""
    pytest.importorskip("psycopg")
    monkeypatch.setitem(storage.SILENT, "connect_timeout", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = StudyAddress(storage=f"postgresql://me@127.0.0.1:{port}/studies", name="lab")
        with pytest.raises(StoreError, match="connection timeout expired"):
            address.open(make=False)


@pytest.mark.slow
def test_a_wrong_password_is_refused_at_once_and_not_told() -> None:
    """In two lines, without the password that was typed."""
    with postgres() as database:
        rules = database.folder / "pg_hba.conf"
        rules.write_text(f"host all guest all scram-sha-256\n{rules.read_text()}")
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE ROLE guest LOGIN PASSWORD 'right'")
            connection.execute("SELECT pg_reload_conf()")
        url = database.url.replace("postgres@", "guest:guessed@")
        with pytest.raises(StoreError, match="password authentication failed") as refused:
            find_study("lab", Tracking(), url)
    assert "guessed" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2
