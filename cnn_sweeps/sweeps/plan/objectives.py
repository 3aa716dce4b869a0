"""The objectives of a sweep: one metric to minimize or maximize, or several."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, TypeVar

from cnn_sweeps.config.metrics import KERAS, PREFIX
from cnn_sweeps.errors import ConfigError, RunFailedError
from cnn_sweeps.evaluation import named

METRICS = (
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "epoch_seconds",
    "train_seconds",
    "build_seconds",
    "data_seconds",
    "total_seconds",
    "images_per_second",
    "trainable_params",
    "total_params",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
    "epochs",
)
"""Every metric that each run has while the search goes on; memory of a GPU where it uses one."""

Direction = Literal["minimize", "maximize"]
SIGNS: dict[Direction, float] = {"minimize": 1.0, "maximize": -1.0}
DEFAULT: dict[str, Direction] = {"val_accuracy": "maximize"}

Row = TypeVar("Row")


class ObjectiveError(RunFailedError):
    """A run ended without a number for one of the objectives."""


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """Metrics and directions, in the order they were given.

    Attributes:
        names: the metrics.
        directions: for each, `minimize` or `maximize`.
    """

    names: tuple[str, ...]
    directions: tuple[Direction, ...]

    @classmethod
    def parse(cls, settings: Mapping[str, Any], own: Sequence[str] = ()) -> "Objectives":
        """Read `hydra.sweeper.objectives`; empty for the greatest `val_accuracy`.

        Args:
            settings: metrics with their directions.
            own: names of the user's own metrics, behind `val_`.

        Raises:
            ConfigError: an unknown metric or direction, or a metric of the test split.
        """
        if not isinstance(settings, Mapping):
            raise ConfigError(
                f"hydra.sweeper.objectives={settings} has no direction; "
                f"type 'hydra.sweeper.objectives={{{_guess(str(settings))}}}'."
            )
        plain = dict(settings) or DEFAULT
        for name, direction in plain.items():
            _check_name(str(name), own)
            if not isinstance(direction, str) or direction not in SIGNS:
                raise ConfigError(
                    f"hydra.sweeper.objectives.{name}={direction} is not a direction; "
                    "type minimize or maximize."
                )
        return cls(names=tuple(plain), directions=tuple(plain.values()))

    def __str__(self) -> str:
        """As it would be said: `maximize val_accuracy, minimize train_seconds`."""
        pairs = zip(self.directions, self.names, strict=True)
        return ", ".join(f"{direction} {name}" for direction, name in pairs)

    @property
    def are_timed(self) -> bool:
        """Whether one of them is how fast something was."""
        return any(name.endswith(("_seconds", "_per_second")) for name in self.names)

    @property
    def measured(self) -> tuple[str, ...]:
        """Those that are measured after each epoch where they are asked for, without `val_`."""
        names = (name.removeprefix(PREFIX) for name in self.names if name not in METRICS)
        return tuple(name for name in names if named.find_metric(name))

    def to_json(self) -> dict[str, Direction]:
        """The mapping that `parse` reads, to be stored with the study."""
        return dict(zip(self.names, self.directions, strict=True))

    @classmethod
    def from_json(cls, plain: Mapping[str, Direction]) -> "Objectives":
        """The objectives that were stored."""
        return cls(names=tuple(plain), directions=tuple(plain.values()))

    def check(self, validation_fraction: float) -> None:
        """Refuse a metric of the validation split where there is no such split.

        Raises:
            ConfigError: one of the metrics would not exist.
        """
        held_out = [name for name in self.names if name.startswith("val_")]
        if held_out and validation_fraction == 0:
            trained = held_out[0].removeprefix(PREFIX)
            trained = trained if trained in KERAS else "accuracy"
            raise ConfigError(
                f"The objective `{held_out[0]}` needs a validation split, and "
                "data.validation_fraction is 0; type data.validation_fraction=0.1, or "
                f"'hydra.sweeper.objectives={{{_guess(trained)}}}'."
            )

    def values(self, metrics: Mapping[str, float]) -> list[float]:
        """What a run is worth, in the order of the objectives.

        Raises:
            ObjectiveError: one of them is missing or no finite number.
        """
        for name in self.names:
            value = metrics.get(name)
            if value is None:
                raise ObjectiveError(
                    f"The run has no `{name}`; it has {', '.join(metrics) or 'no metrics'}."
                )
            if not math.isfinite(value):
                raise ObjectiveError(f"`{name}` is {value}, which cannot be ranked.")
        return [float(metrics[name]) for name in self.names]

    def rank(
        self,
        rows: Iterable[Row],
        values: Callable[[Row], Sequence[float] | None],
        tie: Callable[[Row], tuple[float, ...]] = lambda _: (),
    ) -> list[Row]:
        """The rows, best first; what is equal in all of that keeps its order.

        With several objectives the Pareto front comes first, then what only the front beats,
        and so on; within each, the first objective decides.

        Args:
            rows: trials, runs or whatever a table has.
            values: gives the objectives of a row; None for a failed one, which goes last.
            tie: decides between rows of equal values: the lower comes first.
        """
        scored, failed = [], []
        for row in rows:
            score = values(row)
            if score is None:
                failed.append(row)
            else:
                scored.append((self._costs(score), row))
        layers = _layers({costs for costs, _ in scored})
        scored.sort(key=lambda each: (layers[each[0]], each[0], tie(each[1])))
        return [row for _, row in scored] + failed

    def pareto_front(self, values: Sequence[Sequence[float]]) -> list[int]:
        """Indices of the values that no other beats in one objective without losing in another.

        Equal values are all on the front or all off it, as in Optuna's `best_trials`.
        """
        return _front([self._costs(value) for value in values])

    def _costs(self, values: Sequence[float]) -> tuple[float, ...]:
        """The values turned so that less is better."""
        pairs = zip(values, self.directions, strict=True)
        return tuple(SIGNS[direction] * value for value, direction in pairs)


def _front(costs: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the costs that are not dominated, in order.

    In ascending order a cost can only be dominated by one before it, and so by a member of the
    front; this is quadratic in the size of the front alone. One objective leaves one member.
    """
    members: list[tuple[float, ...]] = []
    for cost in sorted(set(costs)):
        if _is_unbeaten(cost, members):
            members.append(cost)
    best = set(members)
    return [index for index, cost in enumerate(costs) if cost in best]


