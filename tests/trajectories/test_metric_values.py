"""Further metrics of stored epochs, which several processes add to one file."""

from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from plans import epoch

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import files, metric_values
from cnn_sweeps.trajectories.entry import Entry


def test_two_writers_lose_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who trains adds to the file while somebody measures earlier epochs."""
    folder, write = tmp_path / "entry", files.write
    other = Thread(target=metric_values.write, args=(folder, epoch(2), {"brier": 0.2}))

    def slowly(path: Path, data: bytes) -> str:
        monkeypatch.setattr(files, "write", write)
        other.start()
        other.join(0.2)
        return write(path, data)

    monkeypatch.setattr(files, "write", slowly)
    metric_values.write(folder, epoch(1), {"brier": 0.1})
    other.join()
    found = metric_values.read_all(folder, [epoch(1), epoch(2)])
    assert found == {1: {"brier": 0.1}, 2: {"brier": 0.2}}
    Entry(folder).prune()
    assert metric_values.read_all(folder, [epoch(1), epoch(2)]) == found


def test_where_no_lock_can_be_had_values_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that knows none loses some at worst."""

    def refuse(path: Path) -> Any:
        raise StoreError(f"{path} cannot be locked")

    monkeypatch.setattr(metric_values, "hold_lock", refuse)
    metric_values.write(tmp_path, epoch(1), {"brier": 0.1})
    assert metric_values.read(tmp_path, epoch(1)) == {"brier": 0.1}
