"""`cnn-sweeps export HASH FOLDER --format FORMAT`: the network itself."""

from pathlib import Path

import pytest
from stores import Finished

from cnn_sweeps.cli.export import main
from cnn_sweeps.errors import ConfigError


def test_the_network_itself_is_exported_in_a_format(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what it was checked by, and the line to type next."""
    folder = str(tmp_path / "net")
    hashed, where = finished.result.identity.short, f"tracking.dir={finished.home}"
    assert main([hashed, folder, "--format", "keras", where]) == 0
    said = capsys.readouterr().out
    assert f"test accuracy {finished.result.metrics['test_accuracy']:.4f}" in said
    assert f"python {folder}/predict.py PICTURE" in said
    assert (tmp_path / "net" / "model.keras").is_file()


def test_what_only_a_format_needs_is_refused_without_one(finished: Finished) -> None:
    """No option is accepted and ignored."""
    with pytest.raises(ConfigError, match="--trust has no effect without --format"):
        main([finished.result.identity.short, "x", "--trust", f"tracking.dir={finished.home}"])
