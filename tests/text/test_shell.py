"""Commands that can be read, and paste back."""

import shlex
import subprocess

import pytest

from cnn_sweeps.text.shell import command_for, pasteable_command


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
    ("study", "shown"),
    [
        ("lab", "cnn-sweeps report lab tracking.dir=x"),
        ("-lab", "cnn-sweeps report tracking.dir=x -- -lab"),
        ("lr=1 2", "cnn-sweeps report tracking.dir=x -- 'lr=1 2'"),
        (None, "cnn-sweeps report tracking.dir=x"),
    ],
)
def test_a_study_that_looks_like_an_option_or_an_override_comes_last(
    study: str | None, shown: str
) -> None:
    """Behind what makes a name of it; others stand where one would type them."""
    assert command_for("report", study, "tracking.dir=x") == shown


@pytest.mark.parametrize(
    "word", ["it's `x`", "a\\b\\", 'it\'s \\ "x" \\\\"', "it's!", "", "a\nb's"]
)
def test_what_is_shown_pastes_back(word: str) -> None:
    """Into a shell, and into Python's reader of one."""
    line = pasteable_command(["printf", "%s", word])
    assert shlex.split(line)[2] == word
    assert subprocess.check_output(["sh", "-c", line], text=True) == word
