"""A study in MariaDB, which several workers write to at once."""

from pathlib import Path

import pytest
from services import mariadb

from benchmarks import engine


@pytest.mark.slow
def test_transactions_that_are_undone_for_each_other_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    """Its workers lock what others have locked, in another order: all but one have to try again."""
    with mariadb() as url:
        done = engine.measure(tmp_path, trials=60, workers=4, sampler="grid", storage=url)
    assert sorted(trial.params["seed"] for trial in done) == list(range(60))
