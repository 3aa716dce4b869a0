"""`cnn-sweeps data`: what is printed of a data set, and of the likely label errors of a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from configs import config
from PIL import Image
from sklearn.datasets import load_digits

from cnn_sweeps.cli import data
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, DataError, StoreError, UnknownHashError
from cnn_sweeps.tracking import Store
from cnn_sweeps.trajectories.cache import TrajectoryStore

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")
Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What the command prints when it ends well."""

    def run(*typed: str) -> str:
        assert data.main(list(typed)) == 0
        return capsys.readouterr().out

    return run


def test_a_folder_is_looked_through(in_tmp: Path, said: Said) -> None:
    """Whatever network its images would fit; the page is written where that is asked for."""
    for number in range(30):
        file = in_tmp / "pets" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), (200, number // 3 * 9, 0)).save(file)
    typed = ["data=image_folder", "data.path=pets", "data.image_size=[2,2]"]
    out = said(*typed, "--output", "sheet.html")
    assert ["all", "22", "2", "6"] in [line.split() for line in out.splitlines()]
    assert "5x4" in out
    assert "10 images with exact copies" in out
    assert "base64" in (in_tmp / "sheet.html").read_text()
    with pytest.raises(ConfigError, match="no/x.html cannot be written"):
        data.main([*typed, "--output", "no/x.html"])


def test_what_cannot_be_looked_at_is_refused() -> None:
    """A missing folder, and settings of anything but the data."""
    with pytest.raises(DataError, match="does not exist"):
        data.main(["data=image_folder", "data.path=no"])
    with pytest.raises(ConfigError, match=r"trainer.epochs=2 is invalid here") as refused:
        data.main(["trainer.epochs=2", "data=digits", "model=dnn"])
    assert str(refused.value).endswith("\nLeave out trainer.epochs=2 model=dnn")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("insects", "data=image_folder data.path=insects"),
        ("cafe", "data=image_folder data.path=cafe"),
        ("a b.csv", "data=table 'data.path=a b.csv'"),
        ("digits", "data=digits"),
    ],
)
def test_images_that_are_taken_for_a_hash_are_named_as_they_are_typed(
    in_tmp: Path, name: str, meant: str
) -> None:
    """A folder, also one whose name could be a hash, a file, a data set."""
    for folder in ("insects", "cafe"):
        (in_tmp / folder).mkdir()
    (in_tmp / "a b.csv").touch()
    with pytest.raises(ConfigError, match="is not a config hash") as refused:
        data.main([name])
    assert f"Type cnn-sweeps data {meant} to" in str(refused.value)
    with pytest.raises(UnknownHashError):
        data.main(["beetles"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["abcd", "--output", "x.html"], "--output is about a data set"),
        (["data=digits", "--first", "3"], "--first is about the images of a run"),
        (["data=digits", "--trust"], "--trust is about the images of a run"),
        (["abcd", "--first", "0"], "0 is not an integer from 1"),
    ],
)
def test_options_of_the_other_question_are_refused(words: list[str], message: str) -> None:
    """They would do nothing."""
    with pytest.raises(ConfigError, match=message):
        data.main(words)


def test_augmentation_is_shown_on_the_page(in_tmp: Path, said: Said) -> None:
    """As it is typed; without a page it would be typed in vain."""
    said("data=digits", "data.limit=40", "augment=light", "--output", "sheet.html")
    assert "augmentation" in (in_tmp / "sheet.html").read_text()
    with pytest.raises(ConfigError, match="type --output FILE as well"):
        data.main(["data=digits", "augment=light"])
    with pytest.raises(ConfigError, match="has no effect on images of 28x28"):
        data.main(["data=digits", "augment.crop=0.01", "--output", "sheet.html"])


@pytest.mark.slow
def test_flipped_labels_are_at_the_top_of_the_list(
    in_tmp: Path, tracking: Tracking, store: Store, said: Said
) -> None:
    """One label in twenty is wrong: of the 50 smallest margins nine in ten are such images."""
    from cnn_sweeps.runs.run import run

    digits = load_digits()
    x, y = (digits.images * 15.9375).astype(np.uint8), digits.target
    random = np.random.RandomState(0)
    flipped = random.choice(1500, 75, replace=False)
    noisy = y.copy()
    noisy[flipped] = (y[flipped] + random.randint(1, 10, 75)) % 10
    arrays = {"x_train": x[:1500], "y_train": noisy[:1500], "x_test": x[1500:], "y_test": y[1500:]}
    np.savez(in_tmp / "digits.npz", allow_pickle=False, **arrays)
    result = run(
        config(
            model={"name": "dnn", "dense_units": 64},
            data={"name": "npz", "path": str(in_tmp / "digits.npz"), "validation_fraction": 0.0},
            trainer={"epochs": 6},
            tracking={"dir": str(tracking.dir), "log_model": False},
        ),
        store,
    )
    out = said(result.identity.short, f"tracking.dir={tracking.dir}")
    rows = [line.split() for line in out.splitlines() if line.startswith("train ")]
    numbers = [int(row[1]) for row in rows]
    assert len(numbers) == 50
    assert np.isin(numbers, flipped).sum() >= 45
    likely = {int(row[1]): int(row[3]) for row in rows}
    right = [likely[number] == y[number] for number in numbers if number in flipped]
    assert np.mean(right) > 0.8
    assert "of 1,500 training images with the smallest margin over 6 epochs" in out
    TrajectoryStore.under(tracking.dir).clear()
    with pytest.raises(StoreError, match="are not stored any more"):
        data.main(["--run-id", result.run_id, f"tracking.dir={tracking.dir}"])
