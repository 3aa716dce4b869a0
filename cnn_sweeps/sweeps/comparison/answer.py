"""The answer to an exercise, computed from the results of its trials."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from cnn_sweeps.sweeps.comparison import sentences, tables
from cnn_sweeps.sweeps.comparison.definition import ComparisonSpec
from cnn_sweeps.sweeps.comparison.statistics import (
    EPOCHS,
    BaselineDifference,
    Cell,
    Overfitting,
    SeedResult,
    compare,
    gather,
    overfitting,
)
from cnn_sweeps.text.markdown import plain_text
from cnn_sweeps.text.table import Table


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an exercise found.

    Attributes:
        exercise: what was asked.
        cells: what was tried, with the trials of each; cells without any trial are left out.
        comparisons: each cell against the base model, where both have results.
        epochs: where overfitting begins; None unless only the length of training was varied.
        missing: cells that have no trial yet, as they would be typed.
    """

    exercise: ComparisonSpec
    cells: tuple[Cell, ...]
    comparisons: tuple[BaselineDifference, ...]
    epochs: Overfitting | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        exercise: ComparisonSpec,
        outcomes: Iterable[SeedResult],
        cells: Sequence[Mapping[str, str]],
        base: Mapping[str, str],
    ) -> "Answer":
        """Compute the answer.

        Args:
            exercise: what was asked.
            outcomes: the trials that have ended, in any order.
            cells: all cells, in the order of the table, keys without the seed.
            base: the one of the base model.
        """
        found = gather(outcomes, cells, base)
        known = {cell.typed for cell in found}
        typed = (" ".join(f"{key}={text}" for key, text in cell.items()) for cell in cells)
        base_cell = next((cell for cell in found if cell.base), None)
        return cls(
            exercise=exercise,
            cells=found,
            comparisons=compare(found, base_cell) if base_cell else (),
            epochs=overfitting(found),
            missing=tuple(text for text in typed if text not in known),
        )

    @property
    def question(self) -> str:
        """One sentence."""
        return self.exercise.question

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The answer in words: what each cell changes, or where overfitting begins."""
        return (
            *(sentences.of_epochs(self.epochs) if self.epochs else ()),
            *sentences.of_comparisons(self._told, self.exercise),
            *sentences.of_failures(self.cells),
            *sentences.of_missing(self.missing, self.cells, self.exercise.seeds),
        )

    @property
    def _told(self) -> Sequence[BaselineDifference]:
        """What a sentence is worth: of many lengths of training, the best and the longest."""
        if self.epochs is None:
            return self.comparisons
        numbers = (str(self.epochs.lowest), str(self.epochs.last))
        return [c for c in self.comparisons if c.cell.values[EPOCHS] in numbers]

    @property
    def notes(self) -> tuple[str, ...]:
        """How the numbers are to be read."""
        return sentences.notes(self.cells)

    @cached_property
    def table(self) -> Table:
        """One row for each cell: size, accuracies, times."""
        return tables.of_cells(self.cells)

    @cached_property
    def differences(self) -> Table:
        """One row for each cell but the base model's: what it changes."""
        return tables.of_comparisons(self.comparisons)

    def to_markdown(self) -> str:
        """Question, sentences and tables, for a description or a file."""
        said = "\n".join(f"- {plain_text(line)}" for line in self.sentences)
        parts = [f"**{plain_text(self.question)}**", said]
        parts += [self.table.to_markdown()]
        parts += [self.differences.to_markdown()] if self.comparisons else []
        notes = plain_text(" ".join(self.notes))
        return "\n\n".join(part.strip() for part in (*parts, notes)) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Every number that the answer is made of, unrounded."""
        return {
            "name": self.exercise.name,
            "question": self.question,
            "sentences": list(self.sentences),
            "cells": [tables.record(cell) for cell in self.cells],
            "comparisons": [
                {"cell": c.cell.values, **{k: v for k, v in asdict(c).items() if k != "cell"}}
                for c in self.comparisons
            ],
            "overfitting": asdict(self.epochs) if self.epochs else None,
            "missing": list(self.missing),
            "notes": list(self.notes),
        }
