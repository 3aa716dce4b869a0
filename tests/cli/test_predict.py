"""`cnn-sweeps predict`: classes for new pictures."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stores import Finished

from cnn_sweeps.cli import predict
from cnn_sweeps.errors import ConfigError, DataError, UnknownHashError


@pytest.fixture
def here(finished: Finished, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a picture; the store of a finished run is named by its folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((9, 9, 3), 80, np.uint8)).save(tmp_path / "a.png")
    return tmp_path


def typed(finished: Finished, *words: str) -> list[str]:
    """What is typed for that run."""
    return [finished.result.identity.short, *words, f"tracking.dir={finished.home}"]


def test_a_line_for_each_picture(
    finished: Finished, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its class with its probability, and two more."""
    assert predict.main(typed(finished, "a.png")) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["file", "class", "probability"]
    assert line.startswith("a.png")
    assert line.count("%") == 3


def test_as_many_files_as_a_shell_writes(
    finished: Finished, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For `photos/*.png`, with names of any kind."""
    (here / "lr=0.1").mkdir()
    picture = (here / "a.png").read_bytes()
    names = [f"lr=0.1/{number}.png" for number in range(1200)]
    for name in names:
        (here / name).write_bytes(picture)
    assert predict.main(typed(finished, *names, "--csv")) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(names)


def test_a_picture_that_is_named_twice_is_predicted_once(
    finished: Finished, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By itself, by its folder, by its whole path."""
    assert predict.main(typed(finished, "a.png", ".", str(here / "*.png"), "--csv")) == 0
    assert [line.partition(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "file",
        "a.png",
    ]


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_programs_read_the_same(
    finished: Finished, here: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Nothing else stands on standard output."""
    assert predict.main(typed(finished, "a.png", "--top", "1", form)) == 0
    out = capsys.readouterr().out
    (row,) = json.loads(out) if form == "--json" else csv.DictReader(io.StringIO(out))
    assert row["file"] == "a.png"
    assert 0 < float(row["probability"]) <= 1


def test_a_file_that_cannot_be_read_is_told(
    finished: Finished, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are predicted, and the exit code says that something is missing."""
    (here / "b.png").write_text("no picture")
    assert predict.main(typed(finished, ".")) == 1
    said = capsys.readouterr()
    assert "a.png" in said.out
    assert "b.png cannot be read as an image" in said.err


@pytest.mark.parametrize(
    ("words", "kind", "match"),
    [
        pytest.param([], ConfigError, "is missing.\n.*predict HASH FILE", id="no picture"),
        pytest.param(["missing.png"], DataError, "does not exist", id="missing"),
        pytest.param(["a.png", "--top", "0"], ConfigError, "integer from 1", id="no classes"),
        pytest.param(["a.png", "--csv", "--json"], ConfigError, "not allowed", id="both forms"),
    ],
)
def test_what_cannot_be_done_is_refused(
    finished: Finished, here: Path, words: list[str], kind: type[Exception], match: str
) -> None:
    """In one sentence, before TensorFlow is imported."""
    with pytest.raises(kind, match=match):
        predict.main(typed(finished, *words))


def test_an_unknown_hash_is_refused(finished: Finished, here: Path) -> None:
    """As by every command about runs."""
    with pytest.raises(UnknownHashError):
        predict.main(["ffffffff", "a.png", f"tracking.dir={finished.home}"])
