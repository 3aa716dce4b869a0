"""Optuna's pruners, by name: they end unpromising trials.

A pruner sees one number an epoch and ends a trial that falls behind. `PruningCallback` stands
between it and a training. A trial is never pruned in its last epoch: it is paid for, and its
result tells the sampler more than half a result would.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

from cnn_sweeps.config.metrics import PREFIX
from cnn_sweeps.errors import ConfigError, PrunedError
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.parameters import Types, check_parameters
from cnn_sweeps.text.suggestions import aside
from cnn_sweeps.tracking.patience import Attempts
from cnn_sweeps.training.epoch import EPOCH_METRICS, Epoch

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

LEAST = {"min_resource": 1, "max_resource": 1, "reduction_factor": 2, "bootstrap_count": 0}
"""Where Hyperband would fail only in the middle of a sweep."""

WAITS = ("min_resource", "n_warmup_steps", "n_startup_steps", "patience")
"""Epochs before which nothing is pruned."""


@dataclass(frozen=True, kw_only=True)
class Pruner:
    """One line of the table of pruners.

    Attributes:
        optuna: its class in `optuna.pruners`.
        defaults: where Optuna has no default, or one that waits for a finished trial before it
            prunes.
        types: of the options that YAML writes otherwise than Optuna's signature.
        wrappable: whether `patient` can hold it back: it needs no setting.
        check: refuses, with a `ConfigError`, parameters by which nothing would be pruned.
    """

    optuna: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, tuple[type, ...]] = field(default_factory=dict)
    wrappable: bool = False
    check: Callable[[Mapping[str, Any], str], None] = lambda _params, _metric: None


def _check_threshold(params: Mapping[str, Any], metric: str) -> None:
    if {params.get("lower"), params.get("upper")} == {None}:
        raise ConfigError(
            "The pruner `threshold` has no threshold: type hydra.sweeper.pruner.lower=0.3 to "
            f"prune a {metric} below 0.3, or hydra.sweeper.pruner.upper= for one "
            "above."
        )


PRUNERS: Final[Mapping[str, Pruner]] = {
    "none": Pruner(optuna="NopPruner"),
    "median": Pruner(optuna="MedianPruner", wrappable=True),
    "percentile": Pruner(optuna="PercentilePruner", defaults={"percentile": 25.0}, wrappable=True),
    "hyperband": Pruner(
        optuna="HyperbandPruner",
        defaults={"max_resource": None},
        types={"max_resource": (int, str, NoneType)},
        wrappable=True,
    ),
    "successive_halving": Pruner(
        optuna="SuccessiveHalvingPruner", defaults={"min_resource": 1}, wrappable=True
    ),
    "patient": Pruner(
        optuna="PatientPruner",
        defaults={"wrapped": "median", "patience": 1},
        types={"wrapped": (str, NoneType)},
    ),
    "wilcoxon": Pruner(optuna="WilcoxonPruner", wrappable=True),
    "threshold": Pruner(optuna="ThresholdPruner", check=_check_threshold),
}
"""`hydra/sweeper/pruner=` and who ends a trial."""


@dataclass(frozen=True, kw_only=True)
class PrunerSpec:
    """A pruner by name, as it is stored with the study.

    Attributes:
        name: a key of `PRUNERS`.
        params: its parameters by Optuna's names; the rest have their defaults.
    """

    name: str = "none"
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, settings: Mapping[str, Any] | str | None) -> "PrunerSpec":
        """Read `hydra.sweeper.pruner`: a name, or `name:` and parameters; empty for none.

        Raises:
            ConfigError: an unknown name or parameter, or a value of the wrong type.
        """
        plain = {"name": settings} if isinstance(settings, str) else dict(settings or {})
        name = plain.pop("name", "none")
        if name not in PRUNERS:
            raise ConfigError(
                f"There is no pruner `{name}`{aside(str(name), PRUNERS)}; "
                f"type hydra/sweeper/pruner= one of {', '.join(PRUNERS)}."
            )
        check_parameters("pruner", name, plain, options(name), LEAST)
        _check_wrapped(plain.get("wrapped"))
        return cls(name=name, params=plain)

    def __str__(self) -> str:
        """The name with what was set."""
        settings = ", ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.name}({settings})" if settings else self.name

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {"name": self.name, "params": dict(self.params)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "PrunerSpec":
        """The spec that was stored."""
        return cls(**plain)


@dataclass
class PruningCallback:
    """A callback that reports each epoch of a trial to the study, and ends a pruned trial.

    How many epochs a pruned trial had stands in the error, and in the study as its last step.
    While the study is away training goes on, and the epochs are reported later.

    Attributes:
        trial: the running trial, of a study that has its pruner set.
        metric: what the pruner goes by, as `epoch_metric` names it.
        pruner: the study's pruner, for the reason.
        epochs: how many epochs the trial has at most; None if that is unknown.
        unreported: values of epochs by number.
    """

    trial: "Trial"
    metric: str
    pruner: PrunerSpec
    epochs: int | None = None
    unreported: dict[int, float] = field(default_factory=dict)
    attempts: Attempts = field(default_factory=Attempts)

    def on_epoch(self, epoch: Epoch) -> None:
        """Report the epoch.

        Raises:
            PrunedError: the pruner gives the trial up.
        """
        value, number = epoch.metrics[self.metric], epoch.number
        self.unreported[number] = value
        given_up: list[bool] = []
        self.attempts.make(lambda: given_up.append(self._is_given_up(number)))
        if any(given_up):
            raise PrunedError(
                number,
                f"pruned by {self.pruner.name} at epoch {number}: {self.metric} {value:.4g}",
            )

    def _is_given_up(self, number: int) -> bool:
        """Whether the pruner gives the trial up after an epoch, which is reported first."""
        with warnings.catch_warnings():
            # Wilcoxon says so at each epoch that the best trial, stopped early, did not reach.
            warnings.simplefilter("ignore")
            self.report()
            return number != self.epochs and self.trial.should_prune()

    def report(self) -> None:
        """Report the epochs that could not be reported when they ended."""
        for number, value in [*self.unreported.items()]:
            self.trial.report(value, step=number)
            del self.unreported[number]


def options(name: str) -> dict[str, Types]:
    """The parameters that YAML can set for a pruner, with the types that each takes."""
    hints = get_type_hints(_class(name).__init__)
    known = {
        key: get_args(hint) or (hint,)
        for key, hint in hints.items()
        if key not in {"return", "wrapped_pruner"}
    }
    return known | dict(PRUNERS[name].types)


def epoch_metric(objectives: Objectives) -> str | None:
    """The metric that trials report epoch by epoch; None where there is no single one."""
    name, *more = objectives.names
    of_epochs = name in EPOCH_METRICS or name.startswith(PREFIX)
    return name if not more and of_epochs else None


def validate_pruner(spec: PrunerSpec, objectives: Objectives) -> None:
    """Refuse a pruner that has nothing to go by.

    Raises:
        ConfigError: several objectives, one that epochs do not have, or no threshold.
    """
    if spec.name == "none":
        return
    if len(objectives.names) > 1:
        raise ConfigError(
            f"The pruner `{spec.name}` takes one objective, not {len(objectives.names)} "
            f"({', '.join(objectives.names)}): Optuna prunes on one value only; "
            "keep one objective, or type hydra/sweeper/pruner=none."
        )
    if epoch_metric(objectives) is None:
        raise ConfigError(
            f"The pruner `{spec.name}` cannot use `{objectives.names[0]}`, which is known only "
            f"at the end of a run; an epoch has {', '.join(EPOCH_METRICS)} and {PREFIX} metrics. "
            "Make one of them the objective, or type hydra/sweeper/pruner=none."
        )
    PRUNERS[spec.name].check(spec.params, objectives.names[0])


def build_pruner(spec: PrunerSpec, *, max_epochs: int) -> "BasePruner":
    """The Optuna pruner.

    Args:
        spec: its name and parameters.
        max_epochs: epochs of the longest trial; what `max_resource: null` stands for.

    Raises:
        ConfigError: Optuna refuses the parameters, or they would never prune anything.
    """
    settings = {**PRUNERS[spec.name].defaults, **spec.params}
    if "max_resource" in settings and settings["max_resource"] is None:
        settings["max_resource"] = max_epochs
    _check_waits(settings, max_epochs)
    if "wrapped" in settings:
        name = settings.pop("wrapped")
        settings["wrapped_pruner"] = name and build_pruner(
            PrunerSpec(name=name), max_epochs=max_epochs
        )
    with warnings.catch_warnings():
        # "Experimental" is for programs that call Optuna; here every pruner is tested.
        warnings.simplefilter("ignore")
        try:
            pruner: BasePruner = _class(spec.name)(**settings)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The pruner `{spec}` is invalid: {error}") from None
    return pruner


def _check_wrapped(wrapped: str | None) -> None:
    wrappable = [name for name, pruner in PRUNERS.items() if pruner.wrappable]
    if wrapped is not None and wrapped not in wrappable:
        raise ConfigError(
            f"hydra.sweeper.pruner.wrapped={wrapped} is invalid; "
            f"type null or one of {', '.join(wrappable)}."
        )


def _check_waits(settings: Mapping[str, Any], max_epochs: int) -> None:
    end = settings.get("max_resource")
    last = min(end, max_epochs) if isinstance(end, int) else max_epochs
    for key in WAITS:
        if isinstance(settings.get(key), int) and settings[key] > last:
            raise ConfigError(
                f"hydra.sweeper.pruner.{key}={settings[key]} is invalid: there are {last} "
                "epochs, so no trial would be pruned; type less, or a larger trainer.epochs."
            )


def _class(name: str) -> Any:
    import optuna.pruners  # noqa: PLC0415 - a dry run needs no Optuna

    return getattr(optuna.pruners, PRUNERS[name].optuna)
