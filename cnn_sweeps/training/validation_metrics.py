"""Metrics of the validation split after an epoch, from probabilities; nothing of training.

They are a function of the network as it is evaluated, so they can be computed as well for an epoch
that was stored before anybody asked for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.metrics import (
    KERAS,
    KEY,
    PREFIX,
    OwnMetric,
    measured_names,
    metric_names,
    own_metrics,
    plateau_monitor,
)
from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import ConfigError, ModelError
from cnn_sweeps.evaluation import named
from cnn_sweeps.evaluation.metrics import normalized
from cnn_sweeps.evaluation.named import Function
from cnn_sweeps.models import custom, imports
from cnn_sweeps.models.source import Source
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.json import sha256

MONITOR = "trainer.early_stopping.monitor"
STOP_AT = "trainer.stop_at"
PLATEAU = "trainer.schedule.monitor"
PROBED, PROBED_DIGITS = "#", 16
"""Stands before the digest of what a metric gave for a few images, and how long that is."""
PROBES = 50
"""Images that a metric of the user's own is shown for that."""


def check(trainer: TrainerConfig, validation_fraction: float) -> None:
    """Refuse metrics that there are not, before anything is loaded or imported.

    Raises:
        ConfigError: an unknown metric, one of nothing, or one that stops a training without a
            direction.
    """
    check_names(trainer.metrics)
    if metric_names(trainer.metrics) and not validation_fraction:
        raise ConfigError(
            f"{KEY}=[{','.join(trainer.metrics)}] are metrics of validation images, but "
            f"data.validation_fraction=0 holds out none.\nType data.validation_fraction=0.1, or "
            f"{KEY}=[]."
        )
    check_rules(trainer)


def check_rules(trainer: TrainerConfig) -> None:
    """Refuse to stop a training by a metric that there is not, or that has no direction.

    Raises:
        ConfigError: naming the first.
    """
    for metric in trainer.stop_at or ():
        higher_is_better(trainer, metric, key=STOP_AT)
    if trainer.early_stopping.patience is not None:
        if trainer.early_stopping.monitor in KERAS:
            raise ConfigError(_no_metric(MONITOR, trainer.early_stopping.monitor))
        higher_is_better(trainer, trainer.early_stopping.monitor, key=MONITOR)


def check_plateau(trainer: TrainerConfig, first: TrainerConfig) -> None:
    """Refuse a learning rate that follows no metric.

    The files of a user's own function are in the trajectory hash where it is followed from the
    first epoch on, so a later phase cannot begin to.

    Args:
        trainer: how a phase is trained.
        first: how the first one is.

    Raises:
        ConfigError: there is no such metric, nobody said its direction, or a later phase begins to
            follow a function of the user's own.
    """
    own = {f"{PREFIX}{each.name}" for each in own_metrics(trainer.metrics)}
    for monitor in plateau_monitor(trainer):
        higher_is_better(trainer, monitor, key=PLATEAU)
        if monitor in own and monitor not in plateau_monitor(first):
            raise ConfigError(
                f"{PLATEAU}={monitor} is your own, which a later phase cannot begin to follow.\n"
                "Let it hold from the first epoch on, or type a metric of this program."
            )


def check_names(metrics: Sequence[str], argument: str | None = None) -> None:
    """Refuse metrics that there are not, and two of one name.

    Args:
        metrics: as they are typed.
        argument: where they were given; `trainer.metrics` of a config when None.

    Raises:
        ConfigError: naming the first.
    """
    listed, key = metric_names(metrics), option(argument) if argument else KEY
    for text, name in zip(metrics, listed, strict=True):
        typed = _typed(text, argument)
        if ":" in text:
            custom.check_there(OwnMetric.parse(text).function, key=key)
            if named.find_metric(name) or name in KERAS:
                raise ConfigError(
                    f"{typed}: {name} is a metric of this program.\nGive your function another "
                    f"name, or type {_typed(name, argument)}."
                )
        elif named.find_metric(name) is None:
            raise ConfigError(
                f"{typed} is not a metric{_meant(name)}.\nType some of {named.KNOWN}, or "
                "your own package.module:function."
            )
        if listed.count(name) > 1:
            raise ConfigError(f"{key}: there are {listed.count(name)} of the name {name}.")


