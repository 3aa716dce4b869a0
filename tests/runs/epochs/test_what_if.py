"""Another rule to stop, asked of a finished run: answered from stored epochs, and plainly not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stores import Finished

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.epochs.outcomes import Outcome
from cnn_sweeps.runs.epochs.what_if import parse_changes, what_if
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.tracking import Store
from cnn_sweeps.training import stopping
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.retention import Retention

PATIENCE, MONITOR = "trainer.early_stopping.patience", "trainer.early_stopping.monitor"
LOSSES = (1.0, 0.8, 0.9, 0.85, 0.7, 0.75)
"""Of the validation images, epoch by epoch; the run itself has the first two."""


@pytest.fixture
def record(home: Store, finished: Finished) -> Record:
    """That run, as if its validation losses had been the first of `LOSSES`."""
    found = lookup.record_of(home, home.get(finished.result.run_id))
    epochs = [replace(e, val_loss=LOSSES[e.number - 1]) for e in found.epochs]
    return replace(found, epochs=tuple(epochs))


def longer(home: Store, record: Record) -> Entry:
    """Another run has trained on: the trajectory has as many epochs as there are losses."""
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    history = entry.history()
    known = [replace(one, epoch=record.epochs[one.number - 1]) for one in history]
    for number in range(len(known) + 1, len(LOSSES) + 1):
        epoch = replace(known[0].epoch, number=number, val_loss=LOSSES[number - 1], seconds=2.0)
        known.append(replace(known[-1], epoch=epoch))
    entry._write_history(known, in_hand=len(known), retention=Retention(), size=0)
    return entry


def asked(home: Store, record: Record, *typed: str) -> list[Outcome]:
    """The answers, without the run as it was."""
    return list(what_if(home, record, parse_changes(typed)).outcomes[1:])


def test_the_run_as_it_was_stands_in_front(home: Store, record: Record) -> None:
    """With what it came to on the test images."""
    first = what_if(home, record, parse_changes(["trainer.epochs=1"])).outcomes[0]
    assert (first.epochs, first.best, first.stopped) == (2, 2, "all 2 epochs")
    assert first.tests["test_accuracy"] == record.metrics["test_accuracy"]


def test_fewer_epochs_save_some(home: Store, record: Record) -> None:
    """Their scores are those of the shorter training; of its test images nobody knows."""
    (found,) = asked(home, record, "trainer.epochs=1")
    assert (found.epochs, found.best, found.epochs_saved) == (1, 1, 1)
    assert found.metrics["val_loss"] == LOSSES[0]
    assert found.tests == {}
    assert found.seconds_saved == pytest.approx(record.epochs[1].seconds)


def test_a_longer_patience_is_answered_by_what_another_run_has_trained(
    home: Store, record: Record
) -> None:
    """As a training with it would end, by the very rules of a training."""
    longer(home, record)
    found = asked(home, record, f"{PATIENCE}=1,2,3", "trainer.epochs=6")
    assert [(o.epochs, o.best) for o in found] == [(3, 2), (4, 2), (6, 5)]
    assert [o.epochs_saved for o in found] == [-1, -2, -4]
    assert found[0].tests["test_accuracy"] == record.metrics["test_accuracy"]
    assert found[2].tests == {}
    assert "val_loss no better than in epoch 2 at epoch 4" in found[1].stopped


def test_test_scores_of_the_same_training_with_other_bits_are_not_taken(
    home: Store, record: Record
) -> None:
    """Another machine trained other weights, though the hash and the epoch are the same."""
    longer(home, record)
    loss = float(np.nextafter(record.metrics["loss"], 9))
    home.reopen(record.run_id).log_metrics({"loss": loss}, step=9)
    assert asked(home, record, f"{PATIENCE}=1")[0].tests == {}


def test_where_the_stored_epochs_end_it_says_so(home: Store, record: Record) -> None:
    """And gives no number."""
    (found,) = asked(home, record, f"{PATIENCE}=3", "trainer.epochs=9")
    assert not found.is_known
    assert found.stopped == "not known: it would go on after epoch 2, the last one that is stored"
    assert found.metrics == {}


def test_the_run_alone_answers_where_nothing_else_is_stored(home: Store, record: Record) -> None:
    """Its metrics are in MLflow."""
    for entry in TrajectoryStore.under(home.address.dir).entries():
        assert entry.remove()
    (found,) = asked(home, record, "trainer.stop_at={val_loss: 2.0}")
    assert (found.epochs, found.stopped) == (1, "val_loss 1 <= 2 at epoch 1")


def test_a_metric_that_cannot_be_known_any_more_is_named(home: Store, record: Record) -> None:
    """It was not measured then, and the weights are gone."""
    for entry in TrajectoryStore.under(home.address.dir).entries():
        assert entry.remove()
    bare = replace(record, metrics={**record.metrics, "best_epoch": 2.0})
    (found,) = asked(home, bare, f"{PATIENCE}=1", f"{MONITOR}=val_macro_f1")
    assert found.stopped.startswith("not known: val_macro_f1 was not measured in epoch 1")


def test_another_number_of_epochs_under_a_decay_is_another_training(
    home: Store, record: Record
) -> None:
    """The learning rates would be others from the first epoch on."""
    schedule = replace(record.config.trainer.schedule, name="cosine")
    trainer = replace(record.config.trainer, schedule=schedule)
    decaying = replace(record, config=replace(record.config, trainer=trainer))
    from cnn_sweeps.provenance.identity import identify

    hashes = identify(decaying.config, record.identity.data_digest)
    (found,) = asked(home, replace(decaying, identity=hashes), "trainer.epochs=1")
    assert found.stopped == (
        "not known: its learning rates would be others, and no epoch of that is stored"
    )


def written(home: Store, weights: dict[int, dict[str, NDArray[Any]]]) -> None:
    """Let the stored epochs have these weights."""
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    known = [
        replace(one, weights=entry._write_arrays("weights", one.number, weights[one.number]))
        for one in entry.history()
    ]
    entry._write_history(known, in_hand=len(known), retention=Retention(), size=0)


def around_the_last(home: Store) -> dict[int, dict[str, NDArray[Any]]]:
    """Weights of two epochs, far from each other, with those of the last as their mean."""
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    last = entry.weights(entry.history()[-1])
    assert last is not None
    noise = np.random.RandomState(0)
    moved = {
        key: noise.normal(size=value.shape).astype(value.dtype) if value.dtype.kind == "f" else 0
        for key, value in last.items()
    }
    return {
        number: {
            key: (value + sign * moved[key]).astype(value.dtype) for key, value in last.items()
        }
        for number, sign in ((1, 1), (2, -1))
    }


@pytest.mark.parametrize(
    ("losses", "weights"),
    [((9.0, 8.0), "average of epochs 1 to 2"), ((9.0, 0.001), "epoch 2")],
    ids=["preferred", "not preferred"],
)
def test_an_average_of_stored_epochs_is_a_candidate(
    home: Store, finished: Finished, losses: tuple[float, float], weights: str
) -> None:
    """Of weights made by hand whose mean is known; its numbers are told whether it wins or not."""
    found = lookup.record_of(home, home.get(finished.result.run_id))
    written(home, around_the_last(home))
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    pairs = zip(entry.history(), losses, strict=True)
    known = [replace(one, epoch=replace(one.epoch, val_loss=loss)) for one, loss in pairs]
    entry._write_history(known, in_hand=2, retention=Retention(), size=0)
    shown = replace(found, epochs=tuple(one.epoch for one in known))
    (outcome,) = asked(home, shown, "weight_averaging=2")
    was = found.epochs[-1].val_loss
    assert outcome.weights == weights
    assert outcome.average["average_val_loss"] == pytest.approx(was, rel=1e-4)
    assert outcome.average["averaged_epochs"] == (2 if weights.startswith("average") else 0)
    expected = was if weights.startswith("average") else losses[1]
    assert outcome.metrics["val_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_fork_keeps_the_average_that_was_asked_for(home: Store, finished: Finished) -> None:
    """To the last bit, and nothing is trained for it."""
    from cnn_sweeps.runs.fork import fork
    from cnn_sweeps.runs.run import TrialContext, run

    record = lookup.record_of(home, home.get(finished.result.run_id))
    (outcome,) = asked(home, record, "weight_averaging=2")
    here = replace(record.config.tracking, dir=home.address.dir)
    made = fork(record, None, ["trainer.weight_averaging=2"], here)
    kept = run(made.config, home, trial=TrialContext(parent_run_id=None))
    assert kept.epochs_trained == 0
    assert outcome.average.items() <= kept.metrics.items()
    assert kept.training.chosen == outcome.weights
    assert outcome.metrics["val_loss"] == kept.metrics["val_loss"]


def test_an_average_of_weights_that_are_gone_is_not_known(home: Store, record: Record) -> None:
    """The epoch is named."""
    (entry,) = TrajectoryStore.under(home.address.dir).entries()
    (entry.folder / "weights" / "0001.npz").unlink()
    (found,) = asked(home, record, "weight_averaging=2")
    assert found.stopped == "not known: the weights after epoch 1 are not stored any more"


def test_a_metric_of_one_s_own_is_computed_for_epochs_that_never_had_it(
    home: Store, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named as the monitor itself, with its direction, or listed as for a training."""
    (tmp_path / "own_doubt.py").write_text(
        "def doubt(labels, probabilities):\n    return 1 - probabilities.max(axis=1).mean()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    record = lookup.record_of(home, home.get(finished.result.run_id))
    (found,) = asked(home, record, "patience=1", "monitor=own_doubt:doubt:min", "epochs=2")
    listed = ("metrics=[own_doubt:doubt:min]", "monitor=val_doubt", "patience=1", "epochs=2")
    (same,) = asked(home, record, *listed)
    assert (found.epochs, found.metrics) == (2, same.metrics)
    assert 0 < found.metrics["val_doubt"] < 1


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("patience=1", PATIENCE),
        ("early_stopping.monitor=val_loss", MONITOR),
        ("epochs=3", "trainer.epochs"),
        ("trainer.stop_at_loss=0.1", "trainer.stop_at_loss"),
    ],
)
def test_keys_may_be_short(typed: str, keys: str) -> None:
    """As in phases; of early stopping the field's own name will do."""
    (found,) = parse_changes([typed])
    assert [*found] == [keys]


