"""The validation split: stratified, seeded, frozen; and the limit before it."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import Split
from cnn_sweeps.data.dataset import Content, digest
from cnn_sweeps.data.split import Division, divide, hold_out
from cnn_sweeps.errors import ConfigError, DataError

OPTION = "data.validation_fraction"


def content(y: list[int]) -> Content:
    """A data set whose images are their own numbers."""
    x = np.arange(len(y), dtype=np.uint8).reshape(-1, 1, 1, 1)
    labels = np.array(y, dtype=np.int64)
    return Content(
        name="t",
        source="t",
        x_train=x,
        y_train=labels,
        x_test=x,
        y_test=labels,
        class_names=tuple(str(n) for n in range(max(y) + 1)),
    )


def arrays_of(divided: Division) -> tuple[Any, ...]:
    """Training images and labels, then those for validation."""
    return divided.x_train, divided.y_train, divided.x_val, divided.y_val


def test_the_same_images_are_held_out_for_ever() -> None:
    """A golden list: stored experiments rely on it, whatever NumPy's version."""
    held = hold_out(np.arange(100) % 10, 0.2, seed=0, option=OPTION)
    frozen = [7, 13, 15, 19, 20, 22, 24, 26, 29, 31, 32, 36, 51, 54, 63, 78, 80, 85, 88, 97]
    assert np.flatnonzero(held).tolist() == frozen


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        pytest.param([100, 50, 10], 0.1, [10, 5, 1], id="exact"),
        pytest.param([6000] * 10, 0.1, [600] * 10, id="fashion"),
        pytest.param([7, 7, 7], 0.1, [1, 1, 0], id="largest-remainder"),
        pytest.param([3] * 20, 0.1, [1] * 6 + [0] * 14, id="many-small-classes"),
        pytest.param([1, 9], 0.5, [0, 5], id="never-the-last-image"),
        pytest.param([2, 2, 20], 0.875, [1, 1, 19], id="the-rest-goes-where-there-is-room"),
    ],
)
def test_each_class_gives_its_share(
    counts: list[int], fraction: float, expected: list[int]
) -> None:
    """The shares follow the classes and add up to the share of all."""
    y = np.repeat(np.arange(len(counts)), counts)
    held = hold_out(y, fraction, seed=3, option=OPTION)
    assert np.bincount(y[held], minlength=len(counts)).tolist() == expected


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        pytest.param([404, 4], 0.1, [40, 1], id="rare"),
        pytest.param([10] * 5, 0.02, [1] * 5, id="more-classes-than-the-share-has-images"),
        pytest.param([9, 1], 0.2, [2, 0], id="a-single-image-stays-in-training"),
        pytest.param([59, 59, 5], 0.1, [6, 5, 1], id="the-rest-goes-as-before"),
    ],
)
def test_every_class_is_in_the_split_from_the_second_rules_on(
    counts: list[int], fraction: float, expected: list[int]
) -> None:
    """At least one image of each class that has two."""
    y = np.repeat(np.arange(len(counts)), counts)
    held = hold_out(y, fraction, seed=3, option=OPTION, rules=2)
    assert np.bincount(y[held], minlength=len(counts)).tolist() == expected


def test_a_split_that_is_the_same_keeps_its_number() -> None:
    """The second rules count only where they make a difference."""
    config = Split(validation_fraction=0.25)
    assert divide(content([0, 1] * 10), config, rules=2).rules == 1
    assert divide(content([0] * 18 + [1] * 2), Split(validation_fraction=0.1), rules=2).rules == 2


def test_the_users_own_validation_images_are_the_split() -> None:
    """Nothing is taken of the training images, and the limit is theirs."""
    data = replace(content([0, 1] * 10), x_val=np.ones((4, 1, 1, 1), np.uint8), y_val=np.arange(4))
    divided = divide(data, Split(limit=6), rules=2)
    assert (len(divided.x_train), divided.y_val.tolist()) == (6, [0, 1, 2, 3])


@pytest.mark.parametrize("setting", [{"validation_fraction": 0.2}, {"split_seed": 1}])
def test_a_setting_without_effect_is_refused(setting: dict[str, Any]) -> None:
    """Beside the user's own validation images nothing is drawn."""
    data = replace(content([0, 1] * 10), x_val=np.ones((4, 1, 1, 1), np.uint8), y_val=np.arange(4))
    (key,) = setting
    with pytest.raises(ConfigError, match=rf"data\.{key}=.* has its own validation images.*Leave"):
        divide(data, Split(**setting), rules=2)


def test_another_seed_holds_out_other_images() -> None:
    """The seed counts, also 0."""
    y = np.arange(100) % 10
    a, b = (hold_out(y, 0.2, seed=seed, option=OPTION) for seed in (0, 1))
    assert (a != b).any()


