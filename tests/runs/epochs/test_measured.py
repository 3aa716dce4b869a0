"""Metrics of the validation split in a run: logged, read back, and measured of epochs before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configs import config
from stores import Finished, copy_of

from cnn_sweeps.data import load_cached
from cnn_sweeps.evaluation import metrics
from cnn_sweeps.runs import restore
from cnn_sweeps.runs.export import export
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import functions_of, verify
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.tracking import Store
from cnn_sweeps.trajectories.cache import TrajectoryStore

OWN = """
import numpy as np


def worst(labels, probabilities):
    right = probabilities.argmax(axis=1) == labels
    return min(right[labels == each].mean() for each in np.unique(labels))
"""


def again(
    store: Store, *, epochs: int = 2, reuse: bool = True, log_model: bool = False, **trainer: Any
) -> RunResult:
    """The same experiment, asked for by a sweep that measures something."""
    asked = config(
        trainer={"epochs": epochs, **trainer},
        trajectory={"reuse": reuse},
        tracking={"log_model": log_model},
    )
    return run(asked, store, trial=TrialContext(parent_run_id=None))


@pytest.fixture(scope="module")
def first(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A trial that has measured the stored epochs of that run."""
    folder = tmp_path_factory.mktemp("measured")
    with copy_of(finished.home, folder) as copied:
        return Finished(home=folder / "mlruns", result=again(copied, metrics="brier"))


@pytest.fixture
def measured(first: Finished, tmp_path: Path) -> Iterator[Store]:
    """A copy of its store."""
    with copy_of(first.home, tmp_path) as copied:
        yield copied


@pytest.mark.slow
def test_stored_epochs_are_measured_and_not_trained_again(home: Store) -> None:
    """The values are those of a training that measured as it went on, to the last bit."""
    asked: dict[str, Any] = {"metrics": ["macro_f1", "roc_auc"]}
    found = again(home, **asked)
    assert found.epochs_trained == 0
    trained = again(home, **asked, reuse=False)
    assert trained.epochs_trained == 2
    values = [epoch.measured for epoch in found.training.epochs]
    assert values == [epoch.measured for epoch in trained.training.epochs]
    assert set(values[0]) == {"val_macro_f1", "val_roc_auc"}
    assert trained.weights_sha256 == found.weights_sha256


@pytest.mark.slow
def test_a_further_epoch_is_trained_from_where_the_known_ones_end(home: Store) -> None:
    """Measuring a known epoch does not make training begin anew."""
    found = again(home, epochs=3, metrics="brier")
    assert found.epochs_trained == 1
    plain = again(home, epochs=3, reuse=False)
    assert found.weights_sha256 == plain.weights_sha256
    assert all("val_brier" in epoch.measured for epoch in found.training.epochs)


def test_values_are_those_of_the_weights_after_the_last_epoch(home: Store) -> None:
    """As the stored network gives them."""
    found = again(home, metrics="log_loss", log_model=True)
    from stored_models import loaded

    data = load_cached(config().data)
    scores = np.asarray(loaded(home, found.run_id).predict(data.x_val, verbose=0))
    expected = metrics.log_loss(data.y_val, metrics.normalized(scores))
    assert found.metrics["val_log_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_run_that_measured_it_answers_the_next_one(
    measured: Store, first: Finished, finished: Finished
) -> None:
    """And one that did not is passed over."""
    second = again(measured, metrics="brier")
    assert second.training == first.result.training
    tags = measured.get(second.run_id).tags
    assert tags["reused_from"] == first.result.run_id != finished.result.run_id


@pytest.mark.slow
def test_epochs_whose_weights_are_gone_are_trained_again(home: Store) -> None:
    """There is no other way to know; nothing else of the run is."""
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    for file in (entry.folder / "weights").glob("*.npz"):
        file.unlink()
    assert again(home, metrics="brier").epochs_trained == 2


def test_what_was_measured_is_read_back_where_it_is_stored(
    measured: Store, first: Finished
) -> None:
    """Weights are looked at once."""
    (entry,) = TrajectoryStore.under(measured.address.dir).entries()
    for file in (entry.folder / "weights").glob("*.npz"):
        file.unlink()
    early = {"patience": 9, "monitor": "val_brier"}  # another experiment, of the same trajectory
    second = again(measured, early_stopping=early)
    assert [e.measured for e in second.training.epochs] == [
        e.measured for e in first.result.training.epochs
    ]


def test_metrics_that_were_damaged_are_measured_anew(measured: Store, first: Finished) -> None:
    """As those that other code has made."""
    (entry,) = TrajectoryStore.under(measured.address.dir).entries()
    file = entry.folder / "metrics.json"
    file.write_text(file.read_text().replace("0.", "1."))
    assert entry.metrics(entry.history()[0]) == {}
    early = {"patience": 9, "monitor": "val_brier"}
    done = again(measured, early_stopping=early)
    assert done.training.epochs == first.result.training.epochs


def test_a_record_has_them_for_every_epoch_with_the_user_s_own(
    home: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, exported and read back; the file is verified, and needed for a training alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_worst.py").write_text(OWN)
    found = again(home, metrics=["own_worst:worst:max", "macro_f1"])
    record = lookup.record_of(home, home.get(found.run_id))
    assert record.epochs == found.training.epochs
    assert [each[:2] for each in functions_of(record)] == [("trainer.metrics", "own_worst:worst")]
    verify(record)
    export.write(record, tmp_path / "exported")
    assert (tmp_path / "exported/metric_source/own_worst/own_worst.py").read_text() == OWN
    assert export.read(tmp_path / "exported").epochs == record.epochs
    with restore.importable_source(record, trust=False):
        pass  # to look at the network, no metric is imported
    with pytest.raises(Exception, match=r"trainer.metrics=own_worst:worst.*\n.*trust=True"):
        restore.importable_source(record, trust=False, to_train=True).__enter__()
