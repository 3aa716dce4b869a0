"""A table of image files, CSV or Parquet: path, label, and where there are any, split and group."""

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cnn_sweeps.config.schema import TableData
from cnn_sweeps.data.dataset import FEWEST_CLASSES, Content
from cnn_sweeps.data.files import ADDRESS, as_data_error, expand_user, kind
from cnn_sweeps.data.readers import listed
from cnn_sweeps.data.readers.listed import Files, Listing
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.readers.split_names import SplitName, split_of
from cnn_sweeps.data.split import refuse_unused
from cnn_sweeps.errors import ConfigError, DataError

PARQUET = (".parquet", ".pq")
ZIP = b"PK\x03\x04"
"""How an archive begins, and so XLSX and ODS."""
DELIMITERS = (",", ";", "\t")
DRIVE = re.compile(r"[A-Za-z]:[/\\]")
"""How a path of Windows begins that is not relative."""
HEAD = 2
"""The number of the first row below a head: people count from 1."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as text.

    Attributes:
        path: the file.
        columns: the values of each column by its name; what is missing is empty.
        rows: the number of each row as a spreadsheet has it, which counts empty ones.
    """

    path: Path
    columns: Mapping[str, Sequence[str]]
    rows: Sequence[int]

    def where(self, at: int) -> str:
        """How a row is called, for messages."""
        return f"row {self.rows[at]} of {self.path}"


def read(config: TableData) -> Content:
    """Read the images of a table.

    A given split column is taken as it is; without rows for testing, and for validation, whole
    groups are held out where there are groups, else images, in proportion to the classes.

    Raises:
        DataError: the table, a column, a path or a label is missing; a file is outside of the
            folder or listed twice; a group is in two splits; or files cannot be read as images.
        ConfigError: a setting has no effect, or `data.rules=1`, which has no tables.
    """
    if config.rules == 1:
        raise ConfigError("data=table came with data.rules=2; leave data.rules out.")
    path = expand_user(config.path)
    table = read_table(path)
    labels = _labels(config, table)
    classes = tuple(sorted(set(labels), key=_in_order))
    numbers = {name: number for number, name in enumerate(classes)}
    files = _files(config, table, [numbers[label] for label in labels])
    splits = _splits(config, table, files)
    _check(path, splits, classes)
    if "test" in splits:
        refuse_unused(config, "test_fraction", f"{path} has rows for testing")
    return listed.read(
        Listing(
            name=path.stem,
            source=path,
            folder=path.parent,
            class_names=classes,
            splits=splits,
            notices=tuple(_written_differently(classes)),
        ),
        config,
    )


def num_classes(config: TableData) -> int:
    """As many as there are different labels."""
    return len(set(_labels(config, read_table(expand_user(config.path)))))


def read_table(path: Path) -> Table:
    """A table, as text.

    Raises:
        DataError: it is missing or damaged, or has no rows.
    """
    if (found := kind(path)) != "file":
        fault = "is a folder" if found == "folder" else "does not exist"
        raise DataError(f"data.path={path} {fault}; data=table reads one CSV or Parquet file.")
    with as_data_error(path):
        return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _parsed(path: Path, _changed: int) -> Table:
    table = _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    if not table.columns or not table.rows:
        raise DataError(f"{path} has no rows; a table has a head and a row for each image.")
    return table


def _csv(path: Path) -> Table:
    """Values with commas, semicolons or tabs between them, whichever the head has most of."""
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:  # what spreadsheets store
            raise DataError(f"{path} is a spreadsheet or an archive; save it as CSV.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text ({error.reason}); save it as UTF-8.") from error
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    lines = io.StringIO(text, newline="")
    try:
        read = enumerate(csv.reader(lines, delimiter=delimiter, strict=True), HEAD - 1)
        rows = [(number, row) for number, row in read if row]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file ({error}); write it anew.") from error
    names = [name.strip() for name in rows[0][1]] if rows else []
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path} has two columns {twice!r}; rename one.")
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise DataError(
                f"row {number} of {path} has {len(row)} values, and the head {len(names)}; "
                "put quotes around values with a comma."
            )
    return Table(
        path=path,
        columns={name: [row[at].strip() for _, row in rows[1:]] for at, name in enumerate(names)},
        rows=[number for number, _ in rows[1:]],
    )


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  heavy, and few need it
    except ImportError:
        raise DataError(
            f"{path} is Parquet, for which pyarrow is missing; type pip install pyarrow."
        ) from None
    try:
        read = parquet.read_table(path)
        columns = read.to_pydict()
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is no Parquet file, or is damaged ({reason}).") from error
    return Table(
        path=path,
        columns={name: [_text(value) for value in values] for name, values in columns.items()},
        rows=range(HEAD, HEAD + read.num_rows),
    )


def _text(value: Any) -> str:
    """A value of Parquet as CSV has it: text without blanks around it, or none."""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return "" if value is None or str(value) == "nan" else str(value).strip()


