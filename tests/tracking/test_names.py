"""The names of tags are written once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnn_sweeps

PACKAGE = Path(cnn_sweeps.__file__).parent


def spelled_out(tree: ast.AST) -> Iterator[str]:
    """The tags that are read by a name of their own: `tags["x"]`, `run.tags.get("x")`."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=where, slice=ast.Constant(value=str() as name)):
                pass
            case ast.Call(
                func=ast.Attribute(value=where, attr="get"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                pass
            case ast.Compare(
                left=ast.Constant(value=str() as name), ops=[ast.In()], comparators=[where]
            ):
                pass
            case _:
                continue
        if ast.unparse(where).rpartition(".")[2] == "tags":
            yield name


@pytest.mark.parametrize("folder", ["runs", "cli", "training", "sweeps/results", "report"])
def test_no_module_spells_a_tag_out(folder: str) -> None:
    """A name that is stored stands in `tracking.names`, where whoever changes it looks."""
    found = {
        str(file.relative_to(PACKAGE)): names
        for file in (PACKAGE / folder).rglob("*.py")
        if (names := list(spelled_out(ast.parse(file.read_text("utf-8")))))
    }
    assert found == {}
