"""What a sweep is after, and how its trials are ranked."""

import itertools
import json
import math
from pathlib import Path

import optuna
import pytest
import yaml

from cnn_sweeps.errors import ConfigError, RunFailedError
from cnn_sweeps.sweeps.plan.objectives import METRICS, ObjectiveError, Objectives
from cnn_sweeps.sweeps.space.space import parse_space

BEST = Objectives.parse({"val_accuracy": "maximize"})
TRADE = Objectives.parse({"val_accuracy": "maximize", "train_seconds": "minimize"})
SPACES = sorted((Path(__file__).parents[3] / "conf" / "search").glob("*.yaml"))


def test_objectives_keep_their_order() -> None:
    """Names and directions stand as they were given."""
    assert TRADE.names == ("val_accuracy", "train_seconds")
    assert TRADE.directions == ("maximize", "minimize")
    assert str(TRADE) == "maximize val_accuracy, minimize train_seconds"


@pytest.mark.parametrize("name", [name for name in METRICS if "second" in name], ids=str)
def test_what_compares_seconds_is_timed(name: str) -> None:
    """So that a run of another machine is no answer."""
    assert Objectives.parse({"val_accuracy": "maximize", name: "minimize"}).are_timed
    assert not BEST.are_timed


def test_nothing_given_means_the_greatest_validation_accuracy() -> None:
    """An empty mapping is the default objective."""
    assert Objectives.parse({}) == BEST


def test_objectives_survive_storage() -> None:
    """JSON brings back equal objectives, in their order."""
    assert Objectives.from_json(json.loads(json.dumps(TRADE.to_json()))) == TRADE


@pytest.mark.parametrize("name", METRICS)
def test_any_logged_metric_can_be_an_objective(name: str) -> None:
    """Each metric of a run is accepted by its name."""
    assert Objectives.parse({name: "minimize"}).names == (name,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"test_accuracy": "maximize"}, "scored for the winner only.*val_accuracy: maximize"),
        ({"val_acuracy": "maximize"}, r"did you mean `val_accuracy`\?.*loss, accuracy, val_loss"),
        ({"zzz": "maximize"}, "`zzz` is not a metric; the metrics are"),
        ({"val_accuracy": "max"}, "=max is not a direction; type minimize or maximize"),
        ({"val_accuracy": None}, "=None is not a direction"),
        ({"macro_f1": "maximize"}, r"did you mean `val_macro_f1`\?.*val_top_K_accuracy and those"),
        ({"val_mine": "maximize"}, "of your own in trainer.metrics"),
        ("val_roc_auc", r"type 'hydra.sweeper.objectives=\{val_roc_auc: maximize\}'"),
        ("val_accuracy", r"has no direction; type 'hydra.sweeper.objectives=\{val_accuracy: max"),
        ("train_seconds", r"type 'hydra.sweeper.objectives=\{train_seconds: minimize\}'"),
    ],
    ids=[
        *("test-split", "misspelt", "unknown", "direction", "null", "no-split", "not-listed"),
        *("metric", "rising", "falling"),
    ],
)
def test_impossible_objectives_are_refused(given: object, said: str) -> None:
    """The error names what was given and shows what to type."""
    with pytest.raises(ConfigError, match=said):
        Objectives.parse(given)


def test_metrics_of_each_epoch_can_be_objectives() -> None:
    """Those of the program are measured for it; one's own are where they are listed."""
    settings = {
        "val_macro_f1": "maximize",
        "val_top_3_accuracy": "maximize",
        "val_mine": "minimize",
    }
    asked = Objectives.parse({**settings, "val_loss": "minimize"}, own=["mine"])
    assert asked.measured == ("macro_f1", "top_3_accuracy")


def test_a_validation_metric_needs_a_validation_split() -> None:
    """Without held-out images the remedy is either a split or another metric."""
    with pytest.raises(ConfigError, match=r"validation_fraction=0\.1, or .*\{accuracy: maximize"):
        TRADE.check(0.0)


@pytest.mark.parametrize(
    ("names", "fraction"), [("val_loss", 0.1), ("loss", 0.0)], ids=["split", "no-need"]
)
def test_objectives_that_exist_pass_the_check(names: str, fraction: float) -> None:
    """A split, or a metric that needs none, is accepted."""
    Objectives.parse({names: "minimize"}).check(fraction)


