"""Outcomes of exercises made by hand, for tests: nothing is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.comparison.definition import ComparisonSpec
from cnn_sweeps.sweeps.comparison.statistics import SeedResult

BASE = {"model.filters": "64"}
OTHER = {"model.filters": "16"}


def exercise(**changes: Any) -> ComparisonSpec:
    """What is asked; 64 filters are the base model."""
    asked: dict[str, Any] = {
        "name": "filters",
        "question": "What do fewer filters change?",
        "seeds": 3,
        "base": {"model.filters": 64},
        "phrases": {"model.filters=16": "Leaving 16 filters"},
    }
    return ComparisonSpec(**{**asked, **changes})


def outcome(cell: Mapping[str, str], seed: int, test: float = 0.9, **metrics: float) -> SeedResult:
    """A trial of five epochs in ten seconds, with this test accuracy."""
    measured = {
        "accuracy": 0.95,
        "val_accuracy": 0.9,
        "loss": 0.2,
        "val_loss": 0.3,
        "train_seconds": 10.0,
        "epochs": 5.0,
        "images_per_second": 1000.0,
        "total_params": 2000.0,
        "test_accuracy": test,
        "test_loss": 0.35,
    }
    return SeedResult(
        cell=cell, seed=seed, metrics={**measured, **metrics}, config_hash=f"{seed}" * 64
    )


def failure(cell: Mapping[str, str], seed: int, reason: str = "it does not fit.") -> SeedResult:
    """A trial that came to nothing."""
    return SeedResult(cell=cell, seed=seed, metrics={}, reason=reason)


def answer(
    base: Sequence[float], other: Sequence[float], *more: SeedResult, **metrics: float
) -> Answer:
    """The answer where base model and one other cell have these test accuracies, by seed.

    Args:
        base: of the base model.
        other: of 16 filters.
        more: further outcomes.
        metrics: what else is different with 16 filters.
    """
    outcomes = [outcome(BASE, seed, test) for seed, test in enumerate(base)]
    outcomes += [outcome(OTHER, seed, test, **metrics) for seed, test in enumerate(other)]
    asked = exercise(seeds=len(base) or len(other))
    return Answer.of(asked, [*outcomes, *more], [BASE, OTHER], BASE)


def epochs(val_losses: Sequence[Sequence[float]], **by_epoch: Sequence[float]) -> Answer:
    """The answer where only the epochs were varied: validation losses by seed, then by epoch."""
    cells = [{"trainer.epochs": str(number + 1)} for number in range(len(val_losses[0]))]
    outcomes = [
        outcome(
            cell,
            seed,
            val_loss=losses[number],
            train_seconds=2.0 * (number + 1),
            epochs=number + 1,
            **{name: values[number] for name, values in by_epoch.items()},
        )
        for seed, losses in enumerate(val_losses)
        for number, cell in enumerate(cells)
    ]
    asked = exercise(base={"trainer.epochs": 1}, phrases={}, seeds=len(val_losses))
    return Answer.of(asked, outcomes, cells, cells[0])
