"""What is said in many places is said the same in all of them."""

import pytest

from cnn_sweeps.text.format import duration, first_line, pluralize


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n the first \nthe second", "the first"),
        (ValueError("wrong\nbecause"), "wrong"),
        (KeyError("x"), "'x'"),
        ("", ""),
        (None, ""),
        (RuntimeError(), ""),
    ],
)
def test_first_line(text: object, line: str) -> None:
    """Of a reason, an error or nothing at all."""
    assert first_line(text).strip() == line


@pytest.mark.parametrize(
    ("number", "things", "said"),
    [(1, None, "1 entry"), (0, "entries", "0 entries"), (1200, "entries", "1,200 entries")],
)
def test_so_many_things(number: int, things: str | None, said: str) -> None:
    """One is one; thousands are set apart."""
    assert pluralize(number, "entry", things) == said
    assert pluralize(2, "trial") == "2 trials"


@pytest.mark.parametrize(
    ("seconds", "decimals", "said"),
    [
        (7.9, 0, "7 s"),
        (0.04, 1, "0.0 s"),
        (16.25, 1, "16.2 s"),
        (59.99, 1, "59.9 s"),
        (61.9, 1, "1 min 1 s"),
        (72, 0, "1 min 12 s"),
        (7_530, 0, "2 h 5 min"),
    ],
)
def test_measured_times(seconds: float, decimals: int, said: str) -> None:
    """Seconds, minutes and hours, none of them more than passed."""
    assert duration(seconds, decimals) == said
