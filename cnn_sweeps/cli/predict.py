"""`cnn-sweeps predict HASH FILE|FOLDER ...`: classes for new pictures, by a finished run."""

from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import MANY, Arguments, whole_number
from cnn_sweeps.data.pictures import picture_files
from cnn_sweeps.runs.use.prediction import Predictions
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say, warn

TOP = 3
MOST_NAMED = 10
"""Files that cannot be read, each with its reason."""


def main(typed: list[str]) -> int:
    """Print the most probable classes of each picture; 0, or 1 if one could not be read.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: the model is the user's own and `--trust` was not given.
        DataError: there is nothing under a path, or no picture in a folder.
        StoreError: neither model nor last epoch is stored, or the store cannot be read.
    """
    asked = _parser().read(typed)
    names = list(asked.names)
    name = None if asked.run_id else names.pop(0)
    files = _once(picture_files([Path(each) for each in names]))  # before TensorFlow is imported
    run = api.load(name, *asked.overrides, run_id=asked.run_id)
    found = run.predictor(trust=asked.trust).predict(files)
    if asked.json:
        say(dump_json(found.records(asked.top)))
    elif asked.csv:
        say(found.to_csv(asked.top), end="")
    else:
        _show(found, asked.top)
    for fault in found.unreadable[:MOST_NAMED]:
        warn(str(fault))
    if more := len(found.unreadable[MOST_NAMED:]):
        warn(f"{pluralize(more, 'more file')} cannot be read.")
    return 1 if found.unreadable else 0


def _parser() -> Arguments:
    made = Arguments(
        "predict",
        "HASH FILE|FOLDER [...] [options]",
        "Predict the classes of pictures with the stored model of a finished run: the most "
        "probable classes of each, the least certain pictures first. Any size and colour; "
        "pictures are decoded as the training images were.",
        names=(2, MANY),
        hint="cnn-sweeps predict HASH FILE, or predict --run-id ID FILE",
    )
    made.take_paths()
    made.add_run_id()
    made.add_argument(
        "--top", type=whole_number, default=TOP, metavar="N", help=f"classes shown ({TOP})"
    )
    made.add_forms("them")
    made.add_trust()
    return made


def _once(files: list[Path]) -> list[Path]:
    """Each file in its first place, however often it was named, by itself or by its folders."""
    found: dict[Path, Path] = {}
    for file in files:
        found.setdefault(file.absolute(), file)
    return list(found.values())


def _show(found: Predictions, top: int) -> None:
    out = output.console()
    if len(found):
        found.table(top).show(out)
    if (right := found.right()) is not None:
        out.print(right, soft_wrap=True)
