"""The network of a finished run on new pictures."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stores import Finished, copy_of, logged_text

from cnn_sweeps.config.schema import DigitsData
from cnn_sweeps.data import load_cached
from cnn_sweeps.data.readers import picture
from cnn_sweeps.errors import DataError, RecordError, StoreError
from cnn_sweeps.runs.stored_model import stored_pictures
from cnn_sweeps.runs.use.loaded import LoadedRun
from cnn_sweeps.runs.use.predict import Predictor
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import IMAGES_FILE


@pytest.fixture(scope="module")
def store(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A copy of the store of a finished run."""
    with copy_of(finished.home, tmp_path_factory.mktemp("predict")) as copied:
        yield copied


@pytest.fixture(scope="module")
def run(store: Store, finished: Finished) -> LoadedRun:
    """That run."""
    return LoadedRun.find(store, finished.result.identity.short, None)


@pytest.fixture(scope="module")
def test_images(finished: Finished) -> NDArray[np.uint8]:
    """Images that it was scored on."""
    return load_cached(DigitsData(limit=200)).x_test


def test_arrays_are_predicted_as_in_the_evaluation(
    run: LoadedRun, finished: Finished, test_images: NDArray[np.uint8]
) -> None:
    """The accuracy is that of the run, and the rows are probabilities."""
    found = run.predict(test_images)
    labels = load_cached(DigitsData(limit=200)).y_test
    assert np.mean(found.labels == labels) == pytest.approx(
        finished.result.metrics["test_accuracy"]
    )
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert found.class_names == tuple("0123456789")


def test_files_and_arrays_give_the_same(
    run: LoadedRun, test_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """A picture of the right size is not touched on its way."""
    for number, image in enumerate(test_images[:3]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
    from_files = run.predict(tmp_path)
    assert from_files.sources == tuple(str(tmp_path / f"{n}.png") for n in range(3))
    assert np.array_equal(from_files.probabilities, run.predict(test_images[:3]).probabilities)


@pytest.mark.parametrize("divided", [True, False])
def test_floats_from_0_to_1_and_bytes_give_the_same(
    run: LoadedRun, test_images: NDArray[np.uint8], divided: bool
) -> None:
    """As arrays of both kinds are in use."""
    images: NDArray[Any] = test_images[:4].astype(np.float32)
    images = images / 255 if divided else images
    expected = run.predict(test_images[:4]).probabilities
    assert np.array_equal(run.predict(images).probabilities, expected)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        pytest.param((40, 30), 1, id="one gray"),
        pytest.param((2, 28, 28), 2, id="gray"),
        pytest.param((40, 30, 3), 1, id="one in colour"),
        pytest.param((2, 50, 60, 3), 2, id="colour"),
        pytest.param((1, 7, 300, 1), 1, id="narrow"),
    ],
)
def test_pictures_of_any_size_and_colour_are_brought_to_shape(
    run: LoadedRun, shape: tuple[int, ...], count: int
) -> None:
    """As files are."""
    assert len(run.predict(np.full(shape, 200, np.uint8))) == count


def test_pictures_come_in_any_form(
    run: LoadedRun, test_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Pillow images, arrays and files, alone, mixed in a list, or one after another."""
    opened = Image.fromarray(test_images[0, ..., 0])
    opened.save(tmp_path / "a.png")
    expected = run.predict(test_images[:1]).probabilities[0]
    of_each = run.predict([opened, test_images[0], test_images[0, ..., 0], tmp_path / "a.png"])
    assert of_each.sources == ("image 0", "image 1", "image 2", str(tmp_path / "a.png"))
    assert of_each.probabilities == pytest.approx(np.tile(expected, (4, 1)), abs=1e-6)
    drawn = run.predict(Image.fromarray(each[..., 0]) for each in test_images[:3])
    assert np.array_equal(drawn.probabilities, run.predict(test_images[:3]).probabilities)
    assert np.array_equal(run.predict(opened).probabilities[0], expected)
    assert len(run.predict([])) == 0


def test_each_picture_has_a_name_of_its_own(
    run: LoadedRun, test_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """By its place among all that were given, also over several batches."""
    (tmp_path / "two").mkdir()
    for name in "ab":
        Image.fromarray(test_images[0, ..., 0]).save(tmp_path / "two" / f"{name}.png")
    opened = Image.fromarray(test_images[0, ..., 0])
    found = run.predict([test_images[:3], tmp_path / "two", test_images[:2], opened]).sources
    assert len({*found}) == 8
    assert found[2::3] == ("image 2", "image 5")
    assert found[-1] == "image 7"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_pillow_image_is_decoded_as_its_file_is(
    run: LoadedRun, tmp_path: Path, mode: str
) -> None:
    """Transparency, depth and the camera's orientation as in training."""
    values = np.random.RandomState(0).randint(0, 256, (30, 20, 4), np.uint8)
    image = Image.fromarray(values, "RGBA")
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    elif mode != "RGBA":
        image = image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path := tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"), exif=exif)
    found = run.predict(path).probabilities
    with Image.open(path) as opened:
        assert np.array_equal(run.predict(opened).probabilities, found)


@pytest.mark.parametrize("white", [255, 4095, 65535])
def test_deep_gray_is_scaled_as_it_was_in_training(tmp_path: Path, white: int) -> None:
    """A file and an opened one, by the white of the training images; what is brighter is white."""
    values = np.linspace(0, white, 28 * 28).round().astype(np.uint16).reshape(28, 28)
    Image.fromarray(values).save(path := tmp_path / "a.png")
    with picture.strict_decoding():
        trained = picture.read(path, (28, 28), color="grayscale", white=white).pixels
    given: list[NDArray[Any]] = []

    class Seeing(Predictor):
        """Keeps what its network would see."""

        def _scores(self, images: Any) -> NDArray[Any]:
            given.extend(images)
            return np.tile([0.5, 0.5], (len(images), 1))

    predictor = Seeing(model=None, shape=(28, 28, 1), class_names=("a", "b"), white=white)
    with Image.open(path) as opened:
        predictor.predict([path, opened, Image.fromarray(np.maximum(values, 65535))])
    predictor.predict(values)
    predictor.predict(np.stack([values, values[::-1]])[..., None])
    assert (trained.min(), trained.max()) == (0, 255)
    assert np.array_equal(given[0], trained)
    assert np.array_equal(given[1], trained)
    assert given[2].min() == 255
    assert np.array_equal(given[3], trained)
    assert np.array_equal(given[5], trained[::-1])


@pytest.mark.parametrize("values", [[-1, 0], [0, 70000]])
def test_gray_of_more_than_16_bits_is_refused(values: list[int]) -> None:
    """As in a file."""
    image = Image.fromarray(np.array([values], np.int32))
    with pytest.raises(DataError, match="more than 16 bits"):
        picture.brought_to(image, (1, 2, 1))


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(np.full((2, 28, 28), 300), id="too bright"),
        pytest.param(np.full((2, 28, 28), -1), id="negative"),
        pytest.param(np.full((2, 28, 28), np.nan), id="no number"),
        pytest.param(np.zeros((2, 28, 28, 7), np.uint8), id="channels"),
        pytest.param(np.zeros(5), id="one dimension"),
        pytest.param(np.zeros((1, 2, 3, 4, 5)), id="five dimensions"),
        pytest.param(np.array([["a", "b"]]), id="text"),
    ],
)
def test_arrays_that_hold_no_pictures_are_refused(run: LoadedRun, images: NDArray[Any]) -> None:
    """With what they have."""
    with pytest.raises(DataError, match=r"pictures|picture has values|channels"):
        run.predict(images)


