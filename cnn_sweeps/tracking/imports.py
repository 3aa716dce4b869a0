"""Imports of large packages, such as MLflow."""

import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Final

SILENCE: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def import_quickly(*modules: str, unneeded: Sequence[str] = ()) -> None:
    """Import without looking for garbage meanwhile: there is none, and looking takes long.

    In a process of ours, which has left its imports out of every later search (`gc.freeze`), these
    are left out as well; in a program or notebook of the user's the search stays as it is.

    Args:
        modules: by their full names.
        unneeded: what these import along where it is installed, and do without elsewhere. It is not
            imported in a process of ours; a user's program may want it of them.
    """
    if all(module in sys.modules for module in modules):
        return
    enabled, ours = gc.isenabled(), gc.get_freeze_count() > 0
    gc.disable()
    try:
        with without(*unneeded) if ours else nullcontext():
            for module in modules:
                import_module(module)
    finally:
        if ours:
            gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let modules seem not to be installed inside the block, unless they are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an ImportError
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def quiet_mlflow(*, database: bool = True) -> Iterator[None]:
    """Import MLflow with telemetry off, and keep its notes off the user's terminal.

    Args:
        database: whether it is to use one itself; a server's client needs a second less.
    """
    for name, value in SILENCE.items():
        os.environ.setdefault(name, value)
    # SQLAlchemy's deprecations inside MLflow's store: nothing that a user could act on.
    with warnings.catch_warnings(action="ignore"):
        import_quickly("mlflow.store.tracking.sqlalchemy_store" if database else "mlflow")

        if "MLFLOW_LOGGING_LEVEL" not in os.environ:
            logging.getLogger("mlflow").setLevel(logging.WARNING)
        # It logs the traceback of each error that it raises; ours says it in one line.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        yield
