"""What a sweep is: space, objectives, sampler, pruner and base, stored with the study."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config, Data
from cnn_sweeps.errors import ConfigError, DataError, InputError, NewerVersionError, StoreError
from cnn_sweeps.provenance.identity import chain_hashes, content
from cnn_sweeps.sweeps.comparison.definition import ComparisonSpec
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.plan.search_plan import Duplicates
from cnn_sweeps.sweeps.space.conditions import condition_cases
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.space.value import text_of
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.json import sha256

PLAN_VERSION = 1
EPOCHS = "trainer.epochs"
APART = ("tracking.", "trajectory.")
"""Groups that say nothing of an experiment."""
MOST_SAMPLE_POINTS = 2_000
"""Points that are looked at for one that can be carried out."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that decides which trials a study holds and what they are worth.

    Attributes:
        space: the dimensions.
        base_config: the experiment that is varied.
        objectives: metric names and directions.
        sampler: who chooses the values.
        pruner: who ends a trial early.
        duplicates: what becomes of an experiment that was tried before.
        fixed: what else was typed, as Hydra overrides.
        exercise: the question that the sweep answers; None for one that only searches.
    """

    space: Space
    base_config: BaseConfig
    objectives: Objectives
    sampler: SamplerSpec
    pruner: PrunerSpec
    duplicates: Duplicates = "skip"
    fixed: tuple[str, ...] = ()
    exercise: ComparisonSpec | None = None

    def config(self, values: Mapping[str, Any]) -> Config:
        """The checked config of one trial."""
        return self.base_config.config(self.space, values)

    def unchecked(self) -> "Plan":
        """The same plan where nothing is to be carried out: images and functions may be gone."""
        return replace(self, base_config=replace(self.base_config, checked=False))

    def under_rules(self, number: int) -> "Plan":
        """The same, looked at as it was asked when these were the newest `data.rules`."""
        return self._based(lambda base: {"data": base["data"] | {"rules": number}}).unchecked()

    @property
    def spelling(self) -> int:
        """The `rules` by which values are written that can be typed in several ways."""
        return self.first.rules

    def spelt(self, number: int) -> "Plan":
        """The same, its values written by these `rules`."""
        return self._based(lambda _: {"rules": number})

    def logged_to(self, tracking: Mapping[str, str]) -> "Plan":
        """The same, whose runs are reached by another `tracking.uri` or `tracking.dir`."""
        return self._based(lambda base: {"tracking": {**base.get("tracking", {}), **tracking}})

    def _based(self, changes: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> "Plan":
        """The same with changes to each of its base configs."""
        stored = self.base_config.bases.items()
        bases = {choice: {**base, **changes(base)} for choice, base in stored}
        return replace(self, base_config=replace(self.base_config, bases=bases))

    @property
    def size(self) -> int | None:
        """How many cells the space has; None where there are infinitely many."""
        return self.space.size

    @cached_property
    def first(self) -> Config:
        """The config of the first point of the space that can be carried out.

        Raises:
            ConfigError: none of the points that were looked at can.
            DataError: the images are not there.
        """
        refusals: list[InputError] = []
        for point in islice(self.space.sample_points(), MOST_SAMPLE_POINTS):
            try:
                return self.config(point)
            except InputError as error:
                refusals.append(error)
        if refusals and isinstance(refusals[0], DataError):
            raise refusals[0]
        why = f" The first ones are refused:\n  {refusals[0]}" if refusals else ""
        raise ConfigError(f"no params of this search space give a valid config.{why}")

    @property
    def max_epochs(self) -> int:
        """The most epochs that a trial may train."""
        swept = [d for d in self.space.dimensions if d.key == EPOCHS]
        most = [int(max(d.choices or (d.high,))) for d in swept]  # type: ignore[type-var, arg-type]
        if not swept or swept[0].when:
            most += [config.trainer.epochs for config in self.bases()]
            most += [self.config(point).trainer.epochs for point in self._elsewhere()]
        return max(most)

    def _elsewhere(self) -> Iterator[Mapping[str, Any]]:
        """Points at which the epochs are not swept, one for each way to get there."""
        for point, _ in condition_cases(self.space.dimensions):
            with suppress(InputError):
                if EPOCHS not in point and self.config(point):
                    yield point

    def experiment_key(self, config: Config) -> str:
        """Which experiment a config is; those that mean the same have one key."""
        return sha256(content(config, source(config.data)))

    def trajectory_key(self, config: Config) -> str:
        """Which trajectory a config begins on; one training serves all that share it."""
        return sha256(content(config, "", trajectory=True))

    def trajectory_keys(self, config: Config) -> tuple[str, ...]:
        """The trajectory of each segment of a config; the first one's is its `trajectory_key`."""
        return chain_hashes(self.trajectory_key(config), segments(config))

    def parts(self, config: Config) -> Iterator[tuple[str, int, int]]:
        """The trajectory of each segment, with the epochs before it and the last one in it."""
        path = segments(config)
        ends = [after.first - 1 for after in path[1:]] + [config.trainer.epochs]
        for key, segment, end in zip(self.trajectory_keys(config), path, ends, strict=True):
            yield key, segment.first - 1, end

    def experiment_key_of(self, cell: Mapping[str, Any]) -> str:
        """Which experiment a cell is; one that cannot be carried out is one of its own."""
        try:
            return self.experiment_key(self.config(cell))
        except InputError:
            return json.dumps(cell, sort_keys=True)

    def keys_of(self, cell: Mapping[str, Any]) -> tuple[str, str | None]:
        """Which experiment a cell is, and which trajectory it begins on: None for an impossible."""
        try:
            config = self.config(cell)
        except InputError:
            return self.experiment_key_of(cell), None
        return self.experiment_key(config), self.trajectory_key(config)

    def distinct_cells(self) -> dict[str, dict[str, Any]]:
        """The cells of a discrete space by experiment key; of those that are one, the first."""
        cells: dict[str, dict[str, Any]] = {}
        for cell in self.space.cells():
            cells.setdefault(self.experiment_key_of(cell), cell)
        return cells

    def bases(self) -> Iterator[Config]:
        """One experiment for each combination of the config groups that are swept."""
        yield self.first
        for chosen in self.base_config.choices():
            point = self.space.point(chosen)
            with suppress(InputError):
                if chosen.items() <= point.items():
                    yield self.config(point)

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        # A plan that is no exercise reads as it did before there were any.
        asked = {"exercise": self.exercise.to_json()} if self.exercise else {}
        return {
            "version": PLAN_VERSION,
            "space": self.space.to_json(),
            "template": self.base_config.to_json(),
            "objectives": self.objectives.to_json(),
            "sampler": self.sampler.to_json(),
            "pruner": self.pruner.to_json(),
            "duplicates": self.duplicates,
            "fixed": list(self.fixed),
            **asked,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Plan":
        """The plan that was stored.

        Raises:
            StoreError: another version of cnn_sweeps stored it, in a form that is not known here.
        """
        if plain.get("version") != PLAN_VERSION:
            raise StoreError(
                f"the study was created by another version of cnn_sweeps (its plan has version "
                f"{plain.get('version')}, this one reads {PLAN_VERSION}).\n"
                f"  Type another hydra.sweeper.study_name."
            )
        try:
            base_config = BaseConfig.from_json(plain["template"])
        except NewerVersionError as error:
            raise StoreError(
                f"the study cannot be read here: {error}\n"
                f"  Install that version, or type another hydra.sweeper.study_name."
            ) from error
        return cls(
            space=Space.from_json(plain["space"]),
            base_config=base_config,
            objectives=Objectives.from_json(plain["objectives"]),
            sampler=SamplerSpec.from_json(plain["sampler"]),
            pruner=PrunerSpec.from_json(plain["pruner"]),
            duplicates=plain["duplicates"],
            fixed=tuple(plain["fixed"]),
            exercise=ComparisonSpec.from_json(plain["exercise"]) if "exercise" in plain else None,
        )

    def digest(self) -> str:
        """Names the sweep by what it asks: the same command finds the same study again."""
        plain = self.to_json()
        asked = {"bases": list(map(self.experiment_key, self.bases()))} | {
            key: plain[key] for key in ("space", "objectives", "sampler", "pruner", "duplicates")
        }
        if self.exercise:
            asked["exercise"] = self._compared()
        if not self.first.trajectory.reuse:
            # Whoever wants everything trained must not be handed a sweep that is finished.
            asked["reuse"] = False
        return sha256(asked)

    def _compared(self) -> dict[str, Any] | None:
        """What an exercise compares with; its wording does not make it another one."""
        return dict(self.exercise.base) if self.exercise else None

    def difference(self, other: "Plan") -> str | None:
        """What makes another plan another sweep, in words; None when nothing does."""
        if self.space != other.space:
            return self.space.difference(other.space)
        for part in ("objectives", "sampler", "pruner", "duplicates"):
            there, here = getattr(self, part), getattr(other, part)
            if there != here and str(there) != str(here):
                return f"{part} was {there} and is now {here}"
        if self.sampler != other.sampler:
            return f"the seed was {self.sampler.seed} and is now {other.sampler.seed}"
        if self._compared() != other._compared():
            return f"the base model was {self._compared()} and is now {other._compared()}"
        if self.digest() != other.digest():
            return self._experiment_changed(other)
        return None

    def _experiment_changed(self, other: "Plan") -> str:
        """What was typed; where that is the same, a default or a file has changed."""
        there, here = (list(plan.fixed) or "the default" for plan in (self, other))
        if there != here:
            return f"the experiment was {there} and is now {here}"
        before, now = (dict(dotted(to_json(plan.first))) for plan in (self, other))
        changed = [k for k in now if now[k] != before.get(k) and not k.startswith(APART)]
        told = ", ".join(f"{key} was {before.get(key)} and is now {now[key]}" for key in changed)
        typed = " ".join(f"{key}={text_of(before.get(key))}" for key in changed)
        return f"{told}; type {typed} to continue it." if changed else "a default has changed."


def source(data: Data) -> str:
    """Where the images come from, as far as can be told before they are read.

    Their digest would name them exactly, but the sweep is named before anything is loaded.
    """
    told = {f.name: getattr(data, f.name) for f in dataclasses.fields(data) if _tells(data, f)}
    return json.dumps(told, default=str)


def _tells(data: Data, field: dataclasses.Field[Any]) -> bool:
    """Whether a field says which images are meant; an added one where it is not neutral.

    An added field that is part of the hash is not told twice: names of sweeps would change.
    """
    if not field.metadata.get("selects", True):
        return False  # where a published data set lies is not which one it is
    if "neutral" not in field.metadata:
        return True
    hashed = field.metadata.get("identity", True)
    return not hashed and getattr(data, field.name) != field.metadata["neutral"]
