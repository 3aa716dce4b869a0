"""Metrics of the validation split: what is refused, what is computed, what is never moved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configs import config
from networks import dataset, experiment, network

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import ConfigError, ModelError
from cnn_sweeps.evaluation import metrics as formulas
from cnn_sweeps.provenance.identity import Identity, identify
from cnn_sweeps.training import stopping, validation_metrics
from cnn_sweeps.training.validation_metrics import ValidationMetrics

OWN = """
import numpy as np
from threshold import LIMIT

DRAWN = np.random.RandomState(0)


def sure(labels, probabilities):
    return np.mean(probabilities.max(axis=1) > LIMIT)


def macro_f1(labels, probabilities):
    return 0.5


def undefined(labels, probabilities):
    return float("nan")


def each(labels, probabilities):
    return labels == probabilities.argmax(axis=1)


def text(labels, probabilities):
    return "good"


def noisy(labels, probabilities):
    return DRAWN.rand()


def broken(labels, probabilities):
    return probabilities[0, 99]
"""
DIGEST = "d" * 64
LABELS = np.array([0, 1, 2, 1])


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own functions are in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_metrics.py").write_text(OWN)
    (tmp_path / "threshold.py").write_text("LIMIT = 0.5\n")


def trainer(**fields: Any) -> TrainerConfig:
    """A trainer with these fields."""
    return config(trainer=fields).trainer


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metrics": ["macro_f2"]}, r"is not a metric \(did you mean macro_f1\?\)"),
        ({"metrics": ["val_roc_auc"]}, r"did you mean roc_auc\?"),
        ({"metrics": ["top_0_accuracy"]}, "top_K_accuracy, or your own package.module:function"),
        ({"metrics": ["nowhere:f"]}, "nowhere"),
        ({"metrics": ["own_metrics:macro_f1"]}, "macro_f1 is a metric of this program"),
        ({"metrics": ["brier", "brier"]}, "there are 2 of the name brier"),
        ({"stop_at": {"macro_f1": 1.0}}, r"did you mean val_macro_f1\?"),
        ({"stop_at": {"val_sure": 1.0}}, "trainer.stop_at=val_sure is not a metric"),
        (
            {"early_stopping": {"patience": 1, "monitor": "accuracy"}},
            r"did you mean val_accuracy\?",
        ),
        (
            {
                "metrics": ["own_metrics:sure"],
                "early_stopping": {"patience": 1, "monitor": "val_sure"},
            },
            r"Type trainer.metrics=\[own_metrics:sure:min\]",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:50],
)
def test_what_is_no_metric_is_refused(fields: dict[str, Any], message: str) -> None:
    """Before anything is imported, with what is possible."""
    with pytest.raises(ConfigError, match=message):
        validation_metrics.check(trainer(**fields), 0.1)


@pytest.mark.parametrize(
    ("first", "later", "message"),
    [
        (
            "val_loss",
            "val_macro_f2",
            r"trainer.schedule.monitor=val_macro_f2 is not .*val_macro_f1\?",
        ),
        ("val_loss", "macro_f1", r"did you mean val_macro_f1\?"),
        ("val_loss", "val_sure", "a later phase cannot begin to follow"),
    ],
)
def test_what_no_learning_rate_can_follow_is_refused(first: str, later: str, message: str) -> None:
    """A metric that there is not, and a function whose files no trajectory hash would hold."""

    def following(monitor: str) -> TrainerConfig:
        schedule = {"name": "reduce_on_plateau", "monitor": monitor}
        return trainer(metrics=["own_metrics:sure:min"], schedule=schedule)

    for possible in ("loss", "accuracy", "val_accuracy", "val_brier", "val_sure"):
        validation_metrics.check_plateau(following(possible), following(possible))
    with pytest.raises(ConfigError, match=message):
        validation_metrics.check_plateau(following(later), following(first))


def test_metrics_need_validation_images() -> None:
    """There is nothing else that they could be of."""
    with pytest.raises(ConfigError, match="holds out none"):
        validation_metrics.check(trainer(metrics="macro_f1"), 0.0)
    with pytest.raises(ConfigError, match="watches val_brier"):
        stopping.check(trainer(stop_at={"val_brier": 0.1}), 0.0)


@pytest.mark.parametrize(
    ("name", "labels", "classes", "message"),
    [
        ("roc_auc", np.zeros(4, np.int64), 3, "images of 2 classes, and there are images of 1"),
        ("top_3_accuracy", LABELS, 3, "is 1 for 3 classes"),
    ],
)
def test_what_says_nothing_of_these_images_is_refused(
    name: str, labels: Any, classes: int, message: str
) -> None:
    """Before the first epoch, and not with a number that looks like one."""
    with pytest.raises(ConfigError, match=message):
        ValidationMetrics.of(trainer(metrics=[name]), labels, classes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("undefined", "returned nan.\nReturn a finite number"),
        ("each", r"returned ndarray of shape \(3,\)"),
        ("text", "returned 'good'"),
        ("noisy", "another number each time"),
        ("broken", "failed.*own_metrics.py.*IndexError"),
    ],
)
def test_a_function_that_is_no_metric_is_refused(name: str, message: str) -> None:
    """It is tried before the first epoch."""
    with pytest.raises(ModelError, match=message):
        ValidationMetrics.of(trainer(metrics=[f"own_metrics:{name}"]), LABELS, 3)


def test_values_have_the_names_of_an_epoch() -> None:
    """Those that are listed and those that stop the training, each once."""
    asked = trainer(
        metrics=["brier", "own_metrics:sure:max", "accuracy"],
        stop_at={"val_macro_f1": 0.9, "loss": 0.1},
        early_stopping={"patience": 1, "monitor": "val_brier"},
    )
    scores = np.array([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3], [0.2, 0.5, 0.3]])
    found = ValidationMetrics.of(asked, LABELS, 3).values(scores)
    assert found == {
        "val_brier": formulas.brier(LABELS, scores),
        "val_sure": 0.5,
        "val_macro_f1": formulas.macro_f1(LABELS, scores),
    }


def named(*metrics: str, **fields: Any) -> Identity:
    """The hashes of an experiment with these metrics."""
    return identify(config(trainer={"metrics": list(metrics), **fields}), DIGEST)


def test_metrics_that_are_looked_at_are_no_other_experiment() -> None:
    """Nothing is trained in another way, nor stops at another epoch."""
    assert named("macro_f1", "top_3_accuracy") == named()


def test_a_metric_that_stops_the_training_is_another_experiment_of_one_trajectory() -> None:
    """It decides how long, and no more."""
    early = {"patience": 1, "monitor": "val_macro_f1"}
    found, plain = named(early_stopping=early), named(early_stopping={"patience": 1})
    assert found.config_hash != plain.config_hash
    assert found.trajectory_hash == plain.trajectory_hash == named().trajectory_hash


@pytest.mark.parametrize("file", ["own_metrics.py", "threshold.py"])
def test_the_files_of_an_own_metric_are_in_the_config_hash(file: str) -> None:
    """Its own and what it imports, as those of a network; the trajectory stays."""
    before, plain = named("own_metrics:sure"), named()
    assert before.config_hash != plain.config_hash
    assert before == named("brier", "own_metrics:sure")
    Path(file).write_text(Path(file).read_text() + "\nMORE = 1\n")
    after = named("own_metrics:sure")
    assert after.config_hash != before.config_hash
    assert after.trajectory_hash == before.trajectory_hash == plain.trajectory_hash


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val_macro_f1", [0.1, 0.3, 0.2], 2),
        ("val_brier", [0.3, 0.1, 0.2], 2),
        ("val_log_loss", [0.3, 0.1, 0.2], 2),
        ("val_sure", [0.3, 0.1, 0.2], 2),
    ],
)
def test_the_direction_of_a_monitor_is_that_of_its_metric(
    metric: str, values: list[float], best: int
) -> None:
    """Known of those of the program, stated for one's own."""
    from cnn_sweeps.training.epoch import Epoch

    asked = trainer(
        metrics=["own_metrics:sure:min"], early_stopping={"patience": 1, "monitor": metric}
    )
    history = [
        Epoch(
            number=number,
            loss=1.0,
            accuracy=0.5,
            val_loss=1.0,
            val_accuracy=0.5,
            seconds=1.0,
            images_per_second=1.0,
            measured={metric: value},
        )
        for number, value in enumerate(values, start=1)
    ]
    assert stopping.best_epoch(asked, history) == best
    assert stopping.stop_early(asked)(history) == f"{metric} no better than in epoch 2 at epoch 3"
    limit = trainer(metrics=["own_metrics:sure:min"], stop_at={metric: values[1]})
    (rule,) = stopping.rules(limit)
    assert [bool(rule(history[:n])) for n in (1, 2, 3)] == [False, True, False]


