"""What a space holds before anything is trained: experiments, sizes, epochs, and what is left."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from operator import sub
from statistics import fmean
from typing import Any

from cnn_sweeps.config.path import cooldown_epochs
from cnn_sweeps.config.schema import DECAYING, Config, Data, Schedule
from cnn_sweeps.data import peek_classes, peek_shape
from cnn_sweeps.errors import InputError
from cnn_sweeps.models import count_params
from cnn_sweeps.models.names import title
from cnn_sweeps.models.network import Shape
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.eta import EpochCost
from cnn_sweeps.sweeps.plan.plan import EPOCHS, Plan
from cnn_sweeps.sweeps.space.space import Space

SCHEDULE = "trainer.schedule.name"
MOST_CELLS = 1_000
"""Cells that are looked at one by one; of a larger space, so many drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment of the space, or a cell that cannot be carried out.

    Attributes:
        cell: its values, the first of those that mean the same.
        title: the network, for a person; empty for a cell that cannot be carried out.
        epochs: how many are trained at most; 0 for such a cell.
        params: parameters of the network; None where only building it can tell.
        parts: the trajectory of each of its segments, with the epochs before it and the last one
            in it, where known epochs are read and not trained again; none where each experiment is
            trained by itself.
        refusal: why it cannot be carried out.
        config: what would be trained; None for such a cell.
    """

    cell: Mapping[str, Any]
    title: str = ""
    epochs: int = 0
    params: int | None = None
    parts: Sequence[tuple[str, int, int]] = ()
    refusal: str | None = None
    config: Config | None = None

    def missing(self, reached: dict[str, int]) -> int:
        """Epochs that it takes where these are trained; they are `reached` then."""
        if not self.parts:
            return self.epochs
        missing = 0
        for key, before, last in self.parts:
            missing += max(last - reached.get(key, before), 0)
            reached[key] = max(last, reached.get(key, before))
        return missing


@dataclass(frozen=True, kw_only=True)
class SpacePreview:
    """The experiments of a space.

    Attributes:
        plan: what is swept.
        experiments: the distinct ones by what they mean.
        complete: whether they are all there are, and not only those that were looked at.
    """

    plan: Plan
    experiments: Mapping[str, Experiment]
    complete: bool

    @classmethod
    def of(cls, plan: Plan) -> "SpacePreview":
        """Look at the cells of a space; a continuous dimension stands at its lower end."""
        found: dict[str, Experiment] = {}
        space = _pinned(plan.space)
        small = (space.size or 0) <= MOST_CELLS
        for cell in space.cells() if small else _drawn(space):
            experiment_key, config = _read(plan, cell)
            if experiment_key not in found:
                found[experiment_key] = (
                    Experiment(cell=cell, refusal=str(config))
                    if isinstance(config, InputError)
                    else _experiment(plan, cell, config)
                )
        return cls(plan=plan, experiments=found, complete=small and plan.space.size is not None)

    def known(self, cells: Iterable[Mapping[str, Any]]) -> set[str]:
        """What the given cells mean, each once."""
        read = {
            _text(experiment.cell): experiment_key
            for experiment_key, experiment in self.experiments.items()
        }
        return {read.get(_text(cell)) or _read(self.plan, cell)[0] for cell in cells}


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What is left to do of a sweep.

    Attributes:
        trials: how many.
        experiments: those among which they are; none when all is done.
        exact: whether each of these is one trial, rather than what a trial may come to.
        known: experiments of finished trials.
        stored: by trajectory, up to which epoch earlier trainings have stored it.
    """

    trials: int
    experiments: Sequence[Experiment]
    exact: bool
    known: Sequence[Experiment] = ()
    stored: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, preview: SpacePreview, budget: Budget, held: int, known: set[str]) -> "Remaining":
        """What the budget leaves, of a study that holds so many finished trials.

        Args:
            preview: the space.
            budget: totals of the study.
            held: finished trials.
            known: what these were.
        """
        every = preview.experiments
        open_ = [
            experiment
            for experiment_key, experiment in every.items()
            if experiment_key not in known
        ]
        if not budget.enumerates(preview.plan):
            trials = max(budget.slots(preview.plan) - held, 0)
            if preview.complete and preview.plan.duplicates == "skip":
                trials = min(trials, len(open_))
            return cls(trials=trials, experiments=open_ or list(every.values()), exact=False)
        cells = len(open_) if preview.complete else (preview.plan.space.size or 0) - len(known)
        most = cells if budget.n_trials is None else max(budget.n_trials - held, 0)
        trials = min(cells, most)
        shown = open_[:trials] if preview.complete else open_
        done = [
            experiment for experiment_key, experiment in every.items() if experiment_key in known
        ]
        return cls(trials=trials, experiments=shown, exact=preview.complete, known=done)

    @property
    def epochs(self) -> int:
        """Epochs of all of them, at most; from the mean where they are not yet chosen."""
        return round(self.trials * fmean([e.epochs for e in self.experiments] or [0]))

    @property
    def trainings(self) -> list[tuple[int, int | None]]:
        """Epochs to train, and parameters, for each trajectory that is not known far enough.

        Only the longest experiment on a trajectory is trained; the others are prefixes of it.
        Where trials are not yet chosen, each is taken for a training of its own.
        """
        if not self.exact:
            return [(e.epochs, e.params) for e in self.experiments]
        reached: dict[str, int] = dict(self.stored)
        for e in self.known:
            e.missing(reached)
        trainings = []
        for e in sorted(self.experiments, key=lambda e: -e.epochs):
            missing = e.missing(reached)
            if missing:
                trainings.append((missing, e.params))
        return trainings

    @property
    def epochs_trained(self) -> int:
        """Epochs that have to be trained for them."""
        return sum(epochs for epochs, _ in self.trainings) if self.exact else self.epochs

    def seconds(self, pace: EpochCost, workers: int) -> float:
        """Wall time with so many workers."""
        each = [pace.seconds(epochs, params) for epochs, params in self.trainings]
        total = sum(each) if self.exact else fmean(each or [0.0]) * self.trials
        return total / max(min(workers, self.trials), 1)


