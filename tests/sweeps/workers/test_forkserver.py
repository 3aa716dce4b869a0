"""Calling functions in preloaded processes, one or several at once."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver, util
from pathlib import Path

import pytest
from cards import UUID, install
from pool_functions import blocked, die, doubled, gpu_of, process_of, refused
from signals import heard

from cnn_sweeps.errors import ConfigError, RunFailedError
from cnn_sweeps.sweeps.supervisor import interruptible
from cnn_sweeps.sweeps.workers.forkserver import (
    BLOCKED,
    FOR_THE_CONTROLLER,
    LONGEST_FOLDER,
    _shorten_sockets,
    asked,
    call,
    call_each,
    ensure_running,
    warming_up,
)

pytestmark = pytest.mark.usefixtures("light_forkserver")


def test_answers_come_in_the_order_of_the_calls() -> None:
    """Whichever process is first."""
    assert call_each(doubled, [(number,) for number in (3, 1, 2)]) == [6, 2, 4]


def test_each_call_has_a_process_of_its_own() -> None:
    """Neither this one nor that of another call."""
    assert len({os.getpid(), *call_each(process_of, [(1,), (2,)])}) == 3


def test_no_calls_have_no_answers() -> None:
    """Nothing is started."""
    assert call_each(doubled, []) == []


def test_what_the_function_refuses_is_raised_here() -> None:
    """An error on purpose comes out as it went in."""
    with pytest.raises(ConfigError, match="2 is invalid."):
        call_each(refused, [(2,)])


def test_a_process_that_dies_again_and_again_is_an_error() -> None:
    """It is begun anew a few times, and then given up with the reason."""
    with pytest.raises(RunFailedError, match="exited with code 3"):
        call(die, 1)


def test_what_there_is_no_room_for_is_answered_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked can do it itself."""
    ensure_running()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "deleted"))
    with asked(doubled, 4) as answer:
        assert "was not started: [Errno 2] No such file" in str(answer())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_a_full_disk_under_the_output_is_no_reason_to_die() -> None:
    """What a process has to say is lost, as that of the command; its answer is not."""
    program = (
        "import sys; from cnn_sweeps.sweeps.workers.forkserver import CONTEXT, call; "
        "from pool_functions import talkative; CONTEXT.set_forkserver_preload(['pool_functions']); "
        "sys.exit(call(talkative, 7))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 7, done.stderr


def test_a_terminal_and_a_scheduler_do_not_reach_the_processes() -> None:
    """Only this one hears Ctrl-C, that the terminal was closed, and what Slurm tells a job."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert call(blocked, 1) >= set(BLOCKED)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.parametrize("number", FOR_THE_CONTROLLER)
def test_ctrl_c_while_a_process_is_begun_is_heard(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """It comes in the moment in which the new process is shielded from it."""
    really: Callable[[], None] = forkserver.ensure_running

    def interrupted() -> None:
        os.kill(os.getpid(), number)
        really()

    monkeypatch.setattr(forkserver, "ensure_running", interrupted)
    with heard(number), interruptible() as interrupts:
        interrupts.steered = True
        assert call(doubled, 1) == 2
    assert (interrupts.count >= 1, interrupts.number) == (True, number)


def test_processes_that_score_take_turns_at_the_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that train do."""
    install(tmp_path, monkeypatch, "9000/0", "4096/0")
    seen = call_each(gpu_of, [(0,), (1,), (2,)])
    assert seen == [UUID.format(0), UUID.format(1), UUID.format(0)]


def test_what_is_refused_while_it_starts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing imports on for a sweep that there will not be; the next one starts another."""
    monkeypatch.setattr("cnn_sweeps.sweeps.workers.forkserver.warm_up", ensure_running)
    ensure_running()
    before = server_process()
    with pytest.raises(ConfigError), warming_up():
        refused(2)
    assert call(doubled, 3) == 6
    assert server_process() != before


def server_process() -> int | None:
    """The process that others are forked from."""
    return vars(forkserver._forkserver)["_forkserver_pid"]  # type: ignore[no-any-return]


def test_sockets_lie_elsewhere_where_their_path_would_be_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler may give each job a TMPDIR of many levels; other files stay there."""
    deep = str(tmp_path / ("x" * 100))
    monkeypatch.setattr(tempfile, "tempdir", deep)
    monkeypatch.delitem(vars(multiprocessing.current_process())["_config"], "tempdir", False)
    _shorten_sockets()
    assert len(util.get_temp_dir()) <= LONGEST_FOLDER
    assert tempfile.gettempdir() == deep
