"""Functions for the processes of a pool to call: in a module of their own, without pytest."""

import os
import signal

from cnn_sweeps.errors import ConfigError


def doubled(number: int) -> int:
    """Twice a number."""
    return 2 * number


def process_of(_: int) -> int:
    """Who answers."""
    return os.getpid()


def blocked(_: int) -> set[int]:
    """The signals that wait for ever in the process that answers."""
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def refused(number: int) -> int:
    """One that refuses."""
    raise ConfigError(f"{number} is invalid.")


def die(_: int) -> int:
    """One that is gone before it answers."""
    os._exit(3)


def gpu_of(_call: int) -> str | None:
    """The GPU that the process may use."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def talkative(number: int) -> int:
    """One that prints."""
    print("x" * 100_000, flush=True)
    return number
