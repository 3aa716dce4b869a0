"""From a trainer config to a Keras optimizer with its learning rate over time.

`check` answers at compose time, so it goes by the table of what each Keras optimizer takes
(`config.spelling.PARAMS`); a test holds the table against the signatures of Keras.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cnn_sweeps.config import spelling
from cnn_sweeps.config.schema import DECAYING, TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.format import first_line

if TYPE_CHECKING:
    import keras

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
"""Those that clip gradients; `trainer.clip_norm` is the last of them."""
ACCUMULATION, FEWEST_STEPS = "gradient_accumulation_steps", 2
"""Steps whose gradients are added up before the weights change, and the fewest."""
PARAMS = "trainer.optimizer.params"
FLAGS = {
    name
    for defaults in spelling.PARAMS.values()
    for name, default in defaults.items()
    if isinstance(default, bool)
}
"""Parameters that are true or false."""
OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "adamax": "Adamax",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "lion": "Lion",
}
"""Name in the config: class in `keras.optimizers`."""

RATE = "learning_rate"
"""What every optimizer calls its variable of that."""

ASYMPTOTIC = ("exponential",)
"""Schedules that come ever nearer to 0 and never reach it."""


def accepted_params(name: str) -> tuple[str, ...]:
    """The names that `trainer.optimizer.params` may hold for that optimizer."""
    return tuple(spelling.PARAMS[name])


def check(trainer: TrainerConfig) -> None:
    """Refuse what the optimizer or the schedule cannot do, without importing Keras.

    Raises:
        ConfigError: a parameter of another optimizer, one that is no number, or a schedule
            that cannot reach its end.
    """
    _check_params(trainer)
    _check_schedule(trainer)


def make(
    trainer: TrainerConfig, steps_per_epoch: int, *, first_step: int = 0
) -> "keras.optimizers.Optimizer":
    """Build the optimizer; the schedule counts in steps, `steps_per_epoch` for an epoch.

    Args:
        trainer: what it is made of; no schedule of several parts.
        steps_per_epoch: steps for each epoch of the schedule.
        first_step: steps that the optimizer has counted when the schedule begins.

    Raises:
        ConfigError: see `check`; or Keras refuses a value.
    """
    import keras  # noqa: PLC0415 - `check` must not wait for it

    check(trainer)
    optimizer = trainer.optimizer
    kind = getattr(keras.optimizers, OPTIMIZERS[optimizer.name])
    ema = {} if trainer.ema is None else {"use_ema": True, "ema_momentum": trainer.ema}
    try:
        rate = _learning_rate(trainer, steps_per_epoch, first_step)
        return kind(learning_rate=rate, **optimizer.params, **ema)
    except (ValueError, TypeError) as error:
        reason = first_line(error)
        given = ", ".join(f"{key}={value}" for key, value in optimizer.params.items())
        raise ConfigError(
            f"trainer.optimizer.params ({given}) is refused by Keras for {optimizer.name}: {reason}"
        ) from None


def carry(before: "keras.Optimizer", after: "keras.Optimizer") -> None:
    """Let an optimizer go on with the state of the one before it, for the same network.

    Both are built. The variables are paired by what they are and what they belong to: of those
    that only one of the two trains, nothing is carried, nor is anything to an optimizer of another
    kind. The number of steps is carried, the learning rate is not.
    """
    if type(_inner(before)) is not type(_inner(after)):
        return
    known = dict(_by_owner(before))
    for key, variable in _by_owner(after):
        if key in known and key[0] != RATE:
            variable.assign(known[key].numpy())


def _inner(optimizer: "keras.Optimizer") -> Any:
    """The optimizer itself, within what scales its losses for float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _by_owner(optimizer: "keras.Optimizer") -> Iterator[tuple[tuple[str, int], Any]]:
    """The variables by their path and by the variable of the network that they belong to.

    Names of optimizers are numbered, and count not. Two layers in two nested models may have one
    path: they are told apart by the order in which they are trained.
    """
    owners: dict[str, list[int]] = {}
    for owner in _inner(optimizer)._trainable_variables:  # Keras has no public way to them
        owners.setdefault(owner.path.replace("/", "_"), []).append(id(owner))
    seen: Counter[str] = Counter()
    for variable in optimizer.variables:
        path = variable.path.partition("/")[2]
        named = max((name for name in owners if path.startswith(f"{name}_")), key=len, default="")
        same, number = owners.get(named, ()), seen[path]
        yield (path, same[number] if number < len(same) else number), variable
        seen[path] += 1


