"""One way to write each value, so that one experiment has one hash, however it was typed.

`clip_norm=1` and `clip_norm=1.0` are one number, `dense_units=[128]` and `dense_units=128` one
layer, `momentum=0` is what Keras does without it, and dropout does nothing where there is no hidden
layer. From the rules number 2 on (`config.rules.SPELLING`) a config holds the form that is written
here; one that was stored under number 1 stays as it was typed, with the hash that it has.

What a hash leaves out by a mark of its field (`config.schema.active_if`) needs no form here.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from cnn_sweeps.config.fields import active, typed
from cnn_sweeps.config.path import parts
from cnn_sweeps.config.schema import (
    OWN,
    Augment,
    CnnModel,
    Config,
    DenseHead,
    DnnModel,
    Head,
    Model,
    Optimizer,
    PretrainedModel,
    Schedule,
    TrainerConfig,
    spelt_out,
)

Dense = TypeVar("Dense", bound=DenseHead)
Network = TypeVar("Network", bound=Model)
Owner = TypeVar("Owner", Schedule, Augment, CnnModel)

ONE_FORM: Final = 2
"""The first rules number under which there is one form."""
COUNTS: Final = frozenset({"gradient_accumulation_steps"})
"""Parameters of optimizers that are integers."""
DECAY: Final = "weight_decay"
MOST: Final = 2**53
"""Whole numbers below this are all fractions as well."""
OFF: Final = {
    DECAY: 0.0,
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm")),
    **dict.fromkeys(("loss_scale_factor", "gradient_accumulation_steps")),
}
"""What every optimizer takes, and what switches it off."""
ADAM: Final = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
PARAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "adam": {**ADAM, "amsgrad": False, **OFF},
    "adamw": {**ADAM, "amsgrad": False, **OFF, DECAY: 0.004},
    "nadam": {**ADAM, **OFF},
    "adamax": {**ADAM, **OFF},
    "rmsprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False, **OFF},
    "sgd": {"momentum": 0.0, "nesterov": False, **OFF},
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7, **OFF},
    "lion": {"beta_1": 0.9, "beta_2": 0.99, **OFF},
}
"""The parameters of each optimizer, and what Keras does where one is left out.

