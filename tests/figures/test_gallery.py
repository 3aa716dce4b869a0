"""All pictures of tiny networks, and what a person may choose of them."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from configs import values

from cnn_sweeps import data
from cnn_sweeps.config.loading import load
from cnn_sweeps.config.schema import Augment
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.figures.choices import Choices

pytestmark = pytest.mark.drawn

OF_EVALUATION = {"confusion_matrix", "classes", "roc", "precision_recall", "reliability"}
OF_ALL = {f"figures/{name}.png" for name in (*OF_EVALUATION, "mistakes", "samples")}
OF_CONVOLUTIONS = {f"figures/{name}.png" for name in ("layers", "filters", "kernels", "grad_cam")}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits."""
    return data.load(load(values()).data)


def built(**model: Any) -> Any:
    """An untrained network for the digits."""
    from cnn_sweeps.models import build

    return build.build_model(load(values(model=model)).model, (28, 28, 1), 10)


def nested() -> Any:
    """A network with a convolution in another model, and one in a layer of the user's."""
    import keras
    from keras import layers

    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="block")
            self.steps = [layers.Conv2D(3, 3, activation="tanh", name="inner")]
            self.half = layers.AveragePooling2D(2, name="half")

        def call(self, x: Any) -> Any:
            return self.half(self.steps[0](x))

    features = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Conv2D(5, 3, name="outer"), Block()], name="features"
    )
    image = keras.Input((28, 28, 1), dtype="uint8")
    x = layers.GlobalAveragePooling2D()(features(layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def gallery(model: Any, dataset: Dataset, **choices: Any) -> Any:
    """The pictures of a network."""
    from cnn_sweeps.figures.gallery import Gallery

    return Gallery(model=model, dataset=dataset, about="r", choices=Choices(**choices))


def drawn(model: Any, dataset: Dataset) -> set[str]:
    """The pictures that there are; an error in one of them is an error."""
    from cnn_sweeps.figures import style

    made = {path: make() for path, make in gallery(model, dataset).builders().items()}
    files = {path: style.png(each) for path, each in made.items() if not isinstance(each, str)}
    assert all(file.startswith(b"\x89PNG") for file in files.values())
    return set(files)


def test_a_cnn_has_all_pictures(digits: Dataset) -> None:
    """Those of its convolutions too."""
    assert drawn(built(), digits) == OF_ALL | OF_CONVOLUTIONS


@pytest.mark.parametrize(
    "augment", [Augment(flip="horizontal", crop=0.2), Augment(randaugment=1, mixup=1.0)]
)
def test_augmentation_is_shown_as_a_step_draws_it(digits: Dataset, augment: Augment) -> None:
    """Nine images, each beside what the first steps make of it; none where nothing is done."""
    from cnn_sweeps.figures.gallery import Gallery
    from cnn_sweeps.training.augmentation import augment_batch

    shown = []
    made = Gallery(model=None, dataset=digits, about="r", augment=augment, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cnn_sweeps.figures.augmented.augmentations", lambda *a: shown.append(a))
        made.builders()["figures/augmentation.png"]()
    ((images, versions, about),) = shown
    assert (images.shape, len(versions), about) == ((9, 28, 28, 1), 9, "r · UCI digits")
    assert np.array_equal(versions[4], augment_batch(images, augment, 3, epoch=1, step=4))
    assert not isinstance(made.augmentation(), str)
    assert gallery(None, digits).augmentation() == "the training images were not augmented"


@pytest.mark.slow
def test_a_network_without_convolutions_has_the_others(digits: Dataset) -> None:
    """What there is nothing to show of is left out; whoever asks is told why."""
    model = built(name="dnn", dense_units=4)
    assert drawn(model, digits) == OF_ALL
    assert gallery(model, digits).grad_cam() == "the network has no convolution"


@pytest.mark.slow
def test_convolutions_are_found_wherever_they_stand(digits: Dataset) -> None:
    """In a nested model and in a layer made of layers, in the order in which they are passed."""
    from cnn_sweeps.figures import activations

    model = nested()
    assert drawn(model, digits) == OF_ALL | OF_CONVOLUTIONS
    seen = activations.maps(model, digits.x_test[:2])
    assert {name: each.shape for name, each in seen.items()} == {
        "features/outer": (2, 26, 26, 5),
        "features/block/inner": (2, 24, 24, 3),
        "features/block/half": (2, 12, 12, 3),
    }
    first = activations.first_convolution(model)
    assert first is not None
    assert (first[0], first[1].shape) == ("features/outer", (3, 3, 1, 5))


def test_maps_are_what_the_layers_return(digits: Dataset) -> None:
    """As a sub-model gives them, and the network is as it was afterwards."""
    import keras

    from cnn_sweeps.figures import activations

    model = built()
    images = digits.x_test[:2]
    before = model(images, training=False).numpy()
    seen = activations.maps(model, images)
    layers = [model.get_layer(name) for name in ("conv_1", "pool_1")]
    wanted = keras.Model(model.input, [layer.output for layer in layers])(images)
    assert list(seen) == ["conv_1", "pool_1"]
    for got, expected in zip(seen.values(), wanted, strict=True):
        assert np.array_equal(got, expected.numpy())
    assert not any("call" in vars(layer) for layer in model.layers)
    assert np.array_equal(model(images, training=False).numpy(), before)


def test_scores_are_those_of_the_network(digits: Dataset) -> None:
    """One for each image and class, batch after batch."""
    from cnn_sweeps.training import steps

    model = built()
    images = np.tile(digits.x_test, (3, 1, 1, 1))
    scores = steps.scores(model, images)
    assert scores.shape == (len(images), 10)
    assert scores == pytest.approx(model(images, training=False).numpy(), abs=1e-6)


def test_what_fails_is_left_out_with_the_reason(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the others are made."""
    from cnn_sweeps.figures import activations
    from cnn_sweeps.figures.gallery import save

    def fails(*_: Any) -> Any:
        raise ValueError("a layer of the user's\nand more")

    monkeypatch.setattr(activations, "maps", fails)
    files: dict[str, bytes] = {}
    some = gallery(built(), digits, only=("kernels", "layers", "filters", "samples"))
    saved = save(some, lambda png, path: files.update({path: png}))
    assert set(saved.written) == set(files) == {"figures/kernels.png", "figures/samples.png"}
    assert saved.left_out == [
        f"figures/{name}.png was skipped: ValueError: a layer of the user's"
        for name in ("layers", "filters")
    ]


def test_an_error_of_the_store_is_not_held_back(digits: Dataset) -> None:
    """A full disk is no matter of one picture."""
    from cnn_sweeps.figures.gallery import save

    def refuses(_png: bytes, path: str) -> None:
        raise OSError(path)

    with pytest.raises(OSError, match="confusion_matrix.png"):
        save(gallery(built(), digits), refuses)


def test_choices_change_the_pictures(digits: Dataset) -> None:
    """Other images, another filter, another layer."""
    made = gallery(built(), digits, images=(5, 1), filter=3, layer="pool_1")
    made.check()
    texts = [text.get_text() for text in made.layers().texts]
    assert "activation of filter 3 in each layer" in texts[0]
    assert [text for text in texts if text.startswith("test image")] == [
        "test image\n5",
        "test image\n1",
    ]
    assert made.filters().texts[0].get_text() == "The 4 filters of pool_1, 13×13 pixels each"


@pytest.mark.parametrize(
    ("count", "numbers"),
    [(10_000, (0, 7, 26)), (26, (0, 1, 7)), (3, (0, 1, 2)), (1, (0,))],
)
def test_there_are_images_for_any_number_of_them(count: int, numbers: tuple[int, ...]) -> None:
    """Those of the notebook, others where there are fewer, each once."""
    assert Choices().numbers(count) == numbers


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        pytest.param({"images": (0, 359)}, "there are 359 test images, numbered 0 to 358", id="no"),
        pytest.param(
            {"filter": 4}, "numbered 0 to 3.\n  Of each layer: conv_1 4, pool_1 4", id="f"
        ),
        pytest.param({"layer": "conv_9"}, "Choose one of conv_1, pool_1", id="layer"),
    ],
)
def test_what_is_not_there_is_refused(digits: Dataset, choices: dict[str, Any], said: str) -> None:
    """With what there is."""
    with pytest.raises(ConfigError) as refused:
        gallery(built(), digits, **choices).check()
    assert said in str(refused.value)


@pytest.mark.parametrize("choices", [{"filter": 1}, {"layer": "conv_1"}])
def test_a_network_without_convolutions_has_nothing_to_choose(
    digits: Dataset, choices: dict[str, Any]
) -> None:
    """A choice that means nothing is refused."""
    with pytest.raises(ConfigError, match="no convolution and no pooling"):
        gallery(built(name="dnn"), digits, **choices).check()


def test_a_layer_may_be_named_by_its_last_part() -> None:
    """Where it is the only one of that name."""
    maps = {"a/conv": 0, "b/conv": 0, "b/pool": 0}
    assert Choices(layer="pool").layer_of(maps) == "b/pool"
    assert Choices(layer="a/conv").layer_of(maps) == "a/conv"
    with pytest.raises(ConfigError, match="Choose one of a/conv, b/conv$"):
        Choices(layer="conv").layer_of(maps)


def test_colour_images_of_odd_sizes_have_pictures() -> None:
    """40 x 25 pixels, two classes with long names, five test images."""
    from PIL import Image

    from cnn_sweeps.figures import style
    from cnn_sweeps.models import build

    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (20, 40, 25, 3), dtype=np.uint8), np.arange(20) % 2
    dataset = Dataset(
        name="own",
        source="here",
        x_train=images,
        y_train=labels,
        x_val=images[:0],
        y_val=labels[:0],
        x_test=images[:5],
        y_test=labels[:5],
        class_names=("a name of many letters for $x$", "a name of many letters for _y_"),
        digest="d" * 64,
    )
    model = build.build_model(load(values()).model, dataset.shape, 2)
    shown = replace(gallery(model, dataset), augment=Augment(flip="both"))
    for make in shown.builders().values():
        with Image.open(BytesIO(style.png(make()))) as picture:
            assert 900 <= picture.width <= style.WIDTH


@pytest.mark.slow
def test_what_the_pictures_show_is_stored_as_values(digits: Dataset) -> None:
    """For the report of a sweep: evaluation, and examples with pictures; not for a few figures."""
    from cnn_sweeps.evaluation.evaluation import Evaluation
    from cnn_sweeps.figures.examples import Examples
    from cnn_sweeps.figures.gallery import save

    files: dict[str, bytes] = {}
    made = gallery(built(), digits, split="val")
    save(made, lambda content, path: files.update({path: content}))
    evaluation = Evaluation.from_json(json.loads(files["figures/evaluation.json"]))
    assert (evaluation.split, evaluation.images) == ("val", len(digits.x_val))
    examples = Examples.from_json(json.loads(files["figures/examples.json"]))
    assert (examples.split, examples.layer) == ("val", "conv_1")
    assert all(each.heat.startswith("data:image/") for each in examples.images)
    few = save(gallery(built(), digits, only=("roc",)), lambda *_: None)
    assert few.written == ["figures/roc.png"]


def test_only_what_there_is_can_be_chosen() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match=r"no figure heat.*\n  Choose among confusion_matrix, "):
        Choices(only=("roc", "heat"))


def test_validation_images_are_called_so(digits: Dataset) -> None:
    """Everywhere where images are meant that a search has seen."""
    made = gallery(built(), digits, split="val", only=("mistakes", "layers", "classes", "filters"))
    for make in made.builders().values():
        texts = " ".join(text.get_text() for text in make().texts)
        assert "validation image" in texts
        assert "test image" not in texts


def test_the_temperature_is_that_of_the_validation_images(digits: Dataset) -> None:
    """Test probabilities are scaled by it; validation images cannot tell their own."""
    made = gallery(built(), digits)
    assert made.evaluation.temperature is not None
    assert gallery(built(), digits, split="val").evaluation.temperature is None
