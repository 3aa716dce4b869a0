"""Nested values have one dotted name each."""

import pytest

from cnn_sweeps.text.dotted import dotted


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        pytest.param({"a": 1, "b": [2]}, {"a": 1, "b": [2]}, id="flat"),
        pytest.param({"a": {"b": {"c": 1}, "d": 2}}, {"a.b.c": 1, "a.d": 2}, id="nested"),
        pytest.param({"a.b": {"c": 1}}, {"a.b.c": 1}, id="mixed"),
        pytest.param({"a": {}, "b": 1}, {"b": 1}, id="empty group"),
    ],
)
def test_names_are_dotted(nested: dict[str, object], flat: dict[str, object]) -> None:
    """However somebody wrote it, in the order that it was written."""
    assert list(dotted(nested)) == list(flat.items())


def test_some_mappings_are_values() -> None:
    """The caller knows which, by name or by content."""
    values = {"a": {"sweep": "1,2"}, "b": {"c": {}}}
    named = dotted(values, "x.", is_value=lambda name, value: "sweep" in value or name == "x.b.c")
    assert dict(named) == {"x.a": {"sweep": "1,2"}, "x.b.c": {}}