@pytest.mark.slow
def test_measuring_moves_nothing_that_training_goes_on_from() -> None:
    """Not even the draws of a layer that makes noise when it predicts."""
    import keras

    from cnn_sweeps.training import loop, state

    class Noise(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(3)

        def call(self, x: Any) -> Any:
            return x + keras.random.normal((1, 3), seed=self.seeds)

    plain = network()
    model = keras.Model(plain.inputs, keras.layers.Softmax()(Noise()(plain.output)))
    data = dataset(40, 12)
    asked = trainer(metrics=["macro_f1"])
    trainer_of = loop.Trainer.compile(model, data, experiment(asked))
    before = state.snapshot(model)
    epoch = next(trainer_of.epochs())
    after = state.snapshot(model)
    measured = trainer_of.measure(epoch)
    assert set(measured.measured) == {"val_macro_f1"}
    assert all(np.array_equal(value, after[key]) for key, value in state.snapshot(model).items())
    assert not all(np.array_equal(value, before[key]) for key, value in after.items())


def test_a_file_that_a_metric_reads_makes_other_stored_values(tmp_path: Path) -> None:
    """What was stored with the other one is not read; of a finished run the last one counts."""
    (tmp_path / "reading_metric.py").write_text(
        "import json\n"
        "from pathlib import Path\n"
        "COSTS = json.loads(Path('costs.json').read_text())\n"
        "def cost(labels, probabilities):\n"
        "    return sum(COSTS[int(n)] for n in probabilities.argmax(axis=1) != labels)\n"
    )
    stored: dict[str, float] = {}
    for costs, value in (("[0, 1]", 0.1), ("[0, 3]", 0.3), ("[0, 3]", 0.3)):
        (tmp_path / "costs.json").write_text(costs)
        trainer = TrainerConfig(metrics=("reading_metric:cost",))
        measured = ValidationMetrics.of(trainer, LABELS, 3)
        stored |= measured.stored({"val_cost": value})
        assert measured.known(stored) == {"val_cost": value}
    assert list(stored.values()) == [0.1, 0.3]
    key = validation_metrics.key_of("reading_metric:cost")
    assert validation_metrics.stored_value(stored, key) == 0.3
    assert validation_metrics.stored_value(stored, "macro_f1") is None
