"""A training as a path: one config after another, each from some epoch on.

Whatever changes in the middle of a training is written as *phases* (`trainer.phases`): from which
epoch on, and which fields then have which value. What is typed has one canonical form: the
changes of a first phase are those of the config itself, a change to the value that holds already
is none, and a phase without changes is none.

`segments` tells what is trained: the phases, with a schedule that is made of several (`wsd`)
spelt out and every decay with its length. Two configs with the same segments are one experiment.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, NoReturn

from pydantic import TypeAdapter

from cnn_sweeps.config.fields import active, put, unknown_key
from cnn_sweeps.config.schema import DECAYING, Config, Schedule
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import from_text

Load = Callable[[Mapping[str, Any]], Config]

ADAPTER = TypeAdapter(Config)
GROUPS = ("trainer", "augment")
"""Groups with fields that can change in the middle of a training."""
PHASES = "trainer.phases"
IN_PARAMS = {
    "trainer.optimizer.weight_decay": "weight_decay",
    "trainer.clip_norm": "global_clipnorm",
}
"""Fields that stand in the parameters of the optimizer as well."""
FIRST, EPOCHS = "first", "epochs"
"""Keys of a phase beside its changes: the epoch with which it begins, and how many it has."""
OPTIMIZER, PARAMS = "trainer.optimizer.name", "trainer.optimizer.params"
COOLDOWN = 0.2
"""Share of the epochs that `wsd` cools down over, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Epochs that are trained in one way.

    Attributes:
        first: its first epoch, from 1.
        config: what holds in it; its `trainer.epochs` are those of the segment alone.
        changes: fields that differ from the segment before, by their dotted keys.
    """

    first: int
    config: Config
    changes: Mapping[str, Any] = field(default_factory=dict)


def canonical(
    config: Config, load: Load, settle: Callable[[Config], Config], *, typed: bool = False
) -> Config:
    """The config with its phases in the form that all ways to type them have in common.

    Args:
        config: with phases.
        load: checks plain values.
        settle: leaves out what has no effect in a phase; a later one may take it over.
        typed: whether it was typed just now, and not stored; see `refuse_dropped`.

    Raises:
        ConfigError: a phase changes what cannot change, or begins where it cannot.
    """
    held = _without_phases(config)
    begin, kept = settle(held), []
    for first, changes in _phases(config):
        now = _loaded(held, changes, load, first, typed=typed)
        difference = _difference(settle(held), settle(now))
        if first == 1:
            begin = settle(now)
        elif difference:
            kept.append({FIRST: first, **difference})
        held = now
    return _trained(begin, phases=tuple(kept))


def parts(config: Config) -> list[tuple[int, Config]]:
    """Of a canonical config what holds from which epoch on, each without phases."""
    held = _without_phases(config)
    found = [(1, held)]
    for phase in config.trainer.phases:
        held = with_changes(held, _changes(phase), _unchecked)
        found.append((phase[FIRST], held))
    return found


def segments(config: Config) -> tuple[Segment, ...]:
    """What is trained, from the first epoch to the last; of a canonical config.

    Raises:
        ConfigError: a schedule has no room for its parts.
    """
    found: list[Segment] = []
    for first, now in _expanded(config):
        if not found:
            found.append(Segment(first=first, config=now))
            continue
        changes = _differing(_active(found[-1].config), _active(now))
        if changes:
            found.append(Segment(first=first, config=now, changes=changes))
        else:  # it goes on as before
            last = found[-1]
            longer = last.config.trainer.epochs + now.trainer.epochs
            found[-1] = replace(last, config=_lasting(last.config, longer))
    return tuple(found)


def segment_at(path: Sequence[Segment], epoch: int) -> Segment:
    """The segment that an epoch belongs to."""
    return max((s for s in path if s.first <= epoch), key=lambda s: s.first)


def with_changes(config: Config, changes: Mapping[str, Any], load: Load) -> Config:
    """A config without phases in which some fields have other values.

    Args:
        config: it stays as it is.
        changes: values by dotted keys; `trainer.` may be left out.
        load: checks plain values.

    Raises:
        ConfigError: a field that does not exist, cannot change, or refuses its value.
    """
    plain = ADAPTER.dump_python(config, mode="json")
    optimizer = plain["trainer"]["optimizer"]
    optimizer["weight_decay"] = plain["trainer"]["clip_norm"] = None  # see `IN_PARAMS`
    named = {full_key(key): value for key, value in changes.items()}
    if named.get(OPTIMIZER, optimizer["name"]) != optimizer["name"]:
        # The others are those of another optimizer.
        kept = optimizer["params"].keys() & {"global_clipnorm"}
        optimizer["params"] = {name: optimizer["params"][name] for name in kept}
    for key in sorted(named):  # a mapping before its parts
        if not is_changeable(config, key):
            refuse_change(config, key)
        put(plain, key, named[key])
        if isinstance(params := optimizer["params"], dict):  # else it is refused below
            params.pop(IN_PARAMS.get(key), None)
    return load(plain)


def refuse_dropped(config: Config, changes: Mapping[str, Any]) -> None:
    """Refuse a mapping for all parameters of the optimizer that leaves out what has a key as well.

    Such a mapping is one whole value, and means in what is stored that the rest is switched off.

    Args:
        config: what holds before.
        changes: as they were typed just now, by dotted keys; `trainer.` may be left out.

    Raises:
        ConfigError: naming what would be switched off.
    """
    named = {full_key(key): value for key, value in changes.items()}
    whole, held = named.get(PARAMS), config.trainer.optimizer
    if not isinstance(whole, Mapping):
        return
    other = named.get(OPTIMIZER, held.name) != held.name
    for key, name in IN_PARAMS.items():
        value, owned = held.params.get(name), key.startswith("trainer.optimizer.")
        said = name in whole or {key, f"{PARAMS}.{name}"} & named.keys()
        if value is None or said or (other and owned):
            continue
        parts = ", ".join(f"{PARAMS}.{each}: {given}" for each, given in whole.items())
        keep = parts or f"{key}: {value}"
        raise ConfigError(
            f"{PARAMS} as a whole would switch {key}={value} off.\n"
            f"Type {keep} to keep it, or {key}: null as well to switch it off."
        )


def changeable_keys(config: Config) -> list[str]:
    """The keys of all fields that can change in the middle of a training."""
    return [
        key
        for group in GROUPS
        for key in _leaves(getattr(config, group), f"{group}.", lambda _, f: _may_change(f))
    ]


def _phases(config: Config) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each typed phase: the epoch that it begins with, and its changes."""
    total, before, then = config.trainer.epochs, 0, 1
    for number, phase in enumerate(config.trainer.phases, start=1):
        first = _count(phase, FIRST, number) or then
        epochs = _count(phase, EPOCHS, number)
        if not first:
            raise ConfigError(
                f"{PHASES}: phase {number - 1} does not say how many epochs it has.\n"
                f"Type {{epochs: 3, ...}} in it, or {{first: 4, ...}} in phase {number}."
            )
        if first <= before or (then and first != then and number > 1):
            expected = f"{then}, where phase {number - 1} ends" if then else f"after {before}"
            raise ConfigError(
                f"{PHASES}: phase {number} begins with epoch {first}, not {expected}.\n"
                f"Leave its first out, or change the epochs of phase {number - 1}."
            )
        if first > total:
            raise ConfigError(
                f"{PHASES}: phase {number} begins with epoch {first}, after the last one of "
                f"trainer.epochs={total}.\nType trainer.epochs={first} or more."
            )
        yield first, dict(dotted(_changes(phase), is_value=_is_whole))
        before, then = first, first + epochs if epochs else 0
    if then not in (0, total + 1) and config.trainer.phases:
        raise ConfigError(
            f"{PHASES}: the phases have {pluralize(then - 1, 'epoch')}, but trainer.epochs={total}."
            f"\nType trainer.epochs={then - 1}, or leave epochs out of the last phase."
        )


