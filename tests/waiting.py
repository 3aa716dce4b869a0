"""Wait for what takes as long as the machine is busy: one patience for all tests."""

import time
from collections.abc import Callable

PATIENCE = 1200.0
"""Seconds. Only what hangs takes so long, on the slowest machine and beside all other tests."""


def until(
    condition: Callable[[], object], told: Callable[[], object] = lambda: "", *, pause: float = 0.2
) -> None:
    """Wait until a condition holds.

    Args:
        condition: is asked again and again.
        told: what to print where it does not hold after all of the patience.
        pause: seconds from one question to the next.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, told()
        time.sleep(pause)