def test_a_file_that_is_no_picture_costs_no_other_its_prediction(
    run: LoadedRun, test_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """It is told beside the predictions."""
    (tmp_path / "0.png").write_bytes(b"")
    Image.fromarray(test_images[0, ..., 0]).save(tmp_path / "1.png")
    found = run.predict([tmp_path / "0.png", tmp_path / "1.png"])
    assert found.sources == (str(tmp_path / "1.png"),)
    assert [fault.path for fault in found.unreadable] == [tmp_path / "0.png"]


def test_files_of_which_none_is_a_picture_are_refused(run: LoadedRun, tmp_path: Path) -> None:
    """There is nothing to return; each kind of damage is told of the first."""
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png.*empty[^(]*$"):
        run.predict(tmp_path / "0.png")
    with pytest.raises(DataError, match=r"0\.png.*empty.* \(1 more file cannot be read\)$"):
        run.predict(tmp_path)


def test_a_file_that_the_system_cannot_read_costs_no_other_its_prediction(
    run: LoadedRun,
    test_images: NDArray[np.uint8],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link to nothing, a pipe, one that is forbidden, a broken disk, too little memory."""
    for name in ("a", "forbidden", "broken", "huge"):
        Image.fromarray(test_images[0, ..., 0]).save(tmp_path / f"{name}.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    faults = {
        "forbidden.png": PermissionError(errno.EACCES, "Permission denied"),
        "broken.png": OSError(errno.EIO, "Input/output error"),
        "huge.png": MemoryError(),
    }
    opened = Image.open

    def open_or_fail(file: Any, **more: Any) -> Image.Image:
        if fault := faults.get(Path(file.name).name):
            raise fault
        return opened(file, **more)

    monkeypatch.setattr(Image, "open", open_or_fail)
    found = run.predict(tmp_path)
    assert found.sources == (str(tmp_path / "a.png"),)
    said = {Path(str(each.path)).name: str(each) for each in found.unreadable}
    assert said.keys() == {*faults, "gone.png", "pipe.png"}
    assert "link to nothing" in said["gone.png"]
    assert "a pipe" in said["pipe.png"]
    assert "Input/output error" in said["broken.png"]


def test_more_pictures_than_are_decoded_at_a_time(
    run: LoadedRun, test_images: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost or counted twice between two batches."""
    from cnn_sweeps.runs.use import predict

    monkeypatch.setattr(predict, "AT_A_TIME", 2)
    for number in range(5):
        Image.fromarray(test_images[number, ..., 0]).save(tmp_path / f"{number}.png")
    found = run.predict(tmp_path)
    assert found.labels.tolist() == run.predict(test_images[:5]).labels.tolist()


def test_what_is_stored_of_the_images_may_be_out_of_reach(
    store: Store, run: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is not taken for the record of an earlier version, which had no names of classes."""
    read = Path.read_bytes

    def forbidden(path: Path) -> bytes:
        if path.name == IMAGES_FILE:
            raise PermissionError(errno.EACCES, "forbidden", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(StoreError, match=str(store.address)):
        stored_pictures(store, run)


def test_what_is_stored_of_the_images_may_be_damaged(
    store: Store, run: LoadedRun, finished: Finished
) -> None:
    """Then the run cannot be used, and says why."""
    tracked = store.reopen(run.run_id)
    text = logged_text(store, run.run_id, IMAGES_FILE)
    try:
        tracked.log_bytes(b'{"class_names": 5}', IMAGES_FILE)
        with pytest.raises(RecordError, match="cannot be read"):
            LoadedRun.find(store, None, run.run_id).predict(np.zeros((1, 28, 28), np.uint8))
    finally:
        tracked.log_bytes(text.encode(), IMAGES_FILE)
