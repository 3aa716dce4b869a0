"""Images that a process keeps between the calls that want them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cnn_sweeps as cs
from cnn_sweeps import data
from cnn_sweeps.config.schema import DigitsData, FolderData

Write = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path, write_images: Write) -> FolderData:
    """Images of two classes."""
    folder = write_images(tmp_path / "pets", {"a": 10, "b": 10})
    return FolderData(path=folder, image_size=(5, 7), cache=tmp_path / "cache")


def change(config: FolderData) -> None:
    """Move an image to the other class."""
    image = next((config.path / "a").iterdir())
    image.rename(config.path / "b" / f"from-a{image.suffix}")


def test_trials_share_what_was_read(config: FolderData) -> None:
    """Until somebody looks again."""
    first = data.load_cached(config)
    change(config)
    assert data.load_cached(config) is first
    data.look_again()
    assert data.load_cached(config).digest != first.digest


def test_what_was_published_is_kept() -> None:
    """Its digest is known, and reading it takes seconds."""
    first = data.load_cached(DigitsData(limit=200))
    data.look_again()
    assert data.load_cached(DigitsData(limit=200)) is first


def test_two_data_sets_are_kept(config: FolderData) -> None:
    """More would fill the memory; the one that was wanted last stays longest."""
    first, second, third = (replace(config, split_seed=seed) for seed in (1, 2, 3))
    kept = data.load_cached(first)
    dropped = data.load_cached(second)
    assert data.load_cached(first) is kept
    data.load_cached(third)
    assert data.load_cached(first) is kept
    assert data.load_cached(second) is not dropped


@pytest.mark.parametrize(
    "call",
    [
        lambda typed: cs.run(*typed),
        lambda typed: cs.sweep(*typed, params={"seed": [0, 1]}),
    ],
    ids=["run", "sweep"],
)
def test_each_call_from_python_looks_again(
    config: FolderData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Callable[..., Any]
) -> None:
    """In a notebook files are moved between two trainings."""

    def refuse(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    first = data.load_cached(config)
    change(config)
    monkeypatch.setattr("cnn_sweeps.runs.run.run", refuse)
    monkeypatch.setattr("cnn_sweeps.sweeps.controller.sweep", refuse)
    with pytest.raises(NotImplementedError):
        call(["data=image_folder", f"data.path={config.path}", f"tracking.dir={tmp_path / 'runs'}"])
    assert data.load_cached(config).digest != first.digest
