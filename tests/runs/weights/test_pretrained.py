"""Pretrained weights are known by their digest, wherever they are, and get where they belong."""

import hashlib
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from configs import config
from records import record as made_record
from stores import Finished

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.errors import ConfigError, DataError, RecordError, UnknownHashError
from cnn_sweeps.models.pretrained import Published
from cnn_sweeps.provenance.identity import content, identify
from cnn_sweeps.runs.composition.validate import check
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.restore import restored_config
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.runs.weights import packed_weights, pretrained
from cnn_sweeps.tracking import Store, model_files

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Keras makes arrays of its variables in a way that NumPy warns of."""
RESNET = {"name": "resnet", "depth": 6, "stages": 2, "width": 2}


def begun_with(store: Store, weights: str | None, **fields: Any) -> Config:
    """An experiment that begins with weights, and trains only its head."""
    model = {"name": "pretrained", "weights": weights, **fields}
    asked = config(model=model, trainer={"freeze": "backbone"}, trajectory={"reuse": False})
    return replace(asked, tracking=replace(asked.tracking, dir=store.address.dir))


def run(asked: Config, store: Store) -> RunResult:
    """Train it."""
    from cnn_sweeps.runs.run import run as train

    return train(asked, store)


def stored(store: Store, result: RunResult) -> Any:
    """The network of a run as it is stored."""
    from cnn_sweeps.runs import stored_model

    record = lookup.record_of(store, store.get(result.run_id))
    return stored_model.load(store, store.get(result.run_id), record.config, (28, 28, 1), 10)


def test_a_run_is_begun_with_the_network_of_another(finished: Finished, home: Store) -> None:
    """Its frozen convolution is that of the other run; record, hash and metrics say so."""
    other = finished.result
    result = run(begun_with(home, other.identity.short), home)
    mine, theirs = stored(home, result), stored(home, other)
    kernel = mine.get_layer("backbone").get_layer("conv_1").kernel
    assert np.array_equal(kernel, theirs.get_layer("conv_1").kernel)
    record = lookup.record_of(home, home.get(result.run_id))
    model = record.config.model
    assert model.weights == other.identity.config_hash
    assert model.weights_sha256 == other.weights_sha256
    assert model.backbone["filters"] == 4
    assert model.trained_on == (28, 28, 1)
    assert (result.metrics["frozen_params"], result.metrics["trainable_params"]) == (40, 50)


@pytest.mark.slow
def test_a_run_of_a_pretrained_network_can_be_gone_on_from(finished: Finished, home: Store) -> None:
    """Its backbone is taken, whatever it was made of; no trust and no code is asked for."""
    first = run(begun_with(home, finished.result.identity.short), home)
    model = pretrained.resolve_backbone(begun_with(home, first.identity.short))
    assert model.backbone["name"] == "cnn"
    assert model.weights_sha256 == first.weights_sha256
    second = run(begun_with(home, first.identity.short), home)
    layers = [stored(home, each).get_layer("backbone").get_weights() for each in (first, second)]
    assert all(map(np.array_equal, *layers))


OWN_NET = """
import keras
from keras import layers

def build(input_shape, num_classes):
    image = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2)(image)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(x))
"""
FROZEN_THEN_NOT = {
    **{"freeze": "backbone", "epochs": 2, "progress": "none"},
    "phases": [{"epochs": 1}, {"freeze": "batch_normalization", "epochs": 1}],
}


@pytest.fixture
def own_run(store: Store, in_tmp: Path) -> RunResult:
    """A run of a network of the user's, whose file is in the current folder."""
    (in_tmp / "my_backbone_net.py").write_text(OWN_NET)
    network = {"name": "custom", "function": "my_backbone_net:build"}
    asked = config(model=network, data={"name": "digits", "limit": 60})
    check(asked)
    return run(replace(asked, tracking=replace(asked.tracking, dir=store.address.dir)), store)


@pytest.mark.slow
def test_a_network_of_the_user_is_a_backbone(own_run: RunResult, store: Store) -> None:
    """Its own file is in hash and record; the backbone of what builds on that is the same again."""
    asked = begun_with(store, own_run.identity.short)
    first = run(asked, store)
    record = lookup.record_of(store, store.get(first.run_id))
    assert record.source is not None
    assert record.source.path == "my_backbone_net.py"
    assert record.config.model.backbone["function"] == "my_backbone_net:build"
    second = run(begun_with(store, first.identity.short), store)
    parts = [stored(store, each) for each in (first, second)]
    weights = [each.get_layer("backbone").get_weights() for each in parts]
    assert all(map(np.array_equal, *weights))
    Path("my_backbone_net.py").write_text(OWN_NET + "\n# changed\n")
    with pytest.raises(RecordError, match=r"my_backbone_net:build is not here as it was trained"):
        pretrained.resolve_backbone(asked)