It also takes `use_ema`: here that is `trainer.ema`, see `training.ema`.
"""
ALPHA, WITH_ALPHA = "alpha", "MobileNet"
"""Parameter of the width, 1 where it is left out, and the applications of Keras that have it."""

STOP_AT: Final = {"loss": "stop_at_loss", "accuracy": "stop_at_accuracy"}
"""Metrics that a training can stop at by a key of their own."""
OF_DECAY: Final[Mapping[str, Any]] = {"decay_epochs": None, "end_factor": 0.0}
"""Fields of a schedule that goes to an end value, as they are without one."""


def in_one_form(config: Config) -> Config:
    """The config with each value in the one form that all ways to type it have in common.

    Phases are left as they are: they are made of configs in this form (`config.path.canonical`).
    """
    if config.rules < ONE_FORM:
        return config
    model, trainer = network_in_one_form(config.model), _trainer(config.trainer)
    is_same = model is config.model and trainer is config.trainer  # as nearly all are
    return config if is_same else replace(config, model=model, trainer=trainer)


def without_idle(config: Config) -> Config:
    """The config without settings that have no effect in it, of those that phases can change.

    A later phase in which they have one takes them over: see `config.path.canonical`.
    """
    if config.rules < ONE_FORM:
        return config
    trainer, augment = config.trainer, _acting(config.augment)
    schedule, optimizer = _acting(trainer.schedule), trainer.optimizer
    if schedule.name == "constant" and (schedule.end_factor or schedule.decay_epochs):
        schedule = replace(schedule, **OF_DECAY)
    if _is_nesterov_idle(optimizer):
        kept = {name: value for name, value in optimizer.params.items() if name != "nesterov"}
        optimizer = replace(optimizer, params=kept)
    if schedule is not trainer.schedule or optimizer is not trainer.optimizer:
        trainer = replace(trainer, schedule=schedule, optimizer=optimizer)
    is_same = trainer is config.trainer and augment is config.augment
    return config if is_same else replace(config, trainer=trainer, augment=augment)


def idle_settings(config: Config) -> dict[str, str]:
    """Settings that have no effect beside others, by key, each with a sentence that says why.

    One that is at its default is none.

    Args:
        config: as it was typed, under the first of these rules.
    """
    first, *later = (_idle_settings(part) for _, part in parts(config))
    return {key: why for key, why in first.items() if all(key in each for each in later)}


def _idle_settings(config: Config) -> dict[str, str]:
    model, trainer = config.model, config.trainer
    groups: dict[str, Any] = {
        "model": model,
        "trainer.schedule": trainer.schedule,
        "trainer.early_stopping": trainer.early_stopping,
        "augment": config.augment,
    }
    if isinstance(model, PretrainedModel):
        groups["model.head"] = model.head
    idle: dict[str, str] = {}
    for group, owner in groups.items():
        why = _idle_in(owner) if isinstance(owner, DenseHead) else {}
        for each in fields(owner):
            if not active(owner, each):
                other = each.metadata.get("active_if", "name")
                why[each.name] = typed(other, getattr(owner, other))
        if owner is trainer.schedule and owner.name == "constant":
            why |= dict.fromkeys(OF_DECAY, "name=constant")
        said = {f.name for f in fields(owner) if getattr(owner, f.name) != f.default}
        idle |= {f"{group}.{name}": f"{group}.{why[name]}" for name in why if name in said}
    if _is_nesterov_idle(trainer.optimizer):
        params = "trainer.optimizer.params"
        idle[f"{params}.nesterov"] = f"{params}.momentum=0"
    return {key: f"{key} has no effect with {reason}." for key, reason in idle.items()}


def with_images(config: Config, *, limited: bool, size: tuple[int, int]) -> Config:
    """The config without what makes no difference to the images at hand.

    Args:
        config: in one form, as far as that is known without them.
        limited: whether its limit leaves out any of them.
        size: their height and width.
    """
    if config.rules < ONE_FORM:
        return config
    if not limited:
        config = replace(config, data=replace(config.data, limit=None))
    if isinstance(config.model, PretrainedModel) and config.model.input_size == size:
        config = replace(config, model=replace(config.model, input_size=None))
    return config


def network_in_one_form(model: Network) -> Network:
    """The network of a config in that form, whatever its rules."""
    if isinstance(model, DnnModel | CnnModel):
        return _dense(model)
    if not isinstance(model, PretrainedModel):
        return model
    backbone, own = model.backbone, model.network
    if isinstance(own, DenseHead):
        own = _dense(_cnn(own) if isinstance(own, CnnModel) else own)
        backbone = spelt_out(OWN.dump_python(own, mode="json"))
    params = model.params
    if ALPHA in params and str(backbone).startswith(WITH_ALPHA):
        alpha = _fraction(params[ALPHA])
        others = {key: value for key, value in params.items() if key != ALPHA}
        params = others if alpha == 1.0 and not isinstance(alpha, bool) else params | {ALPHA: alpha}
    return replace(model, backbone=backbone, params=params, head=_dense(model.head))


def _cnn(model: CnnModel) -> CnnModel:
    """A backbone as its hash has it where it is a network by itself."""
    if not isinstance(model.filters, int):
        first = model.filters[:1]
        if model.filters != first * model.conv_blocks:
            return model  # of several sizes, or to be refused
        model = replace(model, filters=first[0] if first else CnnModel.filters)
    return _acting(model)


def _acting(owner: Owner) -> Owner:
    """A group in which each setting without effect is at its default."""
    changes: dict[str, Any] = {
        f.name: f.default
        for f in fields(owner)
        if getattr(owner, f.name) != f.default and not active(owner, f)
    }
    return replace(owner, **changes) if changes else owner


def _dense(model: Dense) -> Dense:
    """A network, or what stands behind a backbone, that ends in dense layers."""
    units, idle = model.dense_units, _idle_in(model)
    changes: dict[str, Any] = {f.name: f.default for f in fields(model) if f.name in idle}
    if not isinstance(units, int) and len(units) < 2:  # noqa: PLR2004 -- a list of one layer
        changes["dense_units"] = units[0] if units else 0
    return replace(model, **changes) if changes else model


def _idle_in(model: DenseHead) -> dict[str, str]:
    """Fields that have no effect in such a network, each with what makes it so."""
    idle: dict[str, str] = {}
    none = "dense_units=0"
    convolves = isinstance(model, CnnModel) and model.conv_blocks > 0
    if not model.dense_units:
        idle |= {} if isinstance(model, Head) else {"dropout": none}
        idle |= {} if convolves else {"activation": none}
        idle |= {} if isinstance(model, CnnModel) else {"batch_norm": none}
    if isinstance(model, CnnModel):
        idle |= {} if convolves else {"batch_norm": "conv_blocks=0"}
        idle |= {"pool_size": "pooling=none"} if model.pooling == "none" else {}
    return idle


def _trainer(trainer: TrainerConfig) -> TrainerConfig:
    """A training; what is a parameter of its optimizer as well is read from there."""
    trainer = _stopped(trainer) if trainer.stop_at else trainer
    if not trainer.optimizer.params:
        return trainer
    params = _params(trainer.optimizer)
    optimizer = replace(trainer.optimizer, params=params, weight_decay=None)
    return replace(trainer, optimizer=optimizer, clip_norm=None)


def _stopped(trainer: TrainerConfig) -> TrainerConfig:
    """A training that stops at a value of a metric, which has a key of its own where it has one."""
    own: dict[str, Any] = {}
    others = dict(trainer.stop_at or {})
    for metric, key in STOP_AT.items():
        value = others.get(metric)
        has_room = getattr(trainer, key) in (None, value)
        takes = value is not None and (value >= 0 if metric == "loss" else 0 < value <= 1)
        if takes and has_room:
            own[key] = others.pop(metric)
    return replace(trainer, **own, stop_at=others or None) if own else trainer


def _params(optimizer: Optimizer) -> dict[str, Any]:
    """The parameters that differ from what Keras does without them, each number in one form.

    What is no value for a parameter, or none of its parameters, stays, to be refused
    (`training.optimizers.check`).
    """
    defaults = PARAMS[optimizer.name]
    params = {}
    for name, given in optimizer.params.items():
        default = defaults.get(name, ...)
        value = _whole(given) if name in COUNTS else _fraction(given)
        is_off = value is None and name == DECAY and default == 0
        if not is_off and (value != default or type(value) is not type(default)):
            params[name] = value
    return params


def _is_nesterov_idle(optimizer: Optimizer) -> bool:
    """Whether it is switched on where there is no momentum that it would change."""
    params, known = optimizer.params, "nesterov" in PARAMS[optimizer.name]
    return known and params.get("nesterov") is True and params.get("momentum", 0) == 0


def _fraction(value: Any) -> Any:
    """A number as Keras reads it; one that no fraction can hold is left to be refused."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and abs(value) < MOST else value


def _whole(value: Any) -> Any:
    """A number that counts; another one is left to be refused."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
