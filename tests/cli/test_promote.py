"""Giving the model of a run a name."""

import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
from stored_models import IMAGES, loaded, logged, plain
from stores import close

from cnn_sweeps.cli import promote
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, RecordError, StoreError, UnknownHashError
from cnn_sweeps.tracking import Store

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HASH = "ab12" * 16


@pytest.fixture
def run_id(store: Store) -> str:
    """A finished run of the hash, with a stored model and a score."""
    run_id = logged(store, plain(compiled=False))
    run = store.reopen(run_id)
    run.set_tags({"config_hash": HASH, "data_digest": "d" * 64})
    run.log_metrics({"val_accuracy": 0.9306, "test_accuracy": 0.9359})
    return run_id


def promoted(store: Store, *words: str, folder: Path | None = None) -> None:
    """Carry out the command on a store."""
    assert promote.main([*words, f"tracking.dir={folder or store.dir}"]) == 0


def versions(store: Store, name: str = "digits") -> list[int]:
    """The versions of a registered model."""
    return sorted(int(v.version) for v in store.client.search_model_versions(f"name = '{name}'"))


def test_a_promoted_model_loads(
    store: Store, run_id: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two lines that are printed load the model, and it scores as it did."""
    promoted(store, HASH[:8], "digits", "--alias", "champion")
    printed = capsys.readouterr().out
    uri, address = re.findall(r'\("([^"]+)"\)', printed)
    assert (uri, address) == (store.uri, "models:/digits@champion")
    # As mlflow.set_tracking_uri does, which would set it for the tests that follow as well.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    scores = mlflow.pyfunc.load_model(address).predict(IMAGES)
    np.testing.assert_allclose(scores, loaded(store, run_id)(IMAGES), rtol=1e-6)


def test_a_run_id_is_taken_in_the_place_of_a_hash(store: Store, run_id: str) -> None:
    """As it is copied from a page of MLflow."""
    promoted(store, run_id, "digits")
    assert store.client.get_model_version("digits", "1").run_id == run_id


def test_a_version_says_what_it_is(store: Store, run_id: str) -> None:
    """Hash, digest and accuracies are tags, and the description is that of the run."""
    promoted(store, HASH[:8], "digits")
    version = store.client.get_model_version("digits", "1")
    assert version.tags == {
        "config_hash": HASH,
        "data_digest": "d" * 64,
        "val_accuracy": "0.9306",
        "test_accuracy": "0.9359",
    }
    assert version.run_id == run_id
    assert "test accuracy **0.9359**" in (version.description or "")


@pytest.mark.usefixtures("run_id")
def test_the_same_model_again_moves_the_alias(store: Store) -> None:
    """There is one version of one model, whatever it is called besides."""
    promoted(store, HASH[:8], "digits", "--alias", "champion")
    promoted(store, HASH[:8], "digits", "--alias", "best")
    assert versions(store) == [1]
    found = store.client.get_registered_model("digits").aliases
    assert {alias: int(number) for alias, number in found.items()} == {"champion": 1, "best": 1}


@pytest.mark.usefixtures("run_id")
def test_a_description_that_somebody_changed_stays(store: Store) -> None:
    """Where the same model is promoted again."""
    promoted(store, HASH[:8], "digits")
    store.client.update_model_version("digits", "1", description="not for cats")
    promoted(store, HASH[:8], "digits", "--alias", "best")
    assert store.client.get_model_version("digits", "1").description == "not for cats"


@pytest.mark.usefixtures("run_id")
def test_another_model_is_the_next_version(store: Store) -> None:
    """The alias moves on to it."""
    promoted(store, HASH[:8], "digits", "--alias", "champion")
    other = logged(store, plain(compiled=False))
    store.reopen(other).set_tags({"config_hash": "cd34" * 16})
    promoted(store, "--run-id", other, "digits", "--alias", "champion")
    assert versions(store) == [1, 2]
    assert int(store.client.get_model_version_by_alias("digits", "champion").version) == 2


def test_only_a_run_with_a_model_speaks_for_its_hash(store: Store, run_id: str) -> None:
    """A newer run of the hash that stored none is passed over."""
    with store.start_run("newer", tags={"config_hash": HASH}):
        pass
    promoted(store, HASH[:8], "digits")
    assert store.client.get_model_version("digits", "1").run_id == run_id


@pytest.mark.usefixtures("run_id")
def test_it_works_where_the_folder_was_moved_to(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was promoted before and after a move is found in the new place, from anywhere."""
    promoted(store, HASH[:8], "digits", "--alias", "champion")
    close(store.uri)
    moved = tmp_path / "elsewhere"
    store.dir.rename(moved)
    monkeypatch.chdir(tmp_path)
    promoted(store, HASH[:8], "again", folder=moved)
    promoted(store, HASH[:8], "digits", folder=moved)
    there = Store.open(Tracking(dir=moved))
    assert versions(there) == [1]
    for name in ("digits", "again"):
        uri = there.client.get_model_version_download_uri(name, "1")
        assert uri.startswith(moved.as_uri())
        assert Path(uri.removeprefix("file://"), "MLmodel").is_file()
    close(there.uri)


@pytest.mark.parametrize("name", ["di/gits", "di:gits", "digits@best", "", " ", "..", "x" * 101])
def test_names_that_are_refused(store: Store, name: str) -> None:
    """A name that no address could carry is refused before anything is read."""
    with pytest.raises(ConfigError, match="cannot be the name of a model|it is empty"):
        promote.main(["abcd", name, f"tracking.dir={store.dir}"])


@pytest.mark.parametrize("alias", ["latest", "Latest", "v2", "a b", "a@b", ""])
def test_aliases_that_are_refused(store: Store, alias: str) -> None:
    """An alias that MLflow keeps for itself, or does not take, is refused."""
    with pytest.raises(ConfigError, match="cannot be an alias"):
        promote.main(["abcd", "digits", "--alias", alias, f"tracking.dir={store.dir}"])


@pytest.mark.usefixtures("run_id")
@pytest.mark.parametrize("typed", [HASH[:8].upper(), f" {HASH[:8]}"])
def test_a_hash_is_looked_up_as_by_all_commands(store: Store, typed: str) -> None:
    """However it was copied."""
    promoted(store, typed, "digits")
    assert versions(store) == [1]


def test_an_unknown_hash(store: Store) -> None:
    """A hash that no run has is refused, and nothing is registered."""
    with pytest.raises(UnknownHashError, match="no run has a config hash"):
        promoted(store, "abcd", "digits")
    assert store.client.search_registered_models() == []


def test_a_failed_run(store: Store) -> None:
    """Only a finished run has a model that is worth a name."""
    with pytest.raises(ValueError, match="x"), store.start_run("r", tags={"config_hash": HASH}):
        raise ValueError("x")
    with pytest.raises(RecordError, match="is FAILED"):
        promoted(store, HASH[:8], "digits")


def test_the_run_of_a_sweep(store: Store) -> None:
    """It has no model of its own."""
    with store.start_run("sweep", tags={}) as run:
        pass
    with pytest.raises(RecordError, match="is not an experiment"):
        promoted(store, "--run-id", run.run_id, "digits")


@pytest.mark.usefixtures("run_id")
def test_a_registry_that_refuses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow refuses is one plain error."""
    from mlflow import MlflowClient

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "create_model_version", full)
    with pytest.raises(StoreError, match="the disk is full"):
        promoted(store, HASH[:8], "digits")
