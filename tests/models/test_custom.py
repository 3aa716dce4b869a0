"""A user's own network: what is found, what is checked, and how a failure reads."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import CustomModel, DnnModel, TrainerConfig
from cnn_sweeps.errors import ConfigError, DivergedError, ModelError
from cnn_sweeps.models import custom
from cnn_sweeps.training import backend

SHAPE = (6, 6, 1)
NETS = """
import keras
from keras import layers

def build(input_shape, num_classes, width=4, activation="softmax"):
    return keras.Sequential([
        layers.Flatten(), layers.Dense(width, name="hidden"),
        layers.Dense(num_classes, activation=activation, name="last"),
    ])

def logits(input_shape, num_classes):
    return build(input_shape, num_classes, activation=None)

def fails(input_shape, num_classes):
    raise ValueError("no such thing\\nand more")

def leaves(input_shape, num_classes):
    raise SystemExit

def text(input_shape, num_classes):
    return "a model"

def nothing(input_shape, num_classes):
    build(input_shape, num_classes)

def two_outputs(input_shape, num_classes):
    image = keras.Input(input_shape)
    flat = layers.Flatten()(image)
    return keras.Model(image, [layers.Dense(num_classes)(flat), layers.Dense(1)(flat)])

def too_few(input_shape, num_classes):
    return build(input_shape, num_classes - 1)

def no_flatten(input_shape, num_classes):
    return keras.Sequential([layers.Dense(num_classes)])

def colour(input_shape, num_classes):
    return keras.Sequential([keras.Input((32, 32, 3)), *build(input_shape, num_classes).layers])

class Own(layers.Layer):
    def call(self, x, training=None):
        if training:
            raise ValueError("only while training")
        return x

def fails_later(input_shape, num_classes):
    return keras.Sequential([Own(), *build(input_shape, num_classes).layers])

class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

def deeper(x):
    raise TwoArguments("this", "that")

class Deeper(layers.Layer):
    def call(self, x, training=None):
        return deeper(x) if training else x

class NoKey(layers.Layer):
    def call(self, x, training=None):
        return x + {}["key"] if training else x

class NoAttribute(layers.Layer):
    def call(self, x):
        return x + self.kernel

def traced(input_shape, num_classes, layer):
    return keras.Sequential([globals()[layer](), *build(input_shape, num_classes).layers])

number = 3

def scored(*last, x=None):
    return keras.Sequential([layers.Flatten(), *last])

def dropped(input_shape, num_classes):
    return scored(layers.Dense(num_classes), layers.Dropout(0.5))

def convolved(input_shape, num_classes):
    return keras.Sequential([layers.Conv2D(num_classes, 6), layers.Flatten()])

def nested(input_shape, num_classes):
    return keras.Sequential([layers.Identity(), logits(input_shape, num_classes)])

def sigmoid(input_shape, num_classes):
    return build(input_shape, num_classes, activation="sigmoid")

def rectified(input_shape, num_classes):
    return build(input_shape, num_classes, activation="relu")

def activation(input_shape, num_classes):
    return scored(layers.Dense(num_classes), layers.Activation("softmax"))

def by_hand(input_shape, num_classes):
    image = keras.Input(input_shape)
    x = layers.Dense(num_classes, activation="softplus")(layers.Flatten()(image))
    return keras.Model(image, x / keras.ops.sum(x, axis=1, keepdims=True))

class Turned(keras.Model):
    def __init__(self, num_classes, training_too=True):
        super().__init__()
        self.softmax, self.training_too = layers.Softmax(), training_too
        self.flatten, self.dense = layers.Flatten(), layers.Dense(num_classes)

    def call(self, x, training=False):
        x = self.dense(self.flatten(x))
        return self.softmax(x) if self.training_too or not training else x

def subclass(input_shape, num_classes):
    return Turned(num_classes)

def two_faced(input_shape, num_classes):
    return Turned(num_classes, training_too=False)

