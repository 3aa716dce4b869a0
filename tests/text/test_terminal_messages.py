"""Refusals and warnings: one style, whoever reads them."""

import pytest

from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text import terminal


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        pytest.param("no.", ["cnn-sweeps: no."], id="one line"),
        pytest.param("no.\nType x", ["cnn-sweeps: no.", "  Type x"], id="not indented"),
        pytest.param("no.\n  Type x\n", ["cnn-sweeps: no.", "  Type x"], id="indented"),
        pytest.param(
            "no:\nTraceback:\n  File", ["cnn-sweeps: no:", "  Traceback:", "    File"], id="steps"
        ),
    ],
)
def test_everything_below_the_first_line_is_indented_alike(message: str, lines: list[str]) -> None:
    """However it was written; what is indented further stays so."""
    assert terminal.shaped(message).splitlines() == lines


def test_a_file_gets_the_text_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, in lines of any length, without colours; brackets are no markup."""
    terminal.refuse("x" * 300 + " [bold]\nType y")
    said = capsys.readouterr()
    assert said.err == "cnn-sweeps: " + "x" * 300 + " [bold]\n  Type y\n"
    assert said.out == ""


def test_a_warning_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """In the style of the refusals."""
    terminal.warn("slow.\nType z")
    assert capsys.readouterr().err == "cnn-sweeps: warning: slow.\n  Type z\n"


@pytest.mark.parametrize(
    ("variable", "value", "coloured"),
    [
        pytest.param("FORCE_COLOR", "1", True, id="asked for"),
        pytest.param("CLICOLOR_FORCE", "1", True, id="asked for in another way"),
        pytest.param("CLICOLOR_FORCE", "0", False, id="not asked for"),
    ],
)
def test_the_first_line_stands_out_where_colours_are_wanted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    coloured: bool,
) -> None:
    """And the remedy does not."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(variable, value)
    terminal.refuse("no.\nType x")
    first, second = capsys.readouterr().err.splitlines()
    assert ("\x1b[1;31m" in first) is coloured
    assert second == "  Type x"


def test_arguments_are_refused_like_everything_else() -> None:
    """Python's own parser would print a usage and exit by itself."""
    with pytest.raises(ConfigError, match=r"--colour\.\n  Type cnn-sweeps x --help"):
        Arguments("x", "", "Do x.", names=(0, 0)).read(["--colour"])