def _column(config: TableData, table: Table, role: str) -> Sequence[str] | None:
    """The values of a column; None where an optional one is not there.

    Raises:
        DataError: it is missing, and needed or named.
    """
    option = f"{role}_column"
    named = getattr(config, option)
    name = named or role
    if name in table.columns:
        return table.columns[name]
    if named is None:
        return None
    raise DataError(
        f"{table.path} has no column {name!r} (it has {', '.join(map(repr, table.columns))}); type "
        f"data.{option}=NAME."
    )


def _labels(config: TableData, table: Table) -> Sequence[str]:
    labels = _column(config, table, "label") or ()
    if "" in labels:
        raise DataError(f"{table.where(labels.index(''))} has no label; fill it in.")
    return labels


def _in_order(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, before all other text."""
    try:
        value = float(label)
    except ValueError:
        value = math.nan
    return (False, value, label) if math.isfinite(value) else (True, 0.0, label)


def _written_differently(classes: Sequence[str]) -> Iterator[str]:
    """A sentence on each two classes that are one number, such as `1` and `1.0`."""
    for one, other in pairwise(classes):
        if _in_order(one)[:2] == _in_order(other)[:2] != _in_order("")[:2]:
            yield f"The labels {one!r} and {other!r} are two classes: write one number in one way."


def _files(config: TableData, table: Table, labels: Sequence[int]) -> Files:
    """A file, label and group for each row.

    Raises:
        DataError: no path, one that leaves the folder, or one that is there twice.
    """
    names = _column(config, table, "path") or ()
    groups = _column(config, table, "group")
    path = table.path
    folder = "" if path.parent == Path() else f"{path.parent}{os.sep}"
    tops = {f"{place}{os.sep}" for place in (path.parent.absolute(), path.parent.resolve())}
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        where = table.where(row)
        if not name:
            raise DataError(f"{where} has no path; fill it in.")
        if "\0" in name:
            raise DataError(f"{where} has a zero byte in its path; write it anew.")
        file = folder + _from_folder(name, tops, where)
        if (first := seen.setdefault(file, row)) != row:
            raise DataError(f"{where} has the file of row {table.rows[first]}, {name}; remove one.")
        if groups is not None and not groups[row]:
            raise DataError(f"{where} has no group; fill it in, if only with the path.")
    return Files(
        paths=list(seen),
        labels=np.array(labels, dtype=np.int64),
        groups=None if groups is None else np.array(groups),
    )


def _from_folder(name: str, tops: Set[str], where: str) -> str:
    """A path as it goes on from the folder of the table, however it is written there.

    Args:
        name: with slashes or, from Windows, backslashes; it may begin at the root or at `~`.
        tops: the folder of the table, as it is called and as it is without links.
        where: the row.

    Raises:
        DataError: it is an address of the web, or leads out of the folder.
    """
    if ADDRESS.match(name):
        raise DataError(
            f"{where} has the address {name}; download the images, and write the paths of files."
        )
    if "\\" in name and not any(os.path.lexists(top + name) for top in tops):
        name = name.replace("\\", os.sep)
    file = os.path.normpath(expand_user(Path(name)) if name.startswith("~") else name)
    for top in filter(file.startswith, tops):
        file = file.removeprefix(top)
    if file.startswith(os.sep) or file.split(os.sep, 1)[0] == os.pardir or DRIVE.match(file):
        raise DataError(
            f"{where} has the path {name}, which leaves the folder of the table; write paths "
            f"from {min(tops)} on, and move the table to the folder above its images."
        )
    return file


def _splits(config: TableData, table: Table, files: Files) -> dict[SplitName, Files]:
    """The rows of each split; all are for training where no column says otherwise.

    Raises:
        DataError: an unknown name of a split, or none is for training.
    """
    given = _column(config, table, "split")
    if given is None:
        return {"train": files}
    known = {name: split_of(name) for name in set(given)}
    rows: dict[SplitName, list[int]] = {"train": []}
    for row, name in enumerate(given):
        split = known[name]
        if split is None:
            raise DataError(
                f"{table.where(row)} has the split {name!r}; splits are train, val and test."
            )
        rows.setdefault(split, []).append(row)
    if not rows["train"]:
        raise DataError(
            f"{table.path} has no row whose split is train; there is nothing to learn from."
        )
    return {split: files.of(np.array(places)) for split, places in rows.items()}


def _check(path: Path, splits: Mapping[SplitName, Files], classes: Sequence[str]) -> None:
    """Refuse what no network learns from, and what would let a test see training images.

    Raises:
        DataError: one class, a class without training rows, or a group in two splits.
    """
    if len(classes) < FEWEST_CLASSES:
        raise DataError(
            f"{path} has only the label {classes[0]!r}; there must be at least two classes."
        )
    for untrained in np.setdiff1d(np.arange(len(classes)), splits["train"].labels):
        raise DataError(
            f"{path} has the label {classes[untrained]!r}, which no training image has; add "
            "some, or remove its rows."
        )
    home: dict[str, SplitName] = {}
    for split, files in splits.items():
        for group in [] if files.groups is None else np.unique(files.groups).tolist():
            if home.setdefault(group, split) != split:
                raise DataError(
                    f"{path} has the group {group!r} in two splits, {home[group]} and {split}; "
                    "give all of its rows one split."
                )


READER: Reader[TableData] = Reader(read=read, shape=listed.shape, num_classes=num_classes)
