"""`cnn-sweeps data`: look through a data set; with a hash, the images whose label may be wrong."""

from argparse import Namespace
from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments, typed_path, whole_number
from cnn_sweeps.data import overview
from cnn_sweeps.data.readers import READERS
from cnn_sweeps.errors import ConfigError, UnknownHashError
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.text.table import Table
from cnn_sweeps.training.backend import quiet_stderr
from cnn_sweeps.training.progress import reading_bar

FIRST = 50
"""Images that are listed unless more are asked for."""
FILES = {".npz": "npz", ".csv": "table", ".parquet": "table"}
"""What reads a file, by its ending."""
MOST_COPIES = 10
"""Groups of copies that are printed; the page has more."""


def main(typed: list[str]) -> int:
    """Print what a data set holds, or the likely label errors of a run; 0 when it is done.

    Raises:
        ConfigError: an impossible setting, or a file that cannot be written.
        DataError: the images cannot be read, or are not those of the run.
        UnknownHashError: no run, or more than one experiment, has that hash.
        StoreError: the epochs of the run are not stored any more.
    """
    parser = Arguments(
        "data",
        "[HASH] [data=NAME] [data.KEY=VALUE ...] [augment=NAME] [--output FILE]",
        "Count the images of a data set by class and split, and look for copies, unreadable files "
        "and sizes. With HASH, list the training images of a finished run whose labels are likely "
        "to be wrong, by the margin over its stored epochs (AUM).",
        names=(0, 1),
    )
    parser.add_run_id()
    parser.add_argument(
        "--output",
        type=typed_path,
        metavar="FILE",
        help="write a page with a contact sheet and, with augment=NAME, what that does (HTML)",
    )
    parser.add_argument(
        "--first",
        type=whole_number,
        metavar="N",
        help=f"label errors to list ({FIRST})",
    )
    parser.add_trust()
    asked = parser.read(typed)
    if asked.names or asked.run_id:
        if asked.output:
            raise ConfigError("--output is about a data set: leave it out, or leave HASH out.")
        return _label_errors(asked)
    for option, given in (("first", asked.first is not None), ("trust", asked.trust)):
        if given:
            raise ConfigError(f"--{option} is about the images of a run: type its HASH as well.")
    return _overview(asked)


def _overview(asked: Namespace) -> int:
    config = validate.compose_data(asked.overrides)
    if config.augment.is_on and not asked.output:
        raise ConfigError("augmented images are shown on the page: type --output FILE as well.")
    with reading_bar("auto"):
        found = overview.look_through(config.data)

    from cnn_sweeps.report import data_page  # noqa: PLC0415 -- figures and MLflow

    out, data = output.console(), found.dataset
    shape = "x".join(map(str, data.shape))
    out.heading(data.name, f"  {data.source}, read as {shape}")
    data_page.counts(found).show(out)
    if found.sizes:
        out.print()
        data_page.sizes(found).show(out)
    for line in data.notices:
        out.print(line, soft_wrap=True)
    if found.copies:
        told = f"{pluralize(len(found.copies), 'image')} with exact copies"
        out.print(f"{told}, {found.across} of them in several splits:")
        for group in found.copies[:MOST_COPIES]:
            out.print(f"  {', '.join(map(found.name, group))}", soft_wrap=True)
    if asked.output:
        _write(asked.output, data_page.page(found, config.augment))
        out.print(f"contact sheet: {asked.output}", soft_wrap=True)
    return 0


def _label_errors(asked: Namespace) -> int:
    name = asked.names[0] if asked.names else None
    places, where = validate.places(asked.overrides)
    try:
        record = api.load(name, *where, run_id=asked.run_id)
    except UnknownHashError as unknown:
        if meant := _meant(name or ""):
            raise ConfigError(
                f"{name} is not a config hash.\nType cnn-sweeps data {meant} to look at its images."
            ) from unknown
        raise

    from cnn_sweeps.runs.restore import reopened  # noqa: PLC0415

    with reopened(record, places, trust=asked.trust) as config:
        with quiet_stderr():
            from cnn_sweeps.runs.epochs import label_errors  # noqa: PLC0415 -- TensorFlow
        suspects, epochs = label_errors.find_suspects(record, config, record.store.address.dir)
    shown = suspects[: asked.first or FIRST]
    columns = {
        "image": [each.name for each in shown],
        "label": [each.label for each in shown],
        "likely": [each.likely for each in shown],
        "margin": [f"{each.margin:.2f}" for each in shown],
    }
    table = Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset(columns.keys() - {"margin"}),
        first=("image", "label", "likely", "margin"),
    )
    out = output.console()
    out.heading(record.name)
    table.show(out)
    trained = len(record.epochs)
    of = "" if epochs == trained else f"{epochs} of "
    over = f"{of}{pluralize(trained, 'epoch')}"
    out.print(
        f"the {len(shown):,} of {len(suspects):,} training images with the smallest margin over "
        f"{over}: look at them; a small margin also means a difficult image."
    )
    if of:
        out.print("trajectory.epoch_mb=null keeps the weights of every epoch, whatever their size.")
    return 0


def _meant(name: str) -> str:
    """What is typed for a folder, a file or a data set that was taken for a hash; empty if none."""
    path = Path(name)
    reader = "image_folder" if path.is_dir() else FILES.get(path.suffix.lower())
    if reader and path.exists():
        return pasteable_command([f"data={reader}", f"data.path={name}"])
    return f"data={name}" if name in READERS else ""


def _write(path: Path, text: str) -> None:
    """Write the page.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--output {path} cannot be written: {error.strerror or error}."
        ) from error
