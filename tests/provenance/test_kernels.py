"""Which kernels TensorFlow uses."""

import os
import sys
from types import ModuleType

import pytest

from cnn_sweeps.provenance import kernels
from cnn_sweeps.provenance.environment import set_flags
from cnn_sweeps.provenance.kernels import ONEDNN


@pytest.mark.parametrize(
    ("typed", "imported", "processor", "recorded"),
    [
        (None, False, "x86_64", "1"),
        (None, True, "x86_64", "default"),
        (None, False, "arm64", "default"),
        ("0", False, "x86_64", "0"),
        ("default", False, "AMD64", "default"),
    ],
)
def test_who_chooses_the_kernels(
    typed: str | None,
    imported: bool,
    processor: str,
    recorded: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On where nobody has chosen and it can be; processes that are started get the same."""
    monkeypatch.setenv(ONEDNN, typed or "")
    if typed is None:
        monkeypatch.delenv(ONEDNN)
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    if not imported:
        monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(kernels.platform, "machine", lambda: processor)
    kernels.choose_kernels()
    assert (os.environ[ONEDNN], set_flags()[ONEDNN]) == (recorded, recorded)
