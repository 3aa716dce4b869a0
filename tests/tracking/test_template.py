"""New databases are copies of one that was migrated before."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cnn_sweeps.tracking import template

ARTIFACTS = "file:///somewhere/artifacts"
LOCATION = "SELECT artifact_location FROM experiments"


@pytest.fixture
def migrated(
    tmp_path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """What was migrated, with an empty cache."""
    made: list[Path] = []

    def migrate(draft: Path, _artifacts: str) -> None:
        made.append(draft)
        shutil.copy(migrated_database, draft)

    monkeypatch.setenv("CNN_SWEEPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(template, "_migrate", migrate)
    return made


def told(database: Path, query: str) -> Any:
    """The one value that a query gives."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchone()[0]


def test_the_second_database_is_a_copy(tmp_path: Path, migrated: list[Path]) -> None:
    """With the place of its own artifacts, and nothing of the first one's."""
    template.write(tmp_path / "one.db", "file:///elsewhere")
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection, connection:
        connection.execute("INSERT INTO experiment_tags VALUES ('a', 'b', 0)")
    template.write(tmp_path / "two.db", ARTIFACTS)
    assert migrated == [tmp_path / "one.db"]
    assert told(tmp_path / "two.db", LOCATION) == f"{ARTIFACTS}/0"
    assert told(tmp_path / "two.db", "SELECT count(*) FROM experiment_tags") == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE alembic_version SET version_num = 'another'", id="another-version"),
        pytest.param("DROP TABLE experiments", id="without-tables"),
        pytest.param("INSERT INTO experiments SELECT 7, 'x', '', 'active', 0, 0, workspace "
                     "FROM experiments", id="used"),
    ],
)  # fmt: skip
def test_a_kept_one_that_does_not_fit_is_made_anew(
    change: str, tmp_path: Path, migrated: list[Path]
) -> None:
    """It is not believed, and replaced."""
    template.write(tmp_path / "one.db", ARTIFACTS)
    (kept,) = (tmp_path / "cache").iterdir()
    with closing(sqlite3.connect(kept)) as connection, connection:
        connection.execute(change)
    template.write(tmp_path / "two.db", ARTIFACTS)
    template.write(tmp_path / "three.db", ARTIFACTS)
    assert migrated == [tmp_path / "one.db", tmp_path / "two.db"]


@pytest.mark.parametrize("content", [b"", b"no database at all"], ids=["empty", "foreign"])
def test_a_damaged_one_is_made_anew(content: bytes, tmp_path: Path, migrated: list[Path]) -> None:
    """As when a disk was full."""
    template.write(tmp_path / "one.db", ARTIFACTS)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(content)
    template.write(tmp_path / "two.db", ARTIFACTS)
    assert len(migrated) == 2
    assert told(tmp_path / "two.db", LOCATION) == f"{ARTIFACTS}/0"


def test_without_a_folder_to_keep_it_each_is_migrated(
    tmp_path: Path, migrated: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be written costs time and nothing else."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CNN_SWEEPS_CACHE", str(tmp_path / "file"))
    template.write(tmp_path / "one.db", ARTIFACTS)
    template.write(tmp_path / "two.db", ARTIFACTS)
    assert len(migrated) == 2
