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
    for page in page_by_page(search, PAGE, **arguments):
        yield from page


def page_by_page(
    search: Callable[..., "PagedList[T]"], size: int, **arguments: object
) -> "Iterator[PagedList[T]]":
    """The same in pages of so many, each asked for when it is wanted; the last has no `token`."""
    page = search(max_results=size, **arguments)
    yield page
    while page.token:
        page = search(max_results=size, page_token=page.token, **arguments)
        yield page
