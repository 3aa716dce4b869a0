"""`hydra.sweeper.sampler` of an application, also as the official Optuna sweeper writes it."""

import inspect
from collections.abc import Mapping
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS, SamplerSpec

TARGET = "_target_"
ONLY_HYDRA = (TARGET, "_partial_", "_recursive_", "_convert_")
"""What `hydra.utils.instantiate` reads, and no sampler."""
GRID = "optuna.samplers.GridSampler"
MOTPE_IS_GONE = (
    "The 'motpe' sampler was removed in Optuna 4.0: type hydra/sweeper/sampler=tpe, which takes "
    "several objectives."
)


def parse_sampler(given: Any, seed: Any) -> SamplerSpec:
    """Read `hydra.sweeper.sampler`: a name, `name:` or `_target_: optuna.samplers.*`, and more.

    Args:
        given: what stands in the config.
        seed: the application's own `seed`, used where the sampler has none and it is one.

    Raises:
        ConfigError: an unknown sampler or parameter.
    """
    usable = type(seed) is int and 0 <= seed < 2**32
    plain = {"name": given} if isinstance(given, str) else dict(given or {})
    target = plain.get(TARGET)
    if "motpe" in (plain.get("name"), str(target).partition("raise_")[2].partition("_")[0]):
        raise ConfigError(MOTPE_IS_GONE)
    if target is not None:
        plain = _from_target(str(target), plain)
    return SamplerSpec.parse(plain, seed=seed if usable else 0)


def _from_target(target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The official form as ours; what says the same as Optuna's default is left to Optuna."""
    names = {f"optuna.samplers.{s.optuna}": name for name, s in reversed(list(SAMPLERS.items()))}
    names |= {"optuna.samplers.TPESampler": "tpe", "optuna.samplers.RandomSampler": "random"}
    names[GRID] = "grid"
    if target not in names:
        raise ConfigError(
            f"hydra.sweeper.sampler._target_={target} is not one of Optuna's samplers that can be "
            f"stored with a study: type hydra/sweeper/sampler= one of {', '.join(SAMPLERS)}."
        )
    known = _defaults(target)
    # Written over the option of another sampler, it still has the parameters of that one.
    over = "name" in given
    said = {
        key: value
        for key, value in given.items()
        if key not in ONLY_HYDRA and value is not None and known.get(key, object) != value
        if key in known or not over
    }
    return {"name": names[target], **said}


def _defaults(target: str) -> dict[str, Any]:
    import optuna.samplers  # noqa: PLC0415 -- only this form needs Optuna here

    kind = getattr(optuna.samplers, target.rpartition(".")[2])
    return {key: p.default for key, p in inspect.signature(kind.__init__).parameters.items()}
