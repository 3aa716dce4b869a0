"""The network of a run, to be used where this package is not installed."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from configs import config
from PIL import Image
from stores import Finished, copy_of

from cnn_sweeps.config.schema import DigitsData, Resize
from cnn_sweeps.data import load_cached
from cnn_sweeps.data.readers import picture
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.runs.export import model_card, portable
from cnn_sweeps.runs.use.loaded import LoadedRun
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.steps import EVALUATION_BATCH

NET = """
import keras

@keras.saving.register_keras_serializable("mine")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2

def build(input_shape, num_classes):
    return keras.Sequential([
        keras.Input(input_shape), Halved(), keras.layers.Flatten(),
        keras.layers.Dense(num_classes, activation="softmax"),
    ])
"""


@pytest.fixture(scope="module")
def store(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A copy of the store of a finished run."""
    with copy_of(finished.home, tmp_path_factory.mktemp("portable")) as copied:
        yield copied


@pytest.fixture(scope="module")
def run(store: Store, finished: Finished) -> LoadedRun:
    """That run."""
    return LoadedRun.find(store, finished.result.identity.short, None)


def said_of(folder: Path, picture: Path) -> str:
    """What the script in an export says of a picture, in another folder, without this package.

    LiteRT, which is not installed here, is the part of TensorFlow that has become it.
    """
    (picture.parent / "ai_edge_litert").mkdir(exist_ok=True)
    (picture.parent / "ai_edge_litert/interpreter.py").write_text(
        "import tensorflow as tf\n\nInterpreter = tf.lite.Interpreter\n"
    )
    done = subprocess.run(
        [sys.executable, str(folder / "predict.py"), str(picture)],
        cwd=picture.parent,
        env={**os.environ, "PYTHONPATH": str(picture.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_an_export_is_checked_and_described(
    run: LoadedRun, finished: Finished, tmp_path: Path
) -> None:
    """What was read back has the accuracy of the run; card and script lie beside it."""
    made = run.export(tmp_path / "out", "keras")
    assert made.accuracy_after == pytest.approx(finished.result.metrics["test_accuracy"])
    assert made.largest_difference < 1e-5
    assert sorted(path.name for path in made.folder.iterdir()) == list(made.files)
    about = json.loads((made.folder / "model.json").read_text())
    assert about["class_names"] == list("0123456789")
    assert (about["height"], about["width"], about["channels"]) == (28, 28, 1)
    card = (made.folder / "README.md").read_text()
    assert finished.result.identity.config_hash in card
    assert "balanced_accuracy" in card


@pytest.mark.parametrize("file", list(model_card.RUNTIMES))
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_script_is_short(file: str, resize: Resize) -> None:
    """Few lines stand below its imports, and they are Python."""
    text = model_card.script(file, (48, 64, 3), resize)
    *_, body = text.split("\n\n")
    compile(text, "predict.py", "exec")
    assert len(body.splitlines()) < 25


@pytest.mark.parametrize("white", [255, 4095, 65535])
def test_the_script_scales_deep_gray_as_the_training_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, white: int
) -> None:
    """To the bit; what is brighter than any of the training images is white."""
    values = np.linspace(0, white, 28 * 28).round().astype(np.uint16).reshape(28, 28)
    values[0, 0] = 65535
    Image.fromarray(values).save(path := tmp_path / "a.png")
    (tmp_path / "model.json").write_text('{"class_names": ["a", "b"]}')
    given: list[Any] = []
    model = SimpleNamespace(predict=lambda x, verbose: given.extend(x) or np.eye(2)[:1])
    fake = SimpleNamespace(saving=SimpleNamespace(load_model=lambda _path: model))
    monkeypatch.setitem(sys.modules, "keras", fake)
    monkeypatch.setattr(sys, "argv", ["predict.py", str(path)])
    script = tmp_path / "predict.py"
    script.write_text(model_card.script("model.keras", (28, 28, 1), white=white))
    with pytest.raises(SystemExit):
        runpy.run_path(str(script))
    with picture.strict_decoding():
        trained = picture.read(path, (28, 28), color="grayscale", white=white).pixels
    assert np.array_equal(given[0], trained)


def test_the_script_goes_on_after_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `cnn-sweeps predict` does: no picture, one that is cut off, and then a good one."""
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (40, 40), np.uint8)).save(
        good := tmp_path / "good.png"
    )
    (none := tmp_path / "none.png").write_text("no picture")
    (cut := tmp_path / "cut.png").write_bytes(good.read_bytes()[:600])
    (tmp_path / "model.json").write_text('{"class_names": ["a", "b"]}')
    model = SimpleNamespace(predict=lambda _x, verbose: np.eye(2)[:1])
    fake = SimpleNamespace(saving=SimpleNamespace(load_model=lambda _path: model))
    monkeypatch.setitem(sys.modules, "keras", fake)
    monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, (none, cut, good))])
    (script := tmp_path / "predict.py").write_text(model_card.script("model.keras", (28, 28, 1)))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script))
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, f"{good}: a 100.0%\n")
    assert [line.partition(" cannot")[0] for line in said.err.splitlines()] == [str(none), str(cut)]


@pytest.mark.slow
@pytest.mark.parametrize("form", list(portable.FORMATS))
def test_the_script_says_what_we_say(run: LoadedRun, tmp_path: Path, form: str) -> None:
    """For a picture of another size, with transparency, in another working directory."""
    values = np.random.RandomState(3).randint(0, 256, (50, 40, 4), np.uint8)
    picture = tmp_path / "a picture.png"
    Image.fromarray(values, "RGBA").save(picture)
    run.export(tmp_path / form, form)
    found = run.predict(picture)
    expected = f"{picture}: {found.classes[0]} {found.confidence[0]:.1%}"
    assert said_of(tmp_path / form, picture) == expected


def test_a_network_that_comes_back_another_is_refused(
    run: LoadedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is left."""
    wrong = replace(
        portable.FORMATS["keras"],
        write=lambda _model, path: path.write_text("x"),
        read=lambda _path: lambda images: np.eye(10)[np.zeros(len(images), int)],
    )
    monkeypatch.setattr(portable, "FORMATS", {"keras": wrong})
    with pytest.raises(RecordError, match="test accuracy"):
        run.export(tmp_path / "out", "keras")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(run: LoadedRun, tmp_path: Path) -> None:
    """Nothing is overwritten, and a failure deletes nothing that was there."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RecordError, match="not empty"):
        run.export(tmp_path, "keras")
    with pytest.raises(RecordError, match="a file, not a folder"):
        run.export(tmp_path / "mine.txt", "keras")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_test_images_are_not_all_in_memory_as_floats() -> None:
    """They come a batch at a time, each image once."""
    data = load_cached(DigitsData(limit=200))
    read: list[int] = []

    class Counted(np.ndarray[Any, Any]):
        """Images that tell how many were read."""

        def __getitem__(self, which: Any) -> Any:
            found = super().__getitem__(which)
            read.append(len(found))
            return found

    many = np.repeat(data.x_test[:1], EVALUATION_BATCH + 1, axis=0)
    batches = portable._batches(replace(data, x_test=many.view(Counted)))
    next(iter(batches))
    assert read == [EVALUATION_BATCH]
    assert [len(batch) for batch in batches] == [1]


def test_an_unknown_format_is_refused(run: LoadedRun, tmp_path: Path) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="keras, savedmodel, litert"):
        run.export(tmp_path / "out", "onnx")


@pytest.mark.slow
def test_a_users_own_layers_go_where_no_code_is_needed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph carries them; a Keras file would need their code, and is refused."""
    from cnn_sweeps.runs.run import run as train

    (tmp_path / "halved_net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    model = {"name": "custom", "function": "halved_net:build"}
    done = train(config(model=model), store)
    own = LoadedRun.find(store, None, done.run_id)
    with pytest.raises(ConfigError, match="Halved.*\n.*savedmodel"):
        own.export(tmp_path / "out", "keras", trust=True)
    made = own.export(tmp_path / "out", "savedmodel", trust=True)
    assert made.accuracy_after == made.accuracy
