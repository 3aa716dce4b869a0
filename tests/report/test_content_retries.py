"""The report's part on trials that were tried again."""

import json
from datetime import UTC, datetime

import pytest
from sweep_results import results, trial

from cnn_sweeps.report import content, markdown
from cnn_sweeps.report.html import page
from cnn_sweeps.sweeps.results.results import SweepResults
from cnn_sweeps.sweeps.study.retry import Retry

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FIRST = Retry(attempt=2, when=WHEN, reason="killed", trial=0, host="ant", pid=7)
SECOND = Retry(attempt=3, when=WHEN, reason="a <b>fault</b>\nin native code", trial=3)


@pytest.fixture
def retried() -> SweepResults:
    """A search of which one trial is a second retry."""
    return results(trial(), trial(5, 0.8, retries=(FIRST, SECOND)))


def test_each_retry_is_a_row(retried: SweepResults) -> None:
    """Which attempt it led to, after which trial, when, whose worker that was, and why."""
    assert content.retries_table(retried).rows == (
        ("5", "2", "0", "2026-01-02 03:04:05", "ant 7", "killed"),
        ("5", "3", "3", "2026-01-02 03:04:05", "unknown", "a <b>fault</b>"),
    )


def test_report_shows_retries(retried: SweepResults) -> None:
    """On the page, where the contents lead to them, and in the text; what is not ours escaped."""
    made = page(retried)
    assert '<a href="#retried">Retried trials</a>' in made
    assert '<section id="retried">' in made
    assert "a &lt;b&gt;fault" in made
    written = markdown.markdown(retried)
    assert "## Retried trials\n" in written
    assert "ant 7" in written


def test_report_without_retries_does_not_mention_them() -> None:
    """Most sweeps have none."""
    assert "Retried" not in page(results(trial()))
    assert "Retried" not in markdown.markdown(results(trial()))


def test_json_has_the_retries_of_each_trial(retried: SweepResults) -> None:
    """Times as text, and an empty list where there were none."""
    first, last = json.loads(markdown.to_json(retried))["trials"]
    assert first["retries"] == []
    assert last["retries"][0] == {
        "attempt": 2,
        "when": "2026-01-02T03:04:05+00:00",
        "reason": "killed",
        "trial": 0,
        "host": "ant",
        "pid": 7,
    }
