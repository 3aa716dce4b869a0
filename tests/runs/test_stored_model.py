"""Stored models: what is used of them is what was stored, and nothing that they name is run."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from configs import config
from records import record
from stored_models import files
from stores import Finished

from cnn_sweeps.cli import figures, promote
from cnn_sweeps.config.schema import DigitsData
from cnn_sweeps.data import load_cached
from cnn_sweeps.errors import CnnSweepsError, RecordError, StoreError
from cnn_sweeps.runs import reuse, stored_model
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.tracking import RunRecord, Store, images, model_files
from cnn_sweeps.tracking.models import Pictures
from cnn_sweeps.tracking.names import MODEL_FILES

CONFIG = config(trainer={"epochs": 2})


@pytest.fixture
def run(finished: Finished, home: Store) -> RunRecord:
    """That run."""
    return home.get(finished.result.run_id)


@pytest.fixture
def folder(home: Store, run: RunRecord) -> Path:
    """The files of its model."""
    return files(home, run.run_id)


def load(store: Store, run: RunRecord) -> Any:
    """The network of the run."""
    from cnn_sweeps.runs import stored_model

    return stored_model.load(store, run, CONFIG, (28, 28, 1), 10)


def forget_digests(store: Store, run: RunRecord) -> None:
    """Make the stored model one of an earlier version, which recorded no digests of files."""
    (model,) = store.client.get_run(run.run_id).outputs.model_outputs
    store.client.delete_logged_model_tag(model.model_id, MODEL_FILES)


def pictures_with(stored: dict[str, Any]) -> Pictures:
    """What is read of a run that stored this of its images."""
    store: Any = SimpleNamespace(get=lambda _: SimpleNamespace(run_id="r"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_model.artifacts, "read_json", lambda *_: stored)
        return stored_model.stored_pictures(store, record())


def promoted(store: Store, run: RunRecord, *more: str) -> int:
    """Promote the run's model."""
    asked = ["--run-id", run.run_id, "digits", *more, f"tracking.dir={store.dir}"]
    return promote.main(asked)