@pytest.mark.slow
def test_what_builds_on_a_network_of_the_user_is_reproduced_and_exported(
    own_run: RunResult, store: Store
) -> None:
    """Frozen, then not; with the recorded file, once the user says so, and bit for bit."""
    from cnn_sweeps.runs.export.portable import export
    from cnn_sweeps.runs.reproduce import reproduce

    begun = begun_with(store, own_run.identity.short)
    trainer = config(trainer=FROZEN_THEN_NOT).trainer
    asked = replace(begun, trainer=trainer)
    made = run(asked, store)
    Path("my_backbone_net.py").unlink()
    record = lookup.record_of(store, store.get(made.run_id))
    with pytest.raises(ConfigError, match="importing it executes its code"):
        reproduce(record, asked.tracking, store)
    done = reproduce(record, asked.tracking, store, trust=True)
    assert (done.verdict.kind, done.used_recorded_source) == ("bit-identical", True)
    written = export(store, record, Path("out"), "keras", trust=True)
    assert written.largest_difference == 0


@pytest.mark.slow
def test_an_exported_run_carries_its_weights(
    finished: Finished, home: Store, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is reproduced where the run is not that they are of, and refuses other weights."""
    from cnn_sweeps import api
    from cnn_sweeps.cli.export import main

    made = run(begun_with(home, finished.result.identity.short), home)
    place = f"tracking.dir={home.address.dir}"
    assert main([made.identity.short, "out", place]) == 0
    file = Path("out") / "weights" / f"{finished.result.identity.short}.npz"
    assert f"weights/{file.name}" in capsys.readouterr().out
    assert file.name in Path("out/README.md").read_text()
    done = api.reproduce(None, "tracking.dir=elsewhere", folder="out")
    assert (done.verdict.kind, done.now.identity) == ("bit-identical", made.identity)
    file.write_bytes(packed_weights.encode([np.zeros(2)], [0]))
    with pytest.raises(RecordError, match="has the SHA-256 .*\nGet that file"):
        api.reproduce(None, "tracking.dir=elsewhere", folder="out")
    assert main([made.identity.short, "bare", place, "--no-weights"]) == 0
    assert "model.weights=FILE" in capsys.readouterr().out
    with pytest.raises(UnknownHashError, match="model.weights="):
        api.reproduce(None, "tracking.dir=elsewhere", folder="bare")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes of CIFAR-10, a hundred small photographs of each."""
    archive = Path(os.environ.get("CNN_SWEEPS_DATA", "nowhere"), "cifar10_images")
    if not (archive / "cifar10_images.tar.gz").is_file():
        pytest.skip("CNN_SWEEPS_DATA does not name a folder with cifar10_images.tar.gz")
    left = {"airplane": 100, "automobile": 100}
    with tarfile.open(archive / "cifar10_images.tar.gz", "r|gz") as files:
        for file in files:
            _, name, *_ = Path(file.name).parts
            if left.get(name):
                files.extract(file, tmp_path, filter="data")
                left[name] -= 1
            if not any(left.values()):
                break
    return tmp_path / "train"


@pytest.mark.slow
def test_a_network_pretrained_on_photographs_serves_other_images(
    photographs: Path, store: Store
) -> None:
    """Grey digits are brought to its size and colour; heads on its features are the same again."""
    from cnn_sweeps.runs.reproduce import reproduce

    seen = config(
        model=RESNET | {"width": 8},
        data={"name": "image_folder", "path": str(photographs), "image_size": [32, 32]},
        trainer={"epochs": 3},
    )
    first = run(replace(seen, tracking=replace(seen.tracking, dir=store.address.dir)), store)
    head = {"freeze": "backbone", "features": "cached", "epochs": 3}
    asked = begun_with(store, first.identity.short, input_size=[32, 32])
    asked = replace(asked, trainer=config(trainer=head).trainer)
    made = run(asked, store)
    losses = [each.loss for each in made.training.epochs]
    assert losses[-1] < losses[0]
    assert made.metrics["trainable_params"] == (16 + 1) * 10
    record = lookup.record_of(store, store.get(made.run_id))
    assert reproduce(record, asked.tracking, store).verdict.kind == "bit-identical"


def test_where_weights_lie_is_said_behind_reproduce(tmp_path: Path, store: Store) -> None:
    """Of a run that began with some; their digest stays that of the record."""
    begun = begun_with(store, "some/where.h5", backbone=RESNET, weights_sha256="a" * 64)
    record = made_record(config=begun)
    again = restored_config(record, begun.tracking, ["model.weights=here=now.h5"]).model
    assert (again.weights, again.weights_sha256) == ("here=now.h5", "a" * 64)
    with pytest.raises(ConfigError, match="model.weights= names no file"):
        restored_config(record, begun.tracking, ["model.weights="])
    plain = made_record(config=begun_with(store, None, backbone=RESNET))
    with pytest.raises(ConfigError, match="began with no pretrained weights"):
        restored_config(plain, begun.tracking, ["model.weights=a.h5"])


def test_the_digest_is_in_the_hash_and_the_place_is_not(
    finished: Finished, home: Store, tmp_path: Path
) -> None:
    """By a prefix or the whole hash it is one experiment; other weights are another one."""
    full = finished.result.identity.config_hash
    named = [Experiment.load(begun_with(home, name)) for name in (full[:6], full)]
    assert named[0].identity == named[1].identity
    random = Experiment.load(begun_with(home, None, backbone=named[0].config.model.backbone))
    assert random.identity.config_hash != named[0].identity.config_hash


def test_weights_that_are_not_looked_up_yet_count_by_their_name() -> None:
    """A sweep over them has a cell for each."""
    cells = [
        content(config(model={"name": "pretrained", "weights": w}), "") for w in ("ab12", None)
    ]
    assert cells[0]["model"]["weights"] == "ab12" != cells[1]["model"]["weights"]


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        pytest.param({"backbone": "VGG16"}, ConfigError, "Leave model.backbone out", id="another"),
        pytest.param({"weights_sha256": "a" * 64}, RecordError, "with the weights aaa", id="other"),
    ],
)
def test_what_the_run_is_not_is_refused(
    finished: Finished, home: Store, fields: dict[str, Any], error: type[Exception], text: str
) -> None:
    """Before anything is trained, and with what to type."""
    with pytest.raises(error, match=text):
        pretrained.resolve_backbone(begun_with(home, finished.result.identity.short, **fields))


