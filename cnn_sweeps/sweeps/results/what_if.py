"""Whether another trial of a study would have won under another rule to stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.epochs.outcomes import Changes, Outcome, plain_text_of
from cnn_sweeps.runs.epochs.what_if import what_if
from cnn_sweeps.runs.recorded import ties
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.results.measured import finished_records
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.format import first_line, pluralize, rounded
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import Store


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """A study under one rule.

    Attributes:
        changes: what is changed, by full keys; empty for the study as it was.
        winner: the number of the trial that would be best; None where no trial is known.
        config_hash: of the winner as it was trained.
        weights: with which it would have ended, such as `epoch 8`.
        values: of the winner, by objective.
        epochs: of all trials that are known, together.
        epochs_saved: compared with the same trials as they were; negative for more.
        seconds_saved: likewise.
        unknown: trials whose stored epochs do not reach far enough, with the reason of each.
    """

    changes: Changes
    winner: int | None
    config_hash: str
    weights: str
    values: Mapping[str, float]
    epochs: int
    epochs_saved: int
    seconds_saved: float
    unknown: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class StudyWhatIf(Results):
    """A study under several rules.

    Attributes:
        study: its name.
        outcomes: the study as it was in front, then one for each set of changes.
        notes: trials that could not be looked at, a sentence for each.
    """

    study: str
    outcomes: tuple[StudyOutcome, ...]
    notes: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each rule, for a spreadsheet."""
        keys = dict.fromkeys(key for each in self.outcomes for key in each.changes)
        names = dict.fromkeys(name for each in self.outcomes for name in each.values)
        return [
            {
                **{key: each.changes.get(key) for key in keys},
                "winner": each.winner,
                "same_winner": None if each.unknown else each.winner == self.outcomes[0].winner,
                **{name: each.values.get(name) for name in names},
                "config_hash": each.config_hash,
                "weights": each.weights,
                "epochs": each.epochs,
                "epochs_saved": each.epochs_saved,
                "seconds_saved": each.seconds_saved,
                "unknown_trials": len(each.unknown),
            }
            for each in self.outcomes
        ]

    def table(self) -> Table:
        """A row for each rule."""
        keys = list(dict.fromkeys(key for each in self.outcomes for key in each.changes))
        names = list(dict.fromkeys(name for each in self.outcomes for name in each.values))
        rows = [
            (
                *(plain_text_of(each.changes.get(key, "as it was")) for key in keys),
                "-" if each.winner is None else f"trial {each.winner}",
                *(rounded(each.values[n]) if n in each.values else "-" for n in names),
                each.config_hash[:SHOWN],
                each.weights,
                str(each.epochs),
                str(each.epochs_saved),
                f"{each.seconds_saved:.1f}",
                str(len(each.unknown)),
            )
            for each in self.outcomes
        ]
        heads = [key.removeprefix("trainer.") for key in keys]
        behind = ("all epochs", "epochs saved", "seconds saved", "not known")
        return Table(
            head=(*heads, "best", *names, "config hash", "weights", *behind),
            rows=tuple(rows),
            text=frozenset({*heads, "best", "config hash", "weights"}),
            notes=(*self.sentences(), *self.notes),
        )

    def sentences(self) -> tuple[str, ...]:
        """Whether the winner changes, and what is not known, a sentence for each rule."""
        first, said = self.outcomes[0], []
        for each in self.outcomes[1:]:
            typed = " ".join(f"{k}={plain_text_of(v)}" for k, v in each.changes.items())
            known = " of those that are known" if each.unknown else ""
            if each.winner is None:
                said.append(f"{typed}: not known of any trial.")
            elif each.winner == first.winner:
                said.append(f"{typed}: trial {each.winner} still wins{known}.")
            elif first.winner in each.unknown:
                best = f"trial {each.winner} is the best{known}"
                said.append(f"{typed}: {best}; whether trial {first.winner} wins is not known.")
            else:
                instead = f"trial {each.winner} wins instead of trial {first.winner}"
                said.append(f"{typed}: {instead}{known and ','}{known}.")
            if each.unknown:
                number, why = min(
                    each.unknown.items(), key=lambda one: (one[0] != first.winner, one[0])
                )
                said.append(
                    f"{typed}: {pluralize(len(each.unknown), 'trial')} left out; "
                    f"trial {number}: {why}."
                )
        return tuple(said)


@dataclass(frozen=True)
class Candidate:
    """A trial under one rule.

    Attributes:
        number: of the trial.
        record: its run.
        outcome: what it would have been.
    """

    number: int
    record: Record
    outcome: Outcome

    @property
    def metrics(self) -> dict[str, float]:
        """What its run would have measured; what no rule changes is as it was."""
        outcome = self.outcome
        counted = {"epochs": float(outcome.epochs or 0), "train_seconds": outcome.seconds}
        return {**self.record.metrics, **outcome.metrics, **counted}


def what_if_study(
    study: SweepStudy,
    store: Store,
    questions: Sequence[Changes],
    *,
    places: Sequence[str] = (),
    trust: bool = False,
) -> StudyWhatIf:
    """What the complete trials of a study would have been under other rules.

    Raises:
        ConfigError: what is asked changes more than when to stop, or no trial is complete.
        DataError: a metric has to be computed, and the images are missing.
        StoreError: the store refuses.
    """
    notes: list[str] = []
    found: list[list[Candidate]] = []
    for trial, record in finished_records(study, store, notes):
        swept = study.carried_values(trial).keys() & {key for each in questions for key in each}
        if swept:
            raise ConfigError(
                f"{min(swept)} is swept in {study.address.name}: its trials differ in it already.\n"
                "  Ask for another key, or look at the report."
            )
        try:
            answer = what_if(store, record, questions, places=places, trust=trust)
        except RecordError as error:
            notes.append(f"Trial {trial.number}: {first_line(error)}")
            continue
        found.append([Candidate(trial.number, record, each) for each in answer.outcomes])
    rules = zip(*found, strict=True) if found else [()] * (len(questions) + 1)
    outcomes = [_outcome(study.plan.objectives, candidates) for candidates in rules]
    return StudyWhatIf(study=study.address.name, outcomes=tuple(outcomes), notes=tuple(notes))


def _outcome(objectives: Objectives, candidates: Sequence[Candidate]) -> StudyOutcome:
    """Which of the trials would win under one rule."""
    known = [each for each in candidates if each.outcome.is_known]
    values = {each.number: objectives.values(each.metrics) for each in known}
    ranked = objectives.rank(
        known, lambda each: values[each.number], lambda each: ties.cost(each.metrics)
    )
    winner = ranked[0] if ranked else None
    return StudyOutcome(
        changes=candidates[0].outcome.changes if candidates else {},
        winner=winner.number if winner else None,
        config_hash=winner.record.identity.config_hash if winner else "",
        weights=winner.outcome.weights if winner else "",
        values=dict(zip(objectives.names, values[winner.number], strict=True)) if winner else {},
        epochs=sum(each.outcome.epochs or 0 for each in known),
        epochs_saved=sum(each.outcome.epochs_saved for each in known),
        seconds_saved=sum(each.outcome.seconds_saved for each in known),
        unknown={c.number: c.outcome.stopped for c in candidates if not c.outcome.is_known},
    )
