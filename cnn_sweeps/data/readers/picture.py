"""One image file as an array of one size and colour."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_sweeps.config.schema import Resize
from cnn_sweeps.data.arrays import DARK, DEEPEST, DEPTHS, WHITEST
from cnn_sweeps.data.files import as_data_error, check_regular
from cnn_sweeps.errors import DataError, UnreadableImageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What a file may be inside, whatever it is called; other decoders start programs (EPS)."""
CONVERT = "convert it to JPEG or PNG"
SIGNATURES = (
    (b"<!doctype html", "an HTML page", "download the image itself"),
    (b"<html", "an HTML page", "download the image itself"),
    (b"version https://git-lfs", "a Git LFS pointer", "type git lfs pull"),
    (b"<svg", "an SVG drawing", CONVERT),
    (b"<?xml", "an XML or SVG file", CONVERT),
    (b"%pdf", "a PDF document", CONVERT),
    (b"%!ps", "a PostScript document", CONVERT),
    (b"8bps", "a Photoshop document", CONVERT),
    (b"pk\x03\x04", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "a gzip file", "unpack it"),
)
"""How other files begin, in small letters; what they are, and what to do with them."""
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1"), "a HEIC photograph"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF photograph"),
}
"""What stands behind `ftyp` in photographs of telephones; anything else there is a video."""
HEAD = 16
"""Bytes by which Pillow knows a format."""
BEGINNING = 512
"""Bytes of a file that tell what it is."""
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
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


@contextmanager
def strict_decoding() -> Iterator[None]:
    """What `read` needs around it, once for all threads: an image that could be an attack fails.

    Other warnings are of odd metadata, which does not matter: pixels decide.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read(
    path: Path,
    size: tuple[int, int],
    *,
    color: Literal["rgb", "grayscale"],
    resize: Resize = "stretch",
    white: int = DEEPEST,
) -> Picture:
    """Decode, turn upright, flatten, bring to size; many threads may, inside of `strict_decoding`.

    The camera's EXIF orientation is applied; transparency is flattened onto white; of an
    animation the first frame counts; 16-bit gray values are scaled and rounded (16-bit colour is
    cut to its high byte by Pillow). The size is reached by antialiased bilinear resampling.

    Args:
        path: the image file.
        size: height and width in pixels.
        color: three channels or one.
        resize: what becomes of an image of another aspect ratio.
        white: the value that is white in 16-bit gray; what is above is white as well.

    Raises:
        UnreadableImageError: not an image, damaged, or so large that it could be an attack.
        DataError: it is missing or forbidden, no file, or the system cannot read it now.
    """
    check_regular(path)  # also so that a missing or forbidden file is not called damaged
    height, width = size
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            if image.mode == "F":
                raise UnreadableImageError(
                    path, "floating-point values", "save it with 8 bits a channel"
                )
            depth = _depth(image)
            # In place: a photograph may be large, and each copy of it as well.
            ImageOps.exif_transpose(image, in_place=True)
            brightest = _brightest(image, path) if depth == "16-bit gray" else 0
            flat = _flat(image, white=white if depth == "16-bit gray" else None)
            flat = flat.convert("L" if color == "grayscale" else "RGB")
        if depth != "16-bit gray":  # before thin lines are averaged away
            brightest = _whitest(flat) * (WHITE[depth] // WHITEST)
        flat = _resized(flat, (width, height), resize)
    except (DataError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        if isinstance(error, OSError) and error.errno is not None:  # the system's: it may pass
            with as_data_error(path):
                raise
        if not isinstance(error, UnidentifiedImageError):
            raise UnreadableImageError(path, f"damaged: {error}") from error
        raise foreign_file(path, f"not a known image: {' '.join(FORMATS)}") from error
    pixels = np.asarray(flat).reshape(height, width, -1)
    return Picture(pixels=pixels, depth=depth, brightest=brightest)


def _too_large(path: Path) -> UnreadableImageError:
    """What is said of an image with more pixels than are decoded, for it could be an attack."""
    with path.open("rb") as file:
        size = _size_in_head(file)
    has = f"{size[0]:,} x {size[1]:,}; " if size else ""
    most = f"at most {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:,.3g} million pixels are decoded"
    return UnreadableImageError(path, f"too large: {has}{most}", "scale it down")


def _size_in_head(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height as the head of a file has them, however large; None where it has none.

    `Image.open` tells of a very large image only that it is one.
    """
    head = file.read(HEAD)
    for name in FORMATS:
        open_as, accepts = Image.OPEN[name]
        if accepts is not None and accepts(head) is True:
            file.seek(0)
            with suppress(Exception), open_as(file, "") as image:  # as above: nearly anything
                return image.size
    return None


