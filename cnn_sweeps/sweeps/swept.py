"""What is swept: the command line, `hydra.sweeper.params`, and the space of `search`.

All that somebody asked for is swept together. The space of the shipped default, `search=exercise`,
was asked for by nobody: it counts only where nothing else says what is swept, and gives way to a
space that has the name of the network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import OmegaConf

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import NO_SEARCH, SEARCH, config_dir
from cnn_sweeps.sweeps.hydra_call import HydraCall
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.space.overrides import expression_of, read_override
from cnn_sweeps.text.dotted import dotted

DEFAULT_SEARCH = "exercise"
"""The option of `search` in the shipped config."""
PARAMS = "hydra.sweeper.params"


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The overrides of the command line, sorted.

    Attributes:
        lines: all of them, as they were typed.
        sweeps: key to sweep expression.
        fixed: key to the override that sets one value.
    """

    lines: Sequence[str]
    sweeps: Mapping[str, str]
    fixed: Mapping[str, str]

    @classmethod
    def parse(cls, arguments: Sequence[str], config_loader: ConfigLoader) -> "Typed":
        """Divide what was typed into sweeps and fixed values.

        Raises:
            ConfigError: a key has a sweep and a value.
        """
        overrides = [read_override(text, config_loader) for text in arguments]
        sweeps = {o.get_key_element(): expression_of(o) for o in overrides if o.is_sweep_override()}
        fixed = {
            o.get_key_element(): o.input_line or "" for o in overrides if not o.is_sweep_override()
        }
        given = {bare_key(key): line for key, line in fixed.items()}
        for key, text in sweeps.items():
            if line := given.get(bare_key(key)):
                raise ConfigError(
                    f"{bare_key(key)} is both swept ({text}) and set ({line}): type one."
                )
        return cls(lines=tuple(arguments), sweeps=sweeps, fixed=fixed)

    @property
    def search(self) -> str | None:
        """What was typed for the group `search`, if something was."""
        return self.fixed.get(SEARCH, self.fixed.get(NO_SEARCH))


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep varies, as it was written.

    Attributes:
        expressions: the dimensions, for `parse_space`.
        by_default: the space of `search` that is swept though nobody asked for it; None where
            somebody asked for something.
        notes: what was left out or added, for the heading of the sweep.
    """

    expressions: Sequence[str | dict[str, Any]]
    by_default: str | None = None
    notes: tuple[str, ...] = ()


def what_is_swept(call: HydraCall, typed: Typed, *, exercise: bool) -> Swept:
    """The dimensions of a sweep of our own experiments.

    Args:
        call: what Hydra composed.
        typed: what was typed behind `-m`; a fixed value takes its dimension out.
        exercise: whether the cells of an exercise are swept beside.

    Raises:
        ConfigError: there is nothing to sweep, or the group `search` is itself swept.
    """
    if SEARCH in typed.sweeps:
        raise ConfigError("search cannot be swept: type one search=NAME.")
    asked = _asked_for(call, typed)
    nothing_asked = asked is None and not typed.sweeps and not exercise
    by_default = _default_space(call) if nothing_asked else None
    params = _params(_with_space(call, by_default)) if by_default else asked or {}
    open_ = {key: value for key, value in params.items() if key not in typed.fixed}
    if not open_ and not typed.sweeps and not exercise:
        raise ConfigError(
            "there is nothing to sweep.\n  Type values, for example cnn-sweeps -m "
            "model.filters=16,32,64, or name a space with search=NAME; without -m one run is made."
        )
    return Swept(
        expressions=[open_, *(f"{key}={text}" for key, text in typed.sweeps.items())],
        by_default=by_default,
        notes=() if exercise else tuple(_notes(call, typed, params, dropped=bool(asked))),
    )


def _default_space(call: HydraCall) -> str:
    """The space that is named after the chosen network, or the one of the config."""
    network = str(call.config.hydra.runtime.choices.get("model"))
    spaces = call.context.config_loader.get_group_options(SEARCH)
    return network if network in spaces else DEFAULT_SEARCH


def _with_space(call: HydraCall, space: str) -> HydraCall:
    """The same call with another space in place of the default."""
    return call if space == DEFAULT_SEARCH else call.recomposed(f"{SEARCH}={space}")


def _asked_for(call: HydraCall, typed: Typed) -> dict[str, Any] | None:
    """The params that somebody asked for; None where there are those of the default alone."""
    params = _params(call)
    if not _is_default(call, typed):
        return params
    if params == dict(_flat(_shipped())):
        return None
    if any(line.startswith(f"~{PARAMS}") for line in call.config.hydra.overrides.hydra):
        return params  # who takes a key out of the default wants the rest of it
    return _params(call.recomposed(NO_SEARCH))


def _is_default(call: HydraCall, typed: Typed) -> bool:
    chosen = call.config.hydra.runtime.choices.get(SEARCH)
    return chosen == DEFAULT_SEARCH and typed.search is None


def _notes(
    call: HydraCall, typed: Typed, params: Mapping[str, Any], *, dropped: bool
) -> Iterator[str]:
    """What is swept otherwise than a reader of the command line might think."""
    if dropped and _is_default(call, typed):
        yield f"search={DEFAULT_SEARCH}, the default, is left out: {PARAMS} says what is swept"
    added = [key for key in params if key not in typed.sweeps and key not in typed.fixed]
    if typed.sweeps and added and typed.search is None:
        yield f"beside what was typed, {PARAMS} sweeps {', '.join(added)}"
    if fixed := [typed.fixed[key] for key in params if key in typed.fixed]:
        yield f"not swept, since one value was typed: {' '.join(fixed)}"


def _params(call: HydraCall) -> dict[str, Any]:
    return dict(_flat(call.sweeper["params"]))


def _shipped() -> Mapping[str, Any]:
    """The params of the default as they are shipped."""
    file = Path(config_dir(), SEARCH, f"{DEFAULT_SEARCH}.yaml")
    container: Any = OmegaConf.to_container(OmegaConf.load(file))
    params: Mapping[str, Any] = container["params"]
    return params


def _flat(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys; what says `sweep` or `when` is the expression of one key."""
    return dotted(params, is_value=lambda _, value: not {"sweep", "when"}.isdisjoint(value))
