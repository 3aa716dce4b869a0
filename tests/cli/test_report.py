"""`cnn-sweeps report`: which study, in which form, into which file."""

import json
import os
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from plans import plan, study

from cnn_sweeps.cli import evaluate, ui, what_if, worker
from cnn_sweeps.cli.report import main
from cnn_sweeps.errors import ConfigError, UnknownStudyError
from cnn_sweeps.sweeps.study.stored_studies import STUDIES


@pytest.fixture
def studies(in_tmp: Path) -> Path:
    """A folder with two studies, `red` and the newer `reed`; there is no store of runs."""
    folder = in_tmp / "mlruns" / STUDIES
    folder.mkdir(parents=True)
    for age, name in enumerate(("reed", "red")):
        made = study(folder, plan(), name)
        made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
        journal = folder / f"{name}.journal"
        os.utime(journal, (1e9 - age, 1e9 - age))
    return in_tmp


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("typed", "name"), [([], "reed"), (["red"], "red"), (["ree"], "reed")])
def test_study_is_the_newest_or_the_named(
    typed: list[str], name: str, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name the newest; a name before those that it begins; a beginning that is unique."""
    assert json.loads(told(capsys, *typed, "--format", "json"))["study"] == name


@pytest.mark.parametrize("name", ["-h", "--format", "lr=1", "trainer.lr=1", "tracking.dir=x"])
def test_a_study_may_look_like_an_option_or_an_override(
    name: str, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind `--` it is a name; what the report says to type names it so, too."""
    study(studies / "mlruns" / STUDIES, plan(), name)
    page = json.loads(told(capsys, "--format", "json", "--", name))
    assert page["study"] == name
    (again,) = (each["line"] for each in page["commands"] if "report" in each["line"])
    assert json.loads(told(capsys, "--format=json", *shlex.split(again)[2:]))["study"] == name


@pytest.mark.parametrize("command", [main, ui.main, worker.main, evaluate.main, what_if.main])
@pytest.mark.parametrize("name", ["-lab", "lr=1"])
def test_a_study_that_looks_like_something_else_is_told_how_to_type(
    command: Callable[[list[str]], int], name: str
) -> None:
    """By each command that takes the name of a study."""
    with pytest.raises(ConfigError, match=r"name .*behind --"):
        command([name])


def test_page_is_written_into_the_current_folder(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path of the page is what is printed."""
    file = Path(told(capsys, "red").strip())
    assert file == studies / "report-red.html"
    assert file.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("form", "begin"), [("md", "# red"), ("csv", "rank"), ("json", "{")])
def test_other_forms_are_printed(
    form: str, begin: str, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a program or another document takes goes to standard output."""
    assert told(capsys, "red", "--format", form).startswith(begin)
    assert not list(studies.glob("report*"))


def test_what_is_gone_does_not_keep_the_report(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep of a network of the user's is reported from any folder."""
    file = studies / "gone_nets.py"
    file.write_text("def build(input_shape, num_classes, width):\n    ...\n")
    model = {"name": "custom", "function": "gone_nets:build", "params": {"width": 1}}
    made = plan({"model.params.width": "choice(1,2)"}, model=model)
    study(studies / "mlruns" / STUDIES, made, "own").enqueue({"model.params.width": 1})
    file.unlink()
    assert json.loads(told(capsys, "own", "--format", "json"))["unfinished"] == 1


@pytest.mark.usefixtures("studies")
def test_a_store_that_does_not_answer_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The study alone is reported, and why there is no more."""
    shown = told(capsys, "red", "tracking.uri=http://127.0.0.1:9", "--format", "json")
    (missing,) = json.loads(shown)["missing"]
    assert missing.startswith("Its runs cannot be read: ")
    assert "127.0.0.1:9" in missing
    assert missing.endswith(". This is made from the study alone.")


def test_what_is_no_journal_is_passed_over(
    studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link to nothing, as is a file that is deleted meanwhile; and a folder of such a name."""
    folder = studies / "mlruns" / STUDIES
    (folder / "gone.journal").symlink_to(folder / "nowhere")
    (folder / "folder.journal").mkdir()
    assert json.loads(told(capsys, "--format", "json"))["study"] == "reed"


@pytest.mark.parametrize("option", ["--output", "--into"])
def test_output_names_the_file(
    option: str, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any form can be written to a file; `--into` is what the option was called at first."""
    told(capsys, "red", "--format", "md", option, "a.md")
    assert (studies / "a.md").read_text().startswith("# red")


@pytest.mark.parametrize("file", ["-", "/dev/stdout"])
def test_standard_output_gets_the_report_and_nothing_else(
    file: str, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So it can be piped, HTML as well."""
    assert json.loads(told(capsys, "red", "--format", "json", "--output", file))["study"] == "red"
    assert told(capsys, "red", "--output", file).strip().endswith("</html>")
    assert not list(studies.glob("report*"))


def test_a_storage_can_be_named(studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A study elsewhere is found by its storage, and the report says how to get there again."""
    journal = studies / "mlruns" / STUDIES / "red.journal"
    moved = journal.rename(studies / "other.journal")
    plain = json.loads(told(capsys, f"hydra.sweeper.storage={moved}", "--format", "json"))
    assert plain["study"] == "red"
    assert str(moved) in plain["commands"][-1]["line"]


@pytest.mark.parametrize(
    ("typed", "error", "said"),
    [
        pytest.param(
            ["blue"], UnknownStudyError, r"blue is not a study in .*\n  reed\n  red", id="no"
        ),
        pytest.param(["re"], UnknownStudyError, r"re is a prefix of 2 studies", id="two"),
        pytest.param(["a", "b"], ConfigError, "unexpected arguments: a b", id="names"),
        pytest.param(["red", "--output", "."], ConfigError, "is a folder", id="folder"),
        pytest.param(["red", "--output", "x/y"], ConfigError, "there is no folder", id="nowhere"),
        pytest.param(
            ["hydra.sweeper.storage=no.journal"], UnknownStudyError, "does not exist", id="storage"
        ),
        pytest.param(["model.filters=3"], ConfigError, "only tracking.KEY=VALUE or", id="key"),
        pytest.param(["--format", "pdf"], ConfigError, r"Type cnn-sweeps report --help", id="form"),
        pytest.param(["tracking.dir=empty"], UnknownStudyError, "there is no study in", id="empty"),
    ],
)
def test_refusals_say_what_is_possible(
    typed: list[str], error: type[Exception], said: str, studies: Path
) -> None:
    """What cannot be reported is refused in one message."""
    with pytest.raises(error, match=re.compile(said)):
        main(typed)


def test_a_database_of_somebody_else_is_left_alone(in_tmp: Path) -> None:
    """Who asks for a report makes no tables."""
    file = in_tmp / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = file.read_bytes()
    with pytest.raises(UnknownStudyError, match="there is no study"):
        main([f"hydra.sweeper.storage=sqlite:///{file}"])
    assert file.read_bytes() == before
