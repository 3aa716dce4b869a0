"""Arguments as whoever asks would type them: `--trust` on the command line, `trust=True` in Python.

What is refused below the command line may have been asked for by a program. So its message names
an argument of the functions of `cnn_sweeps.api` through `option`, and the command line says that it
is the one that asks.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FLAGS = {"form": "format"}
"""Arguments that are called otherwise on the command line."""
_on_command_line = ContextVar("on_command_line", default=False)


@contextmanager
def on_command_line() -> Iterator[None]:
    """Let arguments be named as options inside the block."""
    before = _on_command_line.set(True)
    try:
        yield
    finally:
        _on_command_line.reset(before)


def is_on_command_line() -> bool:
    """Whether the command line asks, and not a program."""
    return _on_command_line.get()


def option(name: str, value: object = None) -> str:
    """An argument, ready to be typed.

    Args:
        name: as it is called in Python: `every_epoch`.
        value: what it is given; its name alone when None.
    """
    if is_on_command_line():
        flag = f"--{FLAGS.get(name, name).replace('_', '-')}"
        if value is None or value is True:
            return flag
        return f"{flag} {','.join(value) if isinstance(value, tuple) else value}"
    if value is None:
        return name
    return f"{name}={json.dumps(value) if isinstance(value, str | tuple) else value}"
