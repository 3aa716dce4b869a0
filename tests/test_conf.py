"""Every YAML file of `conf/` composes and describes an experiment that can be carried out."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from cnn_sweeps.config import Config
from cnn_sweeps.config.fields import find, keys_of
from cnn_sweeps.models import count_params
from cnn_sweeps.runs.composition.validate import compose, config_dir, make_config, plain_values
from cnn_sweeps.sweeps.comparison.definition import NODE

CONF = Path(config_dir())
GROUPS = (
    *("model", "data", "trainer", "augment", "tracking", "trajectory"),
    *("search", "experiment", "exercise"),
)
ADDED = ("experiment", "exercise")
"""Groups from which nothing is chosen where nothing is typed."""
THERE = {"function": "configs:config", "path": f"'{CONF}'"}
"""For each field that a user must give, something that is there."""
ALSO = {"model/pretrained": ["model.input_size=[32,32]"]}
"""For each option that does not fit the default images, what makes it fit."""

OPTIONS = sorted(
    f"{group}/{file.stem}" for group in GROUPS for file in (CONF / group).glob("*.yaml")
)


def composed(option: str) -> Config:
    """The experiment with one option chosen."""
    group, _, name = option.partition("/")
    plus = "+" if group in ADDED else ""
    written = yaml.safe_load((CONF / f"{option}.yaml").read_text()) or {}
    needed = [f"{group}.{key}={THERE[key]}" for key, value in written.items() if value == "???"]
    values = plain_values(compose([f"{plus}{group}={name}", *needed, *ALSO.get(option, [])]))
    values.pop(NODE, None)  # what an exercise asks is no part of an experiment
    return make_config(values)


def test_every_group_has_options() -> None:
    """No group of the command line is empty."""
    assert {option.split("/")[0] for option in OPTIONS} == set(GROUPS)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_validates(option: str) -> None:
    """Each option gives a config that passes every check."""
    assert isinstance(composed(option), Config)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.split("/")[0] in GROUPS[:6]])
def test_every_option_spells_out_every_field(option: str) -> None:
    """A YAML file shows all that can be set, with the defaults of the schema."""
    group = option.split("/", maxsplit=1)[0]
    written = yaml.safe_load((CONF / f"{option}.yaml").read_text())
    schema = keys_of(find((group,), {group: written}), {group: written})
    assert sorted(written) == schema


@pytest.mark.parametrize(
    ("preset", "params", "epochs"),
    [
        pytest.param("notebook_dnn", 101_770, 5, id="dense"),
        pytest.param("notebook_cnn", 243_786, 5, id="64-64"),
        pytest.param("notebook_cnn_deep", 84_106, 5, id="64-64-64"),
        pytest.param("notebook_mnist", 693_962, 10, id="mnist-32"),
    ],
)
def test_presets_are_the_notebooks_networks(preset: str, params: int, epochs: int) -> None:
    """The notebook's cells, by their number of parameters, without a validation split."""
    made = composed(f"experiment/{preset}")
    assert count_params(made.model, (28, 28, 1), 10) == params
    assert (made.trainer.epochs, made.trainer.batch_size) == (epochs, 32)
    assert made.data.validation_fraction == 0


def test_defaults_of_yaml_and_schema_agree() -> None:
    """A field left out of a config has the value that the shipped files show."""
    made = composed("model/cnn")
    for part in (made.model, made.trainer, made.augment, made.tracking):
        defaults = type(part)()
        for field in dataclasses.fields(part):
            assert getattr(part, field.name) == getattr(defaults, field.name), field.name
