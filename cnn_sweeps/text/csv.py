"""Rows for a spreadsheet, in which every text is text.

A spreadsheet takes a cell that begins with one of a few marks for a formula, which may run programs
or send other cells away. Such a text gets an apostrophe in front, as OWASP recommends
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from unicodedata import normalize

from cnn_sweeps.text.escape import printable

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How formulas begin; also in wide characters, and behind spaces and quotes."""


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A line for the names and one for each row, as RFC 4180 has it.

    Args:
        names: of the columns.
        rows: values by name; other names are passed over.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(cell, names))
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A value as a cell: numbers as they are, also those that are text already."""
    if not isinstance(value, str):
        return value
    begins = normalize("NFKC", value).lstrip(" '\"").startswith(FORMULA)
    return f"'{printable(value)}" if begins and not _number(value) else printable(value)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
