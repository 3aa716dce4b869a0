"""The edge: Hydra's composed DictConfig becomes a `Config` that can be carried out."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Transformer
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import KeyValidationError, OmegaConfBaseException

from cnn_sweeps import data, models
from cnn_sweeps.config.fields import unknown_key
from cnn_sweeps.config.loading import load
from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import (
    EXPERIMENT,
    Config,
    Model,
    PretrainedModel,
    Tracking,
    Trajectory,
)
from cnn_sweeps.config.spelling import idle_settings
from cnn_sweeps.data import Facts
from cnn_sweeps.data.files import checked_home
from cnn_sweeps.data.split import refuse_unused
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import custom
from cnn_sweeps.models.network import Shape
from cnn_sweeps.models.pretrained import KEY
from cnn_sweeps.text.format import first_line
from cnn_sweeps.training import (
    class_weights,
    freezing,
    no_effect,
    optimizers,
    stopping,
    validation_metrics,
)

CONFIG_NAME = "config"
HYDRA_VERSION = "1.3"
"""Whose defaults Hydra is asked for."""
SEARCH = "search"
"""The config group of ready-made spaces."""
NO_SEARCH = f"~{SEARCH}"
"""Hydra's override for no option of it."""
QUOTES = ("'", '"')


def config_dir() -> str:
    """The folder of the shipped config groups: inside the wheel, or beside the package."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


def typed_for_hydra(arguments: Sequence[str]) -> list[str]:
    """What was typed, in Hydra's grammar, which has no `search=null` for a config group."""
    return [NO_SEARCH if text == f"{SEARCH}=null" else text for text in arguments]


def plain_values(composed: DictConfig) -> dict[str, Any]:
    """The composed values without Hydra's own, interpolations resolved."""
    try:
        container = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from None
    values = cast("dict[str, Any]", container)
    values.pop("hydra", None)
    return values


