"""A study is created by one of those that want it, and the others find what that one stores."""

import optuna
import pytest

from cnn_sweeps.sweeps.study.opening import await_attribute
from cnn_sweeps.sweeps.study.storage import StudyAddress


def test_who_comes_second_waits_for_what_the_first_is_about_to_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On another host; beside a file is a lock for that, and nobody is waited for."""
    made = optuna.create_study()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        made.set_user_attr("plan", "of the first")

    monkeypatch.setattr("time.sleep", sleep)
    assert not await_attribute(made, "plan", StudyAddress(storage="lab.journal", name="lab"))
    assert waits == []
    assert await_attribute(made, "plan", StudyAddress(storage="postgresql://db/lab", name="lab"))
    assert len(waits) == 1
