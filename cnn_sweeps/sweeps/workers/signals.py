"""The signals that ask a sweep, or a worker, to end."""

import signal
from typing import Final

STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a scheduler, a terminal that was closed."""
WORKER_STOPS: Final = (*STOPS, signal.SIGUSR1, signal.SIGUSR2)
"""A worker requeues its trial after these: Slurm sends the last two before the time is up."""
BY_A_PERSON: Final = (signal.SIGINT, signal.SIGHUP)
"""Of these, what comes from a terminal; a scheduler sends the others when it ends a job."""
