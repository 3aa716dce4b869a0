"""The stored segments of a run are found by the files that it was trained with."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from configs import config
from records import DIGEST, epochs, record

from cnn_sweeps.errors import NotStoredError
from cnn_sweeps.models.source import Source
from cnn_sweeps.provenance.identity import identify, lineage
from cnn_sweeps.runs.epochs.label_errors import _stored
from cnn_sweeps.runs.epochs.stored_path import StoredPath
from cnn_sweeps.runs.recorded import lineage as recorded
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.tracking import artifacts
from cnn_sweeps.trajectories.cache import TrajectoryStore

CHANGE = {"first": 3, "optimizer.learning_rate": 0.0001}
LOSS = {"loss": "my_losses:focal"}
METRIC = {
    "metrics": ["my_losses:focal:max"],
    "schedule": {"name": "reduce_on_plateau", "monitor": "val_focal"},
}
SOURCE = Source(path="my_losses.py", content=b"def focal(y, p): return y - p\n")


@pytest.fixture(params=[LOSS, METRIC], ids=["loss", "metric-of-the-plateau"])
def changing(request: pytest.FixtureRequest) -> Record:
    """A run of two segments whose file of the user's is not here any more."""
    made = config(trainer={"epochs": 4, "phases": [CHANGE], **request.param})
    own = "metrics" in request.param
    sources: dict[str, Any] = (
        {"metric_sources": {"my_losses:focal": SOURCE}} if own else {"loss_source": SOURCE}
    )
    hashes = identify(made, DIGEST, **sources)
    return record(config=made, identity=hashes, epochs=epochs(4.0, 3.0, 2.0, 1.0), **sources)


def put(one: Record, folder: Path) -> tuple[str, ...]:
    """Store its epochs, without weights; gives the hashes of its segments."""
    hashes = lineage(one.config, DIGEST, **one.sources)
    store = TrajectoryStore.under(folder)
    for name, first in zip(hashes, (1, 3), strict=True):
        entry = store.entry(name, "here", first)
        for epoch in one.epochs[first - 1 : first + 1]:
            entry.put(epoch, {}, run_id=one.run_id, known=entry.history())
    return hashes


FOUND: dict[str, Callable[[Record, Path], Any]] = {
    "afterwards": lambda one, folder: StoredPath.find(one, folder).chain,
    "label-errors": lambda one, folder: _stored(one, folder)[0],
}


@pytest.mark.parametrize("asked", FOUND)
def test_segments_are_found_without_the_users_file(
    changing: Record, asked: str, in_tmp: Path
) -> None:
    """Their hashes are those of the files that were recorded."""
    hashes = put(changing, in_tmp)
    assert hashes[-1] == changing.identity.trajectory_hash
    chain = FOUND[asked](changing, in_tmp)
    assert [entry.folder.parent.name for entry in chain.entries] == [*hashes]
    assert len(chain.history()) == 4


def test_so_are_those_of_a_run_without_a_model(
    changing: Record, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stored files tell."""
    from cnn_sweeps.runs import stored_model

    files = {SOURCE.path: SOURCE.content}
    monkeypatch.setattr(artifacts, "read_folder", lambda *_: files)
    asked: list[Any] = []
    monkeypatch.setattr(recorded, "stored", lambda _, hashes, __: asked.extend(hashes) or [])
    tags = {"trajectory_hash": changing.identity.trajectory_hash, "data_digest": DIGEST}
    run: Any = SimpleNamespace(
        run_id="a", name="one", config_hash="c" * 64, tags=tags, metrics={"epochs": 4.0}
    )
    store: Any = SimpleNamespace(address=SimpleNamespace(dir=in_tmp))
    with pytest.raises(NotStoredError):
        stored_model._read_epoch(store, run, changing.config, None)  # type: ignore[arg-type]
    assert asked[-1] == changing.identity.trajectory_hash


def test_epochs_that_are_being_deleted_are_none(in_tmp: Path) -> None:
    """What was cleared neither answers nor takes anything more."""
    one = record(epochs=epochs(4.0, 3.0))
    (name,) = recorded.hashes_of(one.config, one.identity)
    entry = TrajectoryStore.under(in_tmp).entry(name, "here")
    entry.put(one.epochs[0], {}, run_id="r")
    assert StoredPath.find(one, in_tmp).chain is not None
    entry.folder.rename(entry.folder.with_name("here.removed-1"))
    assert StoredPath.find(one, in_tmp).chain is None
