"""A stored run as a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cnn_sweeps.errors import UnknownHashError
from cnn_sweeps.tracking.names import CONFIG_HASH, PARENT, STOP_REASON
from cnn_sweeps.tracking.params import PRECISION, exact_value

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DELETED = "deleted"
"""What MLflow calls the stage of life of a run or an experiment that can be restored."""


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
        precision = data.params.get(PRECISION)
        return cls(
            run_id=info.run_id,
            name=info.run_name or "",
            experiment_id=info.experiment_id,
            status=info.status,
            config_hash=data.tags.get(CONFIG_HASH),
            params=dict(data.params),
            metrics={n: exact_value(n, v, precision=precision) for n, v in data.metrics.items()},
            tags=dict(data.tags),
            start=_moment(info.start_time),
            end=_moment(info.end_time) if info.end_time else None,
            artifact_uri=info.artifact_uri,
            parent_id=data.tags.get(PARENT),
            deleted=info.lifecycle_stage == DELETED,
        )


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


def _moment(milliseconds: int) -> datetime:
    """MLflow's milliseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
