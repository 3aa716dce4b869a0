"""Finished trials as plain values, from the study and from the runs of the trials."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from optuna.trial import FrozenTrial

from cnn_sweeps.errors import InputError
from cnn_sweeps.sweeps.plan.plan import EPOCHS
from cnn_sweeps.sweeps.results.results import Trial
from cnn_sweeps.sweeps.results.timeline import Span, spans
from cnn_sweeps.sweeps.study.attributes import (
    CONFIG_HASH,
    EPOCHS_TRAINED,
    REASON,
    REUSED_FROM,
    RUN_ID,
    TRACEBACK,
    metrics_of,
)
from cnn_sweeps.sweeps.study.retry import history
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import RunRecord, names

Scores = Mapping[int, Mapping[str, float]]
"""Test metrics by trial number."""


class TrialReader:
    """Makes a `Trial` of each finished trial of one study."""

    def __init__(
        self, study: SweepStudy, scores: Scores, runs: Mapping[str, RunRecord] | None = None
    ) -> None:
        """Look at all trials once, for when each ran beside which others.

        Args:
            study: whose trials.
            scores: test metrics by trial number.
            runs: the runs of the trials by id, as far as they are known.
        """
        self._study, self._scores, self._runs = study, scores, runs or {}
        # What still runs, or was left by a worker that is gone, has no end that could be measured.
        self._spans = spans([trial for trial in study.trials() if trial.state.is_finished()])

    def read(self, frozen: FrozenTrial, rank: int | None = None, *, best: bool = False) -> Trial:
        """One trial that has ended.

        Args:
            frozen: as the study has it.
            rank: 1 for the best; None for a trial without a value.
            best: whether it is the best, or on the Pareto front.
        """
        known = frozen.user_attrs
        state, params = frozen.state.name.lower(), self._study.carried_values(frozen)
        span: Span | None = self._spans.get(frozen.number)
        reported = dict(sorted(frozen.intermediate_values.items()))
        epochs = int(metrics_of(known).get("epochs", max(reported, default=0)))
        objectives = self._study.plan.objectives.names
        return Trial(
            number=frozen.number,
            state=state,
            rank=rank,
            best=best,
            params=params,
            values=dict(zip(objectives, frozen.values or (), strict=False)) if rank else {},
            metrics={**metrics_of(known), **self._scores.get(frozen.number, {})},
            config_hash=known.get(CONFIG_HASH),
            run_id=known.get(RUN_ID),
            reason=known.get(REASON),
            traceback=known.get(TRACEBACK),
            begin=span.begin if span else None,
            end=span.end if span else None,
            worker=span.lane if span else 0,
            epochs=epochs,
            epochs_asked=self._epochs_asked(params) if state == "pruned" else epochs,
            retries=history(known),
            reported=reported,
            last={objectives[0]: [*reported.values()][-1]}
            if reported and state == "pruned"
            else {},
            **self._cost(frozen, epochs),
        )

    def _cost(self, frozen: FrozenTrial, epochs: int) -> dict[str, Any]:
        """What was trained for a trial, and how, and what came from elsewhere."""
        known = frozen.user_attrs
        run = self._runs.get(known.get(RUN_ID, ""))
        tags = run.tags if run else {}
        trained = int(known.get(EPOCHS_TRAINED, tags.get(names.EPOCHS_TRAINED, epochs)))
        reused = REUSED_FROM in known or names.REUSED_FROM in tags
        # Without its run, only a trial that knew nothing before it is known to have paid for all.
        whole = metrics_of(known).get("train_seconds") if trained >= epochs else None
        paid = tags.get(names.SECONDS_PAID, whole)
        return {
            "epochs_trained": 0 if REUSED_FROM in known else trained,
            "seconds_paid": 0.0 if reused else None if paid is None else float(paid),
            "reused": reused,
            "lineage": tuple(tags.get(names.LINEAGE, "").splitlines()),
        }

    def _epochs_asked(self, params: Mapping[str, Any]) -> int:
        """How many epochs a trial would have had."""
        swept = params.get(EPOCHS)
        if swept is not None:
            return int(swept)
        with suppress(InputError):
            return self._study.plan.config(params).trainer.epochs
        return 0
