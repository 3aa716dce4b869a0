"""Results as rows."""

from typing import Any

import pytest

from cnn_sweeps.text.results import Results
from cnn_sweeps.text.table import Table


class Answers(Results):
    """Rows that are given."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = list(rows)

    def records(self) -> list[dict[str, Any]]:
        """The rows."""
        return self._rows

    def table(self) -> Table:
        """Nothing for a person."""
        return Table(head=(), rows=())


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        pytest.param([{"a": 1, "b": None}, {"a": "=2", "b": 0.5}], "a,b\r\n1,\r\n'=2,0.5\r\n"),
        pytest.param([], "rank\r\n", id="none"),
    ],
)
def test_a_spreadsheet_has_a_line_for_each_record(rows: list[dict[str, Any]], text: str) -> None:
    """Below one for their keys; what could be a formula is text."""
    assert Answers(*rows).to_csv() == text
