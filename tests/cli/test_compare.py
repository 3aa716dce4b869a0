"""`cnn-sweeps compare`: which runs are rows, in what order, with which columns."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plans import plan, study
from stores import ready

from cnn_sweeps.cli import compare
from cnn_sweeps.config.fields import find
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.runs.recorded.leaderboard import Leaderboard, Names
from cnn_sweeps.runs.recorded.leaderboard_table import ABOUT, NO_SETTINGS, records, table, to_csv
from cnn_sweeps.sweeps.study.attributes import PARENT
from cnn_sweeps.tracking import RunRecord, Store
from cnn_sweeps.tracking.local_runs import LocalRuns

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = Names(studies={"sweep": "depth"}, experiments={"1": "cnn_sweeps"})


def record(number: int, digit: str, **more: Any) -> RunRecord:
    """A finished run of the experiment whose hash is that digit; later with a greater number."""
    given: dict[str, Any] = {
        "run_id": f"{number:032x}",
        "name": f"cnn {number}x1 · {digit * 12}",
        "experiment_id": "1",
        "status": "FINISHED",
        "config_hash": digit * 64,
        "params": {"model.filters": "16"},
        "metrics": {"val_accuracy": 0.5},
        "tags": {},
        "start": NOON + timedelta(minutes=number),
        "end": None,
        "artifact_uri": "",
        "parent_id": None,
        **more,
    }
    return RunRecord(**given)


def scored(number: int, digit: str, value: float, **more: Any) -> RunRecord:
    """A run with that validation accuracy."""
    return record(number, digit, metrics={"val_accuracy": value}, **more)


def board(*runs: RunRecord, ascending: bool = False, each: bool = False) -> Leaderboard:
    """Runs, given oldest first as they were made, ranked by their validation accuracy."""
    ranked = Leaderboard.of(reversed(runs), "val_accuracy", ascending=ascending, each=each)
    return replace(ranked, names=NAMES)


def order(made: Leaderboard) -> str:
    """The first digits of the hashes, the best first."""
    return "".join(str(run.config_hash)[0] for run in made.runs)


@pytest.mark.parametrize(("ascending", "expected"), [(False, "bca"), (True, "acb")])
def test_the_best_is_first(ascending: bool, expected: str) -> None:
    """Whichever end is the top."""
    runs = (scored(1, "a", 0.1), scored(2, "b", 0.9), scored(3, "c", 0.5))
    assert order(board(*runs, ascending=ascending)) == expected


@pytest.mark.parametrize("ascending", [False, True])
def test_what_is_no_number_is_last(ascending: bool) -> None:
    """A loss that is nan beats nothing, in either direction."""
    runs = (scored(1, "a", float("nan")), scored(2, "b", 0.9))
    assert order(board(*runs, ascending=ascending)) == "ba"


def test_an_experiment_is_one_row() -> None:
    """That of its newest own run: reproductions and copies are folded into it."""
    runs = (
        scored(1, "a", 0.5),
        scored(2, "a", 0.6),
        scored(3, "a", 0.7, tags={"reproduces": "x"}),
        scored(4, "a", 0.8, tags={"reused_from": "x"}),
    )
    assert [run.metrics["val_accuracy"] for run in board(*runs).runs] == [0.6]
    assert len(board(*runs, each=True).runs) == 4


def test_failed_and_running_runs_are_rows_only_where_each_run_is() -> None:
    """As is no sweep's own run, which is no experiment."""
    runs = (
        scored(1, "a", 0.5, status="FAILED"),
        scored(2, "b", 0.6, status="RUNNING"),
        scored(3, "c", 0.7, config_hash=None),
    )
    assert (order(board(*runs)), order(board(*runs, each=True))) == ("", "ba")


def test_a_run_that_was_stopped_is_no_row_and_is_counted() -> None:
    """Where each run is a row, its status says what it is."""
    cut = {"stopped_by_callback": "enough at epoch 1"}
    runs = (scored(1, "a", 0.5), scored(2, "a", 0.9, tags=cut), scored(3, "b", 0.8, tags=cut))
    made = board(*runs)
    assert (order(made), made.stopped) == ("a", 1)
    assert [run.metrics["val_accuracy"] for run in made.runs] == [0.5]
    assert [row["status"] for row in records(board(*runs, each=True))] == [
        *("STOPPED", "STOPPED", "FINISHED")
    ]
    assert shown(scored(1, "b", 0.8, tags=cut), each=True)["status"] == ("STOPPED",)


