"""A run by its id, and its files."""

from dataclasses import replace

import pytest
from mlflow.exceptions import MlflowException

from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, TrackedRun, artifacts


@pytest.fixture
def run(store: Store) -> TrackedRun:
    """A run to write into."""
    with store.start_run("r", tags={}) as run:
        return run


@pytest.mark.parametrize("path", ["a.py", "source/a.py", "source/deep/er/a.py"])
def test_bytes_come_back_as_they_were(store: Store, run: TrackedRun, path: str) -> None:
    """Neither line ends nor what is no text are converted."""
    content = b"a\r\nb\n\xff\x00"
    run.log_bytes(content, path)
    assert artifacts.read_file(store, store.get(run.run_id), path) == content


@pytest.mark.parametrize("path", ["a.py", "source/a.py"])
def test_a_file_that_is_not_there(store: Store, run: TrackedRun, path: str) -> None:
    """An absent file is no error, with or without others in its folder."""
    assert artifacts.read_file(store, store.get(run.run_id), path) is None
    run.log_bytes(b"", "source/b.py")
    assert artifacts.read_file(store, store.get(run.run_id), path) is None


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "bytes", "deep"])
def test_json_that_was_damaged_is_refused(store: Store, run: TrackedRun, content: bytes) -> None:
    """However it was damaged, who reads it need expect but one error."""
    assert artifacts.read_json(store, store.get(run.run_id), "a.json") is None
    run.log_bytes(content, "a.json")
    with pytest.raises(ValueError):  # noqa: PT011 -- Python's own words
        artifacts.read_json(store, store.get(run.run_id), "a.json")


def test_other_errors_of_the_store_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a run that is not there is unknown; a store that refuses says so."""

    def refuse(_run_id: str) -> None:
        raise MlflowException("out of order")

    monkeypatch.setattr(store.client, "get_run", refuse)
    with pytest.raises(StoreError, match="refuses: out of order"):
        artifacts.run_by_id(replace(store, local=None), "a" * 32)
