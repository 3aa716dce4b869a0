"""A user's own loss: what it is called with, what it moves, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configs import config
from networks import dataset, experiment, network, settings

from cnn_sweeps.errors import ConfigError, ModelError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.experiment import Experiment

DIGEST = "d" * 64
LOSSES = """
import keras
import numpy as np
import tensorflow as tf

KEPT = tf.Variable(1.0)


def plain(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def mean(y_true, y_pred):
    return keras.ops.mean(plain(y_true, y_pred))


def focal(y_true, y_pred):
    share = tf.gather(y_pred, y_true, axis=1, batch_dims=1)
    return -((1 - share) ** 2) * tf.math.log(share)


def squared(y_true, y_pred):
    return (keras.ops.one_hot(y_true, y_pred.shape[1]) - y_pred) ** 2


def of_classes(y_true, y_pred):
    return keras.ops.mean(y_pred, axis=0)


def counted(y_true, y_pred):
    return tf.cast(tf.argmax(y_pred, axis=1) == y_true, "float32")


def outside(y_true, y_pred):
    return tf.numpy_function(lambda scores: scores[:, 0], [y_pred], tf.float32)


def noisy(y_true, y_pred):
    return plain(y_true, y_pred) * tf.random.uniform(())


def kept(y_true, y_pred):
    return plain(y_true, y_pred) * KEPT


def infinite(y_true, y_pred):
    return plain(y_true, y_pred) / 0.0


def broken(y_true, y_pred):
    raise KeyError("beta")


def alone(y_true):
    return y_true
"""


@pytest.fixture(autouse=True)
def _losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own functions are in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_losses.py").write_text(LOSSES)


def trained(loss: str | None) -> tuple[list[Any], Any, float]:
    """A training of one epoch: final weights, the epoch, and the validation loss afterwards."""
    from cnn_sweeps.training import loop

    model, data = network(), dataset()
    asked = settings(loss=loss and f"own_losses:{loss}")
    trainer = loop.Trainer.compile(model, data, experiment(asked))
    epoch = next(trainer.epochs())
    return model.get_weights(), epoch, trainer.evaluate(data.x_val, data.y_val)[0]


def test_the_mean_over_the_images_is_minimised() -> None:
    """Whether the function gives a value for each image, or their mean itself."""
    from cnn_sweeps.training import own_loss

    labels, scores = np.array([0, 2]), np.array([[0.5, 0.25, 0.25], [0.7, 0.2, 0.1]], "float32")
    true = scores[[0, 1], labels]
    plain, mean, focal = (
        float(own_loss.find_loss(f"own_losses:{loss}", 3)(labels, scores))
        for loss in ("plain", "mean", "focal")
    )
    assert [plain, mean] == pytest.approx([-np.log(true).mean()] * 2, rel=1e-5)
    assert focal == pytest.approx((-((1 - true) ** 2) * np.log(true)).mean(), rel=1e-5)


@pytest.mark.slow
def test_only_training_has_it() -> None:
    """Cross-entropy written by hand trains as the built-in one; another loss trains otherwise."""
    built_in, plain, mean, focal = (trained(loss) for loss in (None, "plain", "mean", "focal"))
    for own in (plain, mean):
        for one, other in zip(built_in[0], own[0], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert own[1].loss == pytest.approx(built_in[1].loss, rel=1e-4)
        assert own[1].accuracy == built_in[1].accuracy
    assert not np.allclose(focal[0][0], built_in[0][0])
    assert focal[1].loss < built_in[1].loss
    # What is reported of validation images is the cross-entropy of its weights.
    data, model = dataset(), network()
    model.set_weights(focal[0])
    scores = np.asarray(model(data.x_val))
    expected = -np.log(scores[np.arange(len(scores)), data.y_val]).mean()
    assert focal[1].val_loss == focal[2] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        pytest.param("squared", r"values of shape \(4, 3\) for 4 images", id="for each pair"),
        pytest.param("of_classes", r"values of shape \(3,\) for 4 images", id="for each class"),
        pytest.param("counted", "no finite value with a gradient", id="no gradient"),
        pytest.param("outside", "calls Python for each batch", id="numpy"),
        pytest.param("noisy", "draws random numbers", id="random"),
        pytest.param("kept", "keeps a state", id="variable"),
        pytest.param("infinite", "no finite value", id="infinite"),
        pytest.param("broken", r"own_losses.py:\d+: KeyError: beta", id="fails"),
    ],
)
def test_what_cannot_be_minimised_is_refused(loss: str, message: str) -> None:
    """Before training, by the key and in two lines at most."""
    from cnn_sweeps.training import own_loss

    with pytest.raises(ModelError, match=message) as refused:
        own_loss.find_loss(f"own_losses:{loss}", 3)
    assert str(refused.value).startswith(f"trainer.loss=own_losses:{loss}")
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param("focal", "trainer.loss=focal is not of the form", id="form"),
        pytest.param("own_loses:focal", "trainer.loss=own_loses:focal: there is no", id="module"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_loaded(
    function: str, message: str
) -> None:
    """By the key that was typed."""
    from cnn_sweeps.runs.composition.validate import check

    with pytest.raises(ConfigError, match=message):
        check(config(trainer={"loss": function}))


def test_a_function_of_other_arguments_is_refused_with_its_signature() -> None:
    """It is called with two."""
    from cnn_sweeps.training import own_loss

    with pytest.raises(ConfigError, match=r"too many .*\nIts signature is alone\(y_true\)"):
        own_loss.find_loss("own_losses:alone", 3)


def test_a_function_that_is_not_in_the_module_is_refused_with_those_that_are() -> None:
    """Only importing tells."""
    from cnn_sweeps.training import own_loss

    with pytest.raises(ConfigError, match="has no function fokal.\nIts functions: plain, mean"):
        own_loss.find_loss("own_losses:fokal", 3)


def test_its_files_are_part_of_the_experiment(tmp_path: Path) -> None:
    """Editing it, or what it imports, makes another training; without one, no hash moves."""
    asked = config(trainer={"loss": "own_losses:focal"})
    seen = [identify(asked, DIGEST)]
    (tmp_path / "own_losses.py").write_text(f"{LOSSES}\nfrom own_part import BETA\n")
    seen.append(identify(asked, DIGEST))
    for beta in (1, 2):
        (tmp_path / "own_part.py").write_text(f"BETA = {beta}\n")
        seen.append(identify(asked, DIGEST))
    seen += [identify(config(trainer={"loss": loss}), DIGEST) for loss in (None, "own_losses:mean")]
    assert len({each.config_hash for each in seen}) == len(seen)
    assert len({each.trajectory_hash for each in seen}) == len(seen)
    assert seen[-2] == identify(config(), DIGEST)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"class_weight": "balanced"}, id="at once"),
        pytest.param(
            {"epochs": 2, "phases": [{"first": 2, "class_weight": {"0": 2.0}}]}, id="in a phase"
        ),
    ],
)
def test_one_number_for_all_images_cannot_weigh_them(fields: dict[str, Any]) -> None:
    """Only a number for each image can count more or less."""
    from cnn_sweeps.training import loop

    model, data = network(), dataset()
    with pytest.raises(ConfigError, match="one number for all images, so trainer.class_weight"):
        loop.Trainer.compile(model, data, config(trainer={"loss": "own_losses:mean"} | fields))
    loop.Trainer.compile(model, data, config(trainer={"loss": "own_losses:plain"} | fields))


def test_it_is_found_once_for_all_phases(tmp_path: Path) -> None:
    """What is edited while a training runs is another experiment."""
    from cnn_sweeps.training import loop

    asked = config(
        trainer={
            "loss": "own_losses:plain",
            "epochs": 2,
            "phases": [{"first": 2, "optimizer.learning_rate": 0.1}],
        }
    )
    trainer = loop.Trainer.compile(network(), dataset(), asked)
    (tmp_path / "own_losses.py").write_text("raise SystemExit('edited')")
    trainer.prepare(2)
    assert trainer.model.optimizer.learning_rate.numpy() == pytest.approx(0.1)


READING = """
import json
from pathlib import Path

import tensorflow as tf

SETTINGS = json.loads(Path("loss.json").read_text())


def focal(y_true, y_pred):
    share = tf.gather(y_pred, y_true, axis=1, batch_dims=1)
    power, floor = SETTINGS
    return -((1 - share) ** power) * tf.math.log(tf.maximum(share, floor))
"""


def test_a_file_that_it_reads_makes_another_environment(tmp_path: Path) -> None:
    """No hash knows it: epochs that were trained with the other one are not continued."""
    from cnn_sweeps.runs.run import _with_loss
    from cnn_sweeps.runs.stored_epochs import environment_of

    (tmp_path / "reading_loss.py").write_text(READING)
    digests = []
    for text in ("[2.0, 1e-9]", "[2.0, 1e-9]", "[2.001, 1e-9]", "[2.0, 1e-8]"):
        (tmp_path / "loss.json").write_text(text)
        asked = Experiment(
            config=config(trainer={"loss": "reading_loss:focal"}),
            dataset=dataset(),
            identity=identify(config(), DIGEST),
        )
        digests.append(environment_of(_with_loss(asked), 1).numerics["loss"])
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    plain = replace(asked, config=config())
    assert "loss" not in environment_of(_with_loss(plain), 1).numerics
