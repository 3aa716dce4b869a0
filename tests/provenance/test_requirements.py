"""The exact versions that an exported run comes with."""

from importlib.metadata import version

from packaging.requirements import Requirement

from cnn_sweeps.provenance import requirements


def test_all_that_is_needed_is_there_with_what_that_needs() -> None:
    """Direct requirements and theirs are listed with the installed versions, extras of ours not."""
    found = requirements.installed_versions()
    for name in ("keras", "mlflow", "mlflow-skinny", "alembic", "numpy"):
        assert found[name] == version(name)
    assert not {"cnn-sweeps", "ruff", "mypy"} & found.keys()


def test_what_is_not_installed_is_left_out() -> None:
    """A package of another system, or of an extra that nobody asked for, has no version here."""
    assert requirements.installed_versions("no-such-package") == {}


def test_recorded_versions_come_first() -> None:
    """The file can be read by pip, has the recorded version, and tells which one is here."""
    text = requirements.text({"cnn-sweeps": "0.0.9", "keras": "3.0.0", "gone": "1.0"})
    lines = [line.partition("  #")[0] for line in text.splitlines() if not line.startswith("#")]
    pins = {Requirement(line).name: str(Requirement(line).specifier) for line in lines}
    assert pins["keras"] == "==3.0.0"
    assert "gone" not in pins  # a record may come from anywhere, and this file is for pip
    assert f"keras==3.0.0  # not {version('keras')}" in text
    assert "cnn-sweeps 0.0.9 itself" in text.splitlines()[0]
    assert "://" not in text
