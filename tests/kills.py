"""Processes that die between two writes to a study."""

from typing import Any

import pytest

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.study.journal import Journal

DEAD = Owner(host=Owner.here().host, pid=2**22 + 1, started="1")
"""A process of this host that does not live."""


class KilledError(BaseException):
    """Stands for SIGKILL: nothing after it is carried out."""


def die_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process die when it writes its next entry but so many, of several at once too."""
    append, left = Journal._append, iter(range(step))

    def dying(journal: Journal, logs: list[dict[str, Any]]) -> None:
        written = [log for log, _ in zip(logs, left, strict=False)]
        if written:
            append(journal, written)
        if len(written) < len(logs):
            raise KilledError

    monkeypatch.setattr(Journal, "_append", dying)
