"""JSON for programs of any language."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cnn_sweeps.text.json import dump_json, from_text, read_mapping, sha256


@dataclass(frozen=True)
class Point:
    """A value with fields."""

    name: str
    place: tuple[float, ...]


def strictly(text: str) -> object:
    """Read as RFC 8259 has it, which Python's reader does not by itself."""

    def refuse(constant: str) -> object:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_none_are_null() -> None:
    """A diverged training must not make the whole file unreadable."""
    given = {"loss": math.nan, "curve": [1.0, math.inf, -math.inf]}
    assert strictly(dump_json(given)) == {"loss": None, "curve": [1.0, None, None]}


def test_values_of_ours_become_plain() -> None:
    """Fields by name, times and paths as text, letters as they are."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    given = [Point(name="größer", place=(1.0, math.nan)), moment, Path("x/y")]
    assert strictly(dump_json(given)) == [
        {"name": "größer", "place": [1.0, None]},
        "2026-01-02T03:04:05+00:00",
        "x/y",
    ]
    assert "größer" in dump_json(given)


@pytest.mark.parametrize(
    ("compact", "digest"),
    [
        (False, "c49793ae"),
        (True, "1b907841"),
    ],
    ids=["spaced", "compact"],
)
def test_a_digest_stays(compact: bool, digest: str) -> None:
    """What is stored under a digest is found by it for ever; the order of keys does not count."""
    value = {"b": [1, 2.5, None, "ü"], "a": True}
    assert sha256(value, compact=compact).startswith(digest)
    assert sha256(dict(reversed(value.items())), compact=compact).startswith(digest)


@pytest.mark.parametrize(
    ("content", "told"), [(b'{"a": [1]}', {"a": [1]}), (b"[1]", {}), (b"{", {}), (b"\xff", {})]
)
def test_a_mapping_is_read_or_none(tmp_path: Path, content: bytes, told: object) -> None:
    """What is damaged, of another kind or not there is empty."""
    assert read_mapping(tmp_path / "absent.json") == {}
    (tmp_path / "about.json").write_bytes(content)
    assert read_mapping(tmp_path / "about.json") == told


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TRUE", True),
        (".5", 0.5),
        ("1e-4", 0.0001),
        ("[1, 2]", [1, 2]),
        ("[True, null, .5, 1e-4]", [True, None, 0.5, 0.0001]),
        ('{"Käfer": 2}', {"Käfer": 2}),
        ("{Käfer: 2, null: .5}", {"Käfer": 2, "null": 0.5}),
        ("[{first: 2, class_weight: {Käfer: 2}}]", [{"first": 2, "class_weight": {"Käfer": 2}}]),
        ("[1", "[1"),
        ("[&a [*a]]", "[&a [*a]]"),
        ("Käfer", "Käfer"),
    ],
)
def test_a_text_says_a_value(text: str, value: object) -> None:
    """Names keep their letters, and what is none of these stays a text."""
    assert from_text(text) == value
