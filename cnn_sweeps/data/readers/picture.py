"""One image file as an array of one size and colour."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_sweeps.data.files import told
from cnn_sweeps.errors import DataError

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
DEEPEST = 65535


def read(
    path: Path, size: tuple[int, int], *, color: Literal["rgb", "grayscale"]
) -> NDArray[np.uint8]:
    """Decode, turn upright, flatten, bring to size.

    The camera's EXIF orientation is applied; transparency is flattened onto white; of an
    animation the first frame counts; 16-bit gray values are divided by 257 and rounded
    (16-bit colour is cut to its high byte by Pillow). The size is reached by antialiased
    bilinear resampling, without keeping the aspect ratio.

    Args:
        path: the image file.
        size: height and width in pixels.
        color: three channels or one.

    Returns:
        (height, width, channels), uint8.

    Raises:
        DataError: not an image, damaged, or so large that it could be an attack.
    """
    with told(path):
        path.open("rb").close()  # so that a missing or forbidden file is not called damaged
    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter: pixels decide
            with Image.open(path) as opened:
                image = _flat(ImageOps.exif_transpose(opened), path)
            image = image.convert("L" if color == "grayscale" else "RGB")
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large ({error}); scale it down.") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = "not a known image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{path} cannot be read as an image ({reason}); fix or remove it."
        ) from error
    return np.asarray(image).reshape(height, width, -1)


def _flat(image: Image.Image, path: Path) -> Image.Image:
    """The image in 8 bits without transparency."""
    if image.mode == "F":
        raise DataError(f"{path} has floating-point values; save it with 8 bits a channel.")
    if image.mode in DEEP_MODES:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > DEEPEST:
            raise DataError(f"{path} has more than 16 bits; save it with 8 bits a channel.")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
