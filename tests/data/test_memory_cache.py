"""Images that a process keeps between the calls that want them."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnn_sweeps as cs
from cnn_sweeps import data
from cnn_sweeps.config.schema import DigitsData, FolderData
from cnn_sweeps.data import loading, memory_cache
from cnn_sweeps.data.memory_cache import HandedOver

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


def copy_of(handed: HandedOver) -> HandedOver:
    """As another process gets it."""
    copy: HandedOver = pickle.loads(pickle.dumps(handed))  # noqa: S301 -- ours
    return copy


def test_another_process_takes_over_what_was_read(
    config: FolderData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at no file, and has the same images, labels and digests, however they changed."""
    read = data.load_cached(config)
    handed = copy_of(HandedOver.kept())
    data.look_again()
    change(config)
    monkeypatch.setattr(loading, "load", lambda _: pytest.fail("files were looked at"))
    handed.keep()
    taken = data.load_cached(config)
    assert taken is not read
    assert (taken.digest, taken.decoded, taken.facts) == (read.digest, read.decoded, read.facts)
    for part in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(taken, part), getattr(read, part))


@pytest.mark.parametrize("few", [True, False])
def test_few_images_in_memory_are_handed_over(
    config: FolderData, monkeypatch: pytest.MonkeyPatch, *, few: bool
) -> None:
    """Many would take memory twice; those in files take none."""
    digits = DigitsData(limit=200)
    data.look_again()
    data.load_cached(config)
    read = data.load_cached(digits)
    size = sum(np.asarray(part).nbytes for part in (read.x_train, read.x_val, read.x_test))
    monkeypatch.setattr(memory_cache, "FEW", size if few else size - 1)
    assert list(HandedOver.kept().datasets) == ([config, digits] if few else [config])


def test_a_stored_config_finds_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the rules number that made a difference for them, which may be a lower one."""
    asked = DigitsData(limit=200)
    read = data.load_cached(asked)
    stored = data.as_read(asked, read)
    assert stored != asked
    monkeypatch.setattr(loading, "load", lambda _: pytest.fail("they were read again"))
    assert data.load_cached(stored) is read
    assert data.load_cached(asked) is read


def test_what_the_cache_has_dropped_is_looked_for_again(config: FolderData) -> None:
    """A process that is started later reads the files itself."""
    read = data.load_cached(config)
    handed = HandedOver.kept()
    assert config.cache is not None
    shutil.rmtree(config.cache)
    assert not copy_of(handed).datasets
    data.look_again()
    copy_of(handed).keep()
    assert data.load_cached(config).digest == read.digest


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
