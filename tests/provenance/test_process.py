"""A process is named so that another one with its number is not taken for it."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cnn_sweeps.provenance import process
from cnn_sweeps.provenance.process import Owner


@pytest.mark.skipif(not psutil.LINUX, reason="ticks since boot are Linux's")
def test_a_start_is_what_every_version_has_stored() -> None:
    """The kernel's own number: workers of other versions are neither requeued nor kept."""
    told = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    assert Owner.here().started == told


def test_a_start_stays_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is no other process because the clock of its machine was corrected."""
    before = Owner.here()
    created, boot = psutil.Process.create_time, psutil.boot_time
    if psutil.LINUX:
        monkeypatch.setattr(psutil.Process, "create_time", lambda one: created(one) + 3600)
        monkeypatch.setattr(psutil, "boot_time", lambda: boot() + 3600)
    assert before.lives(None)


def test_a_process_lives_until_it_ends() -> None:
    """One that has ended and was not waited for has ended."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as child:
        owner = Owner(
            host=process.this_host(), pid=child.pid, started=process._start_of(child.pid) or ""
        )
        assert owner.lives(None)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not owner.lives(None)
    assert not owner.lives(None)


def test_a_process_that_the_system_hides_is_not_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of another user it tells no more than that it is there: its heartbeats say the rest."""

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    hidden = Owner(host=process.this_host(), pid=os.getpid(), started="1")
    monkeypatch.setattr(process, "_start_of", lambda _: None)
    assert hidden.is_here  # it has ended: there is no process of that number at all, or it is ours
    monkeypatch.setattr(os, "kill", refuse)
    assert not hidden.is_here
    assert hidden.lives(time.time())
    assert not hidden.lives(time.time() - process.LEASE_SECONDS)


def test_what_ran_before_its_machine_was_started_again_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of another machine that is not known, whatever its name is."""
    monkeypatch.setattr(process, "this_host", lambda: "lab:11112222")
    monkeypatch.setattr(process, "this_machine", lambda: "a1b2")
    before = Owner(host="lab:00000000", pid=1, started="1", machine="a1b2")
    assert Owner.from_json(before.to_json()).ended_with_a_boot
    for other in (
        {"machine": "c3d4"},
        {"machine": ""},
        {"host": "other:00000000"},
        {"host": "lab:11112222:pid:[1]"},
    ):
        assert not replace(before, **other).ended_with_a_boot
    assert Owner.from_json({"host": "lab:00000000", "pid": 1, "started": "1"}).machine == ""


def test_another_process_with_the_number_is_not_taken_for_it() -> None:
    """Numbers come back after a while."""
    assert not Owner(host=process.this_host(), pid=os.getpid(), started="1").lives(None)
