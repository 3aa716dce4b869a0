"""Image files, decoded once: kept as one array in a file that all processes read.

    <cache>/decoded/<key>/images.npy    the images, (n, height, width, channels), uint8
    <cache>/decoded/<key>/prints.npy    16 bytes for each image, by which it is checked and compared
    <cache>/decoded/<key>/about.json    what they are, what could not be read; its time is their use

The key is made of the digests of the files, how they are decoded, and by what (`folder_cache` says
how it is kept). Where there is no room for them, they are decoded into memory.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b, sha256
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import ImageFiles, Resize
from cnn_sweeps.data import manifest, progress
from cnn_sweeps.data.arrays import DARK, DEEPEST, Pixels, View, nearly_black
from cnn_sweeps.data.cores import cores
from cnn_sweeps.data.files import as_data_error, check_memory
from cnn_sweeps.data.folder_cache import (
    ABOUT,
    DECODED,
    GB,
    CachedFolder,
    FolderCache,
    cache_folder,
)
from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.errors import DataError, UnreadableImageError

if TYPE_CHECKING:
    from cnn_sweeps.data.readers import picture

IMAGES, PRINTS = "images.npy", "prints.npy"
FORMAT: Final = 1
PRINT: Final = 16
"""Bytes of an image's print."""
CHUNK: Final = 32
"""Images that a thread decodes at a time."""

Faults = dict[int, UnreadableImageError]
Put = Callable[[int, Pixels], None]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How files become arrays.

    Attributes:
        size: height and width, in pixels.
        color: three channels or one.
        resize: what becomes of an image of another aspect ratio.
        scaled: whether images of which all are nearly black are scaled by their range.
    """

    size: tuple[int, int]
    color: Literal["rgb", "grayscale"]
    resize: Resize
    scaled: bool

    @classmethod
    def of(cls, config: ImageFiles) -> "Decoding":
        """As a config has it."""
        return cls(
            size=config.image_size,
            color=config.color,
            resize=config.resize,
            scaled=config.rules > 1,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return *self.size, 1 if self.color == "grayscale" else 3

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"image_size": list(self.size), "color": self.color, "resize": self.resize}


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The images of many files.

    Attributes:
        images: one for each file; black for one that could not be read.
        faults: what is wrong with those, by place.
        notices: a sentence on each scaling.
        white: the value that was taken as white in 16-bit gray.
    """

    images: View
    faults: Faults
    notices: tuple[str, ...] = ()
    white: int = DEEPEST

    @property
    def digest(self) -> str:
        """SHA-256 over the pixels of all: what this decoder has made of the files."""
        return sha256(self.images.prints.tobytes()).hexdigest()


def read(
    paths: Sequence[str],
    digests: NDArray[np.bytes_],
    config: ImageFiles,
    source: Path,
    check: Callable[[], None] = lambda: None,
) -> Decoded:
    """The images of these files, from the cache, or decoded into it.

    Args:
        paths: the files.
        digests: SHA-256 of each, 64 hex digits.
        config: how they are decoded, where the cache is, and how large it may become.
        source: the folder or table that names them.
        check: called when all are decoded, and before they are kept: whether the files are still
            those of the digests.

    Raises:
        DataError: all images of one depth are black, there is no room for them, or a file cannot
            be read now, or was changed meanwhile.
    """
    decoding, needed = Decoding.of(config), len(paths) * prod(Decoding.of(config).shape)
    if needed > config.cache_gb * GB:
        room = math.ceil(needed / GB * 1.1)
        return _in_memory(paths, decoding, source, check, f"type data.cache_gb={room}")
    root = cache_folder(config.cache)
    entry = Entry(root / DECODED / key_of(digests, decoding))
    why = f"{entry.folder} is gone"
    try:
        with entry.locked():
            known = entry.load() if entry.tells_white else None
            if known is None:
                entry.write(paths, decoding, source, check)
                FolderCache(root).evict(config.cache_gb, keep=[entry.folder])
                known = entry.load()
    except OSError as error:
        known, why = None, f"{entry.folder.parent} cannot be written ({error.strerror or error})"
    if known is not None:  # the same files may lie elsewhere than when they were decoded
        named = {
            at: UnreadableImageError(Path(paths[at]), f.kind, f.remedy)
            for at, f in known.faults.items()
        }
        return replace(known, faults=named)
    remedy = f"{why}; choose another folder with data.cache"
    found = _in_memory(paths, decoding, source, check, remedy)
    kept = f"The decoded images are kept in memory: {remedy}."
    return replace(found, notices=(*found.notices, kept))


