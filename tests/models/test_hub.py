"""Presets of KerasHub: what they say is copied, their classes alone are made, weights fit."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import CnnModel, HubModel, PretrainedModel
from cnn_sweeps.errors import ConfigError, DataError
from cnn_sweeps.models import check, hub

needs_hub = pytest.mark.skipif(find_spec("keras_hub") is None, reason="KerasHub is not installed")


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What KerasHub stores of a backbone and its images, by hand; it counts as installed."""
    monkeypatch.setattr(hub, "require", lambda: None)
    config = {"image_shape": [None, None, 3], "dtype": "float32", "depth": 2, "trainable": True}
    stored = {"class_name": "TinyBackbone", "config": config}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    converter = {"config": {"scale": [0.5, 0.25, 1], "offset": -1}}
    (tmp_path / "image_converter.json").write_text(json.dumps(converter))
    return tmp_path


def test_what_a_preset_says_is_read(preset: Path) -> None:
    """Layers and scale; not the shape of the images, which is theirs."""
    assert hub.read_preset(f"hub:{preset}") == HubModel(
        class_name="TinyBackbone", config={"depth": 2}, scale=(0.5, 0.25, 1.0), offset=(-1.0,)
    )
    (preset / "image_converter.json").unlink()
    assert hub.read_preset(f"hub:{preset}").scale is None


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_preset_that_is_none_is_refused(preset: Path, text: str) -> None:
    """By its name."""
    (preset / "config.json").write_text(text)
    with pytest.raises(DataError, match="config.json is none of a preset"):
        hub.read_preset(f"hub:{preset}")
    (preset / "config.json").unlink()
    with pytest.raises(DataError, match="there is no config.json in that folder"):
        hub.read_preset(f"hub:{preset}")
    with pytest.raises(DataError, match="there is no model.weights.h5 in that folder"):
        hub.weights_file(f"hub:{preset}")


@pytest.mark.skipif(find_spec("keras_hub") is not None, reason="KerasHub is installed")
def test_without_the_extra_it_is_said_what_to_install() -> None:
    """In two lines, before anything is read."""
    with pytest.raises(ConfigError, match=r"needs KerasHub.\nType pip install 'cnn-sweeps\[hub\]'"):
        hub.read_preset("hub:resnet_18_imagenet")


def test_a_handle_of_a_hub_is_told_how_to_type() -> None:
    """With `hub:` before it."""
    with pytest.raises(ConfigError, match="Type model.backbone=hub:hf://keras/resnet"):
        check(PretrainedModel(backbone="hf://keras/resnet"), (32, 32, 3))


@needs_hub
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_preset_is_a_backbone_with_its_weights(tmp_path: Path) -> None:
    """Random where they are null; its own scale and features, to the bit."""
    import keras_hub

    from cnn_sweeps.models.build import build_model
    from cnn_sweeps.models.pretrained import fill_backbone
    from cnn_sweeps.runs.weights import pretrained

    small: dict[str, Any] = {
        **{
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [3],
            "stackwise_num_filters": [64],
        },
        **{"stackwise_num_blocks": [1], "stackwise_num_strides": [1], "block_type": "basic_block"},
    }
    trained = keras_hub.models.ResNetBackbone(**small)
    trained.save_to_preset(tmp_path)
    keras_hub.layers.ImageConverter(scale=1 / 255).save_to_preset(tmp_path)
    asked = PretrainedModel(backbone=f"hub:{tmp_path}")
    told = pretrained._with_preset(asked)
    assert (told.weights, told.network.scale) == (f"hub:{tmp_path}", (1 / 255,))
    network = build_model(told, (16, 16, 1), 3)
    fill_backbone(network, told, pretrained.weights_file(told, (16, 16, 1)))
    images = np.random.RandomState(0).randint(0, 256, (2, 16, 16, 3)).astype("float32") / 255
    assert np.array_equal(network.get_layer("backbone")(images), trained(images))
    random = pretrained._with_preset(PretrainedModel(backbone=f"hub:{tmp_path}", weights=None))
    assert (random.weights, random.backbone) == (None, told.backbone)


@needs_hub
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("class_name", "text"),
    [("Layer", "has no backbone Layer"), ("BertBackbone", "KerasHub refuses BertBackbone")],
)
def test_only_backbones_for_images_are_made(class_name: str, text: str) -> None:
    """Whatever a stranger's record says."""
    with pytest.raises(ConfigError, match=text):
        hub.build_whole(HubModel(class_name=class_name), (16, 16, 3))


def test_kerashub_makes_its_own_backbones_alone() -> None:
    """So its version is part of where these are trained, and of nothing else."""
    tiny = {"name": "hub", "class_name": "TinyBackbone"}
    models = [PretrainedModel(backbone=each, weights=None) for each in (tiny, {"name": "resnet"})]
    assert [hub.packages_of(each) for each in (*models, CnnModel())] == [("keras-hub",), (), ()]
