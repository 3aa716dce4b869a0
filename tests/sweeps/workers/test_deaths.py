"""How a process ended, in words, and whether memory had run low."""

import signal
from pathlib import Path

import pytest

from cnn_sweeps.data import control_groups
from cnn_sweeps.sweeps.workers import deaths
from cnn_sweeps.sweeps.workers.deaths import UNKNOWN, Deaths


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system counts the processes of a container that it has killed."""
    monkeypatch.setattr(control_groups, "TREE", tmp_path)
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    (tmp_path / "groups").write_text("0::/")
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 4\noom_kill 3\n")
    return counter


@pytest.mark.parametrize("exitcode", [-9, UNKNOWN, None])
def test_a_death_that_the_system_counts_is_one_for_want_of_memory(
    counter: Path, exitcode: int | None
) -> None:
    """Each count is that of one process; what was counted before is nobody's."""
    deaths = Deaths(workers=2)
    counter.write_text("oom_kill 4")
    said, of_memory = deaths.cause(exitcode)
    assert of_memory
    assert "out of memory; type hydra.sweeper.n_jobs=" in said
    said, of_memory = deaths.cause(exitcode)
    assert not of_memory
    assert said.endswith("(out of memory, or killed manually)")


@pytest.mark.parametrize(("workers", "fewer"), [(8, 1), (2, 1), (1, 0)])
def test_fewer_workers_are_named(counter: Path, workers: int, fewer: int) -> None:
    """One, and without it the program's own process."""
    deaths = Deaths(workers)
    counter.write_text("oom_kill 4")
    assert f"n_jobs={fewer}," in deaths.cause(-9)[0]


@pytest.mark.parametrize(
    ("exitcode", "said"),
    [(3, "exited with code 3"), (-11, "was killed by SIGSEGV (crash in native code)")],
)
def test_other_deaths_have_nothing_to_do_with_memory(
    counter: Path, monkeypatch: pytest.MonkeyPatch, exitcode: int, said: str
) -> None:
    """Whatever the system counts meanwhile."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    deaths = Deaths(workers=1)
    counter.write_text("oom_kill 4")
    assert deaths.cause(exitcode) == (said, False)


@pytest.mark.parametrize("exitcode", [-6, -11])
def test_a_crash_with_onednn_says_how_to_train_without(
    monkeypatch: pytest.MonkeyPatch, exitcode: int
) -> None:
    """Its kernels corrupt memory in small residual networks; other signals are none of theirs."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    deaths = Deaths(workers=1)
    assert "type TF_ENABLE_ONEDNN_OPTS=0 in front of the command" in deaths.cause(exitcode)[0]
    assert "ONEDNN" not in deaths.cause(-15)[0]


def test_a_crash_under_a_limit_of_addresses_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever typed `ulimit -v` gets it as std::bad_alloc, of which nobody counts anything."""
    monkeypatch.setattr(deaths.resource, "getrlimit", lambda _: (2_000_000_000, -1))
    told, _ = Deaths(workers=1).cause(-signal.SIGABRT)
    assert told == "was killed by SIGABRT (out of memory, or a crash: `ulimit -v` allows 2,000 MB)"
