"""Asking again for a trial that would repeat an experiment."""

import random
from typing import Any

from optuna.trial import Trial

from cnn_sweeps.search.attributes import ASKED, MEANING
from cnn_sweeps.search.study import SweepStudy

PATIENCE = 5
"""Times the sampler is asked again before one of the cells that are left is taken."""
MOST_LOOKED_AT = 2_000


def ask_again(study: SweepStudy, trial: Trial) -> None:
    """Give a repetition's place back: to the sampler, or to a cell that is left.

    Where no cell is left the place is given up: the space is exhausted.
    """
    asked = trial.user_attrs.get(ASKED, 0) + 1
    if asked < PATIENCE or study.plan.space.size is None:
        study.put(asked=asked)
        return
    cell = _cell_left(study, seed=trial.number)
    if cell is not None:
        study.put(cell, meaning=study.plan.meaning_of(cell))


def _cell_left(study: SweepStudy, seed: int) -> dict[str, Any] | None:
    """An untried cell, chosen by chance; None when every experiment was tried."""
    trials = study.study.get_trials(deepcopy=False)
    tried = {trial.user_attrs.get(MEANING) for trial in trials}
    tried |= {study.plan.meaning_of(cell) for cell in map(study.carried_values, trials) if cell}
    cells = list(study.plan.space.cells())
    random.Random(seed).shuffle(cells)  # noqa: S311 -- a choice among cells, nothing secret
    for cell in cells[:MOST_LOOKED_AT]:
        if study.plan.meaning_of(cell) not in tried:
            return cell
    return None
