"""The standard streams: closed, without a reader, or on a full disk, the work goes on."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO

STDOUT = 1
LOST: list[OSError] = []
"""Why standard output could not be written, other than for want of a reader."""


class Lasting(TextIOWrapper):
    """A stream that falls silent when it cannot be written any more, whoever writes."""

    def write(self, text: str) -> int:
        """Write, or fall silent."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Write out what is left, or fall silent."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        silence(self)
        if self.fileno() == STDOUT and not isinstance(error, BrokenPipeError):
            LOST.append(error)


def silence(stream: IO[str]) -> None:
    """Send whatever is still written to a stream with a closed pipe to nowhere."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def open_streams() -> None:
    """Make standard output and standard error last, and what is closed lead nowhere.

    Where they are closed the next file that is opened, a database, would be standard output.
    A terminal that knows no `·` gets a `?`.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one; the processes of a sweep need it as well.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- for good
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def close_streams() -> OSError | None:
    """Write out what is left; why standard output has lost something, if it has."""
    sys.stdout.flush()
    return LOST[0] if LOST else None


def _lasting(stream: IO[str]) -> IO[str]:
    """The same stream; another program's own, such as a test's, is left as it is."""
    if type(stream) is not TextIOWrapper:
        return stream
    line_buffering, write_through = stream.line_buffering, stream.write_through
    return Lasting(
        stream.detach(),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=line_buffering,
        write_through=write_through,
    )
