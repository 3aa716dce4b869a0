"""What MLflow returns in pages, as one sequence."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlflow.store.entities import PagedList

T = TypeVar("T")

PAGE = 1_000
"""Entries that one search returns at most."""


def pages(search: Callable[..., "PagedList[T]"], **arguments: object) -> Iterator[T]:
    """Everything that a search of the MLflow client finds, page after page."""
    page = search(max_results=PAGE, **arguments)
    yield from page
    while page.token:
        page = search(max_results=PAGE, page_token=page.token, **arguments)
        yield from page
