"""What is said of the jobs of an application."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from cnn_sweeps.sweeps.application.jobs import Job, JobRunner


def test_an_error_of_a_job_is_only_text(caplog: pytest.LogCaptureFixture) -> None:
    """No command to the terminal and no password is in the log, whoever configures it."""
    nothing: Any = None
    study: Any = SimpleNamespace(failed=lambda *_: None)
    runner = JobRunner(study=study, launcher=nothing, request=nothing, config=nothing)
    error = ValueError("\x1b]0;mine\x07 no http://me:secret@host \u202e")
    with caplog.at_level(logging.WARNING):
        assert runner._record(Job(trial=nothing, overrides=[]), error) is error
    assert r"\x1b]0;mine\x07 no http://me:***@host \u202e" in caplog.text
    assert not {"\x1b", "\x07", "\u202e"} & set(caplog.text)
