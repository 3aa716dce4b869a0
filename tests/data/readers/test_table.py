"""Tables of image files: splits, groups, and every way in which they can be wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnn_sweeps.config.schema import TableData
from cnn_sweeps.data import load, peek_classes
from cnn_sweeps.data.split import hold_out
from cnn_sweeps.errors import ConfigError, DataError

Rows = list[dict[str, str]]


def rows(count: int = 40) -> Rows:
    """Forty images of two classes, four of each patient."""
    return [
        {"path": f"images/{n:02}.png", "label": "ab"[n % 2], "group": f"patient {n // 4}"}
        for n in range(count)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., TableData]:
    """Write images and a table of them; returns how it is read."""

    def written(table: Rows, *, suffix: str = ".csv", delimiter: str = ",") -> TableData:
        (tmp_path / "images").mkdir(exist_ok=True)
        for number in range(40):
            image = Image.new("RGB", (6, 4), (150 + number, number, 200))
            image.save(tmp_path / "images" / f"{number:02}.png")
        path = tmp_path / f"table{suffix}"
        if suffix == ".parquet":
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.Table.from_pylist(table), path)
        else:
            lines = [delimiter.join(table[0]), *(delimiter.join(r.values()) for r in table)]
            path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
        return TableData(path=path)

    return written


@pytest.mark.parametrize(
    ("suffix", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t"), (".parquet", "")]
)
def test_each_form_gives_the_same_images(
    write: Callable[..., TableData], suffix: str, delimiter: str
) -> None:
    """Text labels are names of classes, and rows keep their order."""
    data = load(write(rows(), suffix=suffix, delimiter=delimiter))
    assert (data.name, data.class_names, data.shape) == ("table", ("a", "b"), (28, 28, 3))
    assert data.digest == load(write(rows())).digest
    assert data.rules == 2


@pytest.mark.parametrize(
    "as_stored", [lambda text: f" {text} ", str.encode], ids=["blanks", "bytes"]
)
def test_parquet_has_the_text_of_csv(
    write: Callable[..., TableData], as_stored: Callable[[str], Any]
) -> None:
    """Blanks around a value are no part of it, and bytes are text."""
    table = [{name: as_stored(value) for name, value in row.items()} for row in rows()]
    data = load(write(table, suffix=".parquet"))
    assert data.class_names == ("a", "b")
    assert data.digest == load(write(rows())).digest
    blank = write([{**table[0], "label": as_stored("  ")}, *table[1:]], suffix=".parquet")
    with pytest.raises(DataError, match=r"has no label; fill it in"):
        load(blank)


def test_groups_are_never_divided(write: Callable[..., TableData]) -> None:
    """Nor is a class left out: each patient is in one split, and the shares are near."""
    data = load(write(rows()))
    patients = {
        split: {(np.asarray(x)[:, 0, 0, 1] // 4)[n] for n in range(len(x))}
        for split, x in {"train": data.x_train, "val": data.x_val, "test": data.x_test}.items()
    }
    assert sum(map(len, patients.values())) == len(set.union(*patients.values())) == 10
    assert data.images_per_class == {"train": (14, 14), "validation": (2, 2), "test": (4, 4)}


def test_groups_name_the_data(write: Callable[..., TableData]) -> None:
    """They decide which images are held out, so another grouping is another experiment."""
    plain = [{k: row[k] for k in ("path", "label")} for row in rows()]
    other = [row | {"group": f"p{n // 2}"} for n, row in enumerate(rows())]
    digests = [load(write(table)).digest for table in (rows(), plain, other)]
    assert len(set(digests)) == 3


def test_groups_of_unequal_size_come_near_the_share() -> None:
    """Stratified as far as whole groups allow; the same groups for the same seed."""
    rng = np.random.RandomState(3)
    groups = np.sort(rng.randint(0, 60, 1000)).astype(str)
    y = rng.randint(0, 3, 1000)
    held = hold_out(y, 0.2, seed=1, option="x", groups=groups)
    np.testing.assert_array_equal(held, hold_out(y, 0.2, seed=1, option="x", groups=groups))
    assert (held != hold_out(y, 0.2, seed=2, option="x", groups=groups)).any()
    assert not set(groups[held]) & set(groups[~held])
    assert np.abs(np.bincount(y[held]) / np.bincount(y) - 0.2).max() < 0.03


def test_a_given_split_is_taken(write: Callable[..., TableData]) -> None:
    """By any of the names that splits go by; what is not given is held out."""
    names = ["Train"] * 24 + ["valid"] * 8 + ["TEST"] * 8
    table = [row | {"split": name} for row, name in zip(rows(), names, strict=True)]
    data = load(write(table))
    assert data.images_per_class == {"train": (12, 12), "validation": (4, 4), "test": (4, 4)}
    alone = [row | {"split": "train" if n < 32 else "test"} for n, row in enumerate(rows())]
    assert load(write(alone)).images_per_class["test"] == (4, 4)
    with pytest.raises(
        ConfigError, match=r"data\.test_fraction=0\.5 has no effect: .* for testing"
    ):
        load(replace(write(table), test_fraction=0.5))


@pytest.mark.parametrize(
    "spelt",
    [
        lambda path, _: path.replace("/", "\\"),
        lambda path, _: f"images/../{path}",
        lambda path, folder: f"{folder}/{path}",
        lambda path, folder: f"~/{folder.name}/{path}",
    ],
    ids=["windows", "climbs-inside", "absolute", "home"],
)
def test_paths_may_be_written_in_other_ways(
    write: Callable[..., TableData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelt: Callable[[str, Path], str],
) -> None:
    """As long as they lead to the same files, the data is the same."""
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    plain = load(write(rows())).digest
    assert load(write([r | {"path": spelt(r["path"], tmp_path)} for r in rows()])).digest == plain


def test_a_folder_that_is_reached_by_a_link_may_be_written_without_it(
    write: Callable[..., TableData], tmp_path: Path
) -> None:
    """As programs write it that follow links."""
    config = write([r | {"path": f"{tmp_path}/{r['path']}"} for r in rows()])
    (tmp_path / "link").symlink_to(tmp_path)
    assert load(replace(config, path=tmp_path / "link" / "table.csv")).digest


def test_one_number_that_is_written_in_two_ways_is_told(write: Callable[..., TableData]) -> None:
    """They stay two classes, as they were."""
    table = [r | {"label": ("1", "1.0", "nan", "x")[n % 4]} for n, r in enumerate(rows())]
    data = load(write([{k: r[k] for k in ("path", "label")} for r in table]))
    assert data.class_names == ("1", "1.0", "nan", "x")
    assert [line for line in data.notices if "two classes" in line] == [
        "The labels '1' and '1.0' are two classes: write one number in one way."
    ]


def test_columns_may_have_other_names(write: Callable[..., TableData]) -> None:
    """And numbers as labels are sorted by their value."""
    table = [
        {"file": row["path"], "kind": str(9 + n % 2), "patient": row["group"]}
        for n, row in enumerate(rows())
    ]
    config = replace(write(table), path_column="file", label_column="kind", group_column="patient")
    assert load(config).class_names == ("9", "10")
    assert peek_classes(config) == 2
    with pytest.raises(DataError, match="has no column 'label' .it has 'file', 'kind', 'patient'"):
        load(write(table))


def changed(number: int, **values: str) -> Rows:
    """The rows, with one of them changed."""
    table = rows()
    table[number] |= values
    return table


BAD: dict[str, tuple[Rows, str]] = {
    "no-label": (changed(3, label=""), r"row 5 of .*table.csv has no label; fill it in"),
    "no-path": (changed(0, path=""), r"row 2 of .* has no path"),
    "no-group": (changed(1, group=""), r"row 3 of .* has no group"),
    "leaves": (changed(2, path="../x.png"), r"row 4 .* \.\./x\.png, which leaves the folder"),
    "absolute": (changed(2, path="/etc/passwd"), "which leaves the folder of the table"),
    "climbs": (changed(2, path="a/../../x.png"), "which leaves the folder of the table"),
    "home": (changed(2, path="~/x.png"), "row 4 .* ~/x.png, which leaves the folder of the table"),
    "drive": (changed(2, path="C:\\pets\\x.png"), "which leaves the folder of the table"),
    "address": (
        changed(2, path="https://example.org/x.png"),
        "row 4 .* has the address https://example.org/x.png; download the images",
    ),
    "twice": (changed(7, path="images/05.png"), "row 9 .* has the file of row 7, images/05.png"),
    "twice-otherwise": (changed(7, path="./images/05.png"), "row 9 .* has the file of row 7"),
    "missing": (changed(2, path="images/no.png"), r"images/no\.png does not exist"),
    "many-missing": (
        [r | {"path": f"no/{n}.png"} if n < 5 else r for n, r in enumerate(rows())],
        r"5 of the 40 files that .*table\.csv names do not exist: .*no/0\.png, .*no/1\.png \.\.\.;",
    ),
    "no-image": (changed(2, path="table.csv"), r"table\.csv cannot be read as an image"),
    "comma": (changed(2, label="a,b"), "row 4 of .* has 4 values, and the head 3"),
    "one-class": ([r | {"label": "a"} for r in rows()], "has only the label 'a'"),
    "split": ([r | {"split": "dev"} for r in rows()], "row 2 .* has the split 'dev'; splits are"),
    "untrained": ([r | {"split": "test"} for r in rows()], "no row whose split is train"),
    "label-untrained": (
        [r | {"split": "test" if r["label"] == "b" else "train"} for r in rows()],
        "has the label 'b', which no training image has",
    ),
    "group-divided": (
        [r | {"split": "train" if n < 30 else "test"} for n, r in enumerate(rows())],
        "has the group 'patient 7' in two splits, train and test",
    ),
    "one-group": ([r | {"group": "x"} for r in rows()], "none of 1 groups can be held out"),
}


@pytest.mark.parametrize(("table", "text"), BAD.values(), ids=BAD.keys())
def test_a_spoilt_table_is_told(write: Callable[..., TableData], table: Rows, text: str) -> None:
    """Each fault names the row and the remedy, in one line."""
    with pytest.raises(DataError, match=text) as caught:
        load(write(table))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("t.csv", b"", "has no rows"),
        ("t.csv", b"path,label\n", "has no rows"),
        ("t.csv", b"path,path\n1,2\n", "has two columns 'path'"),
        ("t.csv", b"path,label\n\xff,1\n", "is no UTF-8 text"),
        ("t.csv", b'path,label\n"a,1\n', "is no CSV file"),
        ("t.parquet", b"PAR1", "is no Parquet file, or is damaged"),
    ],
    ids=["empty", "head-alone", "two-columns", "not-utf-8", "quotes", "parquet"],
)
def test_a_damaged_table_is_told(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    """Before any image is looked for."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=text):
        load(TableData(path=tmp_path / name))


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        (["path,label", "a.png,x", "", "", "b.png,"], 5),
        (["", "path,label", "a.png,x", "b.png,"], 4),
        (["path,label,note", 'a.png,x,"one', 'two"', "b.png,,"], 3),
    ],
    ids=["blank lines", "a blank line above", "a line break in a value"],
)
def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path, lines: list[str], row: int) -> None:
    """Empty ones too; a value of two lines is in one row."""
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"^row {row} of .*t.csv has no label"):
        load(TableData(path=tmp_path / "t.csv"))


def test_a_folder_and_the_first_rules_are_refused(
    tmp_path: Path, write: Callable[..., TableData]
) -> None:
    """There were no tables then."""
    with pytest.raises(DataError, match="is a folder; data=table reads one CSV"):
        load(TableData(path=tmp_path))
    with pytest.raises(ConfigError, match=r"leave data\.rules out"):
        load(replace(write(rows()), rules=1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\nimages/\x00.png,a\n", r"row 2 of .* has a zero byte in its path"),
        (b"PK\x03\x04" + bytes(40), "is a spreadsheet or an archive; save it as CSV"),
    ],
    ids=["zero byte", "spreadsheet"],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    """In a line that says what to do."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(TableData(path=path, rules=2))
