"""The record of a retry: when, why and from which worker a slot went to a new trial.

The history of a slot travels from the replaced trial to the new one, so that the last trial of a
slot has all of it. Optuna's `RetryHeartbeatStaleTrialCallback` keeps the numbers alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from cnn_sweeps.sweeps.study.attributes import ATTEMPT, OWNER, RETRIES


@dataclass(frozen=True, kw_only=True)
class Retry:
    """One time that the slot of a trial was given to a new one.

    Attributes:
        attempt: which attempt at the slot it led to: 2 for the first retry. All are counted, those
            too that `hydra.sweeper.retries` does not count, since nobody's worker died.
        when: when the trial was requeued, UTC.
        reason: why, for a person.
        trial: number of the trial before.
        host: where the worker was that had it; None where none had said so.
        pid: its process number there.
    """

    attempt: int
    when: datetime
    reason: str
    trial: int
    host: str | None = None
    pid: int | None = None

    @classmethod
    def after(cls, number: int, attributes: Mapping[str, Any], reason: str) -> Self:
        """The retry that follows a trial with this number and these user attributes, now."""
        earlier = history(attributes)
        # A study of an earlier version counted the attempts and kept no history of them.
        attempt = earlier[-1].attempt if earlier else int(attributes.get(ATTEMPT, 1))
        return cls(
            attempt=attempt + 1,
            when=datetime.now(UTC).replace(microsecond=0),
            reason=reason,
            trial=number,
            host=host_of(attributes),
            pid=(attributes.get(OWNER) or {}).get("pid"),
        )


_HISTORY = TypeAdapter(tuple[Retry, ...])


def history(attributes: Mapping[str, Any]) -> tuple[Retry, ...]:
    """The retries that led to the trial with these user attributes, the first in front.

    None where there were none, where an earlier version kept none, and where somebody else's
    tool has written something else there: a trace must not stop a sweep or its report.
    """
    try:
        return _HISTORY.validate_python(attributes.get(RETRIES, ()))
    except ValidationError:
        return ()


def hosts_of(attributes: Mapping[str, Any]) -> frozenset[str]:
    """The hosts that had the slot of a trial with these user attributes, as far as they said so."""
    hosts = (*(retry.host for retry in history(attributes)), host_of(attributes))
    return frozenset(host for host in hosts if host)


def host_of(attributes: Mapping[str, Any]) -> str | None:
    """The host whose worker has, or had, the trial with these user attributes."""
    # An owner's host is its name and its boot; the latter says nothing to a person.
    return (attributes.get(OWNER) or {}).get("host", "").partition(":")[0] or None


def plain_history(retries: Sequence[Retry]) -> list[dict[str, Any]]:
    """The history as plain values, for a user attribute of a trial."""
    plain: list[dict[str, Any]] = _HISTORY.dump_python(tuple(retries), mode="json")
    return plain
