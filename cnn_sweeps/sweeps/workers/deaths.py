"""How processes end, in words; the system counts those it kills to free memory."""

import resource
import signal

from cnn_sweeps.data import free_memory
from cnn_sweeps.provenance import onednn
from cnn_sweeps.text.format import MB

UNKNOWN = 255
"""Exit code of a process where the one that it was forked from was killed before it."""
KILLED = (-signal.SIGKILL, UNKNOWN, None)
"""Exit codes that a lack of memory may have caused; None of a process that did not begin."""
CRASHES = ("SIGSEGV", "SIGABRT")
"""How native code that has corrupted memory ends."""
NOT_STARTED = "could not be started: the process that it is forked from is gone"


class Deaths:
    """Tells of the processes that it is asked about whether memory had run low.

    It asks the system, which counts. Each death that was counted since is that of one process.
    """

    def __init__(self, workers: int) -> None:
        """Begin to count.

        Args:
            workers: processes at a time.
        """
        self._workers, self._known = workers, free_memory.kills()

    def cause(self, exitcode: int | None) -> tuple[str, bool]:
        """How a process ended, and whether memory had run low; then with what can be typed.

        Args:
            exitcode: of the process; None where it did not begin.
        """
        words = _in_words(exitcode)
        if exitcode not in KILLED:
            return words, False
        if free_memory.kills() <= self._known:
            return f"{words} (out of memory, or killed manually)", False
        self._known += 1
        limit = free_memory.limit()
        limited = f" (limit {limit / MB:,.0f} MB)" if limit else ""
        fewer = 0 if exitcode is None else min(self._workers - 1, 1)
        return (
            f"{words}: out of memory{limited}; type hydra.sweeper.n_jobs={fewer}, a smaller "
            "trainer.batch_size or data.limit, or allow more memory"
        ), True


def _in_words(exitcode: int | None) -> str:
    if exitcode is None:
        return NOT_STARTED
    if exitcode == UNKNOWN:
        return "exited for an unknown reason"
    if exitcode >= 0:
        return f"exited with code {exitcode}"
    number = -exitcode
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    return f"was killed by {name}{_crash() if name in CRASHES else ''}"


def _crash() -> str:
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        return f" (out of memory, or a crash: `ulimit -v` allows {address_space / MB:,.0f} MB)"
    if not onednn.is_on():
        return " (crash in native code)"
    return (
        f" (crash in native code; type {onednn.WITHOUT} in front of the command to train without "
        "oneDNN, whose kernels may crash small residual networks)"
    )
