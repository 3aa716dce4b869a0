"""The answer of an exercise, from the trials of its study."""

from collections.abc import Mapping

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.figures import style
from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.comparison.statistics import SeedResult
from cnn_sweeps.sweeps.plan.cells import SEED, base_of, cell_texts
from cnn_sweeps.sweeps.results.hosts import measured_on
from cnn_sweeps.sweeps.study.attributes import CONFIG_HASH, REASON, metrics_of
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import TrackedRun
from cnn_sweeps.tracking.names import ANSWER_FILES

ENDED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


def answer_of(study: SweepStudy, scores: Mapping[int, Mapping[str, float]]) -> Answer | None:
    """Answer the question of a study as far as its trials have ended; None where it has none.

    Args:
        study: whose trials.
        scores: test metrics by trial number.
    """
    plan = study.plan
    if plan.exercise is None:
        return None
    distinct = plan.distinct_cells()
    base = distinct.get(plan.experiment_key_of(base_of(plan)), plan.exercise.base)
    hosts = measured_on(study)
    cells = {tuple(text.items()): text for text in (cell_texts(plan, c) for c in distinct.values())}
    return Answer.of(
        plan.exercise,
        [
            _outcome(study, trial, scores.get(trial.number, {}), hosts[trial.number])
            for trial in study.trials(*ENDED)
        ],
        list(cells.values()),
        cell_texts(plan, base),
    )


def log(answer: Answer, parent: TrackedRun) -> None:
    """Leave the answer with the run of the sweep: to be read, to be computed with, as a picture."""
    from cnn_sweeps.sweeps.comparison.chart import NAME, chart  # noqa: PLC0415 -- matplotlib

    parent.log_text(answer.to_markdown(), ANSWER_FILES[0])
    parent.log_json(answer.to_json(), ANSWER_FILES[1])
    parent.log_bytes(style.png(chart(answer)), NAME)


def _outcome(
    study: SweepStudy, trial: FrozenTrial, scores: Mapping[str, float], hosts: frozenset[str]
) -> SeedResult:
    values, known = study.carried_values(trial), trial.user_attrs
    complete = trial.state == TrialState.COMPLETE
    return SeedResult(
        cell=cell_texts(study.plan, values),
        seed=values[SEED],
        metrics={**metrics_of(known), **scores} if complete else {},
        reason=None if complete else known.get(REASON, "it did not finish"),
        config_hash=known.get(CONFIG_HASH),
        hosts=hosts,
    )