def _layers(costs: Set[tuple[float, ...]]) -> dict[tuple[float, ...], int]:
    """For each of the costs by how many fronts it is beaten: 0 on the Pareto front itself.

    What one front beats all fronts before it beat, so that a binary search finds its own (ENS-BS,
    https://doi.org/10.1109/TEVC.2014.2308305). Front by front it would be quadratic in the number
    of trials, for with one objective each value is a front.
    """
    fronts: list[list[tuple[float, ...]]] = []
    layers = {}
    for cost in sorted(costs):
        own = bisect_left(fronts, True, key=partial(_is_unbeaten, cost))
        if own == len(fronts):
            fronts.append([])
        fronts[own].append(cost)
        layers[cost] = own
    return layers


def _is_unbeaten(cost: tuple[float, ...], others: Iterable[tuple[float, ...]]) -> bool:
    """Whether each of some other costs is higher somewhere."""
    return not any(all(a <= b for a, b in zip(other, cost, strict=True)) for other in others)


def _check_name(name: str, own: Sequence[str]) -> None:
    if name.startswith("test_"):
        raise ConfigError(
            f"The objective `{name}` is invalid: the test split is scored for the winner "
            "only, since a search on it would overfit it; "
            "type 'hydra.sweeper.objectives={val_accuracy: maximize}'."
        )
    bare = name.removeprefix(PREFIX)
    if name in METRICS or (bare != name and (named.find_metric(bare) or bare in own)):
        return
    every = (*METRICS, *(f"{PREFIX}{each}" for each in (*named.METRICS, *own) if each not in KERAS))
    guess = [f"{PREFIX}{bare}"] if named.find_metric(bare) else get_close_matches(name, every, n=1)
    meant = f" (did you mean `{guess[0]}`?)" if guess else ""
    raise ConfigError(
        f"The objective `{name}` is not a metric{meant}; the metrics are {', '.join(every)}, "
        f"{PREFIX}top_K_accuracy and those of your own in trainer.metrics."
    )


def _guess(name: str) -> str:
    """A metric with the direction that one would want."""
    return f"{name}: {'maximize' if named.higher_is_better(name) else 'minimize'}"
