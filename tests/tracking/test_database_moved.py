"""A store that was moved or copied with its folder keeps its files."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stores import logged_text

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, database, model_files
from cnn_sweeps.tracking.database import ADDRESSES
from cnn_sweeps.tracking.models import Pictures


def logged(store: Store, text: str = "hello") -> str:
    """The id of a run with a file."""
    with store.start_run("r", tags={"config_hash": "ab" * 32}) as run:
        run.log_text(text, "a.txt")
    return run.run_id


def contents(folder: Path, *, but: Path) -> dict[str, bytes]:
    """Every file of a folder, but those of another one in it."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_relative_to(but))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows(folder: Path, query: str) -> list[str]:
    """The first column of what a database answers."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return [row[0] for row in connection.execute(query)]


@pytest.mark.parametrize("name", ["copy", "copy with spaces", "mlruns/inside"])
def test_a_copy_has_its_own_files(store: Store, tmp_path: Path, name: str) -> None:
    """Runs are read from and written to the copy; the original, which is there, stays as it is."""
    run_id = logged(store)
    copy = tmp_path / name
    shutil.copytree(store.dir, tmp_path / "taken")
    shutil.move(tmp_path / "taken", copy)
    (copy / "artifacts" / run_id / "artifacts" / "a.txt").write_text("of the copy")
    before = contents(store.dir, but=copy)
    copied = Store.open(Tracking(dir=copy))
    assert logged_text(copied, run_id, "a.txt") == "of the copy"
    new = logged(copied)
    assert (copy / "artifacts" / new / "artifacts" / "a.txt").exists()
    assert contents(store.dir, but=copy) == before
    assert logged_text(store, run_id, "a.txt") == "hello"


@pytest.mark.parametrize("name", ["copy", "copy with spaces"])
def test_a_copy_that_cannot_be_written_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With its own files, and without a change; what would write says that it cannot."""
    run_id = logged(store)
    copy = tmp_path / name
    shutil.copytree(store.dir, copy)
    (copy / "artifacts" / run_id / "artifacts" / "a.txt").write_text("of the copy")
    before = contents(copy, but=tmp_path / "no")

    def only_read(path: Path | str, **options: Any) -> sqlite3.Connection:
        kept = Path(path) == copy / "mlflow.db"
        uri = f"{Path(path).as_uri()}?mode=ro" if kept else str(path)
        return sqlite3.Connection(uri, **{**options, "uri": kept or options.get("uri", False)})

    monkeypatch.setattr(database.sqlite3, "connect", only_read)
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(Tracking(dir=copy))
    copied = Store.open_existing(Tracking(dir=copy))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert copied is not None
    assert [run.run_id for run in copied.find("abab")] == [run_id]
    assert logged_text(copied, run_id, "a.txt") == "of the copy"
    with pytest.raises(StoreError, match=f"{copy}.* cannot be written"):
        copied.close_run(run_id, "FAILED", "")
    assert contents(copy, but=tmp_path / "no") == before
    assert not [*Path().iterdir()]


def test_a_folder_that_was_moved_and_moved_back(store: Store, tmp_path: Path) -> None:
    """Each time it is opened it knows where it is."""
    run_id = logged(store)
    there = tmp_path / "there"
    for old, new in ((store.dir, there), (there, store.dir)):
        old.rename(new)
        assert logged_text(Store.open(Tracking(dir=new)), run_id, "a.txt") == "hello"
        assert rows(new, "SELECT path FROM cnn_sweeps_folder") == [str(new)]


def test_a_stored_model_of_a_copy_is_loaded(store: Store, tmp_path: Path) -> None:
    """Models are found in the copy, by us and by MLflow, with the original gone."""
    import keras
    import mlflow
    import numpy as np

    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    with store.start_run("r", tags={}) as run:
        run.log_model(model, Pictures(class_names="abcd", shape=(2, 2, 1)))
    copy = tmp_path / "copy"
    store.dir.rename(copy)
    copied = Store.open(Tracking(dir=copy))
    record = copied.get(run.run_id)
    with model_files.files_of(copied, record, model_files.model_of(copied, record)) as folder:
        assert (folder / "data" / "model.keras").is_file()
    mlflow.set_tracking_uri(copied.uri)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
    assert loaded.predict(np.zeros((1, 2, 2, 1), dtype="uint8")).shape == (1, 4)


def test_addresses_elsewhere_stay(store: Store, tmp_path: Path) -> None:
    """Neither a server's nor another folder's that begins alike is touched; a plain path is."""
    base = store.dir
    elsewhere = ["s3://bucket/x", f"file://{base}2/artifacts", "mlflow-artifacts:/1", f"{base}2/a"]
    for number, location in enumerate([*elsewhere, f"{base}/plain"]):
        store.client.create_experiment(f"e{number}", artifact_location=location)
    shutil.copytree(base, tmp_path / "copy")
    Store.open(Tracking(dir=tmp_path / "copy"))
    found = rows(tmp_path / "copy", "SELECT artifact_location FROM experiments ORDER BY name")
    kept = [location for location in found if str(tmp_path / "copy") not in location]
    assert sorted(kept) == sorted(elsewhere)
    assert f"{tmp_path / 'copy'}/plain" in found


