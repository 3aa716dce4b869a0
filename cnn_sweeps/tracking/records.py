"""A stored run as a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cnn_sweeps.errors import UnknownHashError
from cnn_sweeps.tracking.names import BY_CALLBACK, CONFIG_HASH, PARENT, STOP_REASON
from cnn_sweeps.tracking.params import PRECISION, exact_value

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ACTIVE, DELETED = "active", "deleted"
"""What MLflow calls the stages of life of a run or an experiment; what is deleted can be restored.
"""
RUN_NAME = "mlflow.runName"
"""Tag with the name of a run that an early MLflow has stored."""
STOPPED = "STOPPED"
"""How a finished run ended that a callback stopped; no status of MLflow's."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What the store knows of one run.

    Attributes:
        run_id: MLflow's id, 32 hex digits.
        name: the run's name, for a person.
        experiment_id: MLflow's id of the experiment that it belongs to.
        status: RUNNING, FINISHED, FAILED or KILLED.
        config_hash: 64 hex digits; None if it was never set (a sweep's parent).
        params: the flat config as text.
        metrics: the last value of each metric.
        tags: every tag, MLflow's own among them.
        start: when it began, UTC.
        end: when it ended, UTC; None while it runs.
        artifact_uri: where its files are.
        parent_id: run id of the sweep that it is a trial of; None for a single run.
        deleted: whether it is in MLflow's bin.
    """

    run_id: str
    name: str
    experiment_id: str
    status: str
    config_hash: str | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    start: datetime
    end: datetime | None
    artifact_uri: str
    parent_id: str | None
    deleted: bool = False

    @classmethod
    def of(cls, run: "Run") -> "RunRecord":
        """The record of an MLflow run."""
        info, data = run.info, run.data
        return cls.of_values(
            run_id=info.run_id,
            name=info.run_name,
            experiment_id=info.experiment_id,
            status=info.status,
            start=info.start_time,
            end=info.end_time,
            artifact_uri=info.artifact_uri,
            stage=info.lifecycle_stage,
            params=data.params,
            tags=data.tags,
            metrics=data.metrics,
        )

    @classmethod
    def of_values(  # noqa: PLR0913 -- a run is all of these
        cls,
        *,
        run_id: str,
        name: str | None,
        experiment_id: str,
        status: str,
        start: int | None,
        end: int | None,
        artifact_uri: str,
        stage: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> "RunRecord":
        """The record of what MLflow stores of a run, times in milliseconds since 1970."""
        precision = params.get(PRECISION)
        return cls(
            run_id=run_id,
            name=name or tags.get(RUN_NAME, ""),
            experiment_id=experiment_id,
            status=status,
            config_hash=tags.get(CONFIG_HASH),
            params=dict(params),
            metrics={n: exact_value(n, v, precision=precision) for n, v in metrics.items()},
            tags=dict(tags),
            start=_moment(start),
            end=_moment(end) if end else None,
            artifact_uri=artifact_uri,
            parent_id=tags.get(PARENT),
            deleted=stage == DELETED,
        )

    @property
    def is_whole(self) -> bool:
        """Whether it came to the end that its config says, so that it can represent its hash."""
        return self.status == "FINISHED" and BY_CALLBACK not in self.tags

    @property
    def ending(self) -> str:
        """How it ended, for a person or a program: its status, or that a callback stopped it."""
        stopped = self.status == "FINISHED" and BY_CALLBACK in self.tags
        return STOPPED if stopped else self.status


def find_record(client: "MlflowClient", run_id: str) -> RunRecord | None:
    """The record of the run with that id, which may be deleted; None where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return RunRecord.of(client.get_run(run_id))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def stop_reason(tags: Mapping[str, str]) -> str | None:
    """Why the training of a run ended; None where it did not. The tag was once `stopped`."""
    return tags.get(STOP_REASON, tags.get("stopped"))


def checked_prefix(text: str, kind: str = "config") -> str:
    """The beginning of a config hash (or one of another kind), in small letters.

    Raises:
        UnknownHashError: it is not 4 to 64 hex digits.
    """
    prefix = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{4,64}", prefix):
        raise UnknownHashError(
            f"{text!r} is not a {kind} hash: type 4 to 64 hex digits, such as 3f2a9c."
        )
    return prefix


def _moment(milliseconds: int | None) -> datetime:
    """MLflow's milliseconds since 1970 as a time in UTC.

    A run of another program's may have none, or other units: 1970 then, or the end of time.
    """
    try:
        return datetime.fromtimestamp((milliseconds or 0) / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)
