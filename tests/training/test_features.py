"""Features of a frozen backbone: computed once, kept, shared, and trained on as what they are."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configs import config
from networks import dataset, network

from cnn_sweeps.config.schema import PretrainedModel
from cnn_sweeps.data.folder_cache import DECODED, FEATURES, GB, CachedFolder, FolderCache
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.composition.validate import check
from cnn_sweeps.training.feature_cache import FeatureCache, is_intact

BACKBONE = {"name": "resnet", "depth": 4, "stages": 1, "width": 2}
PLAIN = {"name": "pretrained", "backbone": BACKBONE, "weights": None, "head": {"dense_units": 4}}
CACHED = {"epochs": 2, "batch_size": 16, "freeze": "backbone", "features": "cached"}


def trained(cache: FeatureCache | None = None, seed: int = 0, **trainer: Any) -> list[Any]:
    """The losses of a short training on features, and the final weights."""
    from cnn_sweeps.training import loop

    asked = config(model=PLAIN, trainer=CACHED | trainer, seed=seed)
    built = network(asked.model, seed)
    made = loop.Trainer.compile(built, dataset(), asked, cache=cache)
    epochs = made.epochs()
    seen = [next(epochs) for _ in range(asked.trainer.epochs)]
    return [*((e.loss, e.val_loss) for e in seen), *(w.tobytes() for w in built.get_weights())]


def sets(folder: Path) -> list[CachedFolder]:
    """What is kept in a cache."""
    return FolderCache(folder).folders(FEATURES)


def features_of(cache: FeatureCache | None, seed: int = 0) -> list[bytes]:
    """The features of the training and the validation images."""
    from cnn_sweeps.training import features

    found = features.with_features(network(config(model=PLAIN).model, seed), dataset(), cache)
    return [np.asarray(x).tobytes() for x in (found.x_train, found.x_val)]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a backbone, each time that some did."""
    from cnn_sweeps.training import features

    counts: list[int] = []
    compute = features.compute_features

    def counted(extractor: Any, images: Any) -> Any:
        counts.extend(map(len, images))
        return compute(extractor, images)

    monkeypatch.setattr(features, "compute_features", counted)
    return counts


def test_features_are_what_the_backbone_gives_when_it_predicts() -> None:
    """In batches of 256, the last one smaller."""
    import keras

    from cnn_sweeps.training import features

    built = network(PretrainedModel(backbone=BACKBONE, weights=None))
    images = np.random.RandomState(0).randint(0, 256, (300, 8, 8, 1)).astype(np.uint8)
    extractor = keras.Model(built.inputs[0], built.get_layer("features").output)
    (found,) = features.compute_features(extractor, [images])
    whole = np.concatenate([extractor(images[:256]), extractor(images[256:])])
    np.testing.assert_allclose(found, whole, rtol=1e-5)
    assert (found.dtype, found.shape) == (np.dtype("float32"), (300, 2))


def test_they_are_computed_once_and_shared(tmp_path: Path, computed: list[int]) -> None:
    """Another head is trained on the same; from memory or from the cache, the bits are the same."""
    cache = FeatureCache(folder=tmp_path)
    first = trained(cache)
    assert computed == [50, 12]
    assert trained(cache, optimizer={"name": "sgd", "learning_rate": 0.1}) != first
    read = features_of(cache)
    assert computed == [50, 12]
    assert features_of(None) == read
    (entry,) = sets(tmp_path)
    assert is_intact(entry)


def test_a_head_learns_while_the_backbone_stays(tmp_path: Path) -> None:
    """Its loss falls, and the weights of the backbone are those of the start."""
    seen = trained(FeatureCache(folder=tmp_path), epochs=4)
    losses = [each[0] for each in seen[:4]]
    assert losses[-1] < losses[0]
    begun = [w.tobytes() for w in network(config(model=PLAIN).model).get_weights()]
    assert seen[4:-4] == begun[:-4]


@pytest.mark.parametrize("change", ["weights", "source"])
def test_other_features_have_another_key(tmp_path: Path, computed: list[int], change: str) -> None:
    """Of other weights of the backbone, and of whatever else names them."""
    features_of(FeatureCache(folder=tmp_path, source="a"))
    features_of(
        FeatureCache(folder=tmp_path, source="b" if change == "source" else "a"),
        seed=int(change == "weights"),
    )
    assert computed == [50, 12, 50, 12]
    assert len(sets(tmp_path)) == 2