def _learning_rate(trainer: TrainerConfig, steps_per_epoch: int, first_step: int) -> Any:
    schedule, start = trainer.schedule, trainer.optimizer.learning_rate
    if schedule.name == "reduce_on_plateau":  # set before each epoch
        return start
    if schedule.name == "constant" and not schedule.warmup_epochs:
        return start
    from cnn_sweeps.training.schedules import Planned  # noqa: PLC0415 - imports Keras

    drops = schedule.name == "step"
    end = schedule.warmup_epochs + schedule.drop_epochs if drops else _end_epoch(trainer)
    return Planned(
        start,
        schedule.name,
        end_factor=schedule.drop_factor if drops else schedule.end_factor,
        warmup_steps=schedule.warmup_epochs * steps_per_epoch,
        end_step=end * steps_per_epoch,
        first_step=first_step,
    )


def _end_epoch(trainer: TrainerConfig) -> int:
    return trainer.schedule.decay_epochs or trainer.epochs


def _check_params(trainer: TrainerConfig) -> None:
    name, params = trainer.optimizer.name, trainer.optimizer.params
    accepted = accepted_params(name)
    unknown = [key for key in params if key not in accepted]
    if unknown:
        raise ConfigError(
            f"trainer.optimizer.params.{unknown[0]} is not a parameter of {name}.\n"
            f"It takes: {', '.join(accepted)}."
        )
    for key, value in params.items():
        _check_param(key, value)
    clipped = [key for key in CLIPPING if params.get(key) is not None]
    for key in clipped:
        if params[key] <= 0:
            typed = "trainer.clip_norm" if key == "global_clipnorm" else f"{PARAMS}.{key}"
            raise ConfigError(
                f"{typed}={params[key]} would leave nothing of the gradients.\n"
                f"Type a number above 0, such as {typed}=1.0, or null to switch it off."
            )
    if len(clipped) > 1:
        given = " ".join(f"{PARAMS}.{key}={params[key]}" for key in clipped)
        raise ConfigError(
            f"{given}: Keras clips gradients in one way only, and trainer.clip_norm is "
            "global_clipnorm.\nType one of them."
        )


def _check_param(key: str, value: Any) -> None:
    """Refuse what is no number, no truth value for a flag, and a null that means nothing."""
    flag = key in FLAGS
    if value is None and key in spelling.OFF:
        return
    if key == ACCUMULATION and not (isinstance(value, int) and value >= FEWEST_STEPS):
        raise ConfigError(
            f"{PARAMS}.{key}={json.dumps(value)} is no integer from {FEWEST_STEPS}.\n"
            f"Type for example {PARAMS}.{key}=4, or leave it out."
        )
    if isinstance(value, int | float) and isinstance(value, bool) == flag:
        return
    wanted, example = ("true or false", "true") if flag else ("a number", "0.9")
    given = json.dumps(value) if value is None or isinstance(value, bool) else value
    raise ConfigError(
        f"trainer.optimizer.params.{key}={given} is not {wanted}.\n"
        f"Type for example trainer.optimizer.params.{key}={example}, or leave it out."
    )


def _check_schedule(trainer: TrainerConfig) -> None:
    schedule = trainer.schedule
    if schedule.name not in DECAYING:
        _check_unused(trainer)
        return
    if schedule.name in ASYMPTOTIC and schedule.end_factor == 0:
        raise ConfigError(
            f"trainer.schedule.name={schedule.name} cannot reach end_factor=0.\n"
            "Type trainer.schedule.end_factor=0.01, or trainer.schedule.name=cosine."
        )
    if schedule.warmup_epochs >= _end_epoch(trainer):
        end = "decay_epochs" if schedule.decay_epochs else "trainer.epochs"
        raise ConfigError(
            f"trainer.schedule.warmup_epochs={schedule.warmup_epochs} leaves no epoch for the "
            f"{schedule.name} decay, which ends with {end}={_end_epoch(trainer)}.\n"
            f"Type trainer.schedule.warmup_epochs={_end_epoch(trainer) - 1} or fewer."
        )


def _check_unused(trainer: TrainerConfig) -> None:
    """Refuse what a schedule without an end value would not look at."""
    schedule = trainer.schedule
    if schedule.name == "constant":  # whose hashes have these fields, since the first version
        return
    unused = {
        "decay_epochs": schedule.decay_epochs is not None,
        "end_factor": schedule.name != "wsd" and schedule.end_factor != 0,
        "warmup_epochs": schedule.name == "reduce_on_plateau" and schedule.warmup_epochs > 0,
    }
    instead = {"wsd": "cooldown_epochs", "step": "drop_epochs", "reduce_on_plateau": "patience"}
    for key, given in unused.items():
        if given:
            raise ConfigError(
                f"trainer.schedule.{key}={getattr(schedule, key)} has no effect with "
                f"trainer.schedule.name={schedule.name}.\n"
                f"Leave it out; trainer.schedule.{instead[schedule.name]} says how long it takes."
            )
