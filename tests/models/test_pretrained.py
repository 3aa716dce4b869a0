"""A backbone behind its own preprocessing, cut where a head can stand; its names and sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import CustomModel, Head, PretrainedModel, ResnetModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import check, pretrained
from cnn_sweeps.models.names import title

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Keras makes arrays of its variables in a way that NumPy warns of."""
RESNET = {"name": "resnet", "depth": 6, "stages": 2, "width": 2}
OURS = ResnetModel(**RESNET)  # type: ignore[arg-type]  # checked when it is made
CNN = {"name": "cnn", "filters": 3, "conv_blocks": 1, "dense_units": 5}
DNN = {"name": "dnn", "dense_units": [6, 4]}
TINY = {"backbone": "MobileNet", "params": {"alpha": 0.25}}


def model(**fields: Any) -> PretrainedModel:
    """A backbone with random weights."""
    return PretrainedModel(**({"weights": None, "backbone": RESNET} | fields))


def build(config: PretrainedModel, shape: tuple[int, int, int] = (8, 8, 3)) -> Any:
    """Its network for three classes."""
    from cnn_sweeps.models.build import build_model

    return build_model(config, shape, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name", ["MobileNetV2", "DenseNet121", "ResNet50", "EfficientNetB0", "NASNetMobile"]
)
def test_an_application_gets_what_its_own_preprocess_input_gives(name: str, channels: int) -> None:
    """-1 to 1, mean and deviation of ImageNet, BGR without the mean, or bytes; grey as colour."""
    import keras

    image = keras.Input((3, 4, channels), dtype="uint8")
    prepared = keras.Model(image, pretrained._prepared(model(backbone=name), image, (3, 4, 3)))
    pixels = np.random.RandomState(0).randint(0, 256, (2, 3, 4, channels)).astype(np.uint8)
    module = getattr(keras.applications, name).__module__
    family = __import__(module, fromlist=["preprocess_input"])
    colour = np.repeat(pixels, 3 // channels, axis=3).astype("float32")
    np.testing.assert_allclose(prepared(pixels), family.preprocess_input(colour), atol=2e-5)


def test_all_applications_are_known_without_keras() -> None:
    """The names are those that Keras has."""
    import keras

    public = [name for name in dir(keras.applications) if name[0].isupper()]
    assert list(pretrained.application_names()) == sorted(public)


@pytest.mark.parametrize("name", ["MobileNetV2", "VGG16", "InceptionV3", "Xception", "ResNet50"])
def test_the_smallest_images_are_those_of_keras(name: str) -> None:
    """One pixel less is refused here as there."""
    import keras

    least = pretrained.SMALLEST.get(name, pretrained.SMALLEST_SIDE)
    check(model(backbone=name), (least, least, 3))
    too_small = (least - 1, least, 3)
    with pytest.raises(ValueError, match="at least"):
        getattr(keras.applications, name)(include_top=False, weights=None, input_shape=too_small)
    with pytest.raises(ConfigError, match=rf"takes images of {least}x{least} pixels or more"):
        check(model(backbone=name), too_small)


def test_images_can_be_resized_in_the_network() -> None:
    """Those of MNIST are too small for an application, unless they are brought to size."""
    check(model(backbone="VGG16", input_size=(32, 40)), (28, 28, 1))
    network = build(model(input_size=(12, 16)))
    assert network.get_layer("backbone").input_shape == (None, 12, 16, 3)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"backbone": "mobilnetv2"}, "Type, for example, .*MobileNetV2", id="typo"),
        pytest.param({"params": {"alpha": 1}}, "model.params are arguments", id="params"),
        pytest.param({"weights": "imagenet"}, "a network of ours", id="imagenet of ours"),
        pytest.param(
            {"backbone": None, "weights": "a/b.h5"}, "does not say of which", id="of which"
        ),
        pytest.param({"weights_sha256": "a" * 64}, "no effect", id="digest of nothing"),
        pytest.param(
            {"backbone": DNN, "trained_on": (9, 9, 3)}, r"model.input_size=\[9,9\]", id="dense"
        ),
        pytest.param({"trained_on": (8, 8, 5)}, "takes images of 5 channels", id="channels"),
        pytest.param(
            {"backbone": {**RESNET, "stages": 6, "depth": 14}}, "model.stages=6", id="stages"
        ),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(fields: dict[str, Any], text: str) -> None:
    """In a line or two, before anything is built."""
    with pytest.raises(ConfigError, match=text):
        check(model(**fields), (8, 8, 3))


