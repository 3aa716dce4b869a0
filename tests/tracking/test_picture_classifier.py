"""Pictures for a stored model, where only MLflow and Keras are."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from PIL import Image
from stored_models import IMAGES, files, logged, plain

from cnn_sweeps.data.readers import picture
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.models import Pictures
from cnn_sweeps.tracking.picture_classifier import PictureClassifier

# Keras 3.15 hands NumPy 2.4 arrays in a way that NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NAMES = ("ants", "bees", "wasps")


class Echo:
    """A network that keeps what it is given, and is sure of the second class."""

    def predict(self, images: NDArray[Any]) -> NDArray[Any]:
        """A row for each image."""
        self.given = images
        return np.tile([0.25, 0.5, 0.25], (len(images), 1))


def classifier(shape: tuple[int, int, int], resize: Any = "stretch") -> PictureClassifier:
    """A network for images of that shape."""
    about = Pictures(class_names=NAMES, shape=shape, resize=resize).as_json()
    return PictureClassifier(Echo(), about)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def noise(mode: str, size: tuple[int, int] = (23, 11)) -> Image.Image:
    """A picture of a mode."""
    chance = np.random.default_rng(3)
    if mode == "I;16":
        return Image.fromarray(chance.integers(0, 65536, size[::-1], dtype=np.uint16))
    made = Image.fromarray(chance.integers(0, 256, (*size[::-1], 4), dtype=np.uint8))
    return made if mode == "RGBA" else made.convert("RGB").convert(mode)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "I;16"])
@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_a_picture_becomes_what_it_was_in_training(
    tmp_path: Path,
    resize: Literal["stretch", "crop", "pad"],
    mode: str,
    color: Literal["rgb", "grayscale"],
) -> None:
    """To the bit, whatever its size and colours."""
    file = tmp_path / "a.png"
    file.write_bytes(encoded(noise(mode)))
    channels = 3 if color == "rgb" else 1
    made = classifier((8, 10, channels), resize)
    made.predict([file.read_bytes()])
    with picture.strict_decoding():
        expected = picture.read(file, (8, 10), color=color, resize=resize).pixels
    np.testing.assert_array_equal(made.network.given[0], expected)


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 16383])
def test_deep_gray_is_scaled_as_it_was_in_training(tmp_path: Path, white: int) -> None:
    """By the white of the training images, to the bit; what is brighter is white."""
    file = tmp_path / "a.png"
    chance = np.random.default_rng(4)
    values = chance.integers(0, white + 1, (11, 23), dtype=np.uint16)
    values[0, 0] = 65535
    file.write_bytes(encoded(Image.fromarray(values)))
    about = Pictures(class_names=NAMES, shape=(11, 23, 1), white=white).as_json()
    made = PictureClassifier(Echo(), about)
    made.predict([file.read_bytes()])
    with picture.strict_decoding():
        expected = picture.read(file, (11, 23), color="grayscale", white=white).pixels
    np.testing.assert_array_equal(made.network.given[0], expected)
    assert expected.max() == 255


PNG = encoded(noise("RGB"))
TEXT = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("sent", "count"),
    [
        ([PNG, PNG], 2),
        ([TEXT], 1),
        (TEXT, 1),
        ([f"data:image/png;base64,{TEXT}"], 1),
        (np.array([TEXT, TEXT]), 2),
        ({"image": np.array([TEXT])}, 1),
        (pd.DataFrame({"image": [TEXT, TEXT, TEXT]}), 3),
    ],
    ids=["bytes", "base64", "one", "address", "array", "named", "column"],
)
def test_files_are_answered_with_names(sent: Any, count: int) -> None:
    """However MLflow hands them on."""
    answer = classifier((4, 4, 3)).predict(sent)
    assert len(answer) == count
    assert answer[0] == {
        "class": "bees",
        "probability": 0.5,
        "probabilities": {"ants": 0.25, "bees": 0.5, "wasps": 0.25},
    }


def test_numbers_go_to_the_network_as_they_are() -> None:
    """And its probabilities come back."""
    made = classifier((4, 4, 3))
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert made.predict(images).shape == (2, 3)
    assert made.network.given is images


@pytest.mark.parametrize("sent", ["no base64!", base64.b64encode(b"text").decode(), "%!PS"])
def test_what_is_no_picture_is_refused(sent: str) -> None:
    """With the number of it, and what to send."""
    with pytest.raises(MlflowException, match=r"Picture 1 cannot be read.* Send PNG or JPEG"):
        classifier((4, 4, 3)).predict([TEXT, sent])


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow's own
def test_a_stored_model_says_what_it_takes(store: Store) -> None:
    """In the Keras file, in MLflow's description, and for a person; Keras loads it as before."""
    import keras
    import mlflow.pyfunc

    model = plain()
    folder = files(store, logged(store, model))
    archive = folder / "data" / "model.keras"
    with zipfile.ZipFile(archive) as file:
        about = json.loads(file.read("model.json"))
    assert about["class_names"] == ["a", "b", "c"]
    assert (about["height"], about["width"], about["color"]) == (6, 6, "grayscale")
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert loaded.metadata.metadata == about
    assert "Classes: a, b, c." in (folder / "README.md").read_text()
    (answer,) = loaded.predict([encoded(Image.fromarray(IMAGES[1, ..., 0]))])
    scores = np.asarray(model(IMAGES[1:]))[0]
    assert list(answer["probabilities"].values()) == pytest.approx(scores)
    again = keras.saving.load_model(archive, compile=False)
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))
