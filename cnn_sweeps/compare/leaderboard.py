"""Which runs are compared, and in what order; plain values in, plain values out."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnn_sweeps import lookup
from cnn_sweeps.record import FINISHED
from cnn_sweeps.tracking import RunRecord


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Runs, the best first.

    Attributes:
        metric: what they are ranked by.
        ascending: whether less of it is better.
        runs: those that have it.
        without: of how many more it was never measured.
    """

    metric: str
    ascending: bool
    runs: tuple[RunRecord, ...]
    without: int

    @classmethod
    def of(
        cls, runs: Iterable[RunRecord], metric: str, *, ascending: bool, each: bool = False
    ) -> "Leaderboard":
        """Rank runs, one for each experiment or each of them.

        Args:
            runs: newest first; those that are no experiment (a sweep's own) are passed over.
            metric: its name in MLflow.
            ascending: whether less of it is better.
            each: whether every run is a row, also one that failed or still runs. Otherwise the
                finished one that speaks for its experiment is, among those that have the metric.
        """
        experiments = [run for run in runs if run.config_hash is not None]
        chosen = experiments if each else [r for r in experiments if r.status == FINISHED]
        measured = [run for run in chosen if metric in run.metrics]
        left = {_key(run, each=each) for run in chosen} - {_key(r, each=each) for r in measured}
        rows = measured if each else speakers(measured)
        sign = 1 if ascending else -1
        # Runs that are equally good stand in the order in which they were made.
        oldest_first = sorted(rows, key=lambda run: (run.start, run.run_id))
        ranked = sorted(oldest_first, key=lambda run: _cost(run.metrics[metric], sign))
        return cls(metric=metric, ascending=ascending, runs=tuple(ranked), without=len(left))


def speakers(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Of each experiment the run that speaks for it; reproductions and copies are folded in."""
    by_hash: dict[str | None, list[RunRecord]] = defaultdict(list)
    for run in runs:
        by_hash[run.config_hash].append(run)
    return [lookup.newest(same) for same in by_hash.values()]


def _key(run: RunRecord, *, each: bool) -> str | None:
    return run.run_id if each else run.config_hash


def _cost(value: float, sign: int) -> tuple[bool, float]:
    """What is to be small; a value that is no number comes last."""
    return (True, 0.0) if math.isnan(value) else (False, sign * value)
