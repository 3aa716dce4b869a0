"""Progress while many files are read; an outer layer shows it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Show = Callable[[str, int, int], None]
"""Takes what is counted, how many are done, and how many there are."""

_show: ContextVar[Show | None] = ContextVar("show", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Show what is counted inside the block."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


def with_progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, one after another; how many there were is shown, where somebody shows it."""
    show = _show.get()
    for number, item in enumerate(items):
        if show is not None:
            show(what, number, len(items))
        yield item
