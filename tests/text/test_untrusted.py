"""Files of others are read within limits."""

import pytest

from cnn_sweeps.text.untrusted import json_of, yaml_of

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


def test_values_are_read() -> None:
    """Repetitions in YAML are none of its faults."""
    assert json_of('{"a": [1, null]}') == json_of(b'{"a": [1, null]}') == {"a": [1, None]}
    assert yaml_of("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "more than"),
        ("&a\nx: *a\n", "more than"),
        ("&a [*a, *a]\n", "more than"),
        ("!!python/object/apply:os.system [true]", "python/object"),
        ("a: [", "expected"),
    ],
    ids=["laughs", "itself", "itself twice", "code", "damaged"],
)
def test_yaml_that_is_refused(text: str, said: str) -> None:
    """Before anything walks through what it stands for."""
    with pytest.raises(ValueError, match=said):
        yaml_of(text)


def test_json_that_is_refused() -> None:
    """Too deep for Python's reader, or none."""
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of("[" * 100_000)
    with pytest.raises(ValueError, match="Expecting"):
        json_of("")
