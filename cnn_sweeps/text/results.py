"""Results as rows: for a program, for a spreadsheet, for a person."""

from abc import ABC, abstractmethod
from typing import Any

from cnn_sweeps.text.csv import csv_text
from cnn_sweeps.text.table import Table


class Results(ABC):
    """What a question came to, a row for each answer."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each row, every one with the same keys; None for what is not known."""

    @abstractmethod
    def table(self) -> Table:
        """The rows for a person: rounded, units in the heading."""

    def to_csv(self) -> str:
        """The rows for a spreadsheet."""
        records = self.records()
        return csv_text(list(records[0]) if records else ["rank"], records)
