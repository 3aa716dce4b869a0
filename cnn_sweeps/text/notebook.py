"""A notebook around this program: what its kernel exports to the programs of its `!` cells."""

import os
from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec

KERNEL = "JPY_PARENT_PID"
"""Set by Jupyter for a kernel, and so for everything that a cell starts."""
BACKEND = "MPLBACKEND"
"""Matplotlib's variable; a kernel exports `module://matplotlib_inline.backend_inline` in it."""
MODULE = "module://"


def in_notebook(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a notebook's cell has started this program, or this is its kernel."""
    return bool((os.environ if environ is None else environ).get(KERNEL))


def missing_backend(environ: Mapping[str, str]) -> str | None:
    """The module of the Matplotlib backend that is asked for, where it is not installed here.

    Matplotlib would not even be imported then, and Keras imports it. It is so wherever a kernel
    of another environment exports its own backend to a `!` cell.
    """
    backend = environ.get(BACKEND, "")
    if not backend.startswith(MODULE):
        return None
    module = backend.removeprefix(MODULE)
    try:
        return None if find_spec(module) else module
    except (ImportError, ValueError):  # the package that it is in, or no name at all
        return module


def drop_missing_backend(environ: MutableMapping[str, str]) -> None:
    """Ask for a backend without a window in place of one that is not here; any other one stays."""
    if missing_backend(environ) is not None:
        environ[BACKEND] = "agg"
