"""What MLflow's list of runs shows of a sweep."""

from pathlib import Path

import pytest
from fakes import score
from plans import FakeRun, plan, study
from stored_runs import stored

from cnn_sweeps.sweeps.results.page import ranking_view
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.workers.worker import Worker

PARAMS = {"seed": "0", "model.name": "cnn", "model.filters": "8", "model.conv_blocks": "1"}


@pytest.mark.parametrize(
    ("params", "objectives", "columns", "rising"),
    [
        (
            {"model.filters": "choice(4,8)", "seed": "choice(0,1)"},
            {},
            ["metrics.`val_accuracy`", "params.`model.filters`", "params.`seed`"],
            True,
        ),
        (
            {"model.filters": "choice(4,8)"},
            {"loss": "minimize", "val_accuracy": "maximize"},
            ["metrics.`loss`", "metrics.`val_accuracy`", "params.`model.filters`"],
            False,
        ),
        (
            {"model.dropout": "choice(0.0,0.5)"},
            {"train_seconds": "minimize"},
            ["metrics.`train_seconds`", "params.`model.dropout`"],
            False,
        ),
    ],
    ids=["one", "several", "seconds"],
)
def test_objectives_keys_seconds_and_state(
    tmp_path: Path,
    params: dict[str, str],
    objectives: dict[str, str],
    columns: list[str],
    rising: bool,
) -> None:
    """In the order of the sweep's own table; each column once."""
    made = study(tmp_path, plan(params, objectives=objectives))
    for cell in made.plan.distinct_cells().values():
        made.enqueue(cell)
    Worker(study=made, execute=FakeRun(score)).work()
    view = ranking_view(made, Ranking.of(made, {}), stored(params=PARAMS))
    seconds = [] if "metrics.`train_seconds`" in columns else ["metrics.`train_seconds`"]
    assert list(view.columns) == [*columns, *seconds, "tags.`state`"]
    assert (view.name, view.rising) == ("study", rising)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("model", "params.`model.name`"),
        ("+experiment", None),
        ("+model.filters", "params.`model.filters`"),
    ],
)
def test_a_group_is_shown_by_its_choice(tmp_path: Path, key: str, column: str | None) -> None:
    """A preset that leaves no param of its name has no column."""
    from cnn_sweeps.sweeps.results.page import _param
    from cnn_sweeps.sweeps.space.conditions import bare_key

    name = _param(bare_key(key), PARAMS)
    assert (name and f"params.`{name}`") == column
