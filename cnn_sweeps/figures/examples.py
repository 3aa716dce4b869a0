"""Images with what a network says of them, and where it has seen it: as values, and as a figure."""

import math
from base64 import b64encode
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cnn_sweeps.evaluation.evaluation import SPLITS, Split
from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import Canvas, Pixels, apply_colour_map, as_rgb, enlarge_pixels
from cnn_sweeps.figures.images import most_confident, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISTAKES: Final = 12
RIGHT: Final = 12
"""Mistakes, and classes with an image that is right, that are shown."""
SIDE: Final = 96
"""Pixels of the longest side of a picture in a report."""
SMALL: Final = 64
"""Up to so many it is stored as it is; a photograph takes a tenth as JPEG."""
TILE: Final = 100
COLUMNS: Final = 6
STEP: Final = 216
ROW: Final = TILE + 112
LETTERS: Final = 19
COLOURS: Final = "inferno"
STRENGTH: Final = 0.75
"""How far the strongest heat covers the image."""
DIMMED: Final = 0.7
"""How bright the image is below it."""
Picture = Annotated[str, Field(pattern=r"^(data:image/(png|jpeg);base64,[A-Za-z0-9+/=]*)?$")]
"""A `data:` address: a page with it loads nothing, whoever has written the stored file."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image, and what was said of it.

    Attributes:
        number: which of its split, from 0.
        label: the true class.
        predicted: the class that was given to it.
        probability: of that class.
        picture: the image, as a `data:` address.
        heat: the same with what speaks for that class (Grad-CAM); empty where there is none.
    """

    number: int
    label: str
    predicted: str
    probability: float
    picture: Picture
    heat: Picture = ""

    @property
    def is_right(self) -> bool:
        """Whether that is its class."""
        return self.label == self.predicted

    @property
    def percent(self) -> str:
        """The probability, as people read it."""
        return percent(self.probability)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Images of one split: the worst mistakes, and one of each class that is right.

    Attributes:
        split: `test` or `val`.
        images: the chosen ones.
        mistakes: how many mistakes there are in all.
        layer: whose feature maps Grad-CAM has looked at; empty where there is none.
        note: why there is no Grad-CAM; empty where there is.
    """

    split: Split
    images: tuple[Example, ...]
    mistakes: int
    layer: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it but the pictures."""
        without = [replace(each, picture="", heat="") for each in self.images]
        images = [{k: v for k, v in asdict(each).items() if v != ""} for each in without]
        return {**asdict(self), "images": images}

    @classmethod
    def from_json(cls, plain: Any) -> "Examples":
        """What was stored as JSON.

        Raises:
            ValueError: it was not stored by this version, or was changed.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(plain)


def chosen(labels: NDArray[np.int64], scores: NDArray[np.floating[Any]]) -> tuple[int, ...]:
    """The numbers of the most confident mistakes, then of the surest right image of each class."""
    predicted = scores.argmax(axis=1)
    confidence = np.where(predicted == labels, scores.max(axis=1), -1)
    right = [
        int(np.where(labels == each, confidence, -1).argmax())
        for each in np.unique(labels[predicted == labels])[:RIGHT]
    ]
    return (*map(int, most_confident(labels, scores)[:MISTAKES]), *right)


def heated(image: NDArray[np.uint8], heat: NDArray[np.float32], height: int, width: int) -> Pixels:
    """An image in grey, with heat laid over it.

    Args:
        image: (height, width, channels).
        heat: of any size, from 0 to 1.
        height: of the result, in pixels.
        width: likewise.
    """
    grey = as_rgb(enlarge_pixels(as_rgb(image), height, width).mean(axis=-1, keepdims=True))
    smooth = _resized(heat, height, width)
    share = STRENGTH * np.sqrt(smooth)[..., None]
    colours = apply_colour_map(smooth, 0, 1, COLOURS)
    mixed: Pixels = np.round((1 - share) * DIMMED * grey + share * colours).astype(np.uint8)
    return mixed


def warmed(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> str:
    """The heated image as a `data:` address; see `heated`."""
    height, width = _fitting(image, SIDE)
    return address(heated(image, heat, height, width))


def _resized(heat: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    from PIL import Image

    found = Image.fromarray(heat.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    values: NDArray[np.float32] = np.clip(np.asarray(found), 0, 1)
    return values


def address(picture: Pixels) -> str:
    """A picture as a `data:` address, brought to the size that a page shows."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    kind = "png" if max(image.size) <= SMALL else "jpeg"
    file = BytesIO()
    image.save(file, format=kind, quality=85)
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"


def grad_cam_figure(
    images: NDArray[np.uint8], heat: NDArray[np.float32], found: Examples, about: str
) -> "Figure":
    """Each image beside its heat map, the mistakes first.

    Args:
        images: (n, height, width, channels), in the order of `found.images`.
        heat: from 0 to 1, (n, height, width) of the feature maps.
        found: what is said of them.
        about: the name of the run.
    """
    rows = math.ceil(len(images) / COLUMNS)
    word = SPLITS[found.split]
    canvas = Canvas(
        width=style.WIDTH,
        height=style.HEAD + 20 + rows * ROW,
        title=f"Grad-CAM of {found.layer}: what speaks for the predicted class",
        about=f"{about} · {word} images, blue: the true class, orange: a wrong prediction",
    )
    for place, (image, warm, each) in enumerate(zip(images, heat, found.images, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = 22 + column * STEP, style.HEAD + 14 + row * ROW
        canvas.put(as_rgb(image), left, top, TILE, TILE)
        height, width = _fitting(image, TILE)
        canvas.put(heated(image, warm, height, width), left + TILE + 4, top, TILE, TILE)
        below = top + TILE + 4
        faint: dict[str, Any] = {"size": style.SMALL, "color": style.FAINT}
        canvas.write(f"{word} image {each.number}", left, below, **faint)
        canvas.write(style.shorten_name(each.label, LETTERS), left, below + 20, color=style.BLUE)
        if not each.is_right:
            canvas.write(
                style.shorten_name(each.predicted, LETTERS),
                left,
                below + 42,
                color=style.VERMILLION,
            )
        canvas.write(
            percent(each.probability), left, below + (42 if each.is_right else 64), **faint
        )
    return canvas.figure()


def _fitting(image: NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Height and width in the image's proportions, the longer one of so many pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