def test_a_run_without_the_metric_gives_way_to_one_that_has_it() -> None:
    """The trial of a sweep has no test score; the single run of the same experiment speaks."""
    runs = (scored(1, "a", 0.5), record(2, "a", metrics={}), record(3, "b", metrics={}))
    made = board(*runs)
    assert (order(made), made.without) == ("a", 1)


def shown(*runs: RunRecord, each: bool = False) -> Mapping[str, tuple[str, ...]]:
    """The columns of the table by name."""
    made = table(board(*runs, each=each))
    return dict(zip(made.head, zip(*made.rows, strict=True), strict=True))


def test_only_settings_that_differ_are_columns() -> None:
    """Where things lay and how they were computed is no setting."""
    same = {"seed": "0", "data.name": "digits"}
    one = scored(1, "a", 0.9, params={**same, "model.filters": "16", "trainer.threads": "1"})
    two = scored(2, "b", 0.8, params={**same, "model.filters": "8", "trainer.threads": "2"})
    columns = shown(one, two)
    assert list(columns) == ["rank", "val_accuracy", "model.filters", "run", "config hash"]
    assert columns["model.filters"] == ("16", "8")


def test_a_setting_that_one_network_does_not_have_is_empty() -> None:
    """A dense network has no filters; what is the same wherever it exists is no column."""
    same = {"model.padding": "valid", "model.pooling": "max"}
    one = scored(1, "a", 0.9, params={"model.name": "cnn", "model.filters": "16", **same})
    two = scored(2, "b", 0.8, params={"model.name": "cnn", "model.filters": "8", **same})
    other = scored(3, "c", 0.7, params={"model.name": "dnn", "model.units": "5"})
    columns = shown(one, two, other)
    assert columns["model.filters"] == ("16", "8", "")
    assert columns["model.name"] == ("cnn", "cnn", "dnn")
    assert not {"model.padding", "model.pooling", "model.units"} & columns.keys()


def test_a_setting_of_a_users_own_is_shown_where_one_of_a_kind_has_it() -> None:
    """No `name` explains why the other has none."""
    sgd = {"model.name": "cnn", "trainer.optimizer.name": "sgd"}
    own = {"trainer.optimizer.params.momentum": "0.9"}
    columns = shown(scored(1, "a", 0.9, params={**sgd, **own}), scored(2, "b", 0.8, params=sgd))
    assert columns["trainer.optimizer.params.momentum"] == ("0.9", "")


def costing(number: int, digit: str, params: float, seconds: float) -> RunRecord:
    """A run as accurate as all others, with what it cost."""
    measured = {"val_accuracy": 0.5, "trainable_params": params, "train_seconds": seconds}
    return record(number, digit, metrics=measured)


@pytest.mark.parametrize(
    ("runs", "expected", "why"),
    [
        pytest.param([(9, 1), (5, 8)], "ba", "b{12} has the fewest parameters", id="parameters"),
        pytest.param([(5, 8), (5, 2), (9, 1)], "bac", "b{12} was trained fastest", id="seconds"),
        pytest.param([(5, 2), (5, 2)], "ab", "a{12} is the oldest", id="age"),
    ],
)
def test_of_equally_good_runs_the_cheaper_is_first(
    runs: list[tuple[float, float]], expected: str, why: str
) -> None:
    """The tie is named, with what decided it, and marked in the table."""
    made = board(*(costing(n, "abc"[n], *cost) for n, cost in enumerate(runs)))
    assert order(made) == expected
    drawn = table(made)
    assert [row[0] for row in drawn.rows] == ["1", "2=", "3="][: len(runs)]
    assert re.search(why, drawn.notes[0])


