"""Weights of classes: balanced as scikit-learn's, or by name or number."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from configs import config
from networks import dataset, settings
from sklearn.utils.class_weight import compute_class_weight

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.training import class_weights

NAMES = ("dark", "grey", "bright")


def test_balanced_is_that_of_scikit_learn() -> None:
    """Over the training images."""
    data = dataset(images=50)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=data.y_train)
    weights = class_weights.of_classes(settings(class_weight="balanced"), data)
    assert weights == pytest.approx(expected)


def test_a_class_without_images_takes_nothing_from_the_others() -> None:
    """As if it were not there."""
    data = dataset(images=2, held_out=0)  # of three classes
    weights = class_weights.of_classes(settings(class_weight="balanced"), data)
    assert weights is not None
    assert weights[:2].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"dark": 2.0}, {"dark": 2.0}),
        ({"0": 2.0}, {"dark": 2.0}),
        ({"2": 0.5, "dark": 2.0}, {"dark": 2.0, "bright": 0.5}),
        ({"dark": 2.0, "grey": 1.0}, {"dark": 2.0}),
        ({"dark": 1.0}, "none"),
        ({}, "none"),
        ("none", "none"),
        ("balanced", "balanced"),
    ],
)
def test_weights_have_one_form_however_they_were_typed(given: Any, named: Any) -> None:
    """By name, in the order of the classes, without those that change nothing."""
    kept = class_weights.named_weights(settings(class_weight=given), NAMES)
    assert kept.class_weight == named
    assert class_weights.named_weights(kept, NAMES) == kept
    if isinstance(named, dict):
        assert list(kept.class_weight) == list(named)


def test_a_name_that_is_a_number_comes_first() -> None:
    """Classes called 1 and 0: what is typed is a name, as it is shown."""
    kept = class_weights.named_weights(settings(class_weight={"1": 3.0}), ("1", "0"))
    assert class_weights.named_weights(kept, ("1", "0")).class_weight == {"1": 3.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cat": 2.0}, r"names the class cat.*\n.*dark, grey, bright.*0 to 2"),
        ({"3": 2.0}, "names the class 3"),
        ({"-1": 2.0}, "names the class -1"),
        ({"dark": 2.0, "0": 3.0}, "two weights for the class dark"),
        ({"dark": 0.0, "grey": 0.0, "bright": 0.0}, "no weight above 0"),
    ],
)
def test_what_cannot_be_weighed_is_refused(given: Any, message: str) -> None:
    """In one or two lines that name it."""
    with pytest.raises(ConfigError, match=message):
        class_weights.named_weights(settings(class_weight=given), NAMES)


def test_weights_of_a_phase_have_that_form_too() -> None:
    """One training has one hash, however a phase was typed."""
    asked = [
        config(trainer={"epochs": 2, "phases": [{"first": 2, key: weights}]})
        for key, weights in (
            ("class_weight", {"2": 2, "grey": 1}),
            ("trainer.class_weight", {"bright": 2.0}),
        )
    ]
    one, other = (
        identify(replace(each, trainer=class_weights.named_weights(each.trainer, NAMES)), "d" * 64)
        for each in asked
    )
    assert one == other
    assert one.config_hash != identify(asked[0], "d" * 64).config_hash


def test_a_phase_with_the_weights_that_hold_already_is_none() -> None:
    """Also where they were typed in another way."""
    typed = {"epochs": 2, "class_weight": {"dark": 2.0}}
    asked = config(trainer={**typed, "phases": [{"first": 2, "class_weight": {"0": 2.0}}]})
    named = replace(asked, trainer=class_weights.named_weights(asked.trainer, NAMES))
    assert identify(named, "d" * 64) == identify(config(trainer=typed), "d" * 64)


def test_a_class_that_there_is_not_is_refused_in_a_phase() -> None:
    """As where training begins."""
    asked = config(trainer={"epochs": 2, "phases": [{"first": 2, "class_weight": {"cat": 2.0}}]})
    with pytest.raises(ConfigError, match="names the class cat"):
        class_weights.named_weights(asked.trainer, NAMES)