def key_of(digests: NDArray[np.bytes_], decoding: Decoding) -> str:
    """The name of what is made of these files in this way by the decoder that is installed."""
    from PIL import __version__, features  # noqa: PLC0415  imports Pillow

    turbo = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    how = [FORMAT, decoding.as_dict(), decoding.scaled, f"Pillow {__version__}, libjpeg {turbo}"]
    sha = sha256(f'[{json.dumps(how)}, ["'.encode())  # JSON of a pair: this, and the digests
    manifest.add_joined(sha, digests, b'", "')
    sha.update(b'"]]')
    return sha.hexdigest()[:32]


@dataclass(frozen=True)
class Entry(CachedFolder):
    """The images of some files in the cache; they need not be there."""

    @property
    def tells_white(self) -> bool:
        """Whether it has what was taken as white; an earlier version said it in words only."""
        about = self.about
        return "white" in about or not about.get("notices")

    def load(self) -> Decoded | None:
        """The images, read when they are used; None where they are not there, or not whole."""
        about = self.about
        try:
            images = RowFile(self.folder / IMAGES)
            prints = np.load(self.folder / PRINTS)
            if about["format"] != FORMAT or list(images.shape) != about["shape"]:
                return None
            faults = {
                int(place): UnreadableImageError(place, kind, remedy)
                for place, (kind, remedy) in about["faults"].items()
            }
            notices, white = tuple(about["notices"]), int(about.get("white", DEEPEST))
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None
        self.mark_used()
        view = View(base=images, places=np.arange(len(images)), prints=prints)
        return Decoded(images=view, faults=faults, notices=notices, white=white)

    def write(
        self, paths: Sequence[str], decoding: Decoding, source: Path, check: Callable[[], None]
    ) -> None:
        """Decode the files. Only for who has the lock.

        Raises:
            OSError: there is no room, or the folder cannot be written.
            DataError: see `read`.
        """
        with self.written() as part:
            shape = (len(paths), *decoding.shape)
            with _image_file(part / IMAGES, shape) as put:
                prints, faults, notices, white = _decode(paths, decoding, put, source)
            check()
            np.save(part / PRINTS, prints)
            about = {
                "format": FORMAT,
                "source": str(source.resolve()),
                "shape": shape,
                **decoding.as_dict(),
                "faults": {place: [f.kind, f.remedy] for place, f in faults.items()},
                "notices": notices,
                "white": white,
            }
            (part / ABOUT).write_text(json.dumps(about))

    def verify(self) -> list[int]:
        """Read all images again; the places of those that are not as they were written."""
        known = self.load()
        if known is None:
            return [0]
        images, prints = known.images, known.images.prints
        return [
            place
            for place in range(len(images))
            if place not in known.faults and print_of(images[place]) != prints[place].tobytes()
        ]


def print_of(pixels: Pixels) -> bytes:
    """16 bytes; equal images have equal ones."""
    return blake2b(pixels.tobytes(), digest_size=PRINT).digest()


def _in_memory(
    paths: Sequence[str], decoding: Decoding, source: Path, check: Callable[[], None], why: str
) -> Decoded:
    """Decode into an array of this process.

    Args:
        paths: the files.
        decoding: how.
        source: that names them.
        check: see `read`.
        why: what is said behind the refusal of so many.

    Raises:
        DataError: they do not fit into memory; or see `read`.
    """
    shape = (len(paths), *decoding.shape)
    check_memory(prod(shape), source, why)
    with as_data_error(source):
        images = np.zeros(shape, dtype=np.uint8)
    prints, faults, notices, white = _decode(paths, decoding, images.__setitem__, source)
    check()
    view = View(base=images, places=np.arange(len(images)), prints=prints)
    return Decoded(images=view, faults=faults, notices=notices, white=white)


