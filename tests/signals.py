"""Signals as a terminal sends them, also where the tests themselves run without one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """Let a process that is begun inside the block hear a signal, which `nohup` has ignored."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)
