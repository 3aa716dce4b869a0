"""A data set as one page that loads nothing: how many images, copies, and what they look like."""

from base64 import b64encode
from html import escape

from cnn_sweeps.config.schema import Augment
from cnn_sweeps.data.overview import Overview
from cnn_sweeps.figures import style
from cnn_sweeps.figures.images import samples
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import images
from cnn_sweeps.training.backend import quiet_stderr

SEED = 0
"""Of the training that is shown, the default of a run."""
MOST_COPIES = 50
"""Groups of copies that are named on the page."""
MOST_SIZES = 8
"""Sizes of files that are counted one by one."""
CSS = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1320px; padding: 0 1em;
  overflow-wrap: anywhere; background: light-dark(#fff, #181c20);
  color: light-dark(#333d47, #d5dbe1) }
td, th { padding: 0 1em 0 0; text-align: left; overflow-wrap: normal }
.scroll { overflow-x: auto } img { max-width: 100%; min-width: 720px; border-radius: 6px }"""
META = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)


def page(overview: Overview, augment: Augment | None = None) -> str:
    """The page, with everything that is not ours escaped.

    Args:
        overview: what is shown.
        augment: of which nine images are shown, where it is on; imports TensorFlow then.
    """
    data = overview.dataset
    parts = [
        f"<h1>{escape(data.name)}</h1>",
        f"<p>{escape(data.source)}</p>",
        *(f"<p>{escape(line)}</p>" for line in data.notices),
        _html("Images per class and split", counts(overview)),
        *([_html("Sizes of the files", sizes(overview))] if overview.sizes else []),
        *([_html("Exact copies", copies(overview))] if overview.copies else []),
        *([_augmented(overview, augment)] if augment is not None and augment.is_on else []),
        *(_sheet(overview, split) for split, found in overview.splits.items() if len(found)),
    ]
    head = f"<title>{escape(data.name)}</title><style>{CSS}</style>"
    whole = f'<!doctype html><html lang="en">{META}{head}<body>'
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
    whole = f"<table><tr>{head}</tr>{rows}</table>"
    return f'<h2>{title}</h2><div class="scroll">{whole}</div>'


def _augmented(overview: Overview, augment: Augment) -> str:
    """What augmentation makes of nine training images, as a run with seed 0 does."""
    with quiet_stderr():
        from cnn_sweeps.figures.augmented import augmented_images  # noqa: PLC0415 -- TensorFlow

    data = overview.dataset
    drawn = augmented_images(data, augment, SEED, data.name)
    return _picture("augmentation", "augmented images", style.png(drawn))


def _sheet(overview: Overview, split: str) -> str:
    """The first images of each class of a split as a picture."""
    data = overview.dataset
    y = {"train": data.y_train, "validation": data.y_val, "test": data.y_test}[split]
    drawn = samples(overview.splits[split], y, data.class_names, data.name, split)
    return _picture(split, f"{split} images", style.png(drawn))


def _picture(title: str, alt: str, png: bytes) -> str:
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    return f'<h2>{title}</h2><div class="scroll"><img alt="{alt}" src="{source}"></div>'
