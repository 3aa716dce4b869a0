"""Signals as a terminal sends them, also where the tests themselves run without one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def heard(number: signal.Signals, handler: Any = signal.SIG_DFL) -> Iterator[None]:
    """Let a signal be heard that is ignored under `nohup` and `&`.

    Args:
        number: of the signal.
        handler: of this process; the default is for one that is begun inside the block.
    """
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
