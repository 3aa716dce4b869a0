"""Commands that can be read, and paste back."""

import shlex
import subprocess

import pytest

from cnn_sweeps.text.shell import pasteable_command


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("plain", "plain"),
        ("a b", "'a b'"),
        ('key="a b"', "'key=\"a b\"'"),
        ("it's", '"it\'s"'),
        ('key="it\'s"', '"key=\\"it\'s\\""'),
        ("it's $HOME", "'it'\"'\"'s $HOME'"),
    ],
)
def test_a_word_is_quoted_once(word: str, shown: str) -> None:
    """No chain of quotes, unless a shell would read something into double ones."""
    assert pasteable_command([word]) == shown


@pytest.mark.parametrize(
    "word", ["it's `x`", "a\\b\\", 'it\'s \\ "x" \\\\"', "it's!", "", "a\nb's"]
)
def test_what_is_shown_pastes_back(word: str) -> None:
    """Into a shell, and into Python's reader of one."""
    line = pasteable_command(["printf", "%s", word])
    assert shlex.split(line)[2] == word
    assert subprocess.check_output(["sh", "-c", line], text=True) == word