def test_every_column_with_an_address_is_known(tracking: Tracking) -> None:
    """The table of addresses names columns that MLflow has, and all whose name says that."""
    told = {(table, column) for table, column, _ in ADDRESSES}
    query = (
        "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c "
        "WHERE m.type = 'table'"
    )
    columns = set(rows(tracking.dir, query))
    assert {f"{table}.{column}" for table, column in told} <= columns
    named = ("artifact_uri", "artifact_location", "storage_location")
    assert {c for c in columns if c.endswith(named)} <= {f"{t}.{c}" for t, c in told}


def test_a_link_to_the_folder_is_no_move(store: Store, tmp_path: Path) -> None:
    """Two ways to one folder do not make it wander."""
    logged(store)
    (tmp_path / "link").symlink_to(store.dir)
    before = rows(store.dir, "SELECT artifact_uri FROM runs")
    Store.open(Tracking(dir=tmp_path / "link"))
    assert rows(store.dir, "SELECT artifact_uri FROM runs") == before


def test_a_database_that_left_its_files_keeps_their_place(store: Store, tmp_path: Path) -> None:
    """Where the files were not taken along they are still found."""
    run_id = logged(store)
    (tmp_path / "alone").mkdir()
    shutil.copy(store.dir / "mlflow.db", tmp_path / "alone")
    assert logged_text(Store.open(Tracking(dir=tmp_path / "alone")), run_id, "a.txt") == "hello"


def test_a_copy_made_before_the_first_run_is_on_its_own(store: Store, tmp_path: Path) -> None:
    """Whatever the original has logged since."""
    copy = tmp_path / "copy"
    shutil.copytree(store.dir, copy)
    logged(store)
    run_id = logged(Store.open(Tracking(dir=copy)))
    assert (copy / "artifacts" / run_id).exists()


def test_a_database_of_somebody_else_is_left_as_it_is(store: Store, tmp_path: Path) -> None:
    """One that this package has not made says nowhere in which folder it belongs."""
    logged(store)
    with closing(sqlite3.connect(store.dir / "mlflow.db")) as connection, connection:
        connection.execute("DROP TABLE cnn_sweeps_folder")
    shutil.copytree(store.dir, tmp_path / "copy")
    Store.open(Tracking(dir=tmp_path / "copy"))
    query = "SELECT artifact_uri FROM runs"
    assert rows(tmp_path / "copy", query) == rows(store.dir, query)


def test_an_empty_note_is_no_note(store: Store, tmp_path: Path) -> None:
    """A database whose note was emptied is treated as somebody else's."""
    with closing(sqlite3.connect(store.dir / "mlflow.db")) as connection, connection:
        connection.execute("DELETE FROM cnn_sweeps_folder")
    assert Store.open(Tracking(dir=store.dir)).experiment_id == store.experiment_id


def test_columns_that_an_mlflow_does_not_have_are_passed_over(store: Store, tmp_path: Path) -> None:
    """Another release may keep fewer addresses."""
    run_id = logged(store)
    shutil.copytree(store.dir, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "mlflow.db")) as connection, connection:
        connection.execute("ALTER TABLE trace_tags RENAME TO gone")
    database.prepare(tmp_path / "copy" / "mlflow.db", artifacts="")
    (found,) = rows(tmp_path / "copy", "SELECT artifact_uri FROM runs")
    assert found == f"file://{tmp_path}/copy/artifacts/{run_id}/artifacts"


def test_a_folder_that_another_host_logs_to_keeps_its_addresses(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same file under another path: read with that one's files, and not to be written."""
    run_id = logged(store)
    mounted = tmp_path / "mounted"
    before = "SELECT artifact_uri FROM runs ORDER BY start_time"
    with store.start_run("training", tags={}):
        addresses = rows(store.dir, before)
        store.dir.rename(mounted)
        monkeypatch.setattr(database.socket, "gethostname", lambda: "other")
        with pytest.raises(
            StoreError, match=rf"(?s){store.dir}.* logs to it.*Mount .*{store.dir} "
        ):
            Store.open(Tracking(dir=mounted))
        read = Store.open_existing(Tracking(dir=mounted))
        assert read is not None
        assert logged_text(read, run_id, "a.txt") == "hello"
        with pytest.raises(StoreError, match="cannot be written"):
            read.close_run(run_id, "FAILED", "")
        assert rows(mounted, before) == addresses
        shutil.copytree(mounted, tmp_path / "copy")
        assert logged_text(Store.open(Tracking(dir=tmp_path / "copy")), run_id, "a.txt") == "hello"
        mounted.rename(store.dir)
    store.dir.rename(mounted)
    assert logged_text(Store.open(Tracking(dir=mounted)), run_id, "a.txt") == "hello"


def test_a_database_of_an_earlier_version_learns_which_file_it_is(store: Store) -> None:
    """Where it is opened in its place; what it knew of itself was its folder."""
    with closing(sqlite3.connect(store.dir / "mlflow.db")) as connection, connection:
        connection.execute("ALTER TABLE cnn_sweeps_folder DROP COLUMN file")
    Store.open(Tracking(dir=store.dir))
    number = str((store.dir / "mlflow.db").stat().st_ino)
    assert rows(store.dir, "SELECT file FROM cnn_sweeps_folder") == [number]