def _typed(metric: str, argument: str | None) -> str:
    return option(argument, (metric,)) if argument else f"{KEY}=[{metric}]"


def _meant(name: str) -> str:
    near = named.closest_name(name.removeprefix(PREFIX))
    return f" (did you mean {near}?)" if near else ""


def higher_is_better(trainer: TrainerConfig, monitor: str, *, key: str) -> bool:
    """Whether more of the metric that a training goes by is better.

    Args:
        trainer: what is measured.
        monitor: a metric of an epoch.
        key: behind which key it stands.

    Raises:
        ConfigError: there is no such metric, or nobody said its direction.
    """
    name = monitor.removeprefix(PREFIX)
    if name in KERAS:
        return name == "accuracy"
    own = {each.name: each for each in own_metrics(trainer.metrics)}
    metric = named.find_metric(name)
    if monitor == name or (metric is None and name not in own):
        raise ConfigError(_no_metric(key, monitor))
    if metric is not None:
        return metric.higher_is_better
    found = own[name].higher_is_better
    if found is None:
        raise ConfigError(
            f"{key}={monitor} does not say whether less or more of it is better.\n"
            f"Type {KEY}=[{own[name].function}:min], or {own[name].function}:max."
        )
    return found


def _no_metric(key: str, given: str) -> str:
    name = given.removeprefix(PREFIX)
    near = name if name in KERAS or named.find_metric(name) else named.closest_name(name)
    return (
        f"{key}={given} is not a metric of the validation images"
        f"{f' (did you mean {PREFIX}{near}?)' if near else ''}.\n"
        f"Type {PREFIX}loss, {PREFIX} and one of {named.KNOWN}, or {PREFIX} and the name of a "
        f"function of your own in {KEY}."
    )


@dataclass(frozen=True, kw_only=True)
class ValidationMetrics:
    """What is measured after each epoch.

    Attributes:
        functions: by the name that each has behind `val_`.
        keys: by the same names, what a stored value goes by: the function with the digest of
            its files and of what it gives for a few images, where it is the user's own.
        labels: of the validation images, (n,).
        directions: whether more of a metric is better, by what a stored value goes by; without
            those of the user's own that do not say it.
    """

    functions: Mapping[str, Function]
    keys: Mapping[str, str]
    labels: NDArray[np.int64]
    directions: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        config: TrainerConfig,
        labels: NDArray[np.int64],
        classes: int,
        *,
        later: Sequence[TrainerConfig] = (),
    ) -> "ValidationMetrics":
        """Find what a config asks for.

        Args:
            config: its metrics, and those that steer the training.
            labels: of the validation images, (n,).
            classes: how many there are.
            later: how it is trained in later segments, by which other metrics may steer.

        Raises:
            ConfigError: no such function, or a metric that says nothing of these images.
            ModelError: a function of the user's own failed, or gives no number.
        """
        own = {each.name: each.function for each in own_metrics(config.metrics)}
        functions: dict[str, Function] = {}
        keys = {}
        for name in dict.fromkeys(name for c in (config, *later) for name in measured_names(c)):
            if name in own:
                functions[name] = find_own_metric(own[name], classes)
                keys[name] = f"{key_of(own[name])}{PROBED}{_probed(functions[name], classes)}"
            else:
                functions[name], keys[name] = _known(name, labels, classes), name
        rising = {each.name: each.higher_is_better for each in own_metrics(config.metrics)}
        rising |= {n: m.higher_is_better for n in keys if (m := named.find_metric(n))}
        directions = {keys[n]: up for n, up in rising.items() if up is not None}
        return cls(functions=functions, keys=keys, labels=labels, directions=directions)

    def __bool__(self) -> bool:
        return bool(self.functions)

    def stored(self, values: Mapping[str, float]) -> dict[str, float]:
        """Values of an epoch, by what a stored value goes by."""
        return {self.keys[name.removeprefix(PREFIX)]: value for name, value in values.items()}

    def known(self, stored: Mapping[str, float]) -> dict[str, float]:
        """The same back: those that are asked for and stored, as an epoch has them."""
        return {f"{PREFIX}{name}": stored[key] for name, key in self.keys.items() if key in stored}

    def values(self, scores: NDArray[Any]) -> dict[str, float]:
        """The metrics as an epoch has them, from what the network gives, (n, classes).

        Raises:
            ModelError: a function of the user's own failed, or gave no finite number.
        """
        probabilities = normalized(scores)
        return {
            f"{PREFIX}{name}": float(function(self.labels, probabilities))
            for name, function in self.functions.items()
        }


