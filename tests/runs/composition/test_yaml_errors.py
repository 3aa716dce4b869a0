"""A config file that cannot be read is named, with its line."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition import validate, yaml_errors
from cnn_sweeps.runs.composition.hydra_errors import as_config_error

FAULTS = [
    pytest.param(b"a: 1\n b: 2\n", 2, "indentation", id="indentation"),
    pytest.param(b"a: 1\nb: 2\na: 3\n", 3, "duplicate key a", id="duplicate-key"),
    pytest.param(b"a: 1\n\tb: 2\n", 2, "spaces", id="tab"),
    pytest.param(b"a: 1\nb: \x89PNG\n", 2, "no UTF-8 text", id="binary"),
    pytest.param(b"a: 1\nb: x\x00y\n", 2, "control character", id="control-character"),
    pytest.param(b"a: {b: 1\n", 2, "bracket", id="bracket"),
    pytest.param(b"a: @b\n", 1, "quotes", id="at"),
]


@pytest.mark.parametrize(("content", "line", "told"), FAULTS)
def test_a_file_of_a_config_dir_is_named_with_its_line(
    tmp_path: Path, content: bytes, line: int, told: str
) -> None:
    """An option of a group, a new experiment: what was added with `--config-dir`."""
    file = tmp_path / "model" / "mine.yaml"
    file.parent.mkdir()
    file.write_bytes(content)
    typed = [f"hydra.searchpath=[file://{tmp_path}]", "model=mine"]
    with pytest.raises(ConfigError) as caught, as_config_error(typed):
        validate.compose(typed)
    first, *more = str(caught.value).splitlines()
    assert first.startswith(f"{file}, line {line} cannot be read: ")
    assert told in str(caught.value)
    assert len(more) <= 1


def test_a_primary_config_is_named_with_its_line(tmp_path: Path) -> None:
    """What `--config-name` chooses."""
    (tmp_path / "mine.yaml").write_text("defaults:\n  - _self_\nseed: 1\n  x: 2\n")
    with (
        pytest.raises(ConfigError, match=r"mine\.yaml, line 4 cannot be read"),
        as_config_error([]),
    ):
        validate.compose([], name="mine", folder=str(tmp_path))


def test_a_header_that_is_wrong_is_told_with_its_file(tmp_path: Path) -> None:
    """Where Hydra itself reads the first lines."""
    (tmp_path / "mine.yaml").write_text("# @package a b\nseed: 1\n")
    with (
        pytest.raises(ConfigError, match=r"mine\.yaml cannot be read: Too many"),
        as_config_error([]),
    ):
        validate.compose([], name="mine", folder=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- a\n- b\n", "holds a list"),
        ("hello\n", "holds the value 'hello'"),
        ("3\n", "holds the value '3'"),
    ],
)
def test_an_option_without_keys_is_named(tmp_path: Path, content: str, told: str) -> None:
    """Hydra takes it for the group, and what is missing there would be told instead."""
    file = tmp_path / "model" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(content)
    sources = [{"path": "", "schema": "structured"}, {"path": str(tmp_path), "schema": "file"}]
    chosen = {"model": "mine", "data": "digits", "hydra/help": None}
    hydra = OmegaConf.create({"runtime": {"config_sources": sources, "choices": chosen}})
    with pytest.raises(ConfigError, match=f"{file} {told}"):
        yaml_errors.check(hydra)
    file.write_text("# nothing yet\n")
    yaml_errors.check(hydra)


def test_a_primary_config_without_keys_is_named(tmp_path: Path) -> None:
    """What `--config-name` chooses."""
    (tmp_path / "mine.yaml").write_text("- a\n")
    with (
        pytest.raises(ConfigError, match="primary config mine holds no lines"),
        as_config_error([]),
    ):
        validate.compose([], name="mine", folder=str(tmp_path))


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """A list where the others have a group."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ntrainer: [1]\n")
    typed = [f"hydra.searchpath=[file://{tmp_path}]", "+experiment=mine"]
    with pytest.raises(ConfigError) as caught, as_config_error(typed):
        validate.compose(typed)
    assert str(caught.value) == "In 'experiment/mine': Cannot merge DictConfig with ListConfig."


def test_a_variable_that_is_not_set_is_named() -> None:
    """With the key that asks for it, where that is known."""
    composed = validate.compose(["trainer.optimizer.learning_rate=${oc.env:NOT_SET}"])
    with pytest.raises(ConfigError) as caught:
        validate.plain_values(composed)
    said = "trainer.optimizer.learning_rate: Environment variable 'NOT_SET' not found"
    assert str(caught.value) == said


def test_an_empty_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by that of the key, which nobody typed."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    with pytest.raises(ConfigError, match="MLFLOW_EXPERIMENT_NAME is empty"):
        validate.make_config(validate.plain_values(validate.compose(["data=digits"])))
