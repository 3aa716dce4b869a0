"""Classes of pictures, by the network beside this file: what MLflow calls when it serves it.

A copy of this file lies with every stored model, so it imports nothing of cnn_sweeps. Numbers are
handed to the network as they are. Texts are pictures in base64 (PNG, JPEG, ...), which are decoded
and brought to size as the training images were.
"""

import base64
import binascii
import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from numpy.typing import NDArray
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Other decoders of Pillow start programs."""
WHITE = 255
DEEP = 65535
"""White of 16-bit gray, where `about` has no other."""


def _load_pyfunc(path: str) -> "PictureClassifier":
    """What MLflow calls to load a model, with its folder or the one of its data."""
    folder = Path(path) if (Path(path) / "MLmodel").exists() else Path(path).parent
    card = Model.load(str(folder))
    flavor = "mlflow.keras" if "keras" in card.flavors else "mlflow.tensorflow"
    return PictureClassifier(import_module(flavor)._load_pyfunc(path), card.metadata or {})


class PictureClassifier:
    """A network that also takes picture files.

    Args:
        network: as MLflow loads it; it takes arrays.
        about: `class_names`, `height`, `width`, `channels` and `resize`; `white_16_bit`, the value
            that is white in 16-bit gray, where the training images had fewer bits.
    """

    def __init__(self, network: Any, about: dict[str, Any]) -> None:
        self.network, self.about = network, about

    def predict(self, data: Any) -> Any:
        """Probabilities of arrays (n, height, width, channels); of files their classes as well.

        Args:
            data: numbers; or files, as bytes or in base64: a list, an array or a column of them.

        Returns:
            Of numbers an array (n, classes). Of files a list of `class`, `probability`, and
            `probabilities` by class.

        Raises:
            MlflowException: one of them is no picture.
        """
        files = _files(data)
        if files is None:
            return self.network.predict(data)
        pixels = np.stack([self._pixels(number, file) for number, file in enumerate(files)])
        names = self.about["class_names"]
        return [
            {
                "class": names[int(row.argmax())],
                "probability": float(row.max()),
                "probabilities": dict(zip(names, map(float, row), strict=True)),
            }
            for row in np.asarray(self.network.predict(pixels))
        ]

    def _pixels(self, number: int, file: str | bytes) -> NDArray[np.float32]:
        """One picture as the network takes it, from 0 to 255."""
        try:
            content = file if isinstance(file, bytes) else _decoded(file)
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                picture = ImageOps.exif_transpose(opened)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise MlflowException.invalid_parameter_value(
                f"Picture {number} cannot be read: {error}. Send PNG or JPEG files in base64."
            ) from error
        height, width, channels = (self.about[each] for each in ("height", "width", "channels"))
        flat = _flat(picture, self.about.get("white_16_bit", DEEP))
        flat = flat.convert("L" if channels == 1 else "RGB")
        flat = _resized(flat, (width, height), self.about["resize"])
        return np.asarray(flat, np.float32).reshape(height, width, channels)


def _files(data: Any) -> list[str | bytes] | None:
    """Files among what is to be predicted; None where it is numbers."""
    if isinstance(data, dict) and len(data) == 1:
        (data,) = data.values()
    if isinstance(data, str | bytes):
        return [data]
    values = np.asarray(data, None if isinstance(data, np.ndarray) else object).ravel().tolist()
    return values if values and all(isinstance(each, str | bytes) for each in values) else None


def _decoded(text: str) -> bytes:
    """The file in a text of base64, which may begin as the address of an image in HTML does."""
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 ({error})") from error


def _flat(picture: Image.Image, white: int) -> Image.Image:
    """The picture in 8 bits, transparency on white."""
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64).clip(0, white)
        return Image.fromarray(((values * 2 * WHITE + white) // (2 * white)).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _resized(picture: Image.Image, size: tuple[int, int], resize: str) -> Image.Image:
    """The picture in that width and height: stretched, its middle cut out, or black added."""
    bilinear = Image.Resampling.BILINEAR
    if resize == "crop":
        return ImageOps.fit(picture, size, bilinear)
    return (
        ImageOps.pad(picture, size, bilinear) if resize == "pad" else picture.resize(size, bilinear)
    )