def values_of(overrides: Sequence[str]) -> dict[str, Any]:
    """The keys and values that were typed.

    Raises:
        ConfigError: one is no `KEY=VALUE` with one value.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for text, override in zip(overrides, parsed, strict=True):
        if override.is_delete() or override.is_sweep_override():
            raise ConfigError(f"{text} is invalid here. Type KEY=VALUE, with one value.")
    return {str(override.key_or_group): override.value() for override in parsed}


def text_behind(typed: str) -> str:
    """The text behind `KEY=`, out of the quotes that Hydra needs around some, if it has any."""
    value = typed.partition("=")[2]
    if value[:1] in QUOTES and value[-1:] == value[:1]:
        with suppress(HydraException):  # one that is no more than part of the text
            parsed = OverridesParser.create().parse_override(f"key={value}")
            if not parsed.is_sweep_override():
                return str(parsed.value())
    return value


def choices_of(overrides: Sequence[str]) -> dict[str, list[Any]]:
    """The keys that were typed, each with its values: `KEY=VALUE` or `KEY=VALUE,VALUE`.

    Raises:
        ConfigError: one is something else.
    """
    choices: dict[str, list[Any]] = {}
    for override in OverridesParser.create().parse_overrides([*overrides]):
        swept = override.is_sweep_override()
        if override.is_delete() or (swept and not override.is_choice_sweep()):
            raise ConfigError(
                f"{override.input_line} is invalid here. Type KEY=VALUE, or KEY=VALUE,VALUE,..."
            )
        values = override.sweep_iterator(Transformer.identity) if swept else [override.value()]
        choices[str(override.key_or_group)] = [*values]
    return choices


def make_config(values: dict[str, Any], *, typed: bool = True) -> Config:
    """Check plain values, and that what they describe can be built.

    Args:
        values: as JSON has them.
        typed: whether they were typed just now, and not stored: then more is refused.

    Raises:
        ConfigError: an unknown key, a wrong type, an impossible value or combination.
        DataError: there is nothing under `data.path`.
    """
    if values.get("tracking", {}).get("experiment") == "" == os.environ.get(EXPERIMENT):
        raise ConfigError(f"the variable {EXPERIMENT} is empty: unset it, or set it to a name.")
    config = load(values, typed=typed)
    if typed:
        _check_typed(config)
    checked_home("tracking.dir", config.tracking.dir)
    if config.trajectory.store is not None:
        checked_home("trajectory.store", config.trajectory.store)
    if config.tracking.tags:
        _check_tags(config.tracking)
    check(config)
    return config


def remarks_of(values: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """What was typed for a run and has no effect, a sentence each.

    Args:
        values: the plain values of the run.
        overrides: what was typed.
    """
    idle = idle_settings(load({**values, "rules": 1}))
    return [idle[key] for key in keys_typed(overrides) if key in idle]


def keys_typed(overrides: Sequence[str]) -> list[str]:
    """The keys of overrides, each once."""
    return list(dict.fromkeys(text.lstrip("+").partition("=")[0] for text in overrides))


def _check_tags(tracking: Tracking) -> None:
    """Refuse tags of the user's own that are the program's; a stored run may have been typed so."""
    from cnn_sweeps.tracking.names import RESERVED  # noqa: PLC0415 -- imports filelock, psutil

    for tag in tracking.tags:
        if tag in RESERVED or tag.startswith("mlflow."):
            whose = "MLflow" if tag.startswith("mlflow.") else "cnn_sweeps"
            raise ConfigError(
                f"tracking.tags.{tag} is invalid: {whose} writes the tag {tag} itself. "
                f"Type another name, such as +tracking.tags.my_{tag.rpartition('.')[2]}"
            )


def compose(
    overrides: list[str], *, name: str = CONFIG_NAME, folder: str | None = None
) -> DictConfig:
    """Compose a config with these overrides, outside of a Hydra run; by default the shipped one."""
    where = os.path.abspath(folder or config_dir())
    with hydra.initialize_config_dir(where, version_base=HYDRA_VERSION):
        return hydra.compose(name, overrides=overrides)


WHEREABOUTS = ("uri", "dir")
"""Settings of `tracking` that say where the runs are."""
LEAVE_OUT = "Leave it out."


def compose_tracking(
    overrides: list[str],
    *also: str,
    keys: Sequence[str] = WHEREABOUTS,
    instead: str = LEAVE_OUT,
) -> Tracking:
    """The tracking settings, for a command that only reads.

    Args:
        overrides: what was typed.
        also: what else could have been typed, for the refusal.
        keys: the settings that count.
        instead: what to type in place of another one.

    Raises:
        ConfigError: another setting was typed, which would do nothing.
    """
    _refuse_unused(overrides, keys, instead)
    return _compose_only(overrides, "tracking", also=also).tracking


def _refuse_unused(overrides: Sequence[str], keys: Sequence[str], instead: str) -> None:
    """Refuse settings of `tracking` that would do nothing; others are no settings at all."""
    every = {field.name for field in fields(Tracking)}
    if unused := sorted((typed_keys(overrides) & every).difference(keys)):
        counted = ", ".join(f"tracking.{key}" for key in keys)
        raise ConfigError(
            f"tracking.{unused[0]} has no effect here: of tracking, only {counted} count.\n"
            f"  {instead}"
        )


def typed_keys(overrides: Sequence[str]) -> set[str]:
    """The settings of `tracking` among what was typed."""
    keys = (text.lstrip("+").partition("=")[0].split(".") for text in overrides)
    return {name for group, name, *_ in filter(lambda key: key[1:], keys) if group == "tracking"}


PLACES = ("data.root=FOLDER", "data.path=PLACE")
"""Where the images of a recorded run lie now, as it is typed."""


def places(overrides: Sequence[str], *, weights: bool = False) -> tuple[list[str], list[str]]:
    """Where the images lie (`data.root=FOLDER`), and the other overrides: where the runs are.

    Args:
        overrides: what was typed.
        weights: whether `model.weights=FILE`, where pretrained weights lie, counts among the first.
    """
    starts = ("data.", f"{KEY}=") if weights else "data."
    given = [text for text in overrides if text.startswith(starts)]
    return given, [text for text in overrides if text not in given]


def compose_trajectories(overrides: list[str]) -> tuple[Tracking, Trajectory]:
    """Where trajectories are kept and how many, for a command that looks after them."""
    _refuse_unused(overrides, WHEREABOUTS, LEAVE_OUT)
    config = _compose_only(overrides, "tracking", "trajectory")
    return config.tracking, config.trajectory


def compose_machine(overrides: list[str]) -> Config:
    """What depends on the machine: where things are, and how many threads train."""
    return _compose_only(overrides, "tracking", "trajectory", "data", "trainer.threads")


def compose_data(overrides: list[str]) -> Config:
    """Settings of data and augmentation, for a command that looks at images and at no network.

    Raises:
        ConfigError: another setting, an impossible one, or augmentation without effect.
        DataError: there is nothing under `data.path`.
    """
    _refuse_others(overrides, ("data", "augment"))
    config = load(plain_values(compose(overrides)))
    data.check_there(config.data)
    no_effect.check(config.augment, config.trainer, data.peek_shape(config.data))
    return config


def _compose_only(overrides: list[str], *groups: str, also: Sequence[str] = ()) -> Config:
    _refuse_others(overrides, groups, also)
    return make_config(plain_values(compose(overrides)))


def _refuse_others(
    overrides: Sequence[str], groups: tuple[str, ...], also: Sequence[str] = ()
) -> None:
    other = [o for o in overrides if not o.lstrip("+").startswith(groups)]
    if other:
        settings = (f"{each}=VALUE" if "." in each else f"{each}.KEY=VALUE" for each in groups)
        possible = " or ".join([*settings, *also])
        raise ConfigError(
            f"{other[0]} is invalid here: only {possible} is allowed.\nLeave out {' '.join(other)}"
        )


def check(config: Config) -> None:
    """Refuse combinations that no single field can see; imports no TensorFlow."""
    data.check_there(config.data)
    shape = data.peek_shape(config.data)
    _check_with(config, shape, config.data.validation_fraction)


def check_with_images(config: Config, images: Facts) -> None:
    """Refuse what only the images tell; imports no TensorFlow.

    Raises:
        ConfigError: a network or augmentation that does not fit them, early stopping without
            validation images, or a weight for a class that there is not.
    """
    for segment in segments(config):
        class_weights.named_weights(segment.config.trainer, images.class_names)
    _check_with(config, images.shape, images.validation)


def _check_with(config: Config, shape: Shape | None, validation: float) -> None:
    """Check with the shape of an image, and how much there is for validation."""
    _check_kept(config.trajectory)
    models.check(_with_backbone(config), shape)
    optimizers.check(config.trainer)
    if config.trainer.loss is not None:
        custom.check_there(config.trainer.loss, key="trainer.loss")
    validation_metrics.check(config.trainer, validation)
    stopping.check_average(config.trainer)  # of the whole: a segment may well have one epoch
    first = segments(config)[0].config.trainer
    for segment in segments(config):
        held = segment.config
        optimizers.check(held.trainer)
        validation_metrics.check_plateau(held.trainer, first)
        freezing.check_config(held)
        stopping.check(held.trainer, validation)
        no_effect.check(held.augment, held.trainer, shape)


def _check_typed(config: Config) -> None:
    """Refuse what would have no effect, or do harm; a stored config may have been typed like that.

    Raises:
        ConfigError: naming the setting.
    """
    if config.data.validation_fraction == 0:
        refuse_unused(config.data, "split_seed", "data.validation_fraction=0 holds nothing out")
    if config.trainer.stop_at == {}:
        raise ConfigError(
            "trainer.stop_at={} has no effect: it names no metric. Leave it out, or type for "
            "example trainer.stop_at={val_macro_f1: 0.9}"
        )
    for segment in segments(config):
        if (decay := segment.config.trainer.optimizer.weight_decay or 0) < 0:
            raise ConfigError(
                f"trainer.optimizer.weight_decay={decay} would let the weights grow.\n"
                "Type a number from 0, or null for the default of Keras."
            )


def _check_kept(trajectory: Trajectory) -> None:
    """Refuse to mark epochs where none is stored; a stored run may have been typed like that."""
    if trajectory.keep_epochs and not trajectory.reuse:
        marked = ",".join(map(str, trajectory.keep_epochs))
        raise ConfigError(
            f"trajectory.keep_epochs=[{marked}] has no effect with trajectory.reuse=false, which "
            "stores no epochs: type one of them."
        )


def _with_backbone(config: Config) -> Model:
    """The network, with the backbone that a run tells; only that asks a store."""
    if not isinstance(config.model, PretrainedModel):
        return config.model
    from cnn_sweeps.runs.weights import pretrained  # noqa: PLC0415 -- imports MLflow

    return pretrained.resolve_backbone(config)


def explain(error: OmegaConfBaseException) -> str:
    """Say which override OmegaConf refused, and what would have been possible."""
    if isinstance(error, KeyValidationError):
        key = str(error.full_key).partition("[")[0] or "KEY"
        return (
            f"{error.full_key}: null is no name of a key. Put the whole value in quotes, where it "
            f"is one.\nType, for example, '{key}=\"{{null: 2}}\"'"
        )
    parent = error.parent_node
    key = str(error.key)
    if isinstance(parent, DictConfig) and error.key is None:
        return (
            f"{error.full_key} is a group of keys, and no list or single value.\n"
            f"  Type '{error.full_key}={{KEY: VALUE}}'"
        )
    if isinstance(parent, DictConfig) and key not in parent:
        prefix = str(error.full_key).removesuffix(key).rstrip(".")
        known = sorted(str(k) for k in parent if k != "hydra")
        return unknown_key(prefix, key, known)
    place = f"{error.full_key}: " if error.full_key else ""
    return place + first_line(error).rpartition("resolving interpolation: ")[2].strip('"')
