"""The names of tags are written once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from configs import values
from stores import Finished

import cnn_sweeps
from cnn_sweeps.config.loading import load
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import make_config
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import RESERVED

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


@pytest.mark.parametrize("tag", ["kind", "reproduces", "study_name", "error", "mlflow.runName"])
def test_a_tag_of_the_user_takes_no_name_of_the_program(tag: str) -> None:
    """It would make another thing of the run; a run that was stored with one is still read."""
    plain = values(tracking={"tags": {tag: "x"}})
    with pytest.raises(ConfigError, match=rf"tracking\.tags\.{tag} is invalid: .* another name"):
        make_config(plain)
    assert load(plain).tracking.tags == {tag: "x"}


def test_all_tags_of_a_run_are_reserved(home: Store, finished: Finished) -> None:
    """But MLflow's own."""
    run = home.get(finished.result.run_id)
    assert {tag for tag in run.tags if not tag.startswith("mlflow.")} <= RESERVED