def rewrite(folder: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the weights inside of a valid Keras file."""
    path = folder / "data" / "model.keras"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as opened:
        change(opened)
    content["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)


KERNEL = "layers/conv2d/vars/0"


def zeroed(opened: h5py.File) -> None:
    """Every weight of every layer."""

    def zero(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            item[...] = np.zeros(item.shape)

    opened.visititems(zero)


def replaced(opened: h5py.File, value: Any) -> None:
    """Something else in place of an array."""
    del opened[KERNEL]
    opened[KERNEL] = value


WEIGHTS: dict[str, Callable[[h5py.File], object]] = {
    "zeroed": zeroed,
    "one-bit": lambda opened: opened[KERNEL].write_direct(np.nextafter(opened[KERNEL][()], 9)),
    "other-shape": lambda opened: replaced(opened, np.zeros((5, 5, 1, 4), "float32")),
    "text": lambda opened: replaced(opened, "text"),
    "soft-link": lambda opened: replaced(opened, h5py.SoftLink("/layers/dense/vars/0")),
    "other-file": lambda opened: replaced(opened, h5py.ExternalLink("/etc/passwd", "/x")),
    "missing": lambda opened: (
        opened.pop(KERNEL) if hasattr(opened, "pop") else replaced(opened, 0.0)
    ),
    "circle": lambda opened: replaced(opened, opened["layers"]),
}


FILES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "empty": lambda path: path.write_bytes(b""),
    "no-archive": lambda path: path.write_text("model"),
    "gone": lambda path: path.unlink(),
    "a-folder": lambda path: (path.unlink(), path.mkdir()),
    "all-gone": lambda path: shutil.rmtree(path.parents[1]),
}


def reused(store: Store, run: RunRecord, *, log_model: bool | str = True, **more: Any) -> bool:
    """Whether a sweep takes the run in place of a training; where not, it says why."""
    asked = config(trainer={"epochs": 2}, tracking={"log_model": log_model}, **more)
    found, experiment = reuse.find_finished(Experiment.load(asked), store)
    begin = f"The stored model of run {run.run_id} ({run.name}) was changed or damaged: "
    assert all(each.startswith(begin) and "\n" not in each for each in experiment.remarks)
    assert len(experiment.remarks) == int(found is None)
    return found is not None and found.run_id == run.run_id


def test_the_network_comes_back(home: Store, run: RunRecord) -> None:
    """It scores the test split as it did, to the bit."""
    from cnn_sweeps.runs import stored_model

    tests = stored_model.score_stored(home, run, CONFIG, best=False)
    assert tests == {name: run.metrics[name] for name in ("test_loss", "test_accuracy")}
    assert reused(home, run)
    forget_digests(home, run)
    assert reused(home, run)


@pytest.mark.parametrize("written", ["[", "[" * 10**5, "[]", "1", "{1: 2}"])
def test_a_list_of_its_files_that_was_changed(written: str, home: Store, run: RunRecord) -> None:
    """Nothing tells that the model is the one that was stored, so it is not taken for it."""
    (model,) = home.client.get_run(run.run_id).outputs.model_outputs
    home.client.set_logged_model_tags(model.model_id, {MODEL_FILES: written})
    assert not reused(home, run)


@pytest.mark.parametrize("white", [4095, 65535])
def test_what_is_white_is_stored_with_the_images(white: int) -> None:
    """Nothing where files of 16 bits use all of them, as in earlier versions."""
    data = replace(load_cached(DigitsData(limit=200)), white=white)
    stored = images.as_json(data)
    assert ("white_16_bit" in stored) is (white != 65535)
    assert ("white_16_bit" in stored_model.pictures_of(config(), data).as_json()) is (
        white != 65535
    )
    assert pictures_with(stored).white == white


@pytest.mark.parametrize("white", [0, -1, 65536, "x", None])
def test_a_white_that_is_none_is_refused(white: object) -> None:
    """It was changed or damaged."""
    stored = images.as_json(load_cached(DigitsData(limit=200)))
    with pytest.raises(RecordError, match="cannot be read"):
        pictures_with({**stored, "white_16_bit": white})


@pytest.mark.parametrize("change", WEIGHTS.values(), ids=WEIGHTS)
def test_other_weights_are_refused(
    home: Store, run: RunRecord, folder: Path, change: Callable[[h5py.File], object]
) -> None:
    """The Keras file is a valid one all the same."""
    rewrite(folder, change)
    with pytest.raises(RecordError, match=f"stored model of run {run.run_id} .* was changed"):
        load(home, run)
    assert not reused(home, run)
    assert not reused(home, run, log_model=False)  # the trial would point to that model
    forget_digests(home, run)
    assert not reused(home, run)


@pytest.mark.parametrize("recorded", [True, False], ids=["now", "earlier-version"])
def test_other_weights_get_no_name(
    home: Store, run: RunRecord, folder: Path, *, recorded: bool
) -> None:
    """Whether the digests of the files tell, or that of the weights."""
    rewrite(folder, zeroed)
    if not recorded:
        forget_digests(home, run)
    with pytest.raises(RecordError, match=f"stored model of run {run.run_id} .* was changed"):
        promoted(home, run)
    assert home.client.search_registered_models() == []


@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
def test_damaged_files_are_refused(
    home: Store, run: RunRecord, folder: Path, change: Callable[[Path], object]
) -> None:
    """As a disk or a person leaves them."""
    change(folder / "data" / "model.keras")
    with pytest.raises(RecordError, match=f"stored model of run {run.run_id} .* was changed"):
        load(home, run)
    assert not reused(home, run)


LARGE: dict[str, Callable[[h5py.File], object]] = {
    "zeros": lambda opened: opened.create_dataset("more", data=np.zeros(4 * 2**20)),
    "compressed": lambda opened: opened.create_dataset(
        "more", data=np.zeros(4 * 2**20), compression="gzip"
    ),
    "never-written": lambda opened: opened.create_dataset("more", (2**40,), "f4", chunks=(2**20,)),
    "in-place-of-an-array": lambda opened: (
        replaced(opened, 0.0),
        opened.__delitem__(KERNEL),
        opened.create_dataset(KERNEL, (2**40,), "f4", chunks=(2**20,)),
    ),
}


@pytest.mark.parametrize("change", LARGE.values(), ids=LARGE)
def test_a_large_file_is_not_unpacked(
    home: Store, run: RunRecord, folder: Path, change: Callable[[h5py.File], object]
) -> None:
    """Zeros that take little room in an archive, or in HDF5, would fill the memory."""
    rewrite(folder, change)
    with pytest.raises(RecordError, match="larger than the weights of this network"):
        load(home, run)


class Mark:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def other_flavour(folder: Path, mark: Path) -> None:
    """MLflow's TensorFlow flavour, which unpickles what lies beside the model."""
    card = yaml.safe_load((folder / "MLmodel").read_text())
    del card["flavors"]["keras"]
    card["flavors"]["tensorflow"] = {
        "data": "data",
        "model_type": "keras",
        "keras_version": "3.15.1",
    }
    card["flavors"]["python_function"]["loader_module"] = "mlflow.tensorflow"
    (folder / "MLmodel").write_text(yaml.safe_dump(card))
    for name in ("custom_objects", "global_custom_objects"):
        (folder / "data" / f"{name}.cloudpickle").write_bytes(pickle.dumps({"x": Mark(mark)}))


def code_paths(folder: Path, mark: Path) -> None:
    """A module beside the model that loads it."""
    card = yaml.safe_load((folder / "MLmodel").read_text())
    card["flavors"]["python_function"] |= {"loader_module": "loader", "code": "code"}
    (folder / "MLmodel").write_text(yaml.safe_dump(card))
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "loader.py").write_text(f"open({str(mark)!r}, 'w')")


