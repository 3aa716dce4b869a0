"""Augmentation: every switch does what it says, by nothing but seed, epoch and step."""

import hashlib
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import Augment

SWITCHES = {
    "flip": Augment(flip="both"),
    "crop": Augment(crop=0.25),
    "rotate": Augment(rotate=30.0),
    "zoom": Augment(zoom=0.4),
    "color": Augment(color=0.5),
    "randaugment": Augment(randaugment=2, magnitude=0.5),
    "erasing": Augment(erasing=0.8),
    "mixup": Augment(mixup=0.5),
    "cutmix": Augment(cutmix=1.0),
}
EVERYTHING = Augment(
    **{name: getattr(config, name) for name, config in SWITCHES.items()}, magnitude=0.5
)


def images(channels: int = 3, count: int = 24, sides: tuple[int, int] = (12, 9)) -> Any:
    """Images of which no two pixels of a row are alike."""
    return np.random.RandomState(0).randint(0, 256, (count, *sides, channels)).astype(np.uint8)


def made(config: Augment, x: Any, *, seed: int = 0, **when: int) -> Any:
    """What a step makes of images."""
    from cnn_sweeps.training.augmentation import augment_batch

    return augment_batch(x, config, seed, **when)


def mixed(config: Augment, x: Any, labels: Any, classes: int) -> tuple[Any, Any]:
    """Images and labels of a step."""
    import tensorflow as tf

    from cnn_sweeps.training.augmentation import Augmentation, step_seeds

    augmentation = Augmentation(config=config, num_classes=classes)
    mixed_images, shares = augmentation(tf.constant(x), labels, tf.constant(step_seeds(3, 1, 1)[0]))
    return mixed_images.numpy(), shares.numpy()


def test_no_switch_is_left_out() -> None:
    """What is added to the config has to be added to the switches that are tested."""
    assert {field.name for field in fields(Augment)} - {"magnitude", "rules"} == SWITCHES.keys()
    assert all(config.is_on for config in SWITCHES.values())
    assert not Augment().is_on
    assert not Augment(magnitude=0.9).is_on


@pytest.mark.parametrize(
    ("name", "channels"), [*((name, 3) for name in SWITCHES), ("everything", 1), ("everything", 3)]
)
def test_a_step_is_a_function_of_seed_epoch_and_step(name: str, channels: int) -> None:
    """The same again gives the same; another seed, epoch or step gives other images."""
    config, x = SWITCHES.get(name, EVERYTHING), images(channels)
    once = made(config, x, epoch=2, step=5)
    assert (once.shape, once.dtype) == (x.shape, x.dtype)
    assert np.array_equal(once, made(config, x, epoch=2, step=5))
    others = [{"epoch": 2, "step": 6}, {"epoch": 3, "step": 5}, {"epoch": 2, "step": 5, "seed": 1}]
    for other in others:
        assert not np.array_equal(once, made(config, x, **other))


@pytest.mark.parametrize("name", ["flip", "rotate", "everything"])
def test_other_types_of_images_are_handed_on_as_they_came(name: str) -> None:
    """Floats up to 255 stay floats, and 16 bits stay 16 bits, within their range."""
    config, x = SWITCHES.get(name, EVERYTHING), images()
    for given, top in ((x.astype(np.float32), 255), (x.astype(np.uint16) * 257, 65_535)):
        once = made(config, given)
        assert (once.shape, once.dtype) == (given.shape, given.dtype)
        assert once.min() >= 0
        assert once.max() <= top
        close = made(config, x).astype(float) * top / 255
        assert np.median(abs(once - close)) <= top / 255


def test_no_two_steps_share_a_seed() -> None:
    """Neither of one epoch, of two epochs, nor of two seeds; these numbers must never change."""
    from cnn_sweeps.training.augmentation import step_seeds

    every = [step_seeds(s, e, 50) for s in (0, 1, 2**32 - 1) for e in (1, 2, 10_000)]
    assert len(np.unique(np.concatenate(every), axis=0)) == 9 * 50
    assert step_seeds(7, 2, 2).tolist() == [[7, 2 * 2**32], [7, 2 * 2**32 + 1]]


