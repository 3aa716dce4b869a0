"""The YAML files of the `data` group: complete, typed and readable."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from cnn_sweeps.config.schema import Data
from cnn_sweeps.data.readers import READERS

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))


def values(file: Path) -> dict[str, Any]:
    """What a file holds, with a path where one must be given."""
    given = OmegaConf.load(file)
    if OmegaConf.is_missing(given, "path"):
        given.path = "somewhere"
    return json.loads(json.dumps(OmegaConf.to_container(given)))  # type: ignore[no-any-return]


def test_each_reader_has_its_file() -> None:
    """`data=NAME` exists for every reader and for nothing else."""
    assert {file.stem for file in FILES} == set(READERS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_fits_its_schema_and_lists_every_field(file: Path) -> None:
    """Nothing is unknown, nothing is left to a default that one cannot see."""
    given = values(file)
    config: Any = TypeAdapter(Data).validate_json(json.dumps(given))
    assert config.name == file.stem
    assert set(given) == {field.name for field in dataclasses.fields(config)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_agrees_with_the_defaults_of_its_schema(file: Path) -> None:
    """One default, wherever one looks."""
    config: Any = TypeAdapter(Data).validate_json(json.dumps(values(file)))
    for field in dataclasses.fields(config):
        if field.name not in ("name", "path"):
            assert getattr(config, field.name) == field.default, field.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_line_is_explained(file: Path) -> None:
    """A comment for each value but the name."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "#" not in line and not line.startswith("name:")] == []