def random(input_shape, num_classes):
    return keras.Sequential([
        layers.RandomFlip(), layers.GaussianNoise(0.1), layers.BatchNormalization(),
        *build(input_shape, num_classes).layers, layers.Identity(),
    ])
"""


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    backend.configure_backend(TrainerConfig(), 0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with the user's modules; forgotten afterwards."""
    (tmp_path / "own_nets.py").write_text(NETS)
    (tmp_path / "own_broken.py").write_text("import keras\n\ndef build(:\n")
    (tmp_path / "own_missing.py").write_text("import keras\nimport not_there_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def build(function: str, **fields: Any) -> Any:
    """A network of four classes from a function of the user's."""
    from cnn_sweeps.models import build as models

    return models.build_model(CustomModel(function=function, **fields), SHAPE, 4)


@pytest.mark.parametrize(
    "text",
    ["nets", "nets.build", "nets:", ":build", "nets:a.b", "my-nets:build", "n:b:c", "1n:b", ""],
)
def test_a_malformed_name_is_refused(text: str) -> None:
    """The form is checked before anything is imported."""
    with pytest.raises(ConfigError, match=r"not of the form package\.module:function"):
        custom.check_function_name(text)


@pytest.mark.parametrize("text", ["own_none:build", "own_none.nets:build"])
def test_a_module_that_is_nowhere_is_refused_without_an_import(text: str) -> None:
    """A slip in the module's name is told before anything is started."""
    with pytest.raises(ConfigError, match=r"there is no module own_none"):
        custom.check_there(text)


def test_a_module_that_is_there_is_not_imported_to_know() -> None:
    """A module is found, also one that cannot be imported: that is for the run to tell."""
    custom.check_there("own_broken:build")
    custom.check_there("json.own:build")
    assert "own_broken" not in sys.modules


@pytest.mark.parametrize("text", ["nets:build", "my.own.nets:_build2"])
def test_a_well_formed_name_passes(text: str) -> None:
    """Whether there is such a function is another question."""
    custom.check_function_name(text)


def test_a_network_of_the_current_directory() -> None:
    """The function gets the shape, the classes and its params, behind the scaling."""
    network = build("own_nets:build", params={"width": 5})
    assert [layer.name for layer in network.layers][:2] == ["image", "scaling"]
    assert network.count_params() == (36 + 1) * 5 + (5 + 1) * 4
    assert network.output_shape == (None, 4)


def test_its_layers_are_in_the_table() -> None:
    """The user's own layers are shown by name."""
    from cnn_sweeps.models import build as models

    names = [row.name for row in models.layer_table(build("own_nets:build"))]
    assert [name.rpartition("/")[2] for name in names][-2:] == ["hidden", "last"]


def test_raw_scores_become_probabilities() -> None:
    """With `from_logits` a softmax is put behind the network."""
    images = np.arange(72, dtype=np.uint8).reshape(2, *SHAPE)
    scores = build("own_nets:logits", from_logits=True).predict(images, verbose=0)
    assert scores.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_loss_of_raw_scores_does_not_lose_small_probabilities() -> None:
    """Keras computes the loss from the scores under the softmax: far beyond 1e-7."""
    network = build("own_nets:logits", from_logits=True)
    network.compile(loss="sparse_categorical_crossentropy")
    network.set_weights([weight * 0 for weight in network.get_weights()])
    network.weights[-1].assign([200.0, 0.0, 0.0, 0.0])
    images, labels = np.zeros((1, *SHAPE), np.uint8), np.array([1])
    assert network.evaluate(images, labels, verbose=0) == pytest.approx(200.0)


def test_scores_are_brought_to_float32() -> None:
    """A user's network under mixed precision still gives float32."""
    backend.configure_backend(TrainerConfig(precision="mixed_bfloat16"), 0)
    dtype = build("own_nets:build").outputs[0].dtype
    backend.configure_backend(TrainerConfig(), 0)
    assert dtype == "float32"


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        pytest.param(
            "own_none:build", {}, r"no module own_none\.\nLooked for own_none\.py", id="module"
        ),
        pytest.param("own_none.a:build", {}, r"no module own_none\.a\.", id="package"),
        pytest.param(
            "own_nets:bild", {}, "no function bild.\nIts functions: build, logits", id="name"
        ),
        pytest.param("own_nets:number", {}, "no function number", id="not a function"),
        pytest.param(
            "own_nets:build",
            {"wdth": 3},
            r"\(wdth\): .*unexpected keyword argument 'wdth'\.\n.*build\(input_shape, num_cl",
            id="unknown param",
        ),
    ],
)
def test_what_cannot_be_called_is_refused(function: str, params: Any, message: str) -> None:
    """What was typed wrongly is a matter of the configuration."""
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        build(function, params=params)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(
            "own_nets:fails",
            r"fails failed at .*own_nets\.py:15: ValueError: no such thing$",
            id="raises",
        ),
        pytest.param("own_nets:leaves", r"own_nets\.py:18: SystemExit: no message", id="exits"),
        pytest.param("own_nets:text", "returned a str, not a keras.Model", id="no model"),
        pytest.param("own_nets:nothing", r"returned nothing \(None\), not", id="no return"),
        pytest.param("own_nets:two_outputs", "a model with 2 outputs", id="two outputs"),
        pytest.param(
            "own_nets:too_few", r"shape \(batch, 3\), but there are 4 classes", id="classes"
        ),
        pytest.param("own_nets:no_flatten", r"shape \(batch, 6, 6, 4\), but", id="not flat"),
        pytest.param("own_nets:colour", r"on images of \(6, 6, 1\) failed: ValueError", id="input"),
        pytest.param("own_broken:build", r"own_broken\.py:3: SyntaxError", id="syntax"),
        pytest.param(
            "own_missing:build", r"own_missing\.py:2: ModuleNotFoundError", id="its imports"
        ),
    ],
)
def test_a_function_that_fails_is_blamed(function: str, message: str) -> None:
    """The message says what went wrong and where in the user's file."""
    with pytest.raises(ModelError, match=message):
        build(function)


