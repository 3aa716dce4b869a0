"""Large packages are imported without searches for garbage."""

import gc
import importlib
import sys
from pathlib import Path

import pytest

from cnn_sweeps.tracking.imports import import_quickly, without

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


@pytest.mark.parametrize("ours", [True, False])
def test_what_can_be_done_without_is_not_imported_in_a_process_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    """A user's own program gets all of a package, for it may want that part of it."""
    (tmp_path / "part_of_it.py").touch()
    (tmp_path / "all_of_it.py").write_text(
        "try:\n    import part_of_it\nexcept ImportError:\n    part_of_it = None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "get_freeze_count", lambda: int(ours))
    try:
        import_quickly("all_of_it", unneeded=["part_of_it"])
        assert (sys.modules["all_of_it"].part_of_it is None) == ours
        assert importlib.import_module("part_of_it") is not None
    finally:
        for name in ("all_of_it", "part_of_it"):
            sys.modules.pop(name, None)


def test_what_no_training_uses_is_not_imported() -> None:
    """Only for the time of the import: somebody's own code may use it."""
    imported, other = "json", "wave"
    sys.modules.pop(other, None)
    with without(imported, other):
        importlib.import_module(imported)
        with pytest.raises(ImportError):
            importlib.import_module(other)
    assert importlib.import_module(other).Error
