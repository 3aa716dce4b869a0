"""The digits: enlarged the same way for ever, and equal to scikit-learn's own."""

from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from cnn_sweeps.config.schema import DigitsData
from cnn_sweeps.data import load
from cnn_sweeps.data.readers import digits
from cnn_sweeps.errors import DataError


def test_the_content_is_frozen() -> None:
    """The golden digest: stored identities rely on it."""
    data = load(DigitsData())
    assert data.digest == "04ddabd734f446e66422009eb7eefd5fdbc0d75847538de232c4f36b997f52db"
    assert [len(part) for part in (data.y_train, data.y_val, data.y_test)] == [1294, 144, 359]
    assert (data.shape, data.class_names, data.source) == (
        (28, 28, 1),
        tuple("0123456789"),
        "scikit-learn",
    )


@pytest.mark.slow  # imports scikit-learn
def test_both_ways_to_the_images_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that ships with scikit-learn holds what `load_digits` returns."""
    images, labels = digits._shipped()
    monkeypatch.setattr(digits, "find_spec", lambda name: ModuleSpec(name, None))
    slow_images, slow_labels = digits._shipped()
    np.testing.assert_array_equal(images, slow_images)
    np.testing.assert_array_equal(labels, slow_labels)


def test_enlarging_keeps_flat_images_flat() -> None:
    """0, 8 and 16 become 0, 128 and 255 everywhere."""
    flat = np.array([0, 8, 16])[:, None, None] * np.ones((3, 8, 8), dtype=np.int64)
    large = digits.enlarge(flat)
    assert large.shape == (3, 28, 28)
    assert [np.unique(image).tolist() for image in large] == [[0], [128], [255]]


def test_enlarging_agrees_with_a_resampling_library() -> None:
    """Pillow's bilinear interpolation gives the same to within its own rounding."""
    from PIL import Image

    small = np.random.RandomState(1).randint(0, 17, (8, 8))
    values = Image.fromarray((small * 255 / 16).astype(np.float32))
    reference = np.asarray(values.resize((28, 28), Image.Resampling.BILINEAR))
    assert np.abs(digits.enlarge(small[None])[0] - reference).max() <= 0.51


def test_every_class_is_in_the_test_split() -> None:
    """Stratified: a fifth of each digit."""
    data = load(DigitsData(test_fraction=0.2))
    assert np.bincount(data.y_test).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_a_test_fraction_that_leaves_no_training_image_is_told() -> None:
    """The setting is named."""
    with pytest.raises(DataError, match=r"data\.test_fraction=0\.999 .*use 0\.994 or less"):
        load(DigitsData(test_fraction=0.999))