def saved_by_wsd(plan: Plan) -> str | None:
    """What a sweep over epochs would save by sharing them; None where it does share them.

    A decay that ends with the last epoch makes another training of each number of epochs.
    """
    swept = {dimension.key: dimension for dimension in plan.space.dimensions}
    lengths = swept[EPOCHS].values if EPOCHS in swept else None
    if not lengths or SCHEDULE in swept:
        return None
    schedule = plan.first.trainer.schedule
    if schedule.name not in DECAYING or schedule.decay_epochs is not None:
        return None
    each = [length for length in lengths if isinstance(length, int)]
    cooldowns = [cooldown_epochs(Schedule(name="wsd"), epochs) for epochs in each]
    shared = max(map(sub, each, cooldowns)) + sum(cooldowns)
    if shared >= sum(each):
        return None
    return (
        f"{schedule.name} shares no epochs between numbers of them: {sum(each)} epochs for "
        f"{', '.join(map(str, each))}; {SCHEDULE}=wsd would train {shared}"
    )


def _pinned(space: Space) -> Space:
    """The space with one value, the lowest, for each dimension that has no end of them."""
    return replace(
        space,
        dimensions=tuple(
            d if d.values is not None else replace(d, choices=(d.low,)) for d in space.dimensions
        ),
    )


def _drawn(space: Space) -> Iterator[dict[str, Any]]:
    """Cells of a space that is too large for all, the same ones each time."""
    return islice(space.drawn(random.Random(0)), MOST_CELLS)  # noqa: S311 -- no secret


def _read(plan: Plan, cell: Mapping[str, Any]) -> tuple[str, Config | InputError]:
    """What a cell means, and its config or its refusal; two cells may mean one experiment."""
    try:
        config = plan.config(cell)
    except InputError as error:
        return _text(cell), error
    return plan.experiment_key(config), config


def _experiment(plan: Plan, cell: Mapping[str, Any], config: Config) -> Experiment:
    shape, classes = _peek(config.data)
    params = count_params(config.model, shape, classes) if shape and classes else None
    return Experiment(
        cell=cell,
        title=title(config.model),
        epochs=config.trainer.epochs,
        params=params,
        parts=tuple(plan.parts(config)) if config.trajectory.reuse else (),
        config=config,
    )


@cache
def _peek(data: Data) -> tuple[Shape | None, int | None]:
    """Shape and classes; hundreds of cells have the same data."""
    return peek_shape(data), peek_classes(data)


def _text(cell: Mapping[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)