@pytest.mark.parametrize("typed", [None, {"dense_units": [8]}, {"dense_units": 8}])
def test_the_network_of_an_earlier_run_is_in_one_form(
    monkeypatch: pytest.MonkeyPatch, store: Store, typed: dict[str, Any] | None
) -> None:
    """That run has it as it was typed; what begins with it reads back with its hash."""
    network = {"name": "cnn", "filters": 4, "conv_blocks": 1}
    earlier = made_record(config=config(model={**network, "dense_units": [8]}, rules=1))
    tagged: Any = SimpleNamespace(config_hash="f" * 64, tags={"weights_sha256": "a" * 64})
    known = pretrained.TrainedRun(run=tagged, record=earlier, shape=(28, 28, 1), classes=10)
    monkeypatch.setattr(pretrained, "trained_run", lambda *_: known)
    asked = begun_with(store, "ffff", backbone=typed and {**network, **typed})
    found = Experiment.load(asked, store)
    assert found.config.model.backbone["dense_units"] == 8
    read = load_stored(to_json(found.config))
    assert identify(read, found.dataset.digest) == found.identity


def test_a_hash_that_no_run_has_is_refused(home: Store) -> None:
    """With the key that named it."""
    with pytest.raises(UnknownHashError, match="model.weights=00000: no run has"):
        pretrained.resolve_backbone(begun_with(home, "00000"))


def test_the_network_of_a_run_that_was_changed_is_refused(finished: Finished, home: Store) -> None:
    """What is loaded is held against its digest."""
    home.reopen(finished.result.run_id).set_tags({"weights_sha256": "a" * 64})
    with pytest.raises(RecordError, match="its weights have the digest"):
        run(begun_with(home, finished.result.identity.short), home)


