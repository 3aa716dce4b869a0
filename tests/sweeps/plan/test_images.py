"""What only the images tell is refused before a sweep starts anything, and once."""

from pathlib import Path
from typing import Any

import pytest
from configs import values
from photographs import photographs
from plans import plan, sweep_of

from cnn_sweeps.api import carry_out
from cnn_sweeps.config.schema import Data
from cnn_sweeps.data import loading, memory_cache
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.errors import ConfigError, DataError, InputError
from cnn_sweeps.sweeps.outcome import Display
from cnn_sweeps.sweeps.plan import images
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.images import refuse_unfit
from cnn_sweeps.sweeps.request import SweepRequest

DIGITS = {"name": "digits"}


def made(space: dict[str, str] | None = None, **groups: Any) -> Any:
    """A sweep over digits or what is given."""
    return plan(space or {"seed": "0,1"}, **{"data": DIGITS, **groups})


def trainer(**fields: Any) -> dict[str, Any]:
    """The trainer of the tests with further fields."""
    return {**values()["trainer"], **fields}


REFUSED: dict[str, tuple[Any, type[InputError], str]] = {
    "class": (
        {"trainer": trainer(class_weight={"zero": 2.0})},
        ConfigError,
        r"names the class zero, and there is none\.\nType a name \(0, 1, 2",
    ),
    "limit": (
        {"data": {**DIGITS, "limit": 5_000, "rules": 2}},
        ConfigError,
        r"data\.limit=5000 has no effect: scikit-learn has 1,438 training images",
    ),
    "too-small-limit": (
        {"data": {**DIGITS, "limit": 5}},
        DataError,
        r"data\.limit=5 leaves no training image of class '3'",
    ),
    "fraction": (
        {"data": {**DIGITS, "validation_fraction": 1e-6}},
        DataError,
        r"validation_fraction=1e-06 of 1438 images is none",
    ),
}


@pytest.mark.parametrize(("groups", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_images_refuse_is_said_once_and_starts_nothing(
    in_tmp: Path, groups: dict[str, Any], error: type[InputError], text: str
) -> None:
    """No study, no store, no trial."""
    asked = made(**groups)
    with pytest.raises(error, match=text):
        sweep_of(asked, Budget(n_jobs=0), asked.first, Display())
    assert not list(in_tmp.iterdir())


def test_files_that_cannot_be_read_are_told_once(tmp_path: Path) -> None:
    """And not by each trial."""
    folder = photographs(tmp_path / "pets")
    (folder / "a" / "bad.png").write_bytes(b"<html>")
    data = {"name": "image_folder", "path": str(folder), "cache": str(tmp_path / "cache")}
    with pytest.raises(DataError, match=r"bad\.png cannot be read as an image \(an HTML page\)"):
        refuse_unfit(made(data=data))


def test_a_column_that_the_table_lacks_is_told(tmp_path: Path) -> None:
    """With those that it has."""
    photographs(tmp_path)
    table = tmp_path / "pets.csv"
    table.write_text("path,label\na/000.png,a\nb/000.png,b\n")
    data = {"name": "table", "path": str(table), "rules": 2, "group_column": "patient"}
    with pytest.raises(DataError, match=r"no column 'patient' \(it has 'path', 'label'\)"):
        refuse_unfit(made(data=data))


def test_one_swept_value_that_never_fits_is_refused(in_tmp: Path) -> None:
    """Though the others fit."""
    with pytest.raises(DataError, match=r"data\.limit=5 leaves no"):
        refuse_unfit(made({"data.limit": "5,100", "seed": "0,1"}))


def test_what_fits_in_some_company_is_left_to_its_trial(in_tmp: Path) -> None:
    """A limit that is too small for one data set may be right for another."""
    refuse_unfit(made({"data.limit": "100,200", "data.test_fraction": "0.2,0.3"}))


def test_images_are_read_once_for_all_their_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each split is looked at all the same, and what was not looked at is told."""
    read = []

    def noted(config: Data) -> Content:
        read.append(config)
        return real(config)

    real = loading.read
    monkeypatch.setattr(loading, "read", noted)
    seeds = ",".join(map(str, range(20)))
    assert refuse_unfit(made({"data.split_seed": seeds, "model.filters": "4,8"})) is None
    with pytest.raises(DataError, match=r"validation_fraction=1e-06 of 1438 images is none"):
        refuse_unfit(made({"data.split_seed": seeds, "data.validation_fraction": "0.1,1e-6"}))
    assert len(read) == 2
    monkeypatch.setattr(images, "MOST_READ", 8)
    said = refuse_unfit(made({"data.split_seed": seeds}))
    assert said is not None
    assert said.startswith("images were checked for 8 of 20 settings")


def test_trials_have_the_images_that_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks at files again, nor reads what takes little memory."""
    source = {"name": "image_folder", "image_size": [4, 6]}
    where = {"path": str(photographs(tmp_path / "pets")), "cache": str(tmp_path / "cache")}
    asked = made(data={**source, **where})
    memory_cache.look_again()
    refuse_unfit(asked)
    refuse_unfit(made())
    monkeypatch.setattr(loading, "read", lambda _: pytest.fail("they were read again"))
    assert list(HandedOver.kept().datasets) == [asked.first.data, made().first.data]
    assert memory_cache.load_cached(asked.first.data).facts.shape == (4, 6, 3)


@pytest.mark.parametrize("where", ["launcher", "elsewhere"])
def test_images_are_looked_at_wherever_the_workers_are(in_tmp: Path, where: str) -> None:
    """Nothing is handed to a launcher, and no study waits for workers that could not train."""
    asked = made(data={**DIGITS, "limit": 5})
    place = None if where == "elsewhere" else lambda *_: pytest.fail("something was placed")
    budget = Budget(elsewhere=where == "elsewhere")
    request = SweepRequest(plan=asked, budget=budget, config=asked.first, place=place)
    with pytest.raises(DataError, match=r"data\.limit=5 leaves no training image"):
        carry_out(request, Display())
    assert not list(in_tmp.iterdir())
