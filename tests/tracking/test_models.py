"""Models in MLflow's format, and back."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from stored_models import IMAGES, SHAPE, files, loaded, logged, plain
from waiting import until

from cnn_sweeps.errors import ModelError, StoreError
from cnn_sweeps.tracking import Store, models
from cnn_sweeps.tracking.models import Pictures, custom_objects, take_either_scale

# Keras 3.15 hands NumPy 2.4 arrays in a way that NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

USER_CODE = """
    import keras

    def double(x):
        return 2 * shifted(x)

    def shifted(x):
        return keras.ops.relu(x) + 1

    class Scale(keras.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, x):
            return keras.ops.cast(x, "float32") * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    def build():
        return keras.Sequential([
            keras.Input((6, 6, 1), dtype="uint8"),
            keras.Sequential([Scale(1 / 255)]),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation=double),
        ])
"""

PREDICT = """
import sys
import mlflow
import numpy as np

for line in sys.stdin:
    images = np.arange(2 * 36, dtype=np.uint8).reshape(2, 6, 6, 1)
    scores = mlflow.pyfunc.load_model(line.strip()).predict(images)
    print("\\nSCORES", scores.dtype, *scores.ravel().tolist())
print("IMPORTED", "cnn_sweeps" in sys.modules, "user_network" in sys.modules)
"""


@pytest.fixture
def user_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A user's own module with a network of their own layers."""
    (tmp_path / "user_network.py").write_text(dedent(USER_CODE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "user_network", raising=False)
    import user_network

    module: ModuleType = user_network
    return module


def card(store: Store, run_id: str) -> dict[str, Any]:
    """The MLmodel file of a run's model."""
    content: dict[str, Any] = yaml.safe_load((files(store, run_id) / "MLmodel").read_text())
    return content


def test_model_comes_back_as_it_was(store: Store) -> None:
    """A loaded model scores as the one that was stored, without an optimizer."""
    model = plain()
    copy = loaded(store, logged(store, model))
    np.testing.assert_array_equal(copy(IMAGES), model(IMAGES))
    assert copy.compiled is False


def divided(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """The same images as people have them."""
    return {
        "bytes": images,
        "whole numbers": images.astype("int64"),
        "floats": images.astype("float32"),
        "divided": images / 255,
        "divided, single precision": (images / 255).astype("float32"),
        "each as it likes": np.stack([images[0], images[1] / 255]),
    }


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow's own
@pytest.mark.parametrize(
    "dtype",
    ["float32", *(pytest.param(d, marks=pytest.mark.slow) for d in ("float64", "mixed_bfloat16"))],
)
def test_images_of_either_scale_give_the_same_scores(store: Store, dtype: str) -> None:
    """In plain Keras, through MLflow, and from the JSON that is sent to a server."""
    import mlflow.pyfunc
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    model = plain(dtype, compiled=False)
    run_id = logged(store, model)
    images = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype=np.uint8)
    expected = model(images)
    served = mlflow.pyfunc.load_model(str(files(store, run_id)))
    keras_model = loaded(store, run_id)
    for name, given in divided(images).items():
        request = json.loads(json.dumps({"inputs": given.tolist()}))
        sent = infer_and_parse_data(request, served.metadata.get_input_schema())
        for scores in (keras_model.predict(given), served.predict(given), served.predict(sent)):
            np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_bytes_give_the_bits_that_the_network_gives(store: Store) -> None:
    """Also where an image is black."""
    model = plain(compiled=False)
    images = np.concatenate([IMAGES, np.zeros_like(IMAGES)])
    np.testing.assert_array_equal(loaded(store, logged(store, model))(images), model(images))


@pytest.mark.parametrize(("largest", "as_bytes"), [(1, False), (1.2, False), (2, True)])
def test_the_largest_value_of_an_image_tells_its_scale(largest: float, *, as_bytes: bool) -> None:
    """At most 1, or what rounding and resizing make of it, is divided already."""
    import keras

    image = keras.Input(SHAPE)
    same = keras.Model(image, keras.layers.Rescaling(1)(image))
    given = np.full((1, *SHAPE), largest, "float32")
    expected = given if as_bytes else given * 255
    np.testing.assert_array_equal(take_either_scale(same, SHAPE)(given), expected)


def test_a_network_with_branches_is_taken_over_whole() -> None:
    """Everything that reads the image reads the same one."""
    import keras

    image = keras.Input(SHAPE, dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(image)
    branch = keras.layers.Conv2D(1, 3, padding="same")(scaled)
    model = keras.Model(image, keras.layers.Add()([scaled, branch]))
    expected = model(IMAGES)
    copy = take_either_scale(model, SHAPE)
    np.testing.assert_array_equal(copy(IMAGES), expected)
    np.testing.assert_allclose(copy(IMAGES / 255), expected, rtol=1e-5)


def test_the_next_model_of_the_same_layers_is_stored_as_if_it_were_the_first(store: Store) -> None:
    """Its copy is used again, with other weights and as the same description of the layers."""
    described = []
    for factor, is_kept in ((1, False), (2, True), (3, False)):
        keras.utils.clear_session()  # as before each trial: names of layers begin anew
        model = plain()
        model.set_weights([factor * weights for weights in model.get_weights()])
        if not is_kept:
            models._last.clear()
        run = logged(store, model)
        np.testing.assert_array_equal(loaded(store, run)(IMAGES), model(IMAGES))
        described.append(zipfile.ZipFile(files(store, run) / models.ARCHIVE).read("config.json"))
    assert len(set(described)) == 1


def test_requirements_are_stored_without_a_search_through_packages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes half a second, to find that the installed versions are installed."""

    def searched(_: Any) -> None:
        raise AssertionError("all packages were looked through")

    check = "mlflow.utils.environment.warn_dependency_requirement_mismatches"
    monkeypatch.setattr(check, searched)
    written = files(store, logged(store, plain())) / "requirements.txt"
    assert f"keras=={keras.__version__}" in written.read_text().splitlines()


def test_storing_leaves_the_model_alone(store: Store) -> None:
    """The trained model stays compiled, with its optimizer."""
    model = plain()
    before = int(model.optimizer.iterations)
    logged(store, model)
    assert model.compiled
    assert int(model.optimizer.iterations) == before


def test_model_is_a_logged_model_of_the_run(store: Store) -> None:
    """The run's page leads to its model, which is ready and knows its run."""
    run_id = logged(store, plain())
    [output] = store.client.get_run(run_id).outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    assert (model.name, model.source_run_id, model.status) == ("model", run_id, "READY")
    described = card(store, run_id)
    assert (described["model_id"], described["run_id"]) == (output.model_id, run_id)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signature(dtype: str, store: Store) -> None:
    """Any number of rows of scores come out; what goes in is said where MLflow does not cast it."""
    described = card(store, logged(store, plain(dtype, compiled=False)))
    signature = described["signature"]
    assert signature["inputs"] is None
    assert "divided by 255 (0 to 1)" in described["metadata"]["takes"]
    assert f'"dtype": "{dtype}", "shape": [-1, 3]' in signature["outputs"].replace("\n", "")


def test_custom_code_is_found(user_network: ModuleType) -> None:
    """Layers and activations that are not Keras's own are found, in nested models too."""
    assert custom_objects(user_network.build()) == {
        "Scale": user_network.Scale,
        "double": user_network.double,
    }


def test_plain_model_needs_no_custom_code() -> None:
    """Nothing of Keras counts as a user's own."""
    assert custom_objects(plain(compiled=False)) == {}


def test_custom_model_comes_back(store: Store, user_network: ModuleType) -> None:
    """A network of a user's own layers is stored, and MLflow loads it, like any other."""
    import mlflow.tensorflow

    model = user_network.build()
    copy = mlflow.tensorflow.load_model(str(files(store, logged(store, model))))
    np.testing.assert_array_equal(copy(IMAGES), model(IMAGES))


def test_model_that_keras_cannot_bring_back(store: Store) -> None:
    """A lambda is refused with a remedy before anything is stored."""
    import keras

    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Lambda(lambda x: x * 2), keras.layers.Flatten()]
    )
    with store.start_run("r", tags={}) as run:
        message = r"is a Python lambda; write it as a keras.layers.Layer(.|\n)*tracking.log_model=f"
        with pytest.raises(ModelError, match=message):
            run.log_model(model, Pictures(class_names=[*map(str, range(36))], shape=SHAPE))
        run.log_metrics({"loss": 1.0})
    assert store.client.get_run(run.run_id).info.status == "FINISHED"
    assert store.client.search_logged_models([store.experiment_id]) == []