def examined(function: str, **fields: Any) -> str:
    """The digest of a network of four classes, once it has passed."""
    asked = CustomModel(function=function, **fields)
    return custom.examine(asked, build(function, **fields)).sha256


@pytest.mark.parametrize(
    "function", ["logits", "dropped", "convolved", "nested", "sigmoid", "rectified"]
)
def test_raw_scores_are_not_trained_as_probabilities(function: str) -> None:
    """What comes out counts, whatever layer is the last; what is to be typed is told."""
    remedy = "End the .* softmax: a sigmoid" if function == "sigmoid" else "Type model.from_logits="
    with pytest.raises(ModelError, match=f"gives raw scores .*\n{remedy}"):
        examined(f"own_nets:{function}")
    assert examined(f"own_nets:{function}", from_logits=True)


@pytest.mark.parametrize("function", ["build", "activation", "by_hand", "subclass", "random"])
def test_probabilities_get_no_second_softmax(function: str) -> None:
    """They pass as they are, and are refused where raw scores are announced."""
    assert examined(f"own_nets:{function}")
    with pytest.raises(ModelError, match="gives probabilities already.*\nLeave model.from_logits"):
        examined(f"own_nets:{function}", from_logits=True)


def test_a_softmax_for_prediction_only_is_refused() -> None:
    """It is in training that the loss is computed."""
    with pytest.raises(ModelError, match="when it predicts, but raw scores while it is trained"):
        examined("own_nets:two_faced")


def test_low_precision_probabilities_pass() -> None:
    """In bfloat16 they sum up to 1 in a rough way only."""
    backend.configure_backend(TrainerConfig(precision="mixed_bfloat16"), 0)
    assert examined("own_nets:build")
    backend.configure_backend(TrainerConfig(), 0)