@pytest.mark.parametrize(
    ("flip", "axes"), [("horizontal", [2]), ("vertical", [1]), ("both", [1, 2])]
)
def test_a_flip_mirrors_half_of_the_images(flip: Any, axes: list[int]) -> None:
    """Along that axis and no other, to the last bit."""
    x = images(count=200)
    once, seen = made(Augment(flip=flip), x), set()
    possible = {(): x, **{(axis,): np.flip(x, axis) for axis in axes}}
    possible[tuple(axes)] = np.flip(x, tuple(axes))
    for number in range(len(x)):
        (which,) = [key for key, y in possible.items() if np.array_equal(once[number], y[number])]
        seen.add(which)
    assert seen == possible.keys()
    whole = np.mean([np.array_equal(a, b) for a, b in zip(once, x, strict=True)])
    assert abs(whole - 1 / len(possible)) < 0.15


def test_a_crop_shifts_by_whole_pixels_and_mirrors_what_is_missing() -> None:
    """By as much as is said along each axis, and not beyond."""
    x = images(count=100)
    once, most = made(Augment(crop=0.25), x), (3, 2)
    padded = np.pad(x, [(0, 0), (3, 3), (2, 2), (0, 0)], mode="symmetric")
    shifts = set()
    for number in range(len(x)):
        shifts |= {
            (down, right)
            for down in range(7)
            for right in range(5)
            if np.array_equal(once[number], padded[number, down : down + 12, right : right + 9])
        }
    for axis, pixels in enumerate(most):
        assert {shift[axis] for shift in shifts} == set(range(2 * pixels + 1))


@pytest.mark.parametrize(
    ("config", "integers", "floats"),
    [
        (Augment(flip="horizontal", crop=0.125), "6a4c0e7b0b15cea8", "756051e43c0bf2be"),
        (Augment(flip="both", crop=0.5), "07290fda63c48bd8", "a85ccb21d1424b33"),
        (Augment(crop=0.3), "f8d03a7149e015af", "a90bf595019a8cc2"),
    ],
)
def test_flips_and_crops_are_those_of_earlier_versions(
    config: Augment, integers: str, floats: str
) -> None:
    """Digests that were taken when all geometry was one projective transformation."""
    x = images()
    for given, digest in ((x, integers), (x.astype(np.float32) / 3, floats)):
        found = made(config, given, seed=7, epoch=2, step=3)
        assert hashlib.sha256(found.tobytes()).hexdigest().startswith(digest)


def test_what_is_not_geometry_leaves_pixels_where_they_are() -> None:
    """Brightness, contrast and colour keep the order of a grey ramp; rotation does not."""
    ramp = np.broadcast_to(np.linspace(60, 180, 9)[:, None, None], (16, 9, 9, 3)).astype(np.uint8)
    once = made(Augment(color=0.3), ramp).astype(int)
    assert (np.diff(once, axis=1) >= 0).all()
    assert not np.array_equal(once, ramp)
    assert (np.diff(made(Augment(rotate=90.0), ramp).astype(int), axis=1) < 0).any()


def test_a_switch_leaves_what_the_others_draw() -> None:
    """An image that is not erased is mirrored and shifted as it would be without erasing."""
    x = images(count=60)
    alone = made(Augment(flip="both", crop=0.25), x)
    beside = made(Augment(flip="both", crop=0.25, erasing=0.5), x)
    same = [np.array_equal(a, b) for a, b in zip(alone, beside, strict=True)]
    assert 0.3 < np.mean(same) < 0.7


def test_equalize_is_that_of_pillow() -> None:
    """To the last value, colour by colour; an image of one level, or too small a one, stays."""
    from PIL import Image, ImageOps

    from cnn_sweeps.training.augmentation import _equalized

    dark = (images(count=3, sides=(40, 33)) // 3).astype(np.float32)
    dark[2] = 7
    for once, x in zip(_equalized(dark, 255.0).numpy(), dark.astype(np.uint8), strict=True):
        assert np.array_equal(once, np.asarray(ImageOps.equalize(Image.fromarray(x))))
    deep = _equalized(dark * 257, 65_535.0).numpy()
    assert np.allclose(deep, _equalized(dark, 255.0).numpy() * 257)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.9])