def test_nothing_is_lost_or_doubled() -> None:
    """Training and validation together are the training images, in their order."""
    data = content([0, 1] * 10)
    x, y, x_val, y_val = arrays_of(divide(data, Split(validation_fraction=0.3, split_seed=5)))
    assert sorted([*x.ravel(), *x_val.ravel()]) == list(range(20))
    assert (np.diff(x.ravel().astype(int)) > 0).all()
    np.testing.assert_array_equal(y, x.ravel() % 2)
    np.testing.assert_array_equal(y_val, x_val.ravel() % 2)


def test_no_validation_split_copies_nothing() -> None:
    """With 0 the images are the very ones that were read."""
    data = content([0, 1] * 10)
    x, y, x_val, y_val = arrays_of(divide(data, Split(validation_fraction=0.0)))
    assert np.shares_memory(x, data.x_train)
    assert (len(x), len(y), x_val.shape, y_val.shape) == (20, 20, (0, 1, 1, 1), (0,))


def test_the_limit_comes_before_the_split() -> None:
    """Ten images, a fifth of them held out."""
    divided = divide(content([0, 1] * 10), Split(validation_fraction=0.2, limit=10))
    assert sorted([*divided.x_train.ravel(), *divided.x_val.ravel()]) == list(range(10))
    assert len(divided.x_val) == 2


def test_a_limit_over_the_number_of_images_takes_all() -> None:
    """`limit` is at most."""
    assert len(divide(content([0, 1] * 10), Split(validation_fraction=0.0, limit=99)).x_train) == 20


def test_a_limit_that_loses_a_class_is_told() -> None:
    """With the least limit that serves."""
    data = content([0, 0, 1, 0, 1, 2, 2])
    with pytest.raises(DataError, match="data.limit=3 .* class '2'; use data.limit=6 or more"):
        divide(data, Split(limit=3))
    assert len(divide(data, Split(limit=6, validation_fraction=0.0)).x_train) == 6


@pytest.mark.parametrize(
    ("y", "fraction", "text"),
    [
        pytest.param([0, 1] * 4, 0.01, "of 8 images is none; use 0.125 or more", id="small"),
        pytest.param([0, 1] * 4, 0.9, "a class without .*; use 0.75 or less", id="large"),
        pytest.param([0, 1], 0.5, "every class needs two images or more", id="single-images"),
        pytest.param([0, 1], 0.1, " of 2 .* or type data.validation_fraction=0", id="few"),
    ],
)
def test_a_fraction_that_does_not_serve_is_told(y: list[int], fraction: float, text: str) -> None:
    """With the name of the setting and a value that serves."""
    with pytest.raises(DataError, match=f"data.validation_fraction={fraction}.*{text}"):
        divide(content(y), Split(validation_fraction=fraction))


def test_the_fraction_that_is_recommended_serves() -> None:
    """What the messages say to type is accepted."""
    for fraction in (0.125, 0.75):
        assert len(divide(content([0, 1] * 4), Split(validation_fraction=fraction)).x_val) in (1, 6)


def test_the_digest_is_frozen() -> None:
    """Stored identities rely on it; it covers name, type, shape and bytes of each array."""
    text = b"".join(
        f"{name} {kind} {shape}\n".encode() + np.arange(2, dtype=order).tobytes()
        for name, kind, shape, order in (
            ("x_train", "uint8", "(2, 1, 1, 1)", "u1"),
            ("y_train", "int64", "(2,)", "<i8"),
            ("x_test", "uint8", "(2, 1, 1, 1)", "u1"),
            ("y_test", "int64", "(2,)", "<i8"),
        )
    )
    assert digest(content([0, 1])) == hashlib.sha256(text).hexdigest()


def test_the_digest_sees_every_array() -> None:
    """A change in any of the four is another data set."""
    base = content([0, 1, 0, 1])
    digests = {digest(base)}
    for name in ("x_train", "y_train", "x_test", "y_test"):
        changed = {**vars(base), name: vars(base)[name][::-1]}
        digests.add(digest(Content(**changed)))
    assert len(digests) == 5


def test_from_the_second_rules_on_names_and_validation_are_in_the_digest() -> None:
    """A class that was renamed, or another validation image, is another data set."""
    second = replace(content([0, 1]), rules=2)
    own = np.ones((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64)
    digests = {
        digest(content([0, 1])),
        digest(second),
        digest(replace(second, class_names=("cat", "dog"))),
        digest(replace(second, x_val=own[0], y_val=own[1])),
        digest(replace(second, x_val=own[0] * 2, y_val=own[1])),
    }
    assert len(digests) == 5
