"""Logging epochs while they come, and none too few at the end."""

from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest
from plans import epoch
from requests.exceptions import ConnectionError as NoConnection

from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, TrackedRun
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.tracking.run import EpochLog


@pytest.fixture
def tracked(store: Store) -> Iterator[TrackedRun]:
    """A run that is open."""
    with store.start_run("run", tags={}) as tracked:
        yield tracked


def steps(tracked: TrackedRun) -> list[int]:
    """The epochs that the store knows of."""
    history = tracked.client.get_metric_history(tracked.run_id, "loss")
    return sorted(point.step for point in history)


def test_the_first_is_seen_at_once_and_none_is_lost(tracked: TrackedRun) -> None:
    """Epochs in quick succession wait for one call; the end waits for all of them."""
    with EpochLog(tracked) as log:
        log.on_epoch(epoch(1))
        assert steps(tracked) == [1]
        for number in (2, 3, 4):
            log.on_epoch(epoch(number))
        assert steps(tracked) == [1]
    assert steps(tracked) == [1, 2, 3, 4]


def test_slow_epochs_are_seen_one_by_one(
    tracked: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the next epoch to see the last one."""
    monkeypatch.setattr("cnn_sweeps.tracking.run.BETWEEN_LOGS", 0.0)
    with EpochLog(tracked) as log:
        for number in (1, 2):
            log.on_epoch(epoch(number))
            assert steps(tracked) == list(range(1, number + 1))


def test_a_server_that_swallows_what_is_sent_holds_training_up_for_a_tenth(
    tracked: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt may take long: then the next one is far away."""
    clock = SimpleNamespace(now=0.0, attempts=0)

    def swallow(*_: object) -> None:
        clock.attempts += 1
        clock.now += 20
        raise NoConnection("timed out")

    time = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr("cnn_sweeps.tracking.run.time", time)
    monkeypatch.setattr(TrackedRun, "log_steps", swallow)
    with patient(300), suppress(NoConnection), EpochLog(tracked) as log:
        for number in range(1, 1001):
            log.on_epoch(epoch(number))
            clock.now += 1
        assert 2 <= clock.attempts <= 1 + clock.now / 200


def test_what_ends_a_training_early_does_not_lose_its_epochs(tracked: TrackedRun) -> None:
    """The epochs before an error are logged, and the error passes."""

    def training() -> None:
        with EpochLog(tracked) as log:
            for number in (1, 2):
                log.on_epoch(epoch(number))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        training()
    assert steps(tracked) == [1, 2]


def test_the_first_error_is_the_one_to_report(
    tracked: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that refuses the rest as well is not what went wrong."""

    def refuse(*_: object) -> None:
        raise StoreError("full")

    def training() -> None:
        with EpochLog(tracked) as log:
            log.on_epoch(epoch(1))
            monkeypatch.setattr(TrackedRun, "log_steps", refuse)
            log.on_epoch(epoch(2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        training()