def test_without_a_tie_none_is_named() -> None:
    """Nor is one among the others said to be one for the best."""
    assert table(board(scored(1, "a", 0.5), scored(2, "b", 0.4))).notes == ()
    later = table(board(scored(1, "a", 0.5), scored(2, "b", 0.4), scored(3, "c", 0.4)))
    assert [row[0] for row in later.rows] == ["1", "2", "3="]
    assert len(later.notes) == 1


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_no_flag_is_advised_that_was_typed(runs: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a sweep's own run fits, which is no experiment: --all-runs shows none either."""
    where = ["--where", "tags.study_name = 'depth'", f"tracking.dir={runs.dir}"]
    assert compare.main(where) == 0
    assert "--all-runs" in capsys.readouterr().out
    assert compare.main(["--all-runs", *where]) == 0
    said_now = capsys.readouterr().out
    assert "no experiment is FINISHED" in said_now
    assert "--all-runs" not in said_now


def test_study_and_status_are_told_where_they_differ() -> None:
    """The name of the run stands without its hash, which has a column of its own."""
    one, two = scored(1, "a", 0.9, parent_id="sweep"), scored(2, "b", 0.8, status="FAILED")
    columns = shown(one, two, each=True)
    assert columns["study"] == ("depth", "")
    assert columns["status"] == ("FINISHED", "FAILED")
    assert columns["run"] == ("cnn 1x1", "cnn 2x1")
    assert "experiment" not in columns


def test_epochs_are_one_column() -> None:
    """Asked and trained are told twice only where they are not the same."""
    runs = [
        record(n, d, metrics={"val_accuracy": 0.5, "epochs": n}, params={"trainer.epochs": str(n)})
        for n, d in ((1, "a"), (2, "b"))
    ]
    assert "trainer.epochs" not in shown(*runs)
    stopped = replace(runs[1], metrics={"val_accuracy": 0.5, "epochs": 1.0})
    assert "trainer.epochs" in shown(runs[0], stopped)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"data.name": "digits"}, {"data.name": "idx", "data.rules": "2"}, False),
        ({"data.path": "a"}, {"data.path": "b", "data.rules": "2"}, False),
        ({"data.path": "a"}, {"data.path": "a", "data.rules": "2"}, True),
        (
            {"data.path": "a", "data.download": "true"},
            {"data.path": "a", "data.download": "false", "data.rules": "2"},
            True,
        ),
        (
            {"augment.randaugment": "0"},
            {"augment.randaugment": "2", "augment.rules": "2"},
            False,
        ),
    ],
    ids=["kinds", "folders", "rules", "how", "augmentation"],
)
def test_rules_numbers_tell_apart_what_is_alike(
    one: dict[str, str], other: dict[str, str], *, told: bool
) -> None:
    """Digits and photographs always have their own; the same folder is read in two ways by them."""
    columns = shown(record(1, "a", params=one), record(2, "b", params=other))
    assert bool({"data.rules", "augment.rules"} & {*columns}) == told


@pytest.mark.parametrize("key", sorted(NO_SETTINGS))
def test_what_is_no_setting_is_a_field(key: str) -> None:
    """A name that is misspelt would hide nothing."""
    assert find(tuple(key.split(".")), {}).key == key


def test_a_spreadsheet_gets_every_column_and_digit() -> None:
    """Full hashes, unrounded numbers, quotes where a comma is; lines end as RFC 4180 has it."""
    one = scored(1, "a", 1 / 3, params={"model.filters": "[8, 16]"})
    text = to_csv(records(board(one, scored(2, "b", 0.1))))
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["config_hash"], first["val_accuracy"]) == ("a" * 64, str(1 / 3))
    assert (first["model.filters"], second["model.filters"]) == ("[8, 16]", "16")
    assert text.count("\r\n") == 3


def test_an_empty_board_is_a_heading() -> None:
    """A program that reads it finds its columns."""
    assert to_csv([]).startswith("rank,name,study")


