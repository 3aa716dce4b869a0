"""A sweep's own table in MLflow's list of runs."""

from collections.abc import Mapping

from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import RunRecord
from cnn_sweeps.tracking.names import STATE
from cnn_sweeps.tracking.pages import View, column

SECONDS = "train_seconds"
"""What a trial took, shown also where it is no objective."""


def ranking_view(study: SweepStudy, ranking: Ranking, best: RunRecord) -> View:
    """What MLflow shows of a sweep: objectives, swept keys, seconds and state, the best first.

    Args:
        study: the sweep.
        ranking: its trials.
        best: the run of the best, or of any, whose params have the names that the others' have.
    """
    objectives = study.plan.objectives
    columns = {column("metrics", name): len(name) for name in objectives.names}
    for key in (dimension.key for dimension in study.plan.space.dimensions):
        if (name := _param(bare_key(key), best.params)) is not None:
            values = [len(str(row.params.get(key, ""))) for row in ranking.rows]
            columns[column("params", name)] = max(len(name), *values)
    columns.setdefault(column("metrics", SECONDS), len(SECONDS))
    columns[column("tags", STATE)] = len("complete")
    return View(
        name=study.optuna_study.study_name,
        parent_run_id=study.parent_run_id or "",
        columns=columns,
        rising=objectives.directions[0] == "maximize",
    )


def _param(key: str, params: Mapping[str, str]) -> str | None:
    """The param of a run that holds a swept key; of a group, the name of what was chosen.

    None for a group that is no part of a config, such as `+experiment`.
    """
    if key in params or "." in key:  # one that counts in other trials only is not in the best
        return key
    name = f"{key}.name"
    return name if name in params else None
