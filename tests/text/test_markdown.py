"""Text of a user's in Markdown: what is seen is what it is."""

import pytest

from cnn_sweeps.text.markdown import plain_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("__background__", r"\_\_background\_\_", id="a class of torchvision"),
        pytest.param("_background_noise_", r"\_background_noise\_", id="and of speech"),
        pytest.param("val_loss 0.19 <= 0.2", "val_loss 0.19 <= 0.2", id="a metric"),
        pytest.param("~~old~~ ~/runs", r"\~\~old\~\~ ~/runs", id="struck out"),
        pytest.param("a&lt;b & c", r"a\&lt;b & c", id="an entity"),
    ],
)
def test_what_would_be_markup_is_escaped_and_nothing_else(text: str, expected: str) -> None:
    """So that it is read as it was written."""
    assert plain_text(text) == expected