@pytest.fixture(scope="module")
def runs(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a sweep of two trials and a single run; nothing here writes to it."""
    with ready(tmp_path_factory.mktemp("compare"), migrated_database) as tracking:
        yield filled(Store.open(tracking))


def filled(store: Store) -> Store:
    """Log the runs."""
    with store.start_run("sweep depth", tags={"study_name": "depth"}) as sweep:
        pass
    for filters, digit, parent in ((16, "a", sweep.run_id), (8, "b", sweep.run_id), (4, "c", None)):
        tags = {"config_hash": digit * 64}
        with store.start_run(f"cnn {filters}x1", tags=tags, parent_run_id=parent) as run:
            run.log_params({"model.filters": filters})
            run.log_metrics({"val_accuracy": filters / 100, "loss": filters})
    return store


def said(
    runs: Store, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[list[list[str]], list[str]]:
    """The words of each row of the table, and the lines below it."""
    assert compare.main([*arguments, f"tracking.dir={runs.dir}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line[:4].strip().isdecimal()]
    return rows, [line for line in lines[1:] if line.split() not in rows]


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        pytest.param([], "16", id="best accuracy"),
        pytest.param(["--ascending"], "4", id="worst accuracy"),
        pytest.param(["--metric", "loss"], "4", id="least loss"),
        pytest.param(["--metric", "loss", "--descending"], "16", id="greatest loss"),
    ],
)
def test_the_direction_follows_from_the_metric(
    runs: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], first: str
) -> None:
    """Unless another one is asked for."""
    rows, rest = said(runs, capsys, *arguments)
    assert f"cnn {first}x1" in " ".join(rows[0])
    assert (len(rows), rest) == (3, [])


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        pytest.param(["--where", "params.model.filters = '8'"], 1, id="param"),
        pytest.param(["--where", "metrics.val_accuracy > 0.07"], 2, id="metric"),
        pytest.param(["aaaa", "CCCC"], 2, id="hashes"),
        pytest.param(["--top", "2"], 2, id="top"),
        pytest.param(["--experiment", "cnn_sweeps"], 3, id="experiment"),
    ],
)
def test_some_can_be_asked_for(
    runs: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], count: int
) -> None:
    """By what they are, how good they are, or by name."""
    assert len(said(runs, capsys, *arguments)[0]) == count


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_each_run_is_read_once(
    runs: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a study is held against the runs of its trials; a sweep's own run once more."""
    (sweep,) = (run.run_id for run in runs.tagged({"study_name": "depth"}))
    made = study(runs.dir / "studies", plan({"model.filters": "8,16"}), name="depth")
    made.optuna_study.set_user_attr(PARENT, sweep)
    read: list[str] = []
    select = LocalRuns.select

    def noting(*arguments: Any) -> list[RunRecord]:
        found = select(*arguments)
        read.extend(run.run_id for run in found)
        return found

    monkeypatch.setattr(LocalRuns, "select", noting)
    said(runs, capsys)
    assert Counter(Counter(read).values()) == {1: 3, 2: 1}
    assert read.count(sweep) == 2


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_what_is_not_shown_is_counted(runs: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """With what shows it."""
    assert said(runs, capsys, "--top", "1")[1] == ["the best 1 of 3 experiments; --top 3 shows all"]


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_filter_that_nothing_fits_is_no_error(
    runs: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name in it that no run has is told, with what is near."""
    assert compare.main(["--where", "metrics.val_acuracy > 0", f"tracking.dir={runs.dir}"]) == 0
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert first.endswith("matches.")
    assert second.strip() == "no run has val_acuracy; similar: val_accuracy"
    assert not said.out


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param("--json", "[]", id="json"),
        pytest.param("--csv", ",".join(ABOUT), id="csv"),
    ],
)
@pytest.mark.parametrize("hashes", [[], ["aaaa"]], ids=["of all", "of a hash"])
def test_a_program_gets_its_form_where_nothing_fits(
    runs: Store, capsys: pytest.CaptureFixture[str], form: str, expected: str, hashes: list[str]
) -> None:
    """Also where hashes are typed that are there and do not fit."""
    where = ["--where", "metrics.val_accuracy > 9", f"tracking.dir={runs.dir}"]
    assert compare.main([*hashes, form, *where]) == 0
    assert capsys.readouterr().out.strip() == expected


@pytest.mark.usefixtures("hydra_restore_singletons")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--where", "what is"], r"cannot be read: .*\nThe syntax is", id="filter"),
        pytest.param(["--metric", "los"], r"metric los\.\nThere are: loss", id="metric"),
        pytest.param(["--experiment", "cnn_sweep"], r"Did you mean cnn_sweeps\?", id="experiment"),
        pytest.param(["--top", "0"], r"0 is not an integer from 1", id="top"),
        pytest.param(["--csv", "--json"], r"not allowed with", id="both forms"),
    ],
)
def test_what_is_not_possible_is_refused(runs: Store, arguments: list[str], message: str) -> None:
    """With what is."""
    with pytest.raises(ConfigError, match=message):
        compare.main([*arguments, f"tracking.dir={runs.dir}"])


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_an_unknown_hash_is_refused(runs: Store) -> None:
    """As by `show`."""
    with pytest.raises(UnknownHashError, match="begins with ffff"):
        compare.main(["aaaa", "ffff", f"tracking.dir={runs.dir}"])


@pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
def test_where_no_run_was_logged_nothing_is_made() -> None:
    """That there is nothing to compare is an error, as for `show`."""
    with pytest.raises(UnknownHashError, match="no run was ever logged in .*mlruns"):
        compare.main([])
    assert not Tracking().dir.exists()


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_a_program_gets_all_of_it(runs: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of objects, the best first, with the name of the study."""
    assert compare.main(["--json", f"tracking.dir={runs.dir}"]) == 0
    first, _, last = json.loads(capsys.readouterr().out)
    assert (first["rank"], first["study"], first["config_hash"]) == (1, "depth", "a" * 64)
    assert (first["metrics"]["val_accuracy"], first["params"]) == (0.16, {"model.filters": "16"})
    assert last["study"] is None
