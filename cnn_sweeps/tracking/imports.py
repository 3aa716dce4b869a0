"""Imports of large packages, such as MLflow."""

import gc
import sys
from importlib import import_module


def import_quickly(*modules: str) -> None:
    """Import without looking for garbage meanwhile: there is none, and looking takes long.

    In a process of ours, which has left its imports out of every later search (`gc.freeze`), these
    are left out as well; in a program or notebook of the user's the search stays as it is.
    """
    if all(module in sys.modules for module in modules):
        return
    enabled, ours = gc.isenabled(), gc.get_freeze_count() > 0
    gc.disable()
    try:
        for module in modules:
            import_module(module)
    finally:
        if ours:
            gc.freeze()
        if enabled:
            gc.enable()
