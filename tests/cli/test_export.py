"""A run as a folder: what is written is what is read."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from configs import config
from records import DIGEST, environment, record

from cnn_sweeps.errors import RecordError
from cnn_sweeps.models.source import Source, SourceFile
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.export import export
from cnn_sweeps.runs.recorded.record import Record, verify

SOURCE = Source(
    path="own_net_to_export/nets.py",
    content=b"def build(): ...\r\n\xff",
    imports=(
        SourceFile(path="own_net_to_export/__init__.py", content=b""),
        SourceFile(path="own_net_to_export/parts/blocks.py", content=b"ACT = 'relu'\n"),
    ),
)
CUSTOM = config(model={"name": "custom", "function": "own_net_to_export.nets:build"})


def custom() -> Record:
    """A record with a user's own file."""
    identity = identify(CUSTOM, DIGEST, source=SOURCE)
    return record(config=CUSTOM, source=SOURCE, identity=identity)


@pytest.mark.parametrize("made", [record, custom])
def test_round_trip_through_a_folder(in_tmp: Path, made: Callable[[], Record]) -> None:
    """The record that is read is the one that was written, and gives its hash."""
    export.write(made(), in_tmp / "deep" / "out")
    again = export.read(in_tmp / "deep" / "out")
    assert again == made()
    verify(again)


def test_an_empty_folder_is_used(in_tmp: Path) -> None:
    """It may be there already."""
    export.write(record(), in_tmp)
    assert {path.name for path in in_tmp.iterdir()} == {
        export.CONFIG,
        export.RECORD,
        export.REQUIREMENTS,
        export.README,
    }


def test_a_used_folder_is_refused(in_tmp: Path) -> None:
    """Nothing in it is overwritten, and nothing written."""
    (in_tmp / "mine.txt").touch()
    with pytest.raises(RecordError, match="is not empty, and nothing in it is overwritten"):
        export.write(record(), in_tmp)
    assert [path.name for path in in_tmp.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written(in_tmp: Path) -> None:
    """A file in its place is named."""
    (in_tmp / "out").touch()
    with pytest.raises(RecordError, match="out cannot be written: "):
        export.write(record(), in_tmp / "out")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param(export.RECORD, None, "No such file", id="no-record"),
        pytest.param(export.CONFIG, None, "No such file", id="no-config"),
        pytest.param(export.RECORD, "{", "Expecting", id="no-json"),
        pytest.param(export.RECORD, "[]", "holds no record", id="a-list"),
        pytest.param(export.CONFIG, "a: [", "while parsing", id="no-yaml"),
        pytest.param(export.RECORD, "{}", "cannot be read: .* is missing", id="empty"),
        pytest.param(export.RECORD, "[" * 10**5, "nested too deeply", id="deep"),
        pytest.param(export.CONFIG, "&a\nx: *a\n", "stands for more than", id="a-circle"),
        pytest.param(export.RECORD, "a pipe", "is not a regular file", id="a-pipe"),
    ],
)
def test_a_damaged_folder_is_refused(in_tmp: Path, name: str, text: str | None, said: str) -> None:
    """What is wrong is said, and what has to be there."""
    export.write(record(), in_tmp)
    if text is None:
        (in_tmp / name).unlink()
    elif text == "a pipe":
        (in_tmp / name).unlink()
        os.mkfifo(in_tmp / name)
    else:
        (in_tmp / name).write_text(text)
    with pytest.raises(RecordError, match=said):
        export.read(in_tmp)


def test_the_page_says_all_that_a_reader_needs(in_tmp: Path) -> None:
    """The command, the data with its digest, and the machine."""
    theirs = config(data={"name": "npz", "path": "there.npz"})
    export.write(record(config=theirs, identity=identify(theirs, DIGEST)), in_tmp)
    page = (in_tmp / export.README).read_text(encoding="utf-8")
    expected = (
        "    pip install -r requirements.txt\n    pip install --no-deps CNN_SWEEPS\n    cnn-sweeps",
        *("reproduce --from . data.path=PATH\n", "`data=npz`, and `PATH`", DIGEST, "a processor"),
    )
    assert [part for part in expected if part not in page] == []
    assert "commit c0ffee" in page
    assert "--trust" not in page


EVIL = "<script>alert(1)</script>[x](javascript:alert(1))\n# head"


def test_a_stranger_cannot_write_into_page_or_requirements(in_tmp: Path) -> None:
    """Names are text in Markdown; pip is told of no package but those that a run records."""
    theirs = environment(
        cpu=EVIL, git_commit=EVIL, python=EVIL, packages={"evil": "1", "keras": "3"}
    )
    export.write(record(name=EVIL, environment=theirs), in_tmp)
    page = (in_tmp / export.README).read_text(encoding="utf-8")
    assert page.count("\\<script") == 5
    assert re.findall(r"(?<!\\)<script|[^\\]\(javascript|^# head", page, re.MULTILINE) == []
    assert "evil" not in (in_tmp / export.REQUIREMENTS).read_text(encoding="utf-8")


@pytest.mark.parametrize("packages", [{"a\n--index-url x": "1"}, {"keras": "1\nevil"}, {"": "1"}])
def test_packages_that_are_none_are_refused(packages: dict[str, str], in_tmp: Path) -> None:
    """They would be lines of a file for pip."""
    export.write(record(), in_tmp)
    stored = json.loads((in_tmp / export.RECORD).read_text())
    stored["environment"]["packages"] = packages
    (in_tmp / export.RECORD).write_text(json.dumps(stored))
    with pytest.raises(RecordError, match="cannot be read"):
        export.read(in_tmp)


def test_without_a_commit_the_page_names_none(in_tmp: Path) -> None:
    """A wheel knows of no commit."""
    export.write(record(environment=environment(git_commit=None)), in_tmp)
    assert "commit" not in (in_tmp / export.README).read_text(encoding="utf-8")


def test_digits_lie_nowhere(in_tmp: Path) -> None:
    """Data that comes with a package has no place that could be said."""
    export.write(record(), in_tmp)
    assert "`data=digits`. Its content" in (in_tmp / export.README).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "FAILED"}, "is FAILED: only a finished run"),
        ({"config": config(seed=9)}, "was changed after it was stored"),
    ],
)
def test_what_could_not_be_reproduced_is_not_exported(
    in_tmp: Path, changes: dict[str, Any], said: str
) -> None:
    """Whoever exports it: nothing is written."""
    with pytest.raises(RecordError, match=said):
        export.write(record(**changes), in_tmp)
    assert list(in_tmp.iterdir()) == []


def test_numbers_keep_every_digit(in_tmp: Path) -> None:
    """Metrics are compared bit for bit."""
    export.write(record(metrics={"test_loss": 0.1 + 0.2}), in_tmp)
    stored = json.loads((in_tmp / export.RECORD).read_text(encoding="utf-8"))
    assert stored["metrics"]["test_loss"] == 0.1 + 0.2


def test_no_password_leaves_the_house(in_tmp: Path) -> None:
    """A record of a server that asks for one may be given to anybody."""
    uri = "http://me:secret@host:5000"
    made = record(config=config(tracking={"uri": uri}))
    export.write(made, in_tmp)
    assert "secret" not in "".join(file.read_text() for file in in_tmp.iterdir())
    verify(export.read(in_tmp))