def test_values_stand_in_the_order_of_the_objectives() -> None:
    """The numbers of a run are picked by name."""
    assert TRADE.values({"train_seconds": 3, "loss": 1.0, "val_accuracy": 0.5}) == [0.5, 3.0]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"val_accuracy": math.nan}, "`val_accuracy` is nan"),
        ({"val_accuracy": math.inf}, "`val_accuracy` is inf"),
        ({"loss": 0.5}, "no `val_accuracy`; it has loss"),
        ({}, "it has no metrics"),
    ],
    ids=["nan", "inf", "missing", "nothing"],
)
def test_a_run_without_a_number_has_failed(metrics: dict[str, float], said: str) -> None:
    """A metric that cannot be ranked fails the trial and leaves the sweep going."""
    with pytest.raises(ObjectiveError, match=said) as failure:
        BEST.values(metrics)
    assert isinstance(failure.value, RunFailedError)


def test_one_objective_ranks_by_its_direction() -> None:
    """The best comes first, equals keep their order, failed ones come last."""
    rows = [("a", [0.5]), ("failed", None), ("b", [0.9]), ("c", [0.5])]
    names = [name for name, _ in BEST.rank(rows, lambda row: row[1])]
    assert names == ["b", "a", "c", "failed"]
    down = Objectives.parse({"loss": "minimize"})
    assert [name for name, _ in down.rank(rows, lambda row: row[1])] == ["a", "c", "b", "failed"]


def test_several_objectives_rank_by_fronts() -> None:
    """The Pareto front comes first, then what only the front beats."""
    rows = [[0.5, 9.0], [0.9, 5.0], [0.8, 1.0], [0.7, 4.0]]
    assert TRADE.rank(rows, lambda row: row) == [
        [0.9, 5.0],
        [0.8, 1.0],
        [0.7, 4.0],
        [0.5, 9.0],
    ]


@pytest.mark.parametrize("directions", list(itertools.product(["minimize", "maximize"], repeat=3)))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_front_is_that_of_optuna(directions: tuple[str, ...], count: int) -> None:
    """The same trials are best as in Optuna, equal ones included."""
    names = METRICS[:count]
    objectives = Objectives(names=names, directions=directions[:count])
    values = [
        [float((7 * number + 3 * axis * number) % (5 + axis)) for axis in range(count)]
        for number in range(24)
    ]
    study = optuna.create_study(directions=directions[:count])
    for value in values:
        study.tell(study.ask(), value)
    best = {trial.number for trial in study.best_trials}
    front = objectives.pareto_front(values)
    # With one objective Optuna names a single best trial; here its equals are with it.
    assert best <= set(front) if count == 1 else best == set(front)
    assert {tuple(values[index]) for index in front} == {tuple(values[index]) for index in best}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ranked_are_the_fronts_one_after_another(count: int) -> None:
    """Each is the Pareto front of what is left; in it the first objective decides, then the tie."""
    objectives = Objectives(
        names=METRICS[:count], directions=("minimize", "maximize", "minimize")[:count]
    )
    rows = [
        (number, [float((7 * number + 3 * axis * number) % (5 + axis)) for axis in range(count)])
        for number in range(40)
    ]
    left, expected = list(rows), []
    while left:
        front = [left[index] for index in objectives.pareto_front([values for _, values in left])]
        expected += sorted(front, key=lambda row: (objectives._costs(row[1]), -row[0]))
        left = [row for row in left if row not in front]
    assert objectives.rank(rows, lambda row: row[1], lambda row: (-row[0],)) == expected


def test_many_trials_are_ranked_in_a_moment() -> None:
    """Front by front each of these values would be compared with each: for minutes."""
    values = [float(number * 7_919 % 20_011) for number in range(20_011)]
    assert BEST.rank(values, lambda value: [value]) == sorted(values, reverse=True)
    pairs = [[value, value] for value in values]  # more accurate takes longer: one front
    assert len(TRADE.rank(pairs[:500], lambda pair: pair)) == 500


def test_no_values_have_no_front() -> None:
    """A sweep in which nothing finished has an empty front."""
    assert BEST.pareto_front([]) == []


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.stem)
def test_every_ready_made_search_can_be_searched(file: Path) -> None:
    """Each file of conf/search is for the sweeper, and has a budget when it needs one."""
    text = file.read_text()
    assert text.startswith("# @package hydra.sweeper\n")
    search = yaml.safe_load(text)
    if others := search.pop("defaults", None):  # another name of a space
        assert all((file.parent / f"{other}.yaml") in SPACES for other in others)
        assert search == {}
        return
    space = parse_space(search.pop("params"))
    Objectives.parse(search.pop("objectives", {}))
    assert space.size is not None or search.pop("n_trials") > 0
    assert search == {}


def test_the_exercise_asks_the_questions_of_the_notebook() -> None:
    """Filters 16, 32, 64, no to three blocks, and two lengths of training."""
    (file,) = (file for file in SPACES if file.stem == "exercise")
    space = parse_space(yaml.safe_load(file.read_text())["params"])
    assert str(space) == (
        "model.conv_blocks=0,1,2,3 model.filters=16,32,64 (when model.conv_blocks>0) "
        "trainer.epochs=2,5"
    )
