"""Looking up a field of the configuration by its dotted key, and saying what it takes."""

import dataclasses
import difflib
import json
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.json import from_text

PLAIN = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    type(None): "null",
}
GROUP = "a group of key"
ALIASES = {
    **dict.fromkeys(("lr", "rate", "eta"), ("trainer.optimizer.learning_rate",)),
    **dict.fromkeys(("wd", "decay", "l2"), ("trainer.optimizer.weight_decay",)),
    **dict.fromkeys(
        ("clipnorm", "global_clipnorm", "max_grad_norm", "gradient_clip_val", "clip_grad_norm"),
        ("trainer.clip_norm",),
    ),
    **dict.fromkeys(("use_ema", "ema_momentum", "ema_decay"), ("trainer.ema",)),
    **dict.fromkeys(("swa", "lawa", "swa_start", "averaging"), ("trainer.weight_averaging",)),
    **dict.fromkeys(("bs", "batch", "batchsize"), ("trainer.batch_size",)),
    **dict.fromkeys(("scheduler", "lr_schedule", "lr_scheduler"), ("trainer.schedule.name",)),
    **dict.fromkeys(("warmup", "warmup_steps"), ("trainer.schedule.warmup_epochs",)),
    **dict.fromkeys(("optim", "opt"), ("trainer.optimizer.name",)),
    **dict.fromkeys(("val_split", "validation_split"), ("data.validation_fraction",)),
    **dict.fromkeys(("augmentation", "data_augmentation", "augmentations"), ("augment",)),
    **dict.fromkeys(("colour", "jitter", "color_jitter", "brightness"), ("augment.color",)),
    **dict.fromkeys(("contrast", "saturation"), ("augment.color",)),
    **dict.fromkeys(("rotation", "random_rotation"), ("augment.rotate",)),
    **dict.fromkeys(("cutout", "random_erasing"), ("augment.erasing",)),
    **dict.fromkeys(("trainable", "frozen", "unfreeze", "freeze_until"), ("trainer.freeze",)),
    **dict.fromkeys(("smoothing",), ("trainer.label_smoothing",)),
    **dict.fromkeys(("metric", "macro_f1", "roc_auc", "balanced_accuracy"), ("trainer.metrics",)),
    **dict.fromkeys(("units", "hidden", "hidden_units"), ("model.dense_units",)),
    **dict.fromkeys(("blocks", "layers", "depth"), ("model.conv_blocks", "model.depth")),
    **dict.fromkeys(("filters", "channels", "width"), ("model.filters", "model.width")),
    **{
        name: (f"+trainer.optimizer.params.{name}",)
        for name in ("momentum", "nesterov", "beta_1", "beta_2", "epsilon", "amsgrad", "rho")
    },
}
"""What other programs call a key, or where one would look for it, and the keys that it may be."""
BOUNDS = ((Ge, "ge", "from"), (Gt, "gt", "above"), (Le, "le", "up to"), (Lt, "lt", "below"))


def describe(annotation: Any) -> str:
    """Say in words which values a field's type takes: "an integer from 1"."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([describe(args[0]), *_bounds(args[1:])])
    if origin in (Union, types.UnionType):
        words = [describe(arg) for arg in args if arg is not int or float not in args]
        return " or ".join(dict.fromkeys(words))
    if origin is Literal:
        return ", ".join(map(str, args[:-1])) + f" or {args[-1]}" if len(args) > 1 else str(args[0])
    if origin is tuple:
        count = "a list" if args[-1] is Ellipsis else f"a list of {len(args)}"
        return f"{count}, each {describe(args[0])}"
    if origin is dict or dataclasses.is_dataclass(annotation):
        return f"{GROUP}: {describe(args[1]) if args and args[1] is not Any else 'value'}"
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _bounds(metadata: tuple[Any, ...]) -> Iterator[str]:
    marks = [
        m for item in metadata for m in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]
    for kind, attribute, word in BOUNDS:
        for mark in marks:
            if isinstance(mark, kind):
                yield f"{word} {getattr(mark, attribute)}"


def dataclasses_of(annotation: Any, name: Any) -> list[type]:
    """The dataclasses a field may hold; the one that `name` selects, where it selects one."""
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return dataclasses_of(get_args(annotation)[0], name)
    if get_origin(annotation) in (Union, types.UnionType):
        members = [cls for arg in get_args(annotation) for cls in dataclasses_of(arg, None)]
        return [cls for cls in members if name in _names(cls)] or members
    return []


def names_of(annotation: Any) -> list[str]:
    """The options of a config group, by the `name` that selects each."""
    return [name for cls in dataclasses_of(annotation, None) for name in _names(cls) if name]


def _names(cls: type) -> tuple[Any, ...]:
    return get_args(get_type_hints(cls).get("name", Literal[None]))


def active(owner: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether a field has an effect, given the others of its dataclass."""
    sibling, options = field.metadata.get("active_if"), field.metadata.get("active_for")
    return (sibling is None or bool(getattr(owner, sibling))) and (
        options is None or owner.name in options
    )


