"""What is left out of an import is there again after it."""

import importlib
import sys

import pytest

from cnn_sweeps.sweeps.workers.imports import without


def test_what_no_training_uses_is_not_imported() -> None:
    """Only for the time of the import: somebody's own code may use it."""
    imported, other = "json", "wave"
    sys.modules.pop(other, None)
    with without(imported, other):
        importlib.import_module(imported)
        with pytest.raises(ImportError):
            importlib.import_module(other)
    assert importlib.import_module(other).Error
