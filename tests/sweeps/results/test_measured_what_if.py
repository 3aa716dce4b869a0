"""A study asked afterwards: other metrics, other rules to stop."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from stores import Finished

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.epochs.outcomes import Outcome
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.results import measured, what_if
from cnn_sweeps.tracking import Store


@dataclass
class Study:
    """As much of a study as is looked at: complete trials by their runs."""

    runs: tuple[str, ...]

    @property
    def address(self) -> Any:
        """Its name."""
        return SimpleNamespace(name="mine")

    @property
    def plan(self) -> Any:
        """What it is after."""
        return SimpleNamespace(objectives=Objectives.parse({"val_accuracy": "maximize"}))

    def trials(self, _state: Any) -> list[Any]:
        """The complete ones."""
        return [
            SimpleNamespace(number=n, user_attrs={"mlflow_run_id": run})
            for n, run in enumerate(self.runs)
        ]

    def carried_values(self, trial: Any) -> dict[str, Any]:
        """The swept values."""
        return {"model.filters": 4 + trial.number}


@pytest.fixture
def store(finished: Finished) -> Store:
    """The store of a finished run of two epochs."""
    from configs import config

    found = Store.open_existing(config(tracking={"dir": str(finished.home)}).tracking)
    assert found is not None
    return found


def test_candidates_are_ranked_and_the_missing_are_named(finished: Finished, store: Store) -> None:
    """Each epoch of each trial is one; a trial without a run is told of."""
    study: Any = Study((finished.result.run_id, "0" * 32))
    found = measured.measure_study(study, store, ["brier"], which="every")
    values = [each.values["val_brier"] for each in found.candidates]
    assert values == sorted(values)
    assert {each.epoch for each in found.candidates} == {1, 2}
    assert [each.is_best for each in found.candidates].count(True) == 1
    assert found.notes[0].startswith("Trial 1: There is no run with the id")
    assert [record["rank"] for record in found.records()] == [1, 2]


def test_an_own_metric_ranks_only_with_its_direction(finished: Finished, store: Store) -> None:
    """Nobody else knows it."""
    with pytest.raises(ConfigError, match=r"Type configs:config:min, or configs:config:max"):
        measured.measure_study(Study((finished.result.run_id,)), store, ["configs:config"])  # type: ignore[arg-type]


def test_a_study_without_a_complete_trial_has_no_answer(store: Store) -> None:
    """It is said at once."""
    with pytest.raises(ConfigError, match="no trial of mine is complete"):
        measured.measure_study(Study(()), store, ["brier"])  # type: ignore[arg-type]


def test_the_winner_under_another_rule_is_told(finished: Finished, store: Store) -> None:
    """Of two trials of one run it is the first."""
    study: Any = Study((finished.result.run_id,) * 2)
    found = what_if.what_if_study(study, store, [{"trainer.epochs": 1}, {"trainer.epochs": 9}])
    was, one, nine = found.outcomes
    assert (was.winner, one.winner, nine.winner) == (0, 0, None)
    assert (one.epochs_saved, len(nine.unknown)) == (2, 2)
    assert found.sentences()[0] == "trainer.epochs=1: trial 0 still wins."
    assert found.sentences()[1] == "trainer.epochs=9: not known of any trial."


def test_another_winner_is_told_as_one(finished: Finished, store: Store) -> None:
    """By the objectives of the study, from what each trial would have measured."""
    record = lookup.record_of(store, store.get(finished.result.run_id))
    rules = {(): (0.9, 0.8), (("trainer.epochs", 1),): (0.5, 0.7)}
    outcomes = [
        what_if._outcome(
            Study(()).plan.objectives,
            [
                what_if.Candidate(number, record, _outcome(dict(changes), 2 - len(changes), value))
                for number, value in enumerate(values)
            ],
        )
        for changes, values in rules.items()
    ]
    found = what_if.StudyWhatIf(study="mine", outcomes=tuple(outcomes))
    assert [each.values["val_accuracy"] for each in outcomes] == [0.9, 0.7]
    assert found.sentences() == ("trainer.epochs=1: trial 1 wins instead of trial 0.",)


def test_a_swept_rule_cannot_be_asked(finished: Finished, store: Store) -> None:
    """The trials differ in it already."""
    study: Any = Study((finished.result.run_id,))
    study.carried_values = lambda _trial: {"trainer.epochs": 2}
    with pytest.raises(ConfigError, match="is swept in mine"):
        what_if.what_if_study(study, store, [{"trainer.epochs": 1}])


def _outcome(changes: dict[str, Any], epochs: int, accuracy: float) -> Outcome:
    return Outcome(
        changes=changes, epochs=epochs, stopped="", best=epochs, metrics={"val_accuracy": accuracy}
    )