def test_a_network_is_left_as_it_was() -> None:
    """Looking moves no variable and no generator, whoever it belongs to."""
    network = build("own_nets:random")
    generators = (random.getstate(), np.random.get_state()[1].tolist())
    before = [variable.numpy().copy() for variable in network.variables]
    assert len(before) > 6  # weights, moving averages and generators
    first = custom.examine(CustomModel(function="own_nets:random"), network)
    assert first.remarks == ()
    after = [variable.numpy() for variable in network.variables]
    assert all(map(np.array_equal, before, after))
    assert generators == (random.getstate(), np.random.get_state()[1].tolist())
    assert custom.examine(CustomModel(function="own_nets:random"), network) == first


@pytest.mark.parametrize("kind", ["py_function", "numpy_function"])
@pytest.mark.parametrize("place", ["x", "keras.ops.cond(True, lambda: {}, lambda: x)"])
def test_python_code_in_the_graph_is_told(folder: Path, kind: str, place: str) -> None:
    """What it gives is not looked at: it may move a state that nobody can put back."""
    called = f"tf.ensure_shape(tf.{kind}(lambda v: v, [x], tf.float32), x.shape)"
    (folder / "own_python.py").write_text(
        "import keras, tensorflow as tf\nfrom keras import layers\n\n"
        "class Called(layers.Layer):\n    def call(self, x):\n"
        f"        return {place.format(called) if '{}' in place else called}\n\n"
        "def build(shape, classes):\n    return keras.Sequential([\n        layers.Flatten(), "
        "layers.Dense(classes, 'softmax'), Called()])\n"
    )
    asked = CustomModel(function="own_python:build")
    (remark,) = custom.examine(asked, build(asked.function)).remarks
    assert "calls Python code to compute" in remark
    assert "trajectory.reuse=false" in remark


def fit(network: Any) -> None:
    """One epoch on two images."""
    network.compile(loss="sparse_categorical_crossentropy")
    network.fit(np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int64), verbose=0)


def test_a_layer_that_fails_in_training_is_blamed() -> None:
    """A failure in the user's own layer is one line that names the place, as in building."""
    asked = CustomModel(function="own_nets:fails_later")
    network = build(asked.function)
    message = (
        r"^training .*fails_later failed at .*own_nets\.py:\d+: ValueError: only while training$"
    )
    with pytest.raises(ModelError, match=message), custom.user_code_errors(asked):
        fit(network)


@pytest.mark.parametrize(
    ("layer", "line", "said"),
    [
        ("Deeper", 'raise TwoArguments("this"', ": this and that"),
        ("NoKey", 'x + {}["key"]', "KeyError: key"),
        ("NoAttribute", "x + self.kernel", "object has no attribute 'kernel'"),
    ],
)
def test_an_error_in_a_traced_layer_names_the_users_line(layer: str, line: str, said: str) -> None:
    """TensorFlow runs a copy of the code, and Keras wraps what it raises: neither is shown."""
    number = next(n for n, text in enumerate(NETS.splitlines(), start=1) if line in text)
    asked = CustomModel(function="own_nets:traced", params={"layer": layer})
    with pytest.raises(ModelError) as caught, custom.user_code_errors(asked):
        fit(build(asked.function, params=dict(asked.params)))
    assert "\n" not in str(caught.value)
    assert f"own_nets.py:{number}: " in str(caught.value)
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize("error", [DivergedError("loss became nan"), KeyboardInterrupt()])
def test_only_the_users_own_code_is_blamed(error: BaseException) -> None:
    """A loss that diverges and Ctrl-C pass through as they are."""
    asked = CustomModel(function="own_nets:build")
    with pytest.raises(type(error)), custom.user_code_errors(asked):
        raise error


def test_a_network_of_ours_is_not_blamed() -> None:
    """What fails in a network that is not the user's keeps its type and its traceback."""
    with pytest.raises(ZeroDivisionError), custom.user_code_errors(DnnModel()):
        raise ZeroDivisionError