def locations(value: Any) -> list[str]:
    """The fields of a dataclass that say where on this machine something lies."""
    return [f.name for f in dataclasses.fields(value) if f.metadata.get("location")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a dotted key leads.

    Attributes:
        key: the path as far as it exists, as the user types it.
        annotation: the type of the value there.
        owner: the dataclass that declares the field; None at the root.
    """

    key: str
    annotation: Any
    owner: type | None

    @property
    def default(self) -> Any:
        """The default of the field there; `MISSING` when it has none."""
        field = self.key.rpartition(".")[2]
        found = [f for f in dataclasses.fields(self.owner) if f.name == field] if self.owner else []
        return found[0].default if found else dataclasses.MISSING


def find(path: tuple[Any, ...], container: Mapping[str, Any]) -> Place:
    """Follow a path through the schema, as far as its parts are fields.

    Args:
        path: parts of a key; parts that are no field (names of union members) are passed over.
        container: the values that were given; a `name` in them selects among alternatives.
    """
    place = Place(key="", annotation=Config, owner=None)
    values: Any = container
    for part in path:
        name = values.get("name") if isinstance(values, Mapping) else None
        for cls in dataclasses_of(place.annotation, name):
            hints = get_type_hints(cls, include_extras=True)
            if part in hints:
                key = f"{place.key}.{part}" if place.key else str(part)
                place = Place(key=key, annotation=hints[part], owner=cls)
                values = values.get(part) if isinstance(values, Mapping) else None
                break
    return place


def is_mapping(key: str) -> bool:
    """Whether a field takes keys of the user's own: weights of classes, tags, parameters."""
    place = find(tuple(key.split(".")), {})
    return place.key == key and GROUP in describe(place.annotation) and not keys_of(place, {})


def keys_of(place: Place, container: Mapping[str, Any]) -> list[str]:
    """The keys that may stand below a place."""
    values: Any = container
    for part in filter(None, place.key.split(".")):
        values = values.get(part, {}) if isinstance(values, Mapping) else {}
    name = values.get("name") if isinstance(values, Mapping) else None
    found = {
        f.name for cls in dataclasses_of(place.annotation, name) for f in dataclasses.fields(cls)
    }
    return sorted(found)


def put(plain: dict[str, Any], key: str, value: Any) -> None:
    """Set a value among the plain values of a config by its dotted key; in place.

    Raises:
        ConfigError: a key below a value that has none.
    """
    *groups, name = key.split(".")
    inner: Any = plain
    for number, group in enumerate(groups, start=1):
        inner = inner.get(group)
        if not isinstance(inner, dict):
            above, place = ".".join(groups[:number]), find(tuple(groups), plain)
            possible = describe(place.annotation)
            whole = GROUP in possible and place.key == ".".join(groups)
            raise ConfigError(
                f"{key}: {typed(above, inner)} has no keys; {place.key} takes {possible}."
                + (f"\nGive all of it: {{{name}: {value}}}." if whole else "")
            )
    inner[name] = value


def unknown_key(prefix: str, key: str, known: list[str]) -> str:
    """The refusal of a key that does not exist, with the one that is probably meant."""
    dot = f"{prefix}." if prefix else ""
    meant = _meant(prefix, key, known)
    hint = f" Did you mean {meant}?" if meant else ""
    if not known:
        return f"{dot}{key}: there is no such key. Type +{dot}{key}=VALUE to add it."
    where = f"{prefix} has" if prefix else "there are"
    return f"{dot}{key}: there is no such key.{hint}\n  {where}: {', '.join(known)}"


def _meant(prefix: str, key: str, known: list[str]) -> str | None:
    """The key that somebody may have meant: by another name, in another group, or misspelt."""
    for meant in ALIASES.get(key.lower(), ()):
        group, _, name = meant.rpartition(".")
        if group != prefix or name in known:  # another network has other keys
            return meant
    elsewhere = {each for each in _keys(Config) if each.rpartition(".")[2] == key.lower()}
    elsewhere -= {f"{prefix}.{key}"}  # which another option of the same group has
    if len(elsewhere) == 1:
        return elsewhere.pop()
    near = difflib.get_close_matches(key, known, n=1)
    return (f"{prefix}.{near[0]}" if prefix else near[0]) if near else None


def _keys(cls: type, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a dataclass and of those in it."""
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        yield f"{prefix}{name}"
        for inner in dataclasses_of(annotation, None):
            yield from _keys(inner, f"{prefix}{name}.")


def typed(key: str, value: Any) -> str:
    """A key and a value as they are typed on the command line."""
    bare = isinstance(value, str) and from_text(value) == value  # else quotes say that it is text
    text = value if bare else json.dumps(value, default=str)
    return f"{key}={text}".replace(" ", "")