def test_sharpness_is_that_of_pillow(factor: float) -> None:
    """But for its rounding; the border is left as it is."""
    from PIL import Image, ImageEnhance

    from cnn_sweeps.training.augmentation import _sharpened

    x = images(count=2, sides=(9, 7))
    made = _sharpened(x.astype(np.float32), np.float32(factor), 255.0).numpy()
    for once, image in zip(made, x, strict=True):
        expected = np.asarray(ImageEnhance.Sharpness(Image.fromarray(image)).enhance(factor))
        assert abs(once - expected).max() < 2


def test_earlier_rules_draw_from_twelve_operations() -> None:
    """A stored experiment without the number has the images that it had."""
    import hashlib

    x = images(count=64, sides=(24, 24))
    first, now = (made(Augment(randaugment=2, rules=rules), x) for rules in (1, 2))
    assert hashlib.sha256(first.tobytes()).hexdigest()[:16] == "bbfc4e33a3a17854"
    assert not np.array_equal(first, now)


def test_erasing_has_its_probability_and_its_size() -> None:
    """A rectangle of a share of the image, in as many images as is said."""
    x = np.zeros((200, 20, 20, 1), dtype=np.uint8)
    touched = (made(Augment(erasing=0.4), x) > 0).mean(axis=(1, 2, 3))
    assert abs((touched > 0).mean() - 0.4) < 0.1
    assert touched.max() < 0.45


@pytest.mark.parametrize("config", [Augment(mixup=0.5), Augment(cutmix=1.0)])
def test_labels_are_mixed_as_the_images_are(config: Augment) -> None:
    """Each image is made of itself and its neighbour; the shares of the classes say how much."""
    x = np.repeat(np.array([0, 100, 200], dtype=np.uint8), 8)[:, None, None, None]
    x = np.broadcast_to(x, (24, 16, 16, 1)).copy()
    labels = np.arange(24) // 8
    once, shares = mixed(config, x, labels, 3)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(once.mean(axis=(1, 2, 3)), shares @ [0, 100, 200], atol=0.51)
    assert 0 < shares[0, 0] < 1  # its neighbour is of another class
    values = set(np.unique(once[0]))
    assert (values == {0, 200}) if config.cutmix else len(values) == 1


def test_of_mixup_and_cutmix_each_image_gets_one() -> None:
    """With both on, some are blended and others pasted."""
    x = np.broadcast_to(np.array([0, 200] * 30, np.uint8)[:, None, None, None], (60, 9, 9, 1))
    once, _ = mixed(Augment(mixup=1.0, cutmix=1.0), x.copy(), np.arange(60) % 2, 2)
    pasted = [set(np.unique(image)) <= {0, 200} for image in once]
    assert 10 < sum(pasted) < 50


def test_a_single_image_has_nothing_to_be_mixed_with() -> None:
    """A last batch of one stays what it is."""
    x = images(count=1)
    once, shares = mixed(Augment(mixup=1.0, cutmix=1.0), x, np.array([1]), 2)
    assert np.array_equal(once, x)
    assert np.allclose(shares, [[0, 1]])


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 1.0, 20.0])
def test_a_share_is_drawn_from_beta(alpha: float) -> None:
    """Its spread is that of Beta(alpha, alpha), however small alpha is; the larger is its own."""
    x = np.zeros((4_000, 1, 1, 1), dtype=np.uint8)
    _, shares = mixed(Augment(mixup=alpha), x, np.arange(4_000) % 2, 2)
    own = shares[np.arange(4_000), np.arange(4_000) % 2]
    assert own.min() >= 0.5
    assert abs(((own - 0.5) ** 2).mean() - 1 / (4 * (2 * alpha + 1))) < 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_of_randaugment_is_drawn(channels: int) -> None:
    """With the strongest magnitude a tenth of the images stay as they are, the rest change."""
    x = images(channels, count=300)
    once = made(Augment(randaugment=1, magnitude=1.0), x)
    same = np.mean([np.array_equal(a, b) for a, b in zip(once, x, strict=True)])
    assert 0.02 < same < 0.3
    weak = made(replace(Augment(randaugment=1), magnitude=0.01), x).astype(int)
    assert abs(weak - x).mean() < abs(once.astype(int) - x).mean() / 3