def _changes(phase: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in phase.items() if key not in (FIRST, EPOCHS)}


def _is_whole(key: str, _value: Mapping[str, Any]) -> bool:
    """Whether a mapping is one value, which no schema looks into."""
    return key.endswith((".params", "class_weight"))


def _count(phase: Mapping[str, Any], key: str, number: int) -> int | None:
    value = from_text(phase.get(key))
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ConfigError(f"{PHASES}: {key}={value} of phase {number} is invalid: an integer from 1.")


def _loaded(
    held: Config, changes: Mapping[str, Any], load: Load, first: int, *, typed: bool
) -> Config:
    try:
        if typed:
            refuse_dropped(held, changes)
        return with_changes(held, changes, load)
    except ConfigError as error:
        raise ConfigError(f"{PHASES}, from epoch {first}: {error}") from error


def _without_phases(config: Config) -> Config:
    return _trained(config, phases=()) if config.trainer.phases else config


def _lasting(config: Config, epochs: int) -> Config:
    return config if config.trainer.epochs == epochs else _trained(config, epochs=epochs)


def _trained(config: Config, **fields: Any) -> Config:
    return replace(config, trainer=replace(config.trainer, **fields))


def _expanded(config: Config) -> Iterator[tuple[int, Config]]:
    """The parts of a path, in each of which one simple schedule holds."""
    begins = parts(config)
    ends = [first for first, _ in begins[1:]] + [config.trainer.epochs + 1]
    for (first, part), end in zip(begins, ends, strict=True):
        yield from _scheduled(first, _lasting(part, end - first))


