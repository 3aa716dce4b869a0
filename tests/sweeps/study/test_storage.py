"""Where a study lies: databases of other versions."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.study.storage import Address


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
    address = Address(storage=f"sqlite:///{file}", name="x")
    address.open()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
        connection.execute("DROP TABLE trial_heartbeats")
    before = file.read_bytes()
    with pytest.raises(StoreError, match=said):
        address.open()
    assert file.read_bytes() == before
