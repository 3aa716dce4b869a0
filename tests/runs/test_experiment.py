"""An experiment is identified with its images at hand."""

from configs import config

from cnn_sweeps.runs.experiment import Experiment

ALL = 1438
"""Training images of the digits."""


def test_a_limit_of_all_images_is_none() -> None:
    """One that leaves an image out is not; a run under earlier rules keeps the hash that it has."""
    whole, everything, fewer = (
        Experiment.load(config(data={"limit": limit})) for limit in (None, ALL, ALL - 1)
    )
    assert everything.identity == whole.identity != fewer.identity
    assert everything.config.data == whole.config.data
    stored = Experiment.load(config(data={"limit": ALL}, rules=1))
    assert stored.config.data.limit == ALL
    assert stored.identity.config_hash != whole.identity.config_hash


def test_the_size_of_the_images_need_not_be_said() -> None:
    """The backbone gets the images as they are."""
    model = {"name": "pretrained", "weights": None, "backbone": {"name": "cnn"}}
    first, again, other = (
        Experiment.load(config(model={**model, "input_size": size}))
        for size in (None, [28, 28], [32, 32])
    )
    assert first.identity == again.identity != other.identity