def _unchecked(plain: Mapping[str, Any]) -> Config:
    return ADAPTER.validate_json(json.dumps(plain))


def _scheduled(first: int, config: Config) -> Iterator[tuple[int, Config]]:
    """A part in which one schedule holds, as one or two in which a simple one holds."""
    schedule, epochs = config.trainer.schedule, config.trainer.epochs
    if schedule.name in DECAYING and schedule.decay_epochs is None:
        config = _trained(config, schedule=replace(schedule, decay_epochs=epochs))
    if schedule.name != "wsd":
        yield first, config
        return
    cooldown = cooldown_epochs(schedule, epochs)
    stable = epochs - cooldown
    constant = Schedule(warmup_epochs=schedule.warmup_epochs)
    fall = Schedule(name="sqrt", decay_epochs=cooldown, end_factor=schedule.end_factor)
    for begin, length, simple in ((0, stable, constant), (stable, cooldown, fall)):
        if length:
            yield first + begin, _trained(config, schedule=simple, epochs=length)


def cooldown_epochs(schedule: Schedule, epochs: int) -> int:
    """Epochs over which `wsd` cools down at the end of so many.

    Raises:
        ConfigError: there are not enough for it, or for its warm-up before it.
    """
    cooldown = schedule.cooldown_epochs or max(1, round(COOLDOWN * epochs))
    if cooldown > epochs:
        raise ConfigError(
            f"trainer.schedule.cooldown_epochs={cooldown} are more than the "
            f"{pluralize(epochs, 'epoch')} that wsd has.\n"
            f"Type trainer.schedule.cooldown_epochs={max(1, round(COOLDOWN * epochs))}."
        )
    if schedule.warmup_epochs > epochs - cooldown:
        raise ConfigError(
            f"trainer.schedule.warmup_epochs={schedule.warmup_epochs} and a cooldown of "
            f"{pluralize(cooldown, 'epoch')} do not fit into the {pluralize(epochs, 'epoch')} that "
            f"wsd has.\nType trainer.schedule.warmup_epochs={epochs - cooldown} or fewer."
        )
    return cooldown


