"""Processes that die between two writes to a study."""

from typing import Any

import pytest

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.study.storage import Journal

DEAD = Owner(host=Owner.here().host, pid=2**22 + 1, started="1")
"""A process of this host that does not live."""


class KilledError(BaseException):
    """Stands for SIGKILL: nothing after it is carried out."""


def die_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process die when it writes its next entry but so many."""
    append, left = Journal.append_logs, iter(range(step))

    def dying(journal: Journal, logs: list[dict[str, Any]]) -> None:
        if next(left, None) is None:
            raise KilledError
        append(journal, logs)

    monkeypatch.setattr(Journal, "append_logs", dying)
