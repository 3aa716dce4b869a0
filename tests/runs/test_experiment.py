"""An experiment is identified with its images at hand."""

from dataclasses import replace

from configs import config

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.provenance.identity import identify
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


def test_what_is_stored_gives_the_hash_again() -> None:
    """Of a config that was changed after it was read, and of a phase that does nothing here."""
    plain = config()
    changed = replace(plain, trainer=replace(plain.trainer, clip_norm=1))
    phases = [{"first": 3, "class_weight": {"0": 1}}]
    schedule = {"name": "cosine"}
    same = config(trainer={"epochs": 5, "schedule": schedule, "phases": phases})
    for asked in (changed, same):
        known = Experiment.load(asked)
        read = load_stored(to_json(known.config))
        assert identify(read, known.dataset.digest) == known.identity
    first = Experiment.load(config(trainer={"epochs": 5, "schedule": schedule}))
    assert Experiment.load(same).identity == first.identity
    assert (
        Experiment.load(changed).identity
        == Experiment.load(config(trainer={"clip_norm": 1})).identity
    )
