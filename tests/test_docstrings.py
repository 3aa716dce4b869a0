"""What docstrings list under `Attributes:` and `Args:` is there, also after it was renamed."""

import ast
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path for folder in ("cnn_sweeps", "hydra_plugins") for path in (ROOT / folder).rglob("*.py")
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def listed(node: ast.ClassDef | FUNCTIONS, section: str) -> set[str]:
    """The names in a section of a docstring, which ends where another one begins."""
    _, _, rest = (ast.get_docstring(node) or "").partition(f"\n{section}:\n")
    lines = takewhile(lambda line: line[:1] in ("", " "), rest.splitlines())
    return {found[1] for line in lines if (found := re.match(r"    (\w+):", line))}


def members(node: ast.ClassDef) -> set[str]:
    """What a class declares itself: fields, methods, and what it sets on `self`."""
    own = [each for each in node.body if isinstance(each, ast.Assign | ast.AnnAssign)]
    names = [each for line in own for each in ast.walk(line) if isinstance(each, ast.Name)]
    found = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    found |= {each.name for each in node.body if isinstance(each, FUNCTIONS)}
    return found | set(re.findall(r"\bself\.(\w+)", ast.unparse(node)))


CLASSES = {
    node.name: node
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}


def inherited(node: ast.ClassDef) -> set[str]:
    """The members of a class and of its bases in this package."""
    bases = (ast.unparse(base).rpartition(".")[2] for base in node.bases)
    known = (CLASSES[base] for base in bases if base in CLASSES)
    return members(node).union(*map(inherited, known))


def missing(tree: ast.Module) -> Iterator[str]:
    """What docstrings list and the code has not."""
    for node in ast.walk(tree):
        gone: set[str] = set()
        if isinstance(node, ast.ClassDef):
            gone = listed(node, "Attributes") - inherited(node)
        elif isinstance(node, FUNCTIONS):
            gone = listed(node, "Args") - {
                each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)
            }
        yield from (f"{node.name}: {name}" for name in sorted(gone))  # type: ignore[attr-defined]


def test_docstrings_list_what_is_there() -> None:
    """Fields of classes, their bases' among them, and arguments of functions."""
    found = {path.relative_to(ROOT).as_posix(): list(missing(tree)) for path, tree in TREES.items()}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_name_that_is_gone_is_found() -> None:
    """In a class and in a function; a base has what it has."""
    code = '''
class Prefix(CnnSweepsError):
    """A cell.

    Attributes:
        exit_code: of the base.
        course: which.
    """

    def of(self, plan):
        """Look up.

        Args:
            plan: whose.
            cell: which.

        Raises:
            KeyError: it is not there.
        """
'''
    assert list(missing(ast.parse(code))) == ["Prefix: course", "of: cell"]