@contextmanager
def _image_file(path: Path, shape: tuple[int, ...]) -> Iterator[Put]:
    """Make an NPY file of that shape, with room for all of it, and write images to their places.

    Raises:
        OSError: the disk has no room; a mapped file would end the process instead.
    """
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    start, size = mapped.offset, prod(shape[1:])
    del mapped
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, start + prod(shape))

        def put(place: int, pixels: Pixels) -> None:
            os.pwrite(file.fileno(), pixels.tobytes(), start + place * size)

        yield put
        os.fsync(file.fileno())  # else there may be zeros, which are images, after a power cut


@dataclass
class _Depth:
    """The images of one depth: where they are, and their greatest value."""

    places: list[int] = field(default_factory=list)
    brightest: int = 0


def _decode(
    paths: Sequence[str], decoding: Decoding, put: Put, source: Path
) -> tuple[NDArray[np.uint8], Faults, tuple[str, ...], int]:
    """Decode files in threads.

    Returns:
        A print of each, those that cannot be read, sentences on scaling, white in 16-bit gray.
    """
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    prints = np.zeros((len(paths), PRINT), dtype=np.uint8)
    dark = np.zeros(len(paths), dtype=np.bool_)
    faults: Faults = {}
    depths: dict[picture.Depth, _Depth] = {}

    def one(place: int, white: int = DEEPEST) -> Any:
        try:
            found = picture.read(
                Path(paths[place]),
                decoding.size,
                color=decoding.color,
                resize=decoding.resize,
                white=white,
            )
        except UnreadableImageError as fault:
            return fault
        put(place, found.pixels)
        prints[place] = np.frombuffer(print_of(found.pixels), np.uint8)
        dark[place] = found.pixels.max() <= DARK
        return found.depth, found.brightest

    with picture.strict_decoding():
        for place, found in enumerate(_in_threads(one, len(paths))):
            if isinstance(found, UnreadableImageError):
                faults[place] = found
                continue
            depth = depths.setdefault(found[0], _Depth())
            depth.places.append(place)
            depth.brightest = max(depth.brightest, found[1])
        scaled = _scale(paths, depths, one, source) if decoding.scaled else {}
    notices = tuple(_told(name, depths[name], white) for name, white in scaled.items())
    if dark.any():
        notices = (*notices, nearly_black(int(dark.sum()), len(paths)))
    return prints, faults, notices, scaled.get("16-bit gray", DEEPEST)


def _in_threads(one: Callable[[int], Any], count: int) -> Iterator[Any]:
    """What a function gives for each number, in order; each is shown where somebody shows it."""
    pool = ThreadPoolExecutor(cores())
    try:
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        found = chain.from_iterable(pool.map(lambda chunk: [one(place) for place in chunk], chunks))
        for _ in progress.with_progress(range(count), "images decoded"):
            yield next(found)
    finally:
        pool.shutdown(cancel_futures=True)


def _scale(
    paths: Sequence[str],
    depths: "Mapping[picture.Depth, _Depth]",
    one: Callable[[int, int], Any],
    source: Path,
) -> "dict[picture.Depth, int]":
    """Read images of which all are nearly black again, by their range: white in these depths.

    Raises:
        DataError: all of one depth are black.
    """
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    scaled: dict[picture.Depth, int] = {}
    for name, depth in depths.items():
        white = picture.white_of(name, depth.brightest)
        if white is None:
            raise DataError(
                f"{len(depth.places):,} {name} images of {source}, such as "
                f"{paths[depth.places[0]]}, have values up to {depth.brightest}, which is black: "
                "scale them, and save them with 8 bits each."
            )
        if white != picture.WHITE[name]:
            for place in depth.places:
                one(place, white)
            scaled[name] = white
    return scaled


def _told(name: str, depth: _Depth, white: int) -> str:
    """A sentence on the images of one depth that were scaled."""
    many = f"{len(depth.places):,} {name} images"
    return f"{many} have values up to {depth.brightest}: {white} was taken as white."
