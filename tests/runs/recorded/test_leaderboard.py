"""Of a large store no more is read than the rows that are shown take."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from stores import ready

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.recorded import leaderboard
from cnn_sweeps.runs.recorded.leaderboard import Question, rank
from cnn_sweeps.tracking import Store, queries

RUNS: tuple[tuple[str, float | None, dict[str, Any]], ...] = (
    ("a", 0.9, {}),
    ("a", 0.2, {}),  # the newest own run of its experiment: that is where it stands
    ("b", 0.8, {"params": 20.0}),
    ("c", 0.8, {"params": 10.0}),
    ("d", 0.95, {"reproduces": "x"}),
    ("d", 0.7, {}),
    ("e", None, {}),
    ("f", math.nan, {}),
    ("g", 0.6, {}),
    ("g", 0.6, {}),
    ("h", 0.5, {}),
    ("i", 0.4, {}),
)
"""Hash, accuracy and what else is logged, the oldest first."""


@pytest.fixture(scope="module", name="store")
def filled(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that is large beside what is read at once."""
    with ready(tmp_path_factory.mktemp("board"), migrated_database) as tracking:
        made = Store.open(tracking)
        for digit, accuracy, more in RUNS:
            tags = {"config_hash": digit * 64, **{k: v for k, v in more.items() if k != "params"}}
            with made.start_run(f"cnn {digit}", tags=tags) as run:
                params = {"trainable_params": more["params"]} if "params" in more else {}
                known = {} if accuracy is None else {"val_accuracy": accuracy}
                run.log_metrics({"seconds": 1.0, **known, **params})
        yield made


@pytest.fixture(autouse=True)
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two runs be many."""
    monkeypatch.setattr(leaderboard, "FEW", 2)
    monkeypatch.setattr(queries, "WHOLE", 2)


def hashes(store: Store, **asked: Any) -> str:
    """The first digits of the rows, the best first; of each run its end as well."""
    return " ".join(str(run.config_hash)[0] for run in rank(store, [], Question(**asked)).runs)


@pytest.mark.parametrize("each", [False, True], ids=["experiments", "runs"])
@pytest.mark.parametrize("ascending", [False, True], ids=["descending", "ascending"])
@pytest.mark.parametrize("top", [1, 2, 3, 5])
def test_the_best_are_those_of_all(store: Store, top: int, ascending: bool, each: bool) -> None:
    """An experiment stands where its newest own run does; equal ones by what they cost."""
    every = rank(store, [], Question(ascending=ascending, each=each))
    best = rank(store, [], Question(ascending=ascending, each=each, top=top))
    assert not best.whole
    assert [run.run_id for run in best.runs] == [run.run_id for run in every.runs[:top]]


@pytest.mark.parametrize(("said", "ascending"), [("max", False), ("min", True), ("", True)])
def test_an_own_metric_goes_the_way_that_it_says(
    said: str, ascending: bool, migrated_database: Path, tmp_path: Path
) -> None:
    """As in the sweep that measured it; without a word, less is better."""
    with ready(tmp_path, migrated_database) as tracking:
        made = Store.open(tracking)
        for digit, value in zip("abc", (0.2, 0.9, 0.5), strict=True):
            with made.start_run("r", tags={"config_hash": digit * 64}) as run:
                run.log_params({"trainer.metrics": ["brier", f"own:gain{said and ':'}{said}"]})
                run.log_metrics({"val_gain": value})
        assert hashes(made, metric="val_gain") == ("a c b" if ascending else "b c a")
        assert hashes(made, metric="val_gain", ascending=not ascending) == (
            "b c a" if ascending else "a c b"
        )


def test_a_filter_holds_for_the_run_that_speaks(store: Store) -> None:
    """The newer run of the first experiment is not among them."""
    where = "metrics.val_accuracy > 0.45"
    assert hashes(store, where=where, top=2) == hashes(store, where=where)[:3] == "a c"


def test_a_run_id_stands_for_its_experiment(store: Store) -> None:
    """As it is copied from a page of MLflow."""
    (run,) = store.find("b" * 64)
    compared = rank(store, [run.run_id, "a" * 64], Question()).runs
    assert [str(each.config_hash)[0] for each in compared] == ["b", "a"]


def test_no_more_is_read_than_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, and the runs of the experiments that are rows."""
    read: list[str] = []
    search = MlflowClient.search_runs

    def noting(*arguments: Any, **options: Any) -> Any:
        found = search(*arguments, **options)
        read.extend(run.info.run_id for run in found)
        return found

    monkeypatch.setattr(MlflowClient, "search_runs", noting)
    assert hashes(store, metric="seconds", top=1, ascending=True) == "c"
    assert len(read) <= 4 < len(RUNS)


def test_runs_that_do_not_count_are_no_rows_and_yet_match(store: Store) -> None:
    """As those of an experiment that was never finished."""
    board = rank(store, [], Question(where="metrics.val_accuracy < 0.1", top=1))
    assert (board.runs, board.matched) == ((), 0)
    for number in range(3):
        with suppress(ValueError), store.start_run("cut", tags={"config_hash": "9" * 64}) as run:
            run.log_metrics({"of_failed": number})
            raise ValueError
    board = rank(store, [], Question(metric="of_failed", where="metrics.of_failed >= 0", top=1))
    assert (board.runs, board.matched > 0) == ((), True)


def test_a_metric_that_no_run_has_is_refused(store: Store) -> None:
    """With what there is, as far as it was read."""
    with pytest.raises(ConfigError, match="no run has the metric val_loss.*\n.*val_accuracy"):
        rank(store, [], Question(metric="val_loss", top=1))