def named_class(folder: Path, mark: Path) -> None:
    """A config that names a function of any module, with the file as an argument."""
    path = folder / "data" / "model.keras"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    layers = json.loads(content["config.json"])
    layers["config"]["layers"][-1] = {
        "module": "pathlib",
        "class_name": "Path.touch",
        "registered_name": "touch",
        "config": str(mark),
    }
    content["config.json"] = json.dumps(layers).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)


@pytest.mark.parametrize("attack", [other_flavour, code_paths, named_class])
def test_what_a_file_names_is_not_followed(
    home: Store,
    run: RunRecord,
    folder: Path,
    tmp_path: Path,
    attack: Callable[[Path, Path], None],
) -> None:
    """The weights are still those of the run and are used; nobody else is sent there."""
    attack(folder, tmp_path / "mark")
    assert load(home, run) is not None
    with pytest.raises(RecordError, match="is not the file that was stored"):
        promoted(home, run)
    assert not reused(home, run)
    forget_digests(home, run)
    assert promoted(home, run) == 0
    version = home.client.get_model_version("digits", "1")
    assert Path(str(version.source).removeprefix("file://")) != folder
    assert not (tmp_path / "mark").exists()


def test_a_damaged_card(home: Store, run: RunRecord, folder: Path) -> None:
    """It is not needed here, and nobody is sent to it."""
    (folder / "MLmodel").write_text("flavors: [")
    assert load(home, run) is not None
    assert not reused(home, run)
    with pytest.raises(RecordError, match="MLmodel is not the file that was stored"):
        promoted(home, run)


def test_figures_of_a_changed_model(home: Store, run: RunRecord, folder: Path) -> None:
    """None is drawn."""
    rewrite(folder, zeroed)
    with pytest.raises(RecordError, match="its weights have the digest") as refusal:
        figures.main(["--run-id", run.run_id, *_where(home)])
    assert len(str(refusal.value).splitlines()) == 2
    assert isinstance(refusal.value, CnnSweepsError)


