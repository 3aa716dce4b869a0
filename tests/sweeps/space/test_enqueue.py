"""Points that a sweep is told to try first."""

import json
from pathlib import Path

import optuna
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.enqueue import is_complete, parse_points
from cnn_sweeps.sweeps.space.space import parse_space

SPACE = parse_space(
    {
        "model.conv_blocks": "range(0,4)",
        "model.filters": {
            "sweep": "choice(16,[16,32],32)",
            "when": {"model.conv_blocks": ">0"},
        },
        "model.dropout": "interval(0.0,0.5)",
        "+note": "'a b',c",
    }
)
POINT = {"model.conv_blocks": 2, "model.filters": 32}


@pytest.mark.parametrize(
    "entry",
    [
        "model.filters=32 model.conv_blocks=2",
        "  model.conv_blocks=2\n  model.filters=32 ",
        ["model.filters=32", "model.conv_blocks=2"],
        {"model.filters": 32, "model.conv_blocks": 2},
        {"model": {"filters": 32, "conv_blocks": 2}},
        {"model.filters": "32", "model": {"conv_blocks": 2.0}},
    ],
    ids=["string", "lines", "list", "mapping", "nested", "mixed"],
)
def test_a_point_can_be_written_in_three_ways(entry: object) -> None:
    """A string, a list of overrides and a mapping are one point, in the order of the space."""
    (point,) = parse_points([entry], SPACE)
    assert list(point.items()) == list(POINT.items())


@pytest.mark.parametrize(
    ("entry", "point"),
    [
        ("+note='a b' model.dropout=0", {"model.dropout": 0.0, "+note": "a b"}),
        ("note=c", {"+note": "c"}),
        (
            "model.filters=[16, 32] model.conv_blocks=1",
            {"model.conv_blocks": 1, "model.filters": "[16,32]"},
        ),
        (
            {"model.filters": [16, 32], "model.conv_blocks": 1},
            {"model.conv_blocks": 1, "model.filters": "[16,32]"},
        ),
        ("model.dropout=0.5", {"model.dropout": 0.5}),
    ],
)
def test_values_become_the_labels_of_their_dimensions(
    entry: object, point: dict[str, object]
) -> None:
    """Blanks within a value, lists, an added key and the ends of an interval are read."""
    assert repr(parse_points([entry], SPACE)) == repr([point])


def test_points_can_be_typed_in_hydras_syntax() -> None:
    """What Hydra reads from the command line is a list of points."""
    typed = "e=['model.filters=32 model.conv_blocks=2',{model.conv_blocks:0}]"
    entries = OverridesParser.create().parse_override(typed).value()
    assert parse_points(entries, SPACE) == [POINT, {"model.conv_blocks": 0}]


def test_nothing_to_enqueue_is_no_point() -> None:
    """An empty list asks for nothing."""
    assert parse_points([], SPACE) == []


def test_every_cell_of_the_exercise_can_be_enqueued() -> None:
    """The overrides of any cell are read back as that cell, and leave nothing open."""
    conf = Path(__file__).parents[3] / "conf" / "search" / "exercise.yaml"
    space = parse_space(yaml.safe_load(conf.read_text())["params"])
    cells = list(space.cells())
    points = parse_points([" ".join(space.overrides(cell)) for cell in cells], space)
    assert points == cells
    assert len(cells) == space.size == 20
    assert all(is_complete(point, space) for point in points)


@pytest.mark.parametrize(
    ("point", "whole"),
    [
        (POINT, False),
        ({**POINT, "model.dropout": 0.1, "+note": "c"}, True),
        ({"model.conv_blocks": 0, "model.dropout": 0.1, "+note": "c"}, True),
        ({"model.conv_blocks": 1, "model.dropout": 0.1, "+note": "c"}, False),
        ({}, False),
    ],
    ids=["partial", "all", "without-the-inactive", "without-an-active", "empty"],
)
def test_a_point_is_complete_when_every_active_key_is_given(
    point: dict[str, object], whole: bool
) -> None:
    """What does not count need not be given."""
    assert is_complete(point, SPACE) is whole


def test_the_sampler_fills_in_what_a_point_leaves_open() -> None:
    """A partial point waits in the queue, and comes out with its values and others beside."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(json.loads(json.dumps(POINT)))
    suggested = SPACE.suggest(study.ask())
    assert suggested | POINT == suggested
    assert is_complete(suggested, SPACE)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("model.filter=32", r"`model.filter` is not swept \(did you mean `model.filters`\?\)"),
        ("trainer.epochs=3", r"an entry sets model.conv_blocks, .* once: trainer.epochs=VALUE"),
        ("model.conv_blocks=4", "`model.conv_blocks=4` is not one of `model.conv_blocks=0,1,2,3`"),
        ("model.dropout=0.6", r"`model.dropout=0.6` is not one of .*interval\(0.0,0.5\)"),
        ({"model.dropout": True}, "`model.dropout=True` is not one of"),
        ("model.filters=32 model.conv_blocks=0", "when model.conv_blocks>0, and .* is 0; leave"),
        ("model.filters=32", "when model.conv_blocks>0, and .* is left open; add it"),
        ("model.dropout=0.1 model.dropout=0.2", "`model.dropout` is given twice"),
        (["+note=c", "note=c"], "`note` is given twice"),
        ("model.conv_blocks=1,2", "`model.conv_blocks=1,2` is not one value"),
        ("~model.conv_blocks", "`~model.conv_blocks` is not one value"),
        ("model.conv_blocks", "'model.conv_blocks' is not KEY=VALUE"),
        ("", "the entry is empty; type"),
        ({}, "the entry is empty"),
        ([], "the entry is empty"),
        (5, "`5` is not a set of params"),
        ([{"model.conv_blocks": 1}], "is not a set of params"),
    ],
    ids=str,
)
def test_a_point_that_cannot_be_tried_is_refused(entry: object, said: str) -> None:
    """The message names the entry, what is wrong with it and what there is."""
    with pytest.raises(ConfigError, match=said) as refusal:
        parse_points(["model.conv_blocks=3", entry], SPACE)
    assert str(refusal.value).startswith("hydra.sweeper.enqueue, entry 2 of 2: ")


def test_a_point_given_twice_is_refused() -> None:
    """The same values in another form are the same point."""
    entries = ["model.conv_blocks=2", POINT, "model.filters=32 model.conv_blocks=2"]
    with pytest.raises(ConfigError, match="entry 3 of 3: .* is already entry 2; leave one"):
        parse_points(entries, SPACE)


@pytest.mark.parametrize("entries", ["model.conv_blocks=2", {"model.conv_blocks": 2}, 5], ids=str)
def test_a_single_point_must_stand_in_a_list(entries: object) -> None:
    """A bare string or mapping shows what to type."""
    with pytest.raises(ConfigError, match=r"is not a list; use \"hydra.sweeper.enqueue=\['model"):
        parse_points(entries, SPACE)