def full_key(key: str) -> str:
    """A key as it is typed elsewhere: in a phase, `trainer.` may be left out."""
    known = {each.name for each in fields(Config)}
    return key if key.partition(".")[0] in known else f"trainer.{key}"


def is_changeable(config: Config, key: str) -> bool:
    """Whether a field can change in the middle of a training.

    Raises:
        ConfigError: there is no such field.
    """
    value: Any = config
    parts, may = key.split("."), key.partition(".")[0] in GROUPS
    for number, part in enumerate(parts):
        if not is_dataclass(value):
            return may  # a key of the user's own
        known = {each.name: each for each in fields(value)}
        if part not in known:
            raise ConfigError(unknown_key(".".join(parts[:number]), part, sorted(known)))
        may = may and _may_change(known[part])
        value = getattr(value, part)
    if may and is_dataclass(value):
        inner = next(each for each in changeable_keys(config) if each.startswith(f"{key}."))
        raise ConfigError(f"{key} is a group: change one of its keys, such as {inner}.")
    return may


def defines_training(config: Config, key: str) -> bool:
    """Whether a field is part of what a training is from its first epoch on.

    That is all but what says when to stop, how it is computed, or where it is logged.
    """
    value: Any = config
    for part in key.split("."):
        if not is_dataclass(value):
            break
        marks = next(each.metadata for each in fields(value) if each.name == part)
        if not (marks.get("identity", True) and marks.get("trajectory", True)):
            return False
        value = getattr(value, part)
    return True


def only_stops(config: Config, key: str) -> bool:
    """Whether a field only says when a training stops.

    Raises:
        ConfigError: there is no such field.
    """
    is_changeable(config, key)  # refuses a field that there is not
    value: Any = config
    for part in key.split("."):
        if not is_dataclass(value):
            return False
        marks = next(each.metadata for each in fields(value) if each.name == part)
        if not marks.get("trajectory", True):
            return True
        value = getattr(value, part)
    return False


def refuse_change(config: Config, key: str) -> NoReturn:
    """Say that a field cannot change in the middle of a training.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        f"{key} cannot change in the middle of a training.\n"
        f"What can: {', '.join(changeable_keys(config))}."
    )


def _may_change(each: Any) -> bool:
    marks = each.metadata
    counts = marks.get("identity", True) and marks.get("trajectory", True)
    return bool(marks.get("changes", counts))


def _difference(before: Config, now: Config) -> dict[str, Any]:
    """The fields that differ, by their keys, with their new values."""
    return _differing(*(_of_groups(each, lambda _, f: _counts(f)) for each in (before, now)))


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What differs; with another optimizer its parameters too, which it does not take over."""
    other = before[OPTIMIZER] != now[OPTIMIZER]
    return {
        key: value
        for key, value in now.items()
        if before.get(key, ...) != value or (other and key == PARAMS)
    }


def _active(config: Config) -> dict[str, Any]:
    """The fields that have an effect, by their keys."""
    return _of_groups(config, lambda owner, f: _counts(f) and active(owner, f))


def _counts(each: Any) -> bool:
    return _may_change(each) and bool(each.metadata.get("identity", True))


def _of_groups(config: Config, wanted: Callable[[Any, Any], bool]) -> dict[str, Any]:
    plain = ADAPTER.dump_python(config, mode="json")
    found: dict[str, Any] = {}
    for group in GROUPS:
        for key in _leaves(getattr(config, group), f"{group}.", wanted):
            value = plain
            for part in key.split("."):
                value = value[part]
            found[key] = value
    return found


def _leaves(value: Any, prefix: str, wanted: Callable[[Any, Any], bool]) -> Iterator[str]:
    """The keys of a dataclass and of those in it."""
    for each in fields(value):
        if wanted(value, each):
            inner = getattr(value, each.name)
            if is_dataclass(inner):
                yield from _leaves(inner, f"{prefix}{each.name}.", wanted)
            else:
                yield f"{prefix}{each.name}"
