"""One image file as an array of one size and colour."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_sweeps.data.arrays import DARK, DEPTHS, WHITEST
from cnn_sweeps.data.files import check_regular
from cnn_sweeps.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What a file may be inside, whatever it is called; other decoders start programs (EPS)."""
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
DEEPEST = 65535
ROWS = 256
"""Rows of a deep image that are scaled at a time."""
Depth = Literal["8-bit", "16-bit gray", "16-bit colour"]
WHITE: dict[Depth, int] = {"8-bit": WHITEST, "16-bit gray": DEEPEST, "16-bit colour": DEEPEST}
"""The value that is white, as the file declares it."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image file, decoded.

    Attributes:
        pixels: (height, width, channels), uint8.
        depth: what the file has for each pixel.
        brightest: the greatest value on the scale of the file: 255 is white with 8 bits, 65535
            with 16. Of 16-bit colour only the high byte is known.
    """

    pixels: NDArray[np.uint8]
    depth: Depth
    brightest: int


def read(
    path: Path,
    size: tuple[int, int],
    *,
    color: Literal["rgb", "grayscale"],
    white: int = DEEPEST,
) -> Picture:
    """Decode, turn upright, flatten, bring to size.

    The camera's EXIF orientation is applied; transparency is flattened onto white; of an
    animation the first frame counts; 16-bit gray values are scaled and rounded (16-bit colour is
    cut to its high byte by Pillow). The size is reached by antialiased bilinear resampling,
    without keeping the aspect ratio.

    Args:
        path: the image file.
        size: height and width in pixels.
        color: three channels or one.
        white: the value that is white in 16-bit gray.

    Raises:
        DataError: not an image, damaged, or so large that it could be an attack.
    """
    check_regular(path)  # also so that a missing or forbidden file is not called damaged
    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter: pixels decide
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                if image.mode == "F":
                    raise DataError(
                        f"{path} has floating-point values; save it with 8 bits a channel."
                    )
                depth = _depth(image)
                # In place: a photograph may be large, and each copy of it as well.
                ImageOps.exif_transpose(image, in_place=True)
                brightest = _brightest(image, path) if depth == "16-bit gray" else 0
                flat = _flat(image, white=white if depth == "16-bit gray" else None)
                flat = flat.convert("L" if color == "grayscale" else "RGB")
            if depth != "16-bit gray":  # before thin lines are averaged away
                brightest = _whitest(flat) * (WHITE[depth] // WHITEST)
            flat = flat.resize((width, height), Image.Resampling.BILINEAR)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path} is too large ({error}); scale it down.") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        known = " ".join(FORMATS)
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"not a known image: {known}" if unknown else error
        raise DataError(
            f"{path} cannot be read as an image ({reason}); fix or remove it."
        ) from error
    pixels = np.asarray(flat).reshape(height, width, -1)
    return Picture(pixels=pixels, depth=depth, brightest=brightest)


def white_of(depth: Depth, brightest: int) -> int | None:
    """What is white in a set of images of one depth; None where all of them are black.

    As the files declare it. Where that leaves 16-bit gray black, its values have fewer bits: then
    white is the greatest value of the least depth that holds them.

    Args:
        depth: of the files.
        brightest: the greatest value of all of them.
    """
    whites = [WHITE[depth], *(DEPTHS if depth == "16-bit gray" else ())]
    holding = [white for white in whites if brightest <= white]
    return next((white for white in holding if brightest * WHITEST > DARK * white), None)


def _depth(image: Image.Image) -> Depth:
    """What a file that was opened, and not decoded, has for each pixel."""
    if image.mode in DEEP_MODES:
        return "16-bit gray"
    raw = getattr(image, "tile", ())  # how its bytes lie in the file, such as `RGB;16B`
    return "16-bit colour" if any(";16" in str(part) for part in raw) else "8-bit"


def _brightest(image: Image.Image, path: Path) -> int:
    """The greatest value of a deep gray image.

    Raises:
        DataError: it has negative ones, or more than 16 bits.
    """
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > DEEPEST:
        raise DataError(
            f"{path} has values from {low} to {high}, and more than 16 bits; "
            "save it with 8 bits a channel."
        )
    return high


def _whitest(image: Image.Image) -> int:
    """The greatest value of an image of 8 bits a channel, in whatever channel."""
    return max(place % (WHITEST + 1) for place, n in enumerate(image.histogram()) if n)


def _flat(image: Image.Image, *, white: int | None) -> Image.Image:
    """The image in 8 bits without transparency; `white` for one of 16 bits."""
    if white is not None:
        return Image.fromarray(_eight_bits(np.asarray(image), white))
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _eight_bits(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Values from 0 to `white` as 0 to 255, rounded half up in whole numbers."""
    table = (np.arange(white + 1) * (2 * WHITEST) + white) // (2 * white)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):  # an index takes eight bytes
        scaled[start : start + ROWS] = table[values[start : start + ROWS]]
    return scaled
