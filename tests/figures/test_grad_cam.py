"""Grad-CAM: where a network has seen a class."""

from typing import Any

import numpy as np
import pytest

IMAGES = np.random.RandomState(0).randint(0, 256, (3, 8, 8, 1)).astype(np.uint8)
CLASSES = np.array([0, 2, 1])


def network(end: str = "activation", *, frozen: bool = False, **conv: Any) -> Any:
    """A convolution, the mean over the image, and class scores of one kind."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(**{"filters": 4, "kernel_size": 3, "name": "conv", **conv})(x)
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu", name="maps")(x))
    if end == "activation":
        x = layers.Dense(3, activation="softmax", name="scores")(x)
    else:
        x = layers.Softmax()(layers.Dense(3, name="scores")(x))
    made = keras.Model(image, x)
    made.get_layer("conv").trainable = not frozen
    return made


@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen"])
@pytest.mark.parametrize("end", ["activation", "layer"])
def test_behind_a_global_mean_it_is_the_class_activation_map(end: str, frozen: bool) -> None:
    """Where scores are linear in the mean of the maps, the weights are those of the class.

    Source: Selvaraju et al., arXiv 1610.02391, section 3.1.
    """
    import keras

    from cnn_sweeps.figures.grad_cam import heat_maps

    model = network(end, frozen=frozen)
    before = model(IMAGES).numpy()
    found = heat_maps(model, IMAGES, CLASSES)
    maps = keras.Model(model.input, model.get_layer("maps").output)(IMAGES).numpy()
    weights = model.get_layer("scores").get_weights()[0][:, CLASSES].T
    expected = np.maximum((maps * weights[:, None, None]).sum(axis=-1), 0)
    most = expected.max(axis=(1, 2), keepdims=True)
    assert not isinstance(found, str)
    assert found.layer == "maps"
    assert found.values == pytest.approx(expected / np.where(most > 0, most, 1), abs=1e-5)
    assert np.array_equal(model(IMAGES).numpy(), before)


def test_a_map_of_one_pixel_tells_nothing() -> None:
    """Nor does what is in front of all convolutions."""
    from cnn_sweeps.figures.grad_cam import TOO_SMALL, heat_maps

    assert heat_maps(network(kernel_size=8), IMAGES, CLASSES) == TOO_SMALL


def test_nothing_that_speaks_for_a_class_is_no_heat() -> None:
    """And no division by zero."""
    from cnn_sweeps.figures.grad_cam import heat_maps

    model = network()
    kernel, bias = model.get_layer("scores").get_weights()
    model.get_layer("scores").set_weights([-np.abs(kernel), bias])
    found = heat_maps(model, IMAGES, CLASSES)
    assert not isinstance(found, str)
    assert not found.values.any()
