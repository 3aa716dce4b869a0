"""The experiment a sweep varies: composed once, then values are laid over it."""

import copy
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnn_sweeps.config.loading import load
from cnn_sweeps.config.schema import Config
from cnn_sweeps.config.stored import refuse_newer, with_defaults, with_neutral_values
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.hydra_errors import as_config_error
from cnn_sweeps.runs.composition.validate import explain, make_config, plain_values
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.space.value import Label

INACTIVE: list[Any] = []
"""Stands for the option of a swept group that does not count; no option is a list."""

Compose = Callable[[list[str]], DictConfig]
"""Hydra's composition: from overrides to the config, Hydra's own part left out."""


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """What a worker needs to turn the values of a trial into a `Config`, without Hydra's files.

    Hydra composes once for each combination of the swept config groups; a trial then only
    sets values. That keeps a trial's composition at a millisecond or two.

    Attributes:
        groups: keys of the dimensions that choose an option of a config group.
        bases: composed values (interpolations kept) by the JSON list of those choices.
        checked: whether a config is refused that cannot be carried out here, for its images or
            its function are gone, say. It does not matter to who only reads a study.
        typed: whether it was typed just now, and not stored with a study; see `load`.
    """

    groups: tuple[str, ...]
    bases: Mapping[str, dict[str, Any]]
    checked: bool = True
    typed: bool = field(default=False, compare=False)

    @classmethod
    def compose(
        cls, compose: Compose, fixed: list[str], space: Space, groups: set[str]
    ) -> "BaseConfig":
        """Let Hydra compose every combination of group choices, over the fixed overrides."""
        dimensions = [d for d in space.dimensions if d.key in groups]
        keys = tuple(d.key for d in dimensions)
        bases = {}
        for choice in itertools.product(*map(_options, dimensions)):
            options = space.overrides(_chosen(keys, choice))
            try:
                with as_config_error(options, sweep=True):
                    composed = compose([*fixed, *options])
                    container = cast("dict[str, Any]", OmegaConf.to_container(composed))
            except ConfigError as error:
                where = f"with {' '.join(options)}: " if options else ""
                raise ConfigError(f"{where}{error}") from error
            # A variable of this shell: whoever carries a trial out may have another one.
            if "oc.env:" in container.get("tracking", {}).get("experiment", ""):
                container["tracking"]["experiment"] = composed.tracking.experiment
            bases[json.dumps(choice)] = with_defaults(container)
        return cls(groups=keys, bases=bases, typed=True)

    def measuring(self, metrics: Sequence[str]) -> "BaseConfig":
        """The same experiments, with these metrics measured as well: no other hashes."""
        if not metrics:
            return self
        bases = copy.deepcopy(dict(self.bases))
        for base in bases.values():
            listed = base["trainer"].get("metrics") or []
            listed = [listed] if isinstance(listed, str) else listed
            base["trainer"]["metrics"] = list(dict.fromkeys((*listed, *metrics)))
        return replace(self, bases=bases)

    def choices(self) -> list[dict[str, Label]]:
        """The swept options of config groups that have a base, by key."""
        return [_chosen(self.groups, json.loads(choice)) for choice in self.bases]

    def divided(self, group: str, key: str) -> tuple[list[Label], list[Label]]:
        """The swept options of a group that have a key, and those that do not."""
        having: dict[Label, bool] = {}
        for choice, base in zip(self.choices(), self.bases.values(), strict=True):
            if group in choice:
                option = choice[group]
                having[option] = having.get(option, False) or _has(base, key.split("."))
        return [o for o in having if having[o]], [o for o in having if not having[o]]

    def config(self, space: Space, values: Mapping[str, Any]) -> Config:
        """The checked config of one trial.

        Raises:
            ConfigError: the values name no key of the config, or cannot be carried out.
        """
        make = partial(make_config if self.checked else load, typed=self.typed)
        choice = json.dumps([values.get(key, INACTIVE) for key in self.groups])
        rest = {key: value for key, value in values.items() if key not in self.groups}
        overrides = [_override(d, rest[d.key]) for d in space.dimensions if d.key in rest]
        base = self.bases[choice]
        if not _interpolates(base):
            applied = _applied(base, overrides)
            if applied is not None:
                return make(applied)
        node = OmegaConf.create(copy.deepcopy(base))
        OmegaConf.set_struct(node, True)
        for override in overrides:
            try:
                OmegaConf.update(
                    node, override.key_or_group, override.value(), force_add=override.is_add()
                )
            except OmegaConfBaseException as error:
                raise ConfigError(explain(error)) from None
        return make(plain_values(node))

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {"groups": list(self.groups), "bases": dict(self.bases)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "BaseConfig":
        """The base config that was stored, by this version or an earlier one.

        Raises:
            NewerVersionError: a newer one stored it.
        """
        for base in plain["bases"].values():
            refuse_newer(base, "its base config")
        bases = {choice: with_neutral_values(base) for choice, base in plain["bases"].items()}
        return cls(groups=tuple(plain["groups"]), bases=bases)


def _has(base: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(base, Mapping) or part not in base:
            return False
        base = base[part]
    return True


def _options(dimension: Dimension) -> Sequence[Any]:
    """What a swept group may be; where it does not count, what stands there without a sweep."""
    return [*dimension.choices, INACTIVE] if dimension.when else dimension.choices


def _chosen(keys: Sequence[str], choice: Sequence[Any]) -> dict[str, Label]:
    """The chosen options by key."""
    pairs = zip(keys, choice, strict=True)
    return {key: option for key, option in pairs if option != INACTIVE}


def _override(dimension: Dimension, value: Label) -> Override:
    """The override that gives a swept key a value."""
    text = dimension.text(value)
    if dimension.kind != "categorical":  # each trial may have a number of its own
        with suppress(ValueError):
            return replace(_parsed(f"{dimension.key}=0"), _value=json.loads(text))
    return _parsed(f"{dimension.key}={text}")


@lru_cache(maxsize=4_096)
def _parsed(text: str) -> Override:
    """An override, read once: Hydra's parser takes longer than all the rest of a composition."""
    return OverridesParser.create().parse_override(text)


def _interpolates(node: Any) -> bool:
    """Whether OmegaConf has something to resolve in plain values."""
    if isinstance(node, dict):
        return any(map(_interpolates, node.values()))
    if isinstance(node, list):
        return any(map(_interpolates, node))
    return isinstance(node, str) and ("${" in node or node == "???")


def _applied(base: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any] | None:
    """The base with values in the place of others; None where OmegaConf has to merge or refuse."""
    applied = copy.deepcopy(base)
    for override in overrides:
        *groups, leaf = str(override.key_or_group).split(".")
        node: Any = applied
        for group in groups:
            node = node.get(group) if isinstance(node, dict) else None
        value = override.value()
        known = isinstance(node, dict) and leaf in node and not isinstance(node[leaf], dict)
        plain = value is None or isinstance(value, bool | int | float | str)
        if not known or not plain or override.is_add() or _interpolates(value):
            return None
        node[leaf] = value
    return applied
