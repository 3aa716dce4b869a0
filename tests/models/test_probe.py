"""What tells one built network from another of the same function and params."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import CustomModel, TrainerConfig
from cnn_sweeps.models import custom
from cnn_sweeps.training import backend

NET = """
import json, os
from pathlib import Path
import keras, numpy as np
from keras import layers

READ = json.loads(Path("read.json").read_text())

class Scaled(layers.Layer):
    def call(self, x, training=False):
        self.add_loss(READ["strength"] * keras.ops.mean(x))
        x = keras.ops.stop_gradient(x) if READ["stopped"] else x
        return (x - READ["mean"]) * (READ["in_training"] if training else READ["constant"])

class Own(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.own = [layers.Flatten(), layers.Dense(16), Scaled()]
        self.own.append(layers.Dense(4, os.environ.get("OWN_ACT", "relu")))
        self.own.append(layers.Dense(READ["width"], kernel_regularizer=READ["loss"]))
        self.own.append(layers.Dense(classes, "softmax", trainable=READ["trainable"]))
        self.dropped = layers.Dropout(READ["rate"])

    def call(self, x, training=False):
        for layer in self.own:
            x = layer(x)
        return self.dropped(x, training=training)

def build(input_shape, num_classes):
    network = Own(num_classes)
    network(np.zeros((1, *input_shape), "float32"))
    network.own[3].set_weights([np.load("kernel.npy"), np.zeros(4)])
    return network
"""
READ: dict[str, Any] = {
    **{"constant": 1.0, "in_training": 1.0, "width": 3, "loss": None},
    **{"rate": 0.0, "trainable": True, "mean": 0.1307, "strength": 1e-5, "stopped": False},
}


def digest(kernel: int = 0, act: str = "relu", **read: Any) -> str:
    """Build and look, as a run does, with these parts of a network beside its file."""
    from cnn_sweeps.models import build

    np.save("kernel.npy", np.random.RandomState(kernel).normal(size=(16, 4)))
    Path("read.json").write_text(json.dumps(READ | read))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OWN_ACT", act)
        backend.configure_backend(TrainerConfig(), 0)
        model = CustomModel(function="own_net_to_look_at:build")
        return custom.examine(model, build.build_model(model, (4, 4, 1), 3)).sha256


CHANGES: list[dict[str, Any]] = [
    *({}, {"kernel": 1}, {"mean": 0.13071}, {"stopped": True}),
    *({"act": "tanh"}, {"constant": 2.0}, {"in_training": 2.0}, {"width": 5}, {"loss": "l2"}),
    *({"rate": 0.5}, {"trainable": False}, {"strength": 1.1e-5}),
]


@pytest.mark.parametrize("count", [3, pytest.param(len(CHANGES), marks=pytest.mark.slow)])
def test_whatever_makes_another_network_gives_another_digest(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Weights, sizes, constants, losses and frozen layers that the file does not hold.

    Also where what comes out is the same in three digits, or altogether.
    """
    monkeypatch.setattr(sys, "path", [str(in_tmp), *sys.path])
    (in_tmp / "own_net_to_look_at.py").write_text(NET)
    digests = [digest(**change) for change in CHANGES[:count]]
    assert len(set(digests)) == count
    assert digest() == digests[0]