@pytest.mark.parametrize("network", [{"name": "resnt"}, {"depth": 8}, {**RESNET, "dept": 8}])
def test_a_mapping_that_is_no_network_is_refused(network: dict[str, Any]) -> None:
    """With one that can be typed."""
    with pytest.raises(ConfigError, match=r"model.backbone.* is invalid .*name: resnet"):
        model(backbone=network)


def test_a_network_of_ours_is_one_however_it_is_typed() -> None:
    """What is left out has its default, and what is neutral is left out."""
    typed = {"name": "cnn", "filters": 64, "global_pooling": "none"}
    assert model(backbone={"name": "cnn"}) == model(backbone=typed)


def test_without_a_backbone_it_is_mobilenet() -> None:
    """Unless the weights are those of a run, which tells it."""
    assert PretrainedModel().backbone == "MobileNetV2"
    assert PretrainedModel(weights="3f2a").backbone is None


def test_titles() -> None:
    """Which backbone, and where its weights are from."""
    assert title(PretrainedModel()) == "pretrained MobileNetV2 imagenet"
    assert title(model()) == "pretrained resnet 6 w2 s2 random"
    assert title(model(weights="3f2a9c1b7d20")) == "pretrained resnet 6 w2 s2 3f2a9c1b"
    assert title(model(weights="some/where.h5")) == "pretrained resnet 6 w2 s2 where.h5"


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        pytest.param(RESNET, (None, 4, 4, 4), id="resnet: before its pooling"),
        pytest.param(CNN, (None, 3, 3, 3), id="cnn: before its dense layers"),
        pytest.param(DNN, (None, 4), id="dnn: before its scores"),
    ],
)
def test_a_network_of_ours_is_cut_where_its_own_head_begins(
    network: dict[str, Any], shape: tuple[int | None, ...]
) -> None:
    """The last feature map, or what the scores were made of."""
    assert build(model(backbone=network)).get_layer("backbone").output_shape == shape


def test_a_network_without_weights_before_its_scores_is_refused() -> None:
    """Nothing of it could be used."""
    with pytest.raises(ConfigError, match="no layer with weights before its scores"):
        build(model(backbone={"name": "dnn", "dense_units": 0}))


def test_the_layer_can_be_chosen() -> None:
    """By its name; another is refused with those that are near."""
    network = build(model(layer="stem_relu"))
    assert network.get_layer("backbone").layers[-1].name == "stem_relu"
    with pytest.raises(ConfigError, match="model.layer=stem_rel: .*\n.*stem_relu"):
        build(model(layer="stem_rel"))


@pytest.mark.parametrize(
    ("head", "layers"),
    [
        pytest.param({}, ["features", "scores"], id="plain"),
        pytest.param({"dropout": 0.5}, ["features", "head_dropout", "scores"], id="dropout alone"),
        pytest.param(
            {"dropout": 0.5, "dense_units": 4, "batch_norm": True},
            [
                *("features", "head_dropout", "head_dense_1", "head_dense_1_norm"),
                *("head_dense_1_relu", "head_dropout_1", "scores"),
            ],
            id="everything",
        ),
    ],
)
def test_a_head_has_what_is_asked_for(head: dict[str, Any], layers: list[str]) -> None:
    """Dropout acts on the features too, so that it never is without effect."""
    network = build(model(head=Head(**head)))
    names = [layer.name for layer in network.layers]
    assert names[names.index("features") :] == layers


