"""Refusals name an argument as whoever asked has typed it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnn_sweeps.text.argument_names import on_command_line, option

PACKAGE = Path(__file__).resolve().parents[2] / "cnn_sweeps"
OF_COMMANDS = ("cli", "doctor")
"""What only commands say."""
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*(?:=\S*)?")
TYPED = re.compile(
    r"(?:cnn-sweeps|mlflow|optuna|pip|ray|git) [^;,()\n]*?--[a-z][\w-]*(?:[^;,()\n]*--[a-z][\w-]*)*"
)
"""A whole command line, which is typed as it stands wherever it is read."""
WORDS = 3
"""So many words beside its flags make a message of a text; fewer are arguments of a program."""


@pytest.mark.parametrize(
    ("name", "value", "typed", "in_python"),
    [
        ("trust", True, "--trust", "trust=True"),
        ("every_epoch", None, "--every-epoch", "every_epoch"),
        ("run_id", "ID", "--run-id ID", 'run_id="ID"'),
        ("form", "keras", "--format keras", 'form="keras"'),
        ("metrics", ("a", "b"), "--metrics a,b", 'metrics=["a", "b"]'),
        ("top", 0, "--top 0", "top=0"),
        ("tolerance", float("nan"), "--tolerance nan", "tolerance=nan"),
    ],
)
def test_an_argument_is_named_as_it_is_typed(
    name: str, value: object, typed: str, in_python: str
) -> None:
    """As an option inside the block of the command line, as a keyword outside of it."""
    with on_command_line():
        assert option(name, value) == typed
    assert option(name, value) == in_python


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstring, with `{}` for what is filled in."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    left_out = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
    for node in nodes:
        if id(node) in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def names_a_flag(text: str) -> bool:
    """Whether a text is a message that says which flag to type, beside whole command lines."""
    left = TYPED.sub("", text)
    words = re.findall(r"[A-Za-z]+", FLAG.sub("", left))
    return FLAG.search(left) is not None and len(words) >= WORDS


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("then pass --trust to run it.", True),
        ("Type cnn-sweeps reproduce {} --trust to run it.", False),
        ("Type cnn-sweeps reproduce {}; --run-id chooses that run.", True),
        ("server --host {} --port {}", False),
    ],
)
def test_a_message_with_a_flag_is_found(text: str, named: bool) -> None:
    """A command line that is typed as it stands may have some."""
    assert names_a_flag(text) == named


def test_no_message_below_the_command_line_names_a_flag() -> None:
    """It may be raised in a program, where there are keywords: `option` knows which is meant."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in OF_COMMANDS
        for line, text in literals(path)
        if names_a_flag(text)
    ]
    assert not found, "\n".join(found)
