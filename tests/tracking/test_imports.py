"""Large packages are imported without searches for garbage."""

import gc
import sys
from pathlib import Path

import pytest

from cnn_sweeps.tracking.imports import import_quickly

SEEN = "import gc\nenabled = gc.isenabled()\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that notes whether garbage is looked for while it is imported."""
    (tmp_path / "seen_by_import.py").write_text(SEEN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "seen_by_import", raising=False)
    return "seen_by_import"


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_looked_for_again_afterwards(module: str, enabled: bool) -> None:
    """Only where it was before."""
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        import_quickly(module)
        assert gc.isenabled() == enabled
        assert sys.modules[module].enabled is False
    finally:
        (gc.enable if was else gc.disable)()


def test_what_is_imported_is_left_out_of_searches_in_a_process_of_ours(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and not where the user's own program runs."""
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 0)
    import_quickly(module)
    assert frozen == []
    del sys.modules[module]
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 9)
    import_quickly(module)
    import_quickly(module)
    assert frozen == [1]