def test_several_values_are_combined() -> None:
    """Each with each."""
    found = parse_changes(["patience=1,3", "min_delta=0,0.01"])
    assert [tuple(each.values()) for each in found] == [(1, 0), (1, 0.01), (3, 0), (3, 0.01)]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["trainer.batch_size=1"], "changes what is trained.*\n.*trainer.epochs"),
        (["trainer.threads=1"], "changes what is trained"),
        (["trainer.nothing=1"], "there is no such key"),
        (["patience=0"], "takes an integer from 1"),
        (["patience=1", "monitor=val_f2"], "is not a metric"),
        (["patience=1", "monitor=nowhere:cost:min"], "there is no module nowhere"),
        (["patience=1", "monitor=configs:config"], "does not say whether less or more"),
        (["weight_averaging=1"], "trainer.weight_averaging"),
        (["epochs=interval(1,2)"], r"KEY=VALUE,VALUE"),
        ([], "nothing to ask"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    home: Store, record: Record, typed: list[str], message: str
) -> None:
    """With what can."""
    with pytest.raises(ConfigError, match=message):
        asked(home, record, *typed)


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 4},
        {"epochs": 6, "stop_at": {"val_loss": 0.8}},
        {"epochs": 6, "early_stopping": {"patience": 1}},
        {"epochs": 6, "early_stopping": {"patience": 2, "restore_best": False}},
    ],
    ids=str,
)
def test_a_training_ends_as_it_is_foretold(fields: dict[str, Any]) -> None:
    """`training.loop.train` asks the same two functions after each epoch."""
    from configs import config

    from cnn_sweeps.training.loop import train

    trainer: TrainerConfig = config(trainer=fields).trainer
    epochs = [
        Epoch(
            number=number,
            loss=1.0,
            accuracy=0.5,
            val_loss=loss,
            val_accuracy=0.5,
            seconds=1.0,
            images_per_second=1.0,
        )
        for number, loss in enumerate(LOSSES, start=1)
    ]

    class Source:
        def epochs(self) -> Iterator[Epoch]:
            yield from epochs

        def checkpoint(self, number: int) -> None:
            """Nothing."""

        def restore_best(self, number: int) -> None:
            """Nothing."""

    done = train(Source(), trainer)  # type: ignore[arg-type]
    ends = (n for n in range(1, 7) if stopping.end_of(trainer, epochs[:n]))
    assert len(done.epochs) == next(ends)
    assert done.best == stopping.final_epoch(trainer, done.epochs)
    assert done.stopped == stopping.end_of(trainer, done.epochs)