@pytest.mark.parametrize("pooling", ["average", "max", "none"])
def test_feature_maps_are_pooled_or_flattened(pooling: Any) -> None:
    """One number of each map, or all of them."""
    network = build(model(head=Head(pooling=pooling)))
    wide = 4 * 4 * 4 if pooling == "none" else 4
    assert network.get_layer("features").output.shape == (None, wide)


def test_the_backbone_computes_what_the_network_of_ours_did() -> None:
    """Filled with its weights, its feature maps are those of the whole network, to the bit."""
    import keras

    from cnn_sweeps.models.build import build_model

    trained = build_model(OURS, (8, 8, 1), 5)
    config = model(trained_on=(8, 8, 1))
    network = build(config, (8, 8, 1))
    pretrained.fill_backbone(network, config, pretrained.backbone_of(trained, OURS, None))
    images = np.random.RandomState(0).randint(0, 256, (2, 8, 8, 1)).astype(np.uint8)
    maps = keras.Model(trained.input, trained.layers[-3].output)
    assert np.array_equal(network.get_layer("backbone")(images.astype("float32")), maps(images))


def test_a_network_that_is_another_for_larger_images_is_refused() -> None:
    """A ResNet halves images above 64 pixels in its first layer, by a larger kernel."""
    from cnn_sweeps.models.build import build_model

    trained = build_model(OURS, (8, 8, 3), 5)
    config = model(trained_on=(8, 8, 3))
    network = build(config, (65, 65, 3))
    with pytest.raises(ConfigError, match=r"8x8, and for those of 65x65 .*\n.*input_size=\[8,8\]"):
        pretrained.fill_backbone(network, config, pretrained.backbone_of(trained, OURS, None))


def test_colour_images_are_made_grey_for_a_backbone_that_saw_grey_ones() -> None:
    """Its first convolution has one channel."""
    network = build(model(trained_on=(8, 8, 1)))
    assert network.get_layer("backbone").input_shape == (None, 8, 8, 1)


def own(function: str, **fields: Any) -> PretrainedModel:
    """A backbone of a user's own network."""
    return model(backbone={"name": "custom", "function": f"backbone_nets:{function}"}, **fields)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        pytest.param("maps", (None, 6, 6, 3), id="maps: before their pooling"),
        pytest.param("dense", (None, 4), id="dense: the hidden layer"),
        pytest.param("branches", (None, 4), id="branches: where they meet"),
        pytest.param("nested", (None, 6, 6, 3), id="nested: the inner model"),
    ],
)
def test_a_network_of_the_user_is_cut_before_its_head(
    function: str, shape: tuple[int | None, ...]
) -> None:
    """Before the last layer with weights, and the pooling of maps before that."""
    assert build(own(function)).get_layer("backbone").output_shape == shape


@pytest.mark.parametrize(
    ("function", "layer"),
    [("maps", None), ("dense", None), ("branches", None), ("nested", None), ("maps", "conv2d")],
)
def test_the_backbone_computes_what_the_network_of_the_user_did(
    function: str, layer: str | None
) -> None:
    """Whatever its layers are called, and however many classes it knew."""
    from cnn_sweeps.models.build import build_model

    theirs = CustomModel(function=f"backbone_nets:{function}")
    trained = build_model(theirs, (8, 8, 3), 5)
    config = own(function, layer=layer, trained_classes=5, trained_on=(8, 8, 3))
    network = build(config)
    part = pretrained.backbone_of(trained, theirs, layer)
    pretrained.fill_backbone(network, config, part)
    images = np.random.RandomState(0).randint(0, 256, (2, 8, 8, 3)).astype("float32") / 255
    assert np.array_equal(network.get_layer("backbone")(images), part(images))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        pytest.param("calling", "returned a Calling, whose layers only its call", id="subclass"),
        pytest.param("untrained", "no layer with weights before its scores", id="no weights"),
    ],
)
def test_a_network_of_the_user_that_cannot_be_cut_is_refused(function: str, text: str) -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match=text):
        build(own(function))