def test_weights_that_are_not_stored_any_more_are_no_fault_of_the_store(
    finished: Finished, home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep would end with a store that refuses; of this one trial fails."""
    monkeypatch.setattr(model_files, "find_model", lambda *_: None)
    shutil.rmtree(home.dir / "trajectories")
    told = r"model\.weights=.* are not stored either\.\nType cnn-sweeps reproduce"
    with pytest.raises(RecordError, match=told):
        run(begun_with(home, finished.result.identity.short), home)


@pytest.mark.slow
def test_a_file_is_known_by_its_content(tmp_path: Path, store: Store) -> None:
    """Elsewhere it is the same experiment; changed, it is refused where the digest is recorded."""
    from cnn_sweeps.config.schema import ResnetModel
    from cnn_sweeps.models.build import build_model

    places = [tmp_path / "one.weights.h5", tmp_path / "two.weights.h5"]
    build_model(ResnetModel(**RESNET), (28, 28, 1), 4).save_weights(places[0])
    places[1].write_bytes(places[0].read_bytes())
    asked = [begun_with(store, str(place), backbone=RESNET) for place in places]
    found = [Experiment.load(each) for each in asked]
    assert found[0].identity == found[1].identity
    result = run(asked[0], store)
    assert result.identity == found[0].identity
    places[1].write_bytes(b"other")
    with pytest.raises(RecordError, match=r"has the SHA-256 .*\nGet that file, and type model.we"):
        Experiment.load(found[1].config)


def test_what_is_neither_hash_nor_file_is_refused(store: Store) -> None:
    """With all that is possible."""
    with pytest.raises(DataError, match=r"=3f2g: there is no such file.\nType imagenet, the hash"):
        pretrained.resolve_backbone(begun_with(store, "3f2g", backbone=RESNET))


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Keras keeps weights; the file of MobileNetV2 is looked for there, and nowhere else."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    file = Published(name="mobile.h5", url="http://127.0.0.1:9/mobile.h5", digest=None)
    monkeypatch.setattr("cnn_sweeps.models.pretrained.published_file", lambda *_: file)
    return tmp_path / "keras"


def test_without_a_network_it_is_said_what_to_fetch(keras_home: Path, store: Store) -> None:
    """In one line: from where, and where to put it."""
    with pytest.raises(DataError) as refused:
        Experiment.load(begun_with(store, "imagenet", input_size=[32, 32]))
    place = keras_home / "models" / "mobile.h5"
    assert "http://127.0.0.1:9/mobile.h5" in str(refused.value)
    assert f"put it at {place}, or type model.weights=FILE" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_there_is_used_and_named_by_its_digest(keras_home: Path, store: Store) -> None:
    """Nothing is downloaded."""
    place = keras_home / "models" / "mobile.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    model = Experiment.load(begun_with(store, "imagenet", input_size=[32, 32])).config.model
    assert model.weights_sha256 == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize(
    ("backbone", "fields", "refused"),
    [
        pytest.param("MobileNetV2", {"trained_on": (28, 28, 1)}, "trained_on", id="application"),
        pytest.param("MobileNetV2", {"trained_classes": 5}, "trained_classes", id="its classes"),
        pytest.param(RESNET, {"trained_classes": 5}, "trained_classes", id="a network of ours"),
        pytest.param(
            {"name": "hub", "class_name": "X"},
            {"trained_on": (9, 9, 3)},
            "trained_on",
            id="a preset",
        ),
    ],
)
def test_what_a_run_tells_is_refused_where_it_has_no_effect(
    backbone: Any, fields: dict[str, Any], refused: str
) -> None:
    """It would be another hash of the same experiment; what is stored like that can be read."""
    model = {"name": "pretrained", "backbone": backbone, "weights": None, **fields}
    with pytest.raises(ConfigError, match=f"model.{refused}=.* has no effect with pretrained"):
        check(config(model=model))


def test_what_a_run_tells_cannot_be_typed_otherwise(finished: Finished, home: Store) -> None:
    """It would be replaced by what the run has."""
    short = finished.result.identity.short
    with pytest.raises(ConfigError, match=r"model.trained_on=.* is not that of model.weights"):
        pretrained.resolve_backbone(begun_with(home, short, trained_on=(9, 9, 1)))
    known = pretrained.resolve_backbone(begun_with(home, short, trained_on=(28, 28, 1)))
    assert known.trained_on == (28, 28, 1)


def test_epochs_cannot_be_marked_where_none_is_stored() -> None:
    """No setting is accepted and ignored; what was recorded like that can be read."""
    asked = config(trajectory={"reuse": False, "keep_epochs": [3, 5]})
    with pytest.raises(ConfigError, match=r"keep_epochs=\[3,5\] has no effect with .*reuse=false"):
        check(asked)