def test_disk_that_refuses_the_model(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose files cannot be written is marked as failed, in one plain error."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.client, "log_model_artifacts", full)
    with pytest.raises(StoreError, match="the disk is full"):
        logged(store, plain(compiled=False))
    [model] = store.client.search_logged_models([store.experiment_id])
    assert model.status == "FAILED"


def typed(begin: str) -> list[str]:
    """The command of the documentation that begins so."""
    text = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith(begin))
    return shlex.split(line)


def answered(command: list[str]) -> dict[str, Any]:
    """What a server answers, once it listens."""
    answers = list[bytes]()

    def listens() -> bool:
        done = subprocess.run(command, capture_output=True, check=False)
        answers.append(done.stdout)
        return done.returncode == 0

    until(listens, lambda: answers[-1], pause=0.5)
    found: dict[str, Any] = json.loads(answers[-1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_server_answers_as_documented(
    store: Store, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes and floats that were divided by 255, under either key that MLflow knows."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    model = plain(compiled=False)
    images = np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)
    expected = model(images).numpy()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    serve, curl = typed("mlflow models serve "), typed("curl ")
    serve[serve.index("-m") + 1] = f"runs:/{logged(store, model)}/model"
    serve[serve.index("--port") + 1] = str(port)
    curl = [each.replace(":5001/", f":{port}/") for each in curl]
    server = subprocess.Popen(serve, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        for key in ("inputs", "instances"):
            for given in (images, images / 255):
                Path("images.json").write_text(json.dumps({key: given.tolist()}))
                scores = np.array(answered(curl)["predictions"])
                np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@pytest.mark.slow
def test_pyfunc_in_a_fresh_process(
    store: Store, user_network: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """MLflow alone loads both kinds of model, without this package or the user's files."""
    models = [plain(), user_network.build()]
    uris = [f"runs:/{logged(store, model)}/model" for model in models]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT],
        input="\n".join(uris),
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": store.uri},
        cwd=tmp_path_factory.mktemp("elsewhere"),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("SCORES")]
    assert [scores[0] for scores in found] == ["float32", "float32"]
    for model, scores in zip(models, found, strict=True):
        np.testing.assert_allclose(
            np.array(scores[1:], float).reshape(2, 3), model(IMAGES), rtol=1e-6
        )
    assert done.stdout.splitlines()[-1] == "IMPORTED False False"
