"""`cnn-sweeps fork`: what a fork would be and cost, before it is trained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import Finished, copy_of

from cnn_sweeps import api
from cnn_sweeps.cli import fork
from cnn_sweeps.config import Config
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.tracking import Store


@pytest.fixture
def store(finished: Finished, tmp_path: Path) -> Iterator[Store]:
    """A copy of the store with a run of two epochs."""
    with copy_of(finished.home, tmp_path) as made:
        yield made


def told(store: Store, capsys: pytest.CaptureFixture[str], *typed: str) -> str:
    """What the command prints."""
    assert fork.main([*typed, f"tracking.dir={store.dir}"]) == 0
    return capsys.readouterr().out


def test_it_says_what_would_be_trained_and_what_it_takes_to_get_there(
    store: Store, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """The optimizer is kept after the last two epochs; where it is lost, epochs are trained."""
    short = finished.result.identity.short
    shown = told(store, capsys, f"{short}@1", "trainer.batch_size=8", "--dry-run")
    assert f"takes {finished.result.name} up after epoch 1" in shown
    assert "epoch 1: trajectory " in shown
    assert "epoch 2: trajectory " in shown
    assert "trainer.batch_size=8" in shown
    assert "the state after epoch 1 is stored" in shown
    for file in (store.dir / "trajectories").rglob("optimizer/0001.npz"):
        file.unlink()
    shown = told(store, capsys, f"{short}@1", "trainer.batch_size=8", "--dry-run")
    assert "getting there: 1 epoch trained again" in shown
    assert len(store.find(short)) == 1


@pytest.mark.parametrize("typed", [(), ("--dry-run",), ("trainer.batch_size=32",)])
def test_a_fork_that_changes_nothing_is_its_parent(
    store: Store, finished: Finished, capsys: pytest.CaptureFixture[str], typed: tuple[str, ...]
) -> None:
    """It says so, and trains nothing."""
    shown = told(store, capsys, f"{finished.result.identity.short}@1", *typed)
    assert shown == f"Nothing is changed: this is {finished.result.name} itself.\n"


def test_python_trains_the_same_fork(
    store: Store, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overrides may be texts or keywords."""
    asked: list[Config] = []
    monkeypatch.setattr(api, "run_in", lambda _, config, **__: asked.append(config))
    name, where = f"{finished.result.identity.short}@1", f"tracking.dir={store.dir}"
    api.fork(name, "trainer.optimizer.learning_rate=0.01", where)
    api.fork(name, where, trainer={"optimizer": {"learning_rate": 0.01}})
    one, other = asked
    assert one == other == api.plan_fork(name, "trainer.optimizer.learning_rate=1e-2", where).config
    assert one.tracking.dir == store.dir


def test_what_is_not_there_is_refused(store: Store, finished: Finished) -> None:
    """A hash that nobody has, an epoch that nobody trained, and what is no hash."""
    where, short = f"tracking.dir={store.dir}", finished.result.identity.short
    with pytest.raises(UnknownHashError, match="begins with ffff"):
        fork.main(["ffff@1", where])
    with pytest.raises(ConfigError, match=f"has 2 epochs: there is no epoch 7.\nType {short}@2"):
        fork.main([f"{short}@7", where])
    with pytest.raises(ConfigError, match="names no epoch"):
        fork.main([f"{short}@last", where])
    with pytest.raises(ConfigError, match="an argument is missing"):
        fork.main([where])


def test_it_can_be_typed_with_a_run_id(store: Store, finished: Finished) -> None:
    """In place of the hash."""
    run = lookup.find_run(store, finished.result.identity.short)
    made = api.plan_fork(f"{run.run_id}@1", "trainer.batch_size=8", f"tracking.dir={store.dir}")
    assert made.parent.run_id == run.run_id
