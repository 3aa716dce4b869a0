"""Texts from outside say nothing to a terminal, a page or a table."""

import io
import json
import re

import pytest
from rich.text import Text

from cnn_sweeps.text import markdown, terminal
from cnn_sweeps.text.escape import one_line, printable
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import Output, say

HOSTILE = {
    "colour": "a\x1b[31mb",
    "title": "a\x1b]0;mine\x07b",
    "link": "a\x1b]8;;https://evil.example\x1b\\b",
    "one byte": "a\x9b31mb",
    "bell": "a\x07\x08b",
    "direction": "a\u202egnp.exe\u2066b",
    "unseen": "a\u200b\ufeff\U000e0041b",
    "no character": "a\udcffb",
    "markup of rich": "a[link=https://evil.example]x[/link][/]b :smile:",
}
COMMAND = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\udc80-\udfff]"
)

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@hostile
def test_no_command_reaches_a_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever prints it: a line, a heading, a table, a refusal, a warning, a program's output."""
    table = Table(head=(text, "n"), rows=((text, "1"),), title=text)
    console = Output(no_color=True)
    console.print(text)
    console.print(Text(text))
    console.heading(text, text)
    console.out(text)
    table.show(console)
    say(text)
    terminal.refuse(text)
    terminal.warn(text)
    out, err = capsys.readouterr()
    assert (COMMAND.findall(out), COMMAND.findall(err)) == ([], [])
    assert ":smile:" not in text or out.count(text) >= 7
    assert out.count("b") >= 7
    assert err.count("b") >= 2


@hostile
def test_in_a_terminal_only_our_own_commands_are_left(text: str) -> None:
    """Colours and lines of a table are rich's."""
    shown = io.StringIO()
    console = Output(file=shown, force_terminal=True, width=200)
    table = Table(head=(text, "n"), rows=((text, "1"),), title=text, strong=frozenset({0}))
    table.show(console)
    console.heading(text)
    left = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    assert COMMAND.findall(left) == []
    assert "\x1b[31m" not in shown.getvalue()


@hostile
def test_json_keeps_every_value(text: str) -> None:
    """The characters are written as JSON writes them."""
    made = dump_json({"name": text, text: 1})
    assert COMMAND.findall(made) == []
    assert json.loads(made) == {"name": text, text: 1}


@pytest.mark.parametrize("text", ["größer", "模型", "👩\u200d🔬", "क\u200cष", "a\u00a0b"])
def test_other_scripts_stay(text: str) -> None:
    """And the joiners that they need."""
    assert printable(text) == text


def test_line_breaks_are_text_but_in_a_row() -> None:
    """A cell of a table is one line."""
    assert printable("a\r\nb\tc") == "a\nb\tc"
    assert one_line("a\n| b\tc\x0bd") == "a | b c d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a ``` b", "```` a ``` b ````"),
        ("a\nb", "`a b`"),
        ("plain", "`plain`"),
    ],
)
def test_code_in_a_line(text: str, said: str) -> None:
    """Backticks in it do not end it."""
    assert markdown.code(text) == said


def test_a_fence_is_longer_than_those_in_it() -> None:
    """A name cannot leave the block of commands."""
    assert markdown.block(["a ``` b", "c"]) == "````\na ``` b\nc\n````"