def test_a_file_has_the_weights_of_a_network_of_the_user(tmp_path: Path) -> None:
    """As the user saved them, the head among them."""
    from backbone_nets import maps

    file, trained = tmp_path / "mine.weights.h5", maps((8, 8, 3), 2)
    trained.save_weights(file)
    config = own("maps", weights=str(file))
    network = build(config)
    pretrained.fill_backbone(network, config, file)
    kernel = network.get_layer("backbone").layers[1].kernel
    assert np.array_equal(kernel, trained.layers[1].kernel)


@pytest.mark.parametrize("name", ["all.weights.h5", "all.keras"])
def test_weights_are_read_from_a_file_of_keras(tmp_path: Path, name: str) -> None:
    """Of a network of ours, whole, in either of Keras' formats."""
    from cnn_sweeps.config.schema import CnnModel
    from cnn_sweeps.models.build import build_model

    trained, file = build_model(CnnModel(**CNN), (8, 8, 3), 5), tmp_path / name
    (trained.save_weights if name == "all.weights.h5" else trained.save)(file)
    config = model(backbone=CNN, weights=str(file))
    network = build(config)
    pretrained.fill_backbone(network, config, file)
    kernel = network.get_layer("backbone").get_layer("conv_1").kernel
    assert np.array_equal(kernel, trained.get_layer("conv_1").kernel)


@pytest.mark.parametrize("name", ["cut.keras", "cut.weights.h5", "cut.h5"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    """In the words of whoever noticed."""
    from cnn_sweeps.config.schema import CnnModel
    from cnn_sweeps.models.build import build_model

    file = tmp_path / name
    build_model(CnnModel(**CNN), (8, 8, 3), 5).save(tmp_path / "whole.keras")
    file.write_bytes((tmp_path / "whole.keras").read_bytes()[:2000])
    config = model(backbone=CNN, weights=str(file))
    network = build(config)
    with pytest.raises(ConfigError, match="has no weights of pretrained cnn"):
        pretrained.fill_backbone(network, config, file)


@pytest.mark.slow
def test_weights_of_an_application_are_read_from_its_file(tmp_path: Path) -> None:
    """The file has those behind the chosen layer too; one of another network is refused."""
    import keras

    whole = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.25
    )
    file = tmp_path / "mobilenet.weights.h5"
    whole.save_weights(file)
    config = model(**TINY, layer="conv_pw_2_relu", weights=str(file))
    network = build(config, (32, 32, 3))
    pretrained.fill_backbone(network, config, file)
    layer = "conv_pw_2"
    kernel = network.get_layer("backbone").get_layer(layer).kernel
    assert np.array_equal(kernel, whole.get_layer(layer).kernel)
    other = model(weights=str(file))
    with pytest.raises(ConfigError, match="has no weights of pretrained resnet 6"):
        pretrained.fill_backbone(build(other), other, file)


def test_the_published_file_is_the_one_that_keras_would_download() -> None:
    """Its name depends on size and width; nothing is downloaded."""
    found = pretrained.published_file(model(**TINY, weights="imagenet"), (128, 128, 1))
    assert found.name == "mobilenet_2_5_128_tf_no_top.h5"
    assert found.url.endswith(f"/keras-applications/mobilenet/{found.name}")
    with pytest.raises(ConfigError, match="no ImageNet weights here: .*alpha"):
        pretrained.published_file(model(backbone="MobileNet", params={"alpha": 0.3}), (128, 128, 3))


def test_params_that_an_application_does_not_take_are_refused() -> None:
    """In the words of Keras."""
    with pytest.raises(ConfigError, match=r"model.params \(alfa=1\) is refused by Keras"):
        build(model(backbone="MobileNet", params={"alfa": 1}), (32, 32, 3))
