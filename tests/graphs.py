"""Graphs made once: networks of one kind are trained and scored by those of the first one.

Making the graph of a training takes a second, all its steps on a few images a tenth of that. So
whatever a network is trained or asked for is done by the first one of the same layers, optimizer
and shapes: it is lent the variables of the other, and gets its own back. What is computed, and in
which order, is the same. Networks with code of a user, and steps of our own, make theirs.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

Kind = tuple[Any, ...]
CODE = re.compile('"class_name": "(function|__lambda__)"')
"""A function of a user's, of which a description has no more than the name."""


@dataclass(frozen=True)
class First:
    """The first pass of its kind.

    Attributes:
        made: what has the graph.
        optimizer: of its network; one that was compiled again since then has another.
        places: the variables of the graph.
    """

    made: Any
    optimizer: Any
    places: list[Any]


kept: dict[Kind, First] = {}


@cache
def remember_graphs() -> None:
    """From now on let passes over images use the graph of the first one of their kind."""
    from tensorflow.python.eager.context import Context

    from cnn_sweeps.training import steps

    Context.clear_kernel_cache = lambda _: None  # before each run: what a graph was compiled to
    steps.TrainEpoch.__call__ = shared(steps.TrainEpoch.__call__)  # type: ignore[method-assign]
    steps.Evaluate.with_scores = shared(steps.Evaluate.with_scores)  # type: ignore[method-assign]
    steps.Scores.__call__ = shared(steps.Scores.__call__)  # type: ignore[method-assign]


def shared(do: Callable[..., Any]) -> Callable[..., Any]:
    """A pass over images by the graph of whoever made the first of its kind."""

    @wraps(do)
    def done(one: Any, x: Any, *given: Any, **named: Any) -> Any:
        if (kind := kind_of(one, x)) is None:
            return do(one, x, *given, **named)
        first = kept.get(kind)
        if first is None or optimizer_of(first.made) is not first.optimizer:
            first = kept[kind] = First(one, optimizer_of(one), variables_of(one))
        with lent(first.places, variables_of(one)):
            first.made.__dict__.update(steps=getattr(one, "steps", None))
            return do(first.made, x, *given, **named)

    return done


def kind_of(one: Any, x: Any) -> Kind | None:
    """What a graph is made of; None where the network or its step is not Keras' own."""
    import keras

    model = one.model
    layers = [type(layer).__module__ for layer in (model, *model._flatten_layers())]
    if getattr(one, "step", None) or not all(name.startswith("keras.src.") for name in layers):
        return None
    if CODE.search(made_of := described(one)):
        return None
    return (
        type(one),
        made_of,
        getattr(one, "batch_size", None),
        (x.shape[1:], str(x.dtype), keras.config.floatx()),
    )


def described(one: Any) -> str:
    """Network and optimizer, each known by its number: Keras counts on and on in their names."""
    text: str = one.model.to_json()
    optimizer = optimizer_of(one)
    parts = [*one.model._flatten_layers(), optimizer, getattr(optimizer, "inner_optimizer", None)]
    for number, part in enumerate(filter(None, parts)):
        text = text.replace(f'"{part.name}"', f'"{number}"')
    return text


def optimizer_of(one: Any) -> Any:
    """That of its network; None where it was not compiled."""
    return getattr(one.model, "optimizer", None)


def variables_of(one: Any) -> list[Any]:
    """What a pass reads, and moves where it trains; the metrics begin anew in each."""
    moved = optimizer_of(one).variables if hasattr(one, "batch_size") else ()
    return [variable.value for variable in (*one.model.variables, *moved)]


@contextmanager
def lent(places: list[Any], others: list[Any]) -> Iterator[None]:
    """Inside the block some variables have the values of others, which get them back moved."""
    pairs = [pair for pair in zip(places, others, strict=True) if pair[0] is not pair[1]]
    own = [place.numpy() for place, _ in pairs]
    for place, other in pairs:
        place.assign(other)
    try:
        yield
    finally:
        for (place, other), value in zip(pairs, own, strict=True):
            other.assign(place)
            place.assign(value)