def test_what_is_lost_is_computed_again(tmp_path: Path, computed: list[int]) -> None:
    """A file that is gone, or cut off."""
    cache = FeatureCache(folder=tmp_path)
    first = features_of(cache)
    (entry,) = sets(tmp_path)
    (entry.folder / "val.npy").unlink()
    assert features_of(cache) == first
    (entry.folder / "train.npy").write_bytes(b"")
    assert not is_intact(entry)
    assert features_of(cache) == first
    assert computed == [50, 12] * 3


def test_without_a_folder_to_write_to_they_are_in_memory(tmp_path: Path) -> None:
    """The same ones, a little later."""
    (tmp_path / "file").write_text("no folder")
    assert features_of(FeatureCache(folder=tmp_path / "file")) == features_of(None)


@pytest.mark.slow
def test_on_a_full_disk_they_are_computed_once(
    tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And trained on as if they were kept; nothing half is left."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = FeatureCache(folder=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        first = trained(cache)
    assert computed == [50, 12]
    assert [path for path in (tmp_path / FEATURES).iterdir() if path.is_dir()] == []
    assert trained(cache) == first


@pytest.mark.parametrize("beside", [False, True], ids=["anywhere", "in the cache"])
def test_features_without_room_beside_their_images_are_not_kept(
    tmp_path: Path, beside: bool
) -> None:
    """Else each start would put out what the last one has kept."""
    images = tmp_path / "decoded" / "k"
    images.mkdir(parents=True)
    (images / "images.npy").write_bytes(bytes(1_300))
    (images / "about.json").write_text("{}")
    cache = FeatureCache(folder=tmp_path, max_gb=1_500 / GB)
    cache.write("a", [np.zeros(30), np.zeros(10)], images=images if beside else None)
    kept = [each.folder.name for each in FolderCache(tmp_path).folders(DECODED, FEATURES)]
    assert kept == (["k"] if beside else ["a"])
    cache.write("b", [np.zeros(300), np.zeros(10)])
    assert kept == [each.folder.name for each in FolderCache(tmp_path).folders(DECODED, FEATURES)]


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        pytest.param({"trainer": {"features": "cached"}}, "needs a backbone", id="no backbone"),
        pytest.param(
            {"model": PLAIN, "trainer": {"features": "cached"}},
            "needs the whole backbone frozen, and trainer.freeze=none",
            id="nothing frozen",
        ),
        pytest.param(
            {"model": PLAIN, "trainer": CACHED, "augment": {"flip": "horizontal"}},
            "augmentation changes it in each step.\n.*augment=none",
            id="augmentation",
        ),
        pytest.param(
            {
                "model": PLAIN,
                "trainer": CACHED | {"epochs": 3, "phases": [{"first": 3, "freeze": 0.5}]},
            },
            "needs the whole backbone frozen, and trainer.freeze=0.5",
            id="let go in a later phase",
        ),
    ],
)
def test_what_would_change_features_is_refused(groups: dict[str, Any], text: str) -> None:
    """With what to type instead."""
    with pytest.raises(ConfigError, match=text):
        check(config(**groups))


def test_training_on_features_is_an_experiment_of_its_own() -> None:
    """It is not claimed to equal the training on images."""
    names: Sequence[str] = [
        identify(config(model=PLAIN, trainer=CACHED | {"features": each}), "d" * 64).config_hash
        for each in ("live", "cached")
    ]
    assert names[0] != names[1]


OWN = """
import json
from pathlib import Path

import keras
from keras import layers


def build(shape, classes):
    image = keras.Input(shape)
    maps = layers.Conv2D(2, 3, activation=json.loads(Path("net.json").read_text()))(image)
    return keras.Model(image, layers.Dense(classes)(layers.GlobalMaxPooling2D()(maps)))
"""


def test_a_backbone_of_the_users_that_does_something_else_has_other_features(
    tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same weights and the same files of code: it reads what it does."""
    from cnn_sweeps.training import features

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_backbone.py").write_text(OWN)
    own = {"name": "custom", "function": "own_backbone:build"}
    model = config(model={"name": "pretrained", "backbone": own, "weights": None}).model
    cache = FeatureCache(folder=tmp_path, own_code=True)
    for activation in ("relu", "relu", "tanh"):
        (tmp_path / "net.json").write_text(f'"{activation}"')
        features.with_features(network(model), dataset(), cache)
    assert computed == [50, 12] * 2