def test_a_model_of_an_earlier_version_is_stored_again(home: Store, run: RunRecord) -> None:
    """With digests, once; and it scores as the network does."""
    import mlflow

    forget_digests(home, run)
    assert promoted(home, run) == 0
    assert promoted(home, run) == 0
    (version,) = home.client.search_model_versions("name = 'digits'")
    assert version.run_id == run.run_id
    data = load_cached(CONFIG.data)
    scores = mlflow.pyfunc.load_model(str(version.source)).predict(data.x_test)
    right = np.mean(np.argmax(scores, axis=1) == data.y_test)
    assert right == pytest.approx(run.metrics["test_accuracy"])


def _where(store: Store) -> list[str]:
    return [f"tracking.dir={store.dir}"]


def without_model(store: Store, run: RunRecord) -> RunRecord:
    """The run after somebody has deleted its model."""
    (model,) = store.client.get_run(run.run_id).outputs.model_outputs
    store.client.delete_logged_model(model.model_id)
    assert not model_files.has_model(store, run)
    return store.get(run.run_id)


def test_a_run_without_a_model_has_the_weights_of_its_epoch(home: Store, run: RunRecord) -> None:
    """It scores as it did; a winner stores its model then."""
    from cnn_sweeps.runs import stored_model

    bare = without_model(home, run)
    tests = stored_model.score_stored(home, bare, CONFIG, best=False)
    assert tests == {name: run.metrics[name] for name in ("test_loss", "test_accuracy")}
    assert not model_files.has_model(home, bare)
    again = stored_model.score_stored(home, bare, CONFIG, best=True)
    assert (again, model_files.has_model(home, bare)) == (tests, True)
    model_files.check(home, bare, model_files.model_of(home, bare))


def test_its_model_is_stored_when_it_is_promoted(home: Store, run: RunRecord) -> None:
    """From the epoch that it ended with."""
    assert promoted(home, without_model(home, run)) == 0
    assert model_files.has_model(home, run)


def test_weights_that_are_not_those_of_the_run_are_not_taken(home: Store, run: RunRecord) -> None:
    """Another epoch, or none: what to type is said."""
    told = rf"Type cnn-sweeps reproduce {(run.config_hash or '')[:12]} tracking.log_model=true"
    bare = without_model(home, run)
    with pytest.raises(StoreError, match=told):
        load(home, replace(bare, tags={**bare.tags, "weights_sha256": "0" * 64}))
    shutil.rmtree(home.address.dir / "trajectories")
    with pytest.raises(StoreError, match=told):
        load(home, bare)
    with pytest.raises(StoreError, match=told):
        promoted(home, bare)


def test_a_large_run_without_a_model_answers_a_trial(home: Store, run: RunRecord) -> None:
    """As such a trial would not store its model either, unless it is told to."""
    bare = without_model(home, run)
    assert reused(home, bare, log_model="auto", trajectory={"epoch_mb": 0})
    asked = config(trainer={"epochs": 2}, tracking={"log_model": "auto"})
    assert reuse.find_finished(Experiment.load(asked), home)[0] is None


@pytest.mark.parametrize(
    ("log_model", "epoch_mb", "params", "precision", "later"),
    [
        pytest.param("auto", 4, 1_000_001, "float32", True, id="large"),
        pytest.param("auto", 4, 1_000_000, "float32", False, id="small"),
        pytest.param("auto", 4, 500_001, "float64", True, id="double precision"),
        pytest.param("auto", None, 10**12, "float32", False, id="no limit"),
        pytest.param(True, 0, 10**12, "float32", False, id="always"),
        pytest.param(False, 0, 10**12, "float32", False, id="never"),
    ],
)
def test_large_models_are_stored_of_winners_only(
    log_model: Any, epoch_mb: float | None, params: int, precision: str, *, later: bool
) -> None:
    """By the bytes of their weights."""
    from cnn_sweeps.runs import stored_model

    made = config(
        trainer={"precision": precision},
        tracking={"log_model": log_model},
        trajectory={"epoch_mb": epoch_mb},
    )
    assert stored_model.for_winners_only(made, params, stored=False) == later
