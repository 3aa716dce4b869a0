"""Descriptions are written by us, until a person writes one."""

import pytest

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, descriptions
from cnn_sweeps.tracking.descriptions import NOTE
from cnn_sweeps.tracking.names import CURVES_FILE
from cnn_sweeps.training.epoch import TrainingCost

HASH = {"config_hash": "ab" * 32}


def note(store: Store, run_id: str) -> str | None:
    """The description of a run."""
    return store.get(run_id).tags.get(NOTE)


def ended(store: Store) -> str:
    """The id of a run that has ended well, with two pictures and a text."""
    with store.start_run("r", tags=HASH) as run:
        run.log_metrics({"val_accuracy": 0.5})
        for path in ("curves.png", "figures/mistakes.png", "a.txt"):
            run.log_text("", path)
    return run.run_id


def test_a_run_that_ends_is_described(store: Store) -> None:
    """Its accuracy and links to all its pictures are in the description."""
    text = note(store, ended(store)) or ""
    assert "validation accuracy **0.5000**" in text
    assert text.count(".png)") == 2


def test_a_run_that_fails_is_described(store: Store) -> None:
    """The reason stands in the description."""
    with pytest.raises(ValueError, match="no luck"), store.start_run("r", tags=HASH) as run:
        raise ValueError("no luck")
    assert (note(store, run.run_id) or "").startswith("**Failed**: no luck")


def test_what_is_new_gets_into_the_description(store: Store) -> None:
    """A verdict that comes later is told."""
    run = store.reopen(ended(store))
    run.set_tags({"reproduced_by": "b" * 32, "reproduction_verdict": "bit-identical"})
    descriptions.describe(run)
    assert "**bit-identical**" in (note(store, run.run_id) or "")


@pytest.mark.parametrize("mine", ["my own words", ""])
def test_what_a_person_wrote_stays(store: Store, mine: str) -> None:
    """An edited description, or one that was emptied, is not written over."""
    run_id = ended(store)
    store.client.set_tag(run_id, NOTE, mine)
    with store.resume_run(run_id):
        pass
    assert note(store, run_id) == mine


def test_a_run_that_is_no_experiment_is_left_alone(store: Store) -> None:
    """A sweep's run gets its description from its report."""
    with store.start_run("sweep", tags={}) as run:
        pass
    assert note(store, run.run_id) is None


def test_a_description_that_cannot_be_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has ended well all the same."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(store.client, "list_artifacts", refuse)
    with store.start_run("r", tags=HASH) as run:
        pass
    assert store.get(run.run_id).status == "FINISHED"


def test_an_experiment_is_described_once(tracking: Tracking) -> None:
    """A new experiment says what it is; what a person makes of that stays."""
    store = Store.open(tracking)
    first = store.client.get_experiment(store.experiment_id).tags
    store.client.set_experiment_tag(store.experiment_id, NOTE, "mine")
    Store.open(tracking)
    assert first[NOTE] == descriptions.EXPERIMENT_TAGS[NOTE]
    assert store.client.get_experiment(store.experiment_id).tags[NOTE] == "mine"


def trial(store: Store, trained_by: str) -> str:
    """The description of a trial that trained nothing."""
    with store.start_run("trial", tags=HASH) as run:
        run.log_cost(TrainingCost(trained=0, reused=1, seconds=0.0, trained_by=[trained_by]))
    return note(store, run.run_id) or ""


def test_curves_are_looked_for_in_the_store(store: Store) -> None:
    """They are linked while their run trains, and once it has drawn them; else they are not."""
    with store.start_run("longer", tags=HASH) as run:
        assert "once it has finished" in trial(store, run.run_id)
    assert "](" not in trial(store, run.run_id)  # it was pruned, say
    run.log_text("", CURVES_FILE)
    assert f"{run.run_id}/artifacts/{CURVES_FILE})" in trial(store, run.run_id)
    store.client.delete_run(run.run_id)
    assert "](" not in trial(store, run.run_id)
    assert "](" not in trial(store, "f" * 32)  # of somebody else's store