def brought_to(
    image: Image.Image,
    shape: tuple[int, int, int],
    resize: Resize = "stretch",
    white: int = DEEPEST,
) -> NDArray[np.uint8]:
    """A picture in memory, brought to size and colour as one from a file is.

    Args:
        image: as Pillow has opened or made it; it is left as it is.
        shape: the height, width and channels it shall have.
        resize: what becomes of one of another aspect ratio.
        white: the value that is white in 16-bit gray; what is above is white as well.

    Raises:
        DataError: it has floating-point values, negative ones, or more than 16 bits.
    """
    if image.mode == "F":
        raise DataError("A picture has floating-point values; give it with 8 bits a channel.")
    height, width, channels = shape
    upright = ImageOps.exif_transpose(image)
    deep = upright.mode in DEEP_MODES
    if deep and (fault := _out_of_range(*_range(upright))):
        raise DataError(f"A picture has {fault}; give it with 8 bits a channel.")
    flat = _flat(upright, white=white if deep else None)
    flat = flat.convert("L" if channels == 1 else "RGB")
    return np.asarray(_resized(flat, (width, height), resize)).reshape(shape)


def foreign_file(
    path: Path, otherwise: str, remedy: str = "fix or remove it"
) -> UnreadableImageError:
    """What a file is that is no image which can be read here, by its first bytes.

    Args:
        path: the file.
        otherwise: what is said of a file that is not known either.
        remedy: and what can be done with it.
    """
    with as_data_error(path), path.open("rb") as file:
        first = file.read(BEGINNING)
    if not first:
        return UnreadableImageError(path, "an empty file, 0 bytes")
    if first[4:8] == b"ftyp":
        return UnreadableImageError(path, BRANDS.get(first[8:12], "a video"), CONVERT)
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, kind, what_to_do in SIGNATURES:
        if text.startswith(signature):
            return UnreadableImageError(path, kind, what_to_do)
    return UnreadableImageError(path, otherwise, remedy)


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
        UnreadableImageError: it has negative ones, or more than 16 bits.
    """
    low, high = _range(image)
    if fault := _out_of_range(low, high):
        raise UnreadableImageError(path, fault, "save it with 8 bits a channel")
    return high


def _range(image: Image.Image) -> tuple[int, int]:
    """The least and the greatest value of a gray image."""
    values = np.asarray(image)
    return int(values.min()), int(values.max())


def _out_of_range(low: int, high: int) -> str:
    """What is wrong with deep values of that range; nothing for 16 bits."""
    return f"values from {low} to {high}, more than 16 bits" if low < 0 or high > DEEPEST else ""


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


def _resized(image: Image.Image, size: tuple[int, int], resize: Resize) -> Image.Image:
    """The image in that width and height: stretched, its middle cut out, or black added."""
    if resize == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    if resize == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = [max(round(side * scale), 1) for side in image.size]
    whole = Image.new(image.mode, size)
    # As `ImageOps.pad` does, which has no place for an image that would be thinner than a pixel.
    left, top = (round((side - part) / 2) for side, part in zip(size, inner, strict=True))
    whole.paste(image.resize((inner[0], inner[1]), Image.Resampling.BILINEAR), (left, top))
    return whole


def _eight_bits(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Values from 0 to `white` as 0 to 255, rounded half up in whole numbers; above it 255."""
    table = (np.arange(white + 1) * (2 * WHITEST) + white) // (2 * white)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):  # an index takes eight bytes
        scaled[start : start + ROWS] = table[np.minimum(values[start : start + ROWS], white)]
    return scaled
