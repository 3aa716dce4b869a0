"""A config file that cannot be read is named, with its line."""

from pathlib import Path

import pytest

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs import validate
from cnn_sweeps.runs.hydra_errors import explained

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
    with pytest.raises(ConfigError) as caught, explained(typed):
        validate.compose(typed)
    first, *more = str(caught.value).splitlines()
    assert first.startswith(f"{file}, line {line} cannot be read: ")
    assert told in str(caught.value)
    assert len(more) <= 1


def test_a_primary_config_is_named_with_its_line(tmp_path: Path) -> None:
    """What `--config-name` chooses."""
    (tmp_path / "mine.yaml").write_text("defaults:\n  - _self_\nseed: 1\n  x: 2\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml, line 4 cannot be read"), explained([]):
        validate.compose([], name="mine", folder=str(tmp_path))


def test_a_header_that_is_wrong_is_told_with_its_file(tmp_path: Path) -> None:
    """Where Hydra itself reads the first lines."""
    (tmp_path / "mine.yaml").write_text("# @package a b\nseed: 1\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml cannot be read: Too many"), explained([]):
        validate.compose([], name="mine", folder=str(tmp_path))
