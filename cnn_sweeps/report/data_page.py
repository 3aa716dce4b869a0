"""A data set as one page that loads nothing: how many images, copies, and what they look like."""

from base64 import b64encode
from html import escape

from cnn_sweeps.data.overview import Overview
from cnn_sweeps.figures import style
from cnn_sweeps.figures.images import samples
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import images

MOST_COPIES = 50
"""Groups of copies that are named on the page."""
MOST_SIZES = 8
"""Sizes of files that are counted one by one."""
CSS = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1320px; color: #333d47;
  padding: 0 1em }
td, th { padding: 0 1em 0 0; text-align: left } img { max-width: 100% }"""


def page(overview: Overview) -> str:
    """The page, with everything that is not ours escaped."""
    data = overview.dataset
    parts = [
        f"<h1>{escape(data.name)}</h1>",
        f"<p>{escape(data.source)}</p>",
        *(f"<p>{escape(line)}</p>" for line in data.notices),
        _html("Images per class and split", counts(overview)),
        *([_html("Sizes of the files", sizes(overview))] if overview.sizes else []),
        *([_html("Exact copies", copies(overview))] if overview.copies else []),
        *(_sheet(overview, split) for split, found in overview.splits.items() if len(found)),
    ]
    head = f"<title>{escape(data.name)}</title><style>{CSS}</style>"
    whole = f'<!doctype html><html lang="en"><meta charset="utf-8">{head}<body>'
    return printable(whole + "\n".join(parts) + "</body></html>")


def counts(overview: Overview) -> Table:
    """Images per class and split."""
    return images.table(images.as_json(overview.dataset))


def sizes(overview: Overview) -> Table:
    """Width and height of the files, the most frequent first."""
    ordered = sorted(overview.sizes.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:MOST_SIZES], ordered[MOST_SIZES:]
    rows = [(f"{width}x{height}", f"{count:,}") for (width, height), count in shown]
    if rest:
        width, height = (sorted(side) for side in zip(*(size for size, _ in rest), strict=True))
        others = f"{width[0]}x{height[0]} to {width[-1]}x{height[-1]}, {len(rest)} other sizes"
        rows.append((others, f"{sum(count for _, count in rest):,}"))
    return Table(
        head=("width x height", "files"), rows=tuple(rows), text=frozenset({"width x height"})
    )


def copies(overview: Overview) -> Table:
    """Groups of images that are the same, those of several splits first."""
    rows = [
        (" ".join(sorted({split for split, _ in group})), ", ".join(map(overview.name, group)))
        for group in overview.copies[:MOST_COPIES]
    ]
    return Table(head=("split", "images"), rows=tuple(rows), text=frozenset({"split", "images"}))


def _html(title: str, table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return f"<h2>{title}</h2><table><tr>{head}</tr>{rows}</table>"


def _sheet(overview: Overview, split: str) -> str:
    """The first images of each class of a split as a picture."""
    data = overview.dataset
    y = {"train": data.y_train, "validation": data.y_val, "test": data.y_test}[split]
    drawn = style.png(samples(overview.splits[split], y, data.class_names, data.name, split))
    picture = b64encode(drawn).decode()
    return f'<h2>{split}</h2><img alt="{split} images" src="data:image/png;base64,{picture}">'
