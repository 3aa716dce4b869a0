"""Suggestions for an unknown name: the nearest known one."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str], *, before: str = "") -> str:
    """A question behind a sentence, with a space in front; nothing where no name is near.

    Args:
        given: what there is not.
        known: what there is.
        before: stands in front of the name in the question, such as `augment=`.
    """
    near = get_close_matches(given, [*known], n=1)
    return f" Did you mean {before}{near[0]}?" if near else ""


def aside(given: str, known: Iterable[str]) -> str:
    """The same question within a sentence, behind the name."""
    near = get_close_matches(given, [*known], n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""
