"""What came out of an application's sweep: a table, and the file of the official sweeper."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.application.study import JOB, ApplicationStudy
from cnn_sweeps.sweeps.study.attributes import NO_VALUE, REASON
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.table import Table

RESULTS = "optimization_results.yaml"


def ranked_trials(study: ApplicationStudy) -> list[FrozenTrial]:
    """The complete trials, the best first."""
    return study.plan.objectives.rank(study.trials(TrialState.COMPLETE), lambda t: t.values)


def best_of(study: ApplicationStudy) -> list[FrozenTrial]:
    """The best trial, or the Pareto front; none where no trial is complete."""
    trials = ranked_trials(study)
    front = study.plan.objectives.pareto_front([trial.values for trial in trials])
    best = [trials[index] for index in front]
    return best if len(study.plan.objectives.names) > 1 else best[:1]


def table_of(study: ApplicationStudy) -> Table:
    """All trials, best first; then those without a value."""
    complete, best = ranked_trials(study), {trial.number for trial in best_of(study)}
    others = study.trials(TrialState.FAIL)
    rows = [*complete, *others]
    names = study.plan.objectives.names
    keys = list(dict.fromkeys(key for trial in rows for key in trial.params))
    ranks = [f"{rank}{'*' if t.number in best else ''}" for rank, t in enumerate(complete, 1)]
    numbers = [[t.values[index] if t.values else "" for t in rows] for index in range(len(names))]
    columns = {
        "rank": [*ranks, *map(_state, others)],
        **dict(zip(names, map(measures.aligned_numbers, numbers), strict=True)),
        **{key: measures.aligned_numbers([t.params.get(key, "") for t in rows]) for key in keys},
        "job": [str(trial.user_attrs.get(JOB, "")) for trial in rows],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        strong=frozenset(range(len([t for t in complete if t.number in best]))),
        first=("rank", *names, *keys),
        every=RESULTS,
    )


def failures(study: ApplicationStudy) -> list[str]:
    """Why trials have no value: a line for each that failed, one for those that need none."""
    failed, without = [], []
    for trial in study.trials(TrialState.FAIL):
        reason = measures.first_line(trial.user_attrs.get(REASON))
        if NO_VALUE in trial.user_attrs:
            without.append(reason)
        else:
            failed.append(f"trial {trial.number} failed: {reason}")
    told = [f"{measures.pluralize(n, 'trial')}: {why}" for why, n in Counter(without).items()]
    return [*failed, *told]


def only_failures(study: ApplicationStudy) -> bool:
    """Whether trials have failed, and none has come to anything else."""
    trials = [trial for trial in study.trials() if trial.state.is_finished()]
    return bool(trials) and all(_state(t) == "failed" and t.values is None for t in trials)


def save(study: ApplicationStudy, folder: Path) -> None:
    """Write the best params as Hydra's official Optuna sweeper does; nothing where there are none.

    One objective gives `best_params` and `best_value`, several a list of `solutions`.
    """
    best = best_of(study)
    if not best:
        return
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(_plain(best)), folder / RESULTS)


def _plain(best: Sequence[FrozenTrial]) -> dict[str, Any]:
    if len(best[0].values) == 1:
        return {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}
    solutions = [{"params": trial.params, "values": trial.values} for trial in best]
    return {"name": "optuna", "solutions": solutions}


def _state(trial: FrozenTrial) -> str:
    return "no value" if NO_VALUE in trial.user_attrs else "failed"