def _known(name: str, labels: NDArray[np.int64], classes: int) -> Function:
    metric = named.find_metric(name)
    if metric is None:
        raise ConfigError(f"{KEY}=[{name}] is not a metric.\nType some of {named.KNOWN}.")
    if reason := metric.cannot(len(np.unique(labels)), classes):
        raise ConfigError(
            f"{PREFIX}{name} {reason} among the {len(labels):,} validation images.\n"
            f"Leave it out of {KEY}."
        )
    return metric.of


def stored_value(stored: Mapping[str, float], key: str) -> float | None:
    """A metric among those that are stored with an epoch; None where it is not.

    Args:
        stored: values, by what each goes by.
        key: that, of a function of the user's own `key_of` it: the last one that is stored counts.
    """
    found = [value for name, value in stored.items() if name.partition(PROBED)[0] == key]
    return found[-1] if found else None


def _probed(metric: Function, classes: int) -> str:
    """Digest of what a metric gives for a few images: it may read a file that nothing names."""
    labels = np.arange(max(PROBES, classes)) % classes
    scores = np.random.RandomState(0).uniform(0.1, 1.0, (len(labels), classes))
    return sha256(f"{metric(labels, normalized(scores)):.9e}")[:PROBED_DIGITS]


def key_of(function: str) -> str:
    """What names a user's own metric before it is called: the function and its files."""
    source = Source.find(function)
    digests = (source.sha256, source.imports_sha256 or "") if source else ()
    return "@".join((function, *digests))


def find_own_metric(function: str, classes: int) -> Function:
    """Import a metric of the user's own, and try it on an image of each class.

    Args:
        function: `package.module:function`, called with (labels (n,), probabilities (n, classes)).
        classes: how many there are.

    Returns:
        The metric, which refuses what is no finite number.

    Raises:
        ConfigError: no such module or function.
        ModelError: it failed, gives no finite number, or another one each time.
    """
    with imports.fresh_modules(Source.find(function)):
        found = custom.find_function(function, key=KEY)
    typed = f"{KEY}=[{function}]"

    def metric(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
        with custom.blame(typed):
            value = found(labels.copy(), probabilities.copy())
        if not np.isscalar(value) and np.shape(value) != ():
            raise ModelError(
                f"{typed} returned {type(value).__name__} of shape {np.shape(value)}.\n"
                "Return one number for all images."
            )
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number):
            raise ModelError(f"{typed} returned {value!r}.\nReturn a finite number.")
        return number

    labels = np.arange(classes)
    scores = normalized(np.exp(np.linspace(-1, 1, classes * classes).reshape(classes, classes)))
    if metric(labels, scores) != metric(labels, scores):
        raise ModelError(
            f"{typed} gives another number each time for the same images.\n"
            "Let it compute from its arguments alone."
        )
    return metric
