"""Optuna's samplers, by name: they choose the values of the next trial.

`grid` and `auto` are ours. A grid is enumerated into the queue before the first trial: under
ask and tell Optuna's own grid repeats cells and raises at its end. `auto` is a grid where
the space is discrete and the budget covers it, else TPE.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.parameters import Types, check_parameters
from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.text.suggestions import aside

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TYPES = {"int": int, "float": float, "bool": bool, "str": str, "None": NoneType}
"""The annotations in Optuna's signatures that YAML can write."""

LEAST = {"n_ei_candidates": 1, "popsize": 2, "dividing_parameter": 1}
"""Where 0 would fail only in the middle of a sweep."""

DEPRECATED = {
    "TPESampler": {
        "consider_prior",
        "prior_weight",
        "consider_magic_clip",
        "consider_endpoints",
        "warn_independent_sampling",
    },
    "CmaEsSampler": {"sigma0", "restart_strategy", "inc_popsize"},
}
"""Parameters that Optuna 5 still takes and is about to drop."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """One line of the table of samplers.

    Attributes:
        optuna: its class in `optuna.samplers`.
        packages: what it needs beside Optuna.
        check: refuses, with a `ConfigError`, what it could not search.
        enumerates: whether every cell is put into the queue, and the class only fills a place
            beyond the last.
        learns: whether its proposals depend on what was observed.
        numbered: our class in `numbered_samplers` for a single proposal, where Optuna's goes by
            more than its seed.
    """

    optuna: str
    packages: tuple[str, ...] = ()
    check: Callable[[Space, Objectives], object] = lambda _space, _objectives: None
    enumerates: bool = False
    learns: bool = True
    numbered: str | None = None


def _check_qmc(space: Space, _objectives: Objectives) -> None:
    if space.conditional:
        raise ConfigError(
            f"The sampler `qmc` needs unconditional keys, not "
            f"`{next(d for d in space.dimensions if d.when)}`; "
            "type hydra/sweeper/sampler=tpe or random, or remove the conditions."
        )


def _check_cmaes(space: Space, objectives: Objectives) -> None:
    ranges = [d for d in space.dimensions if d.kind != "categorical" and d.low < d.high]
    if len(objectives.names) > 1:
        raise ConfigError(
            f"The sampler `cmaes` takes one objective, not {len(objectives.names)}; "
            "type hydra/sweeper/sampler=nsgaii or tpe, or keep one objective."
        )
    if any(d.when for d in ranges):
        # Optuna fixes the number of ranges at the first generation, and samples at random,
        # without a word, from the first trial on that has another.
        raise ConfigError(
            f"The sampler `cmaes` needs unconditional ranges, not "
            f"`{next(d for d in ranges if d.when)}`; type hydra/sweeper/sampler=tpe, or take "
            "its condition out."
        )
    if len(ranges) < 2:  # noqa: PLR2004 - CMA-ES searches along a covariance
        raise ConfigError(
            f"The sampler `cmaes` needs at least two numeric ranges, and `{space}` has "
            f"{len(ranges)}; type hydra/sweeper/sampler=tpe, or ranges: "
            "model.dropout=interval(0.0,0.5) model.filters=interval(16,64)."
        )


SAMPLERS: Final[Mapping[str, Sampler]] = {
    "auto": Sampler(optuna="TPESampler"),
    "grid": Sampler(
        optuna="RandomSampler",
        check=lambda space, _objectives: space.cells(),
        enumerates=True,
        learns=False,
    ),
    "tpe": Sampler(optuna="TPESampler"),
    "random": Sampler(optuna="RandomSampler", learns=False),
    "qmc": Sampler(
        optuna="QMCSampler",
        packages=("scipy",),
        check=_check_qmc,
        learns=False,
        numbered="NumberedQMCSampler",
    ),
    "cmaes": Sampler(
        optuna="CmaEsSampler",
        packages=("cmaes",),
        check=_check_cmaes,
        numbered="NumberedCmaEsSampler",
    ),
    "gp": Sampler(optuna="GPSampler", packages=("torch", "scipy")),
    "nsgaii": Sampler(optuna="NSGAIISampler"),
    "nsgaiii": Sampler(optuna="NSGAIIISampler"),
}
"""`hydra/sweeper/sampler=` and who suggests the values."""


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """A sampler by name, as it is stored with the study.

    Attributes:
        name: a key of `SAMPLERS`.
        seed: start of its random numbers.
        params: its parameters by Optuna's names; the rest have Optuna's defaults.
    """

    name: str
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, settings: Mapping[str, Any] | str, *, seed: int) -> "SamplerSpec":
        """Read `hydra.sweeper.sampler`: a name, or `name:` and parameters; empty for auto.

        Args:
            settings: as they stand in YAML.
            seed: used when the settings have none.

        Raises:
            ConfigError: an unknown name or parameter, or a value of the wrong type.
        """
        plain = {"name": settings} if isinstance(settings, str) else dict(settings)
        name, own = plain.pop("name", "auto"), plain.pop("seed", None)
        if name not in SAMPLERS:
            raise ConfigError(
                f"There is no sampler `{name}`{aside(str(name), SAMPLERS)}; "
                f"type hydra/sweeper/sampler= one of {', '.join(SAMPLERS)}."
            )
        if own is not None and (type(own) is not int or not 0 <= own < 2**32):
            raise ConfigError(
                f"hydra.sweeper.sampler.seed={own} is not a seed; type an integer from 0 to "
                f"{2**32 - 1}, or null for the seed of the experiment."
            )
        known = options(name)
        least = {key: LEAST.get(key, 0) for key in known}
        check_parameters("sampler", name, plain, known, least)
        return cls(name=name, seed=seed if own is None else own, params=plain)

    @property
    def enumerates(self) -> bool:
        """Whether every cell is tried, rather than values suggested."""
        return SAMPLERS[self.name].enumerates

    def __str__(self) -> str:
        """The name with what was set."""
        settings = ", ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.name}({settings})" if settings else self.name

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {"name": self.name, "seed": self.seed, "params": dict(self.params)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "SamplerSpec":
        """The spec that was stored."""
        return cls(**plain)


def options(name: str) -> dict[str, Types]:
    """The parameters that YAML can set for a sampler, with the types that each takes."""
    left_out = {"self", "seed"} | DEPRECATED.get(SAMPLERS[name].optuna, set())
    parameters = inspect.signature(_class(name).__init__).parameters
    annotated = {key: str(each.annotation).split(" | ") for key, each in parameters.items()}
    return {
        key: tuple(TYPES[name] for name in names)
        for key, names in annotated.items()
        if key not in left_out and set(names) <= TYPES.keys()
    }


def validate_sampler(spec: SamplerSpec, space: Space, objectives: Objectives) -> None:
    """Refuse a sampler that could not search this space; nothing of weight is made.

    Raises:
        ConfigError: a package is missing, or the sampler cannot do what is asked of it.
    """
    sampler = SAMPLERS[spec.name]
    missing = [package for package in sampler.packages if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"The sampler `{spec.name}` needs {' and '.join(missing)}, not installed here; "
            f"type pip install {' '.join(missing)}, or choose hydra/sweeper/sampler=tpe."
        )
    sampler.check(space, objectives)


def build_sampler(
    spec: SamplerSpec, space: Space | None = None, proposal: Proposal | None = None
) -> "BaseSampler":
    """The Optuna sampler.

    Args:
        spec: its name, seed and parameters.
        space: what it will search. TPE models the keys of each case of a conditional space
            together, unless `multivariate` says otherwise; by itself it would look at each key
            with a condition alone.
        proposal: the one time that it will be asked, of the `space`; None for one that is asked
            again and again.

    Raises:
        ConfigError: Optuna refuses the parameters.
    """
    kind = _class(spec.name)
    known = inspect.signature(kind.__init__).parameters
    own = spec.seed if proposal is None else proposal.seed(spec.seed)
    settings = {**spec.params, "seed": own}
    if space is not None and space.conditional and "group" in known:
        settings |= _grouped(spec)
    if proposal is not None and SAMPLERS[spec.name].numbered is not None:
        kind, settings["seed"] = partial(_numbered(spec.name), proposal, space), spec.seed
    with warnings.catch_warnings():
        # "Experimental" is for programs that call Optuna; here every sampler is tested.
        warnings.simplefilter("ignore")
        if "independent_sampler" in known:
            settings["independent_sampler"] = _class("random")(seed=own)
            settings.setdefault("warn_independent_sampling", False)
        try:
            sampler: BaseSampler = kind(**settings)
        except ValueError as error:
            raise ConfigError(f"The sampler `{spec}` is invalid: {error}") from None
    return sampler


def _grouped(spec: SamplerSpec) -> dict[str, Any]:
    """What TPE needs for a conditional space; nothing where the user has decided."""
    decided = spec.params.get("multivariate") is not None
    return {} if decided else {"multivariate": True, "group": True}


def _class(name: str) -> Any:
    import optuna.samplers  # noqa: PLC0415 - a dry run needs no Optuna

    return getattr(optuna.samplers, SAMPLERS[name].optuna)


def _numbered(name: str) -> Any:
    from cnn_sweeps.sweeps.plan import numbered_samplers  # noqa: PLC0415 - see _class

    return getattr(numbered_samplers, SAMPLERS[name].numbered or "")
