"""Names, overrides and options of a command, in any order."""

import re
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from cnn_sweeps.cli.arguments import STORAGE, Arguments, take_storage, whole_number
from cnn_sweeps.errors import ConfigError


def diff() -> Arguments:
    """A command about two runs."""
    return Arguments("diff", "HASH HASH", "Show how two runs differ.", names=(2, 2))


def export() -> Arguments:
    """A command whose hash may be left out."""
    made = Arguments("export", "HASH FOLDER", "Export a run.", names=(2, 2))
    made.take_paths()
    made.add_run_id()
    return made


def test_words_with_an_equals_sign_are_overrides() -> None:
    """Hashes and where to look may be typed in any order."""
    asked = diff().read(["abcd", "tracking.dir=x", "ef01", "data.root=y"])
    assert asked.names == ["abcd", "ef01"]
    assert asked.overrides == ["tracking.dir=x", "data.root=y"]


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param(["tracking.dir=x", "--csv", "--", "-a", "b=c"], id="both"),
        pytest.param(["-a", "--csv", "tracking.dir=x", "--", "b=c"], id="unknown-option"),
        pytest.param(["b=c", "--csv", "tracking.dir=x", "--", "-a"], id="override"),
    ],
)
def test_behind_two_dashes_are_names(typed: list[str]) -> None:
    """Whatever they look like; before, they are options and overrides as before."""
    parser = diff()
    parser.add_forms("it")
    if typed[0] == "tracking.dir=x":
        asked = parser.read(typed)
        assert (asked.names, asked.overrides, asked.csv) == (["-a", "b=c"], typed[:1], True)
        assert asked.words == ["tracking.dir=x", "-a", "b=c"]
        return
    with pytest.raises(ConfigError, match="a name with = or a - in front is typed behind --"):
        parser.read(typed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param([], "an argument is missing.", id="none"),
        pytest.param(["a"], "an argument is missing.", id="one"),
        pytest.param(["a", "b", "c"], "unexpected arguments: a b c", id="three"),
        pytest.param(
            [f"{number}.jpg" for number in range(3000)],
            "unexpected arguments: 0.jpg 1.jpg 2.jpg 3.jpg 4.jpg and 2,995 more",
            id="thousands",
        ),
    ],
)
def test_too_few_and_too_many_names_are_refused(words: list[str], said: str) -> None:
    """What would have been right is said."""
    with pytest.raises(ConfigError) as caught:
        diff().read(words)
    assert str(caught.value) == (f"{said}\n  Type cnn-sweeps diff HASH HASH")


def test_commands_that_execute_recorded_code_are_told() -> None:
    """`SECURITY.md` names each of them beside `--trust`."""
    root = Path(__file__).parents[2]
    lines = (root / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    told = " ".join(line for line in lines if "`--trust`" in line)
    for file in (root / "cnn_sweeps" / "cli").glob("*.py"):
        text, command = file.read_text(encoding="utf-8"), file.stem.replace("_", "-")
        if "trust=asked.trust" in text:
            assert re.search(rf"`(cnn-sweeps )?{command}\b", told), command


def test_a_refusal_of_options_is_short() -> None:
    """However many were typed, or begin with a minus."""
    with pytest.raises(ConfigError) as caught:
        diff().read([f"-{number}.jpg" for number in range(3000)])
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "path",
    ["runs/lr=0.1/a.jpg", "./b=1.jpg", "out=dir", "/data/seed=1", "data/v=1/a.jpg", "~/a=b.png"],
)
def test_a_path_may_have_an_equals_sign(path: str) -> None:
    """Where a command takes paths, overrides are known by their keys."""
    asked = export().read([path, "abcd", "tracking.dir=x", "data.root=y"])
    assert asked.names == [path, "abcd"]
    assert asked.overrides == ["tracking.dir=x", "data.root=y"]


def test_what_exists_is_a_path(in_tmp: Path) -> None:
    """Also where an override could begin so."""
    (in_tmp / "seed=1").mkdir()
    assert export().read(["abcd", "seed=1"]).names == ["abcd", "seed=1"]
    with pytest.raises(ConfigError, match="an argument is missing"):
        export().read(["abcd", "seed=2"])


@pytest.mark.parametrize(
    ("typed", "names"),
    [(["abcd", "out"], ["abcd", "out"]), (["out", "--run-id", "ef01"], ["out"])],
)
def test_a_run_id_stands_in_place_of_the_hash(typed: list[str], names: list[str]) -> None:
    """So there is one name less."""
    assert export().read(typed).names == names


def test_a_hash_beside_a_run_id_is_refused() -> None:
    """One of them would have to be ignored."""
    with pytest.raises(ConfigError, match="unexpected arguments: abcd out"):
        export().read(["abcd", "out", "--run-id=ef01"])


def test_an_unknown_option_is_refused() -> None:
    """With where all of them are listed."""
    with pytest.raises(ConfigError, match="--jsn.\n  Type cnn-sweeps diff --help for the options"):
        diff().read(["abcd", "ef01", "--jsn"])


def test_a_table_is_printed_in_one_form() -> None:
    """As JSON or as CSV, whichever command it is."""
    parser = Arguments("what-if", "HASH", "Ask.", names=(0, 1))
    parser.add_forms("it")
    assert parser.read(["--csv"]).csv
    with pytest.raises(ConfigError, match="--csv: not allowed with argument --json.\n"):
        parser.read(["--json", "--csv"])


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "٣"])
def test_a_count_is_an_integer_from_1(text: str) -> None:
    """In digits that anybody types."""
    assert whole_number("20") == 20
    with pytest.raises(ArgumentTypeError, match=f"{text} is not an integer from 1"):
        whole_number(text)


def test_a_storage_may_be_quoted_as_for_a_sweep() -> None:
    """A query string has to be there; what was copied is the same storage."""
    url = "postgresql+psycopg://me@db/s?sslmode=require"
    assert take_storage([f'{STORAGE}"{url}"', "a=1"]) == (url, ["a=1"])
    assert take_storage([f"{STORAGE}{url}"]) == (url, [])
