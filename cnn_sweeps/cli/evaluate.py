"""`cnn-sweeps evaluate HASH`: what the model of a finished run is worth, class by class."""

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.runs import validate
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say


def main(typed: list[str]) -> int:
    """Print metrics with intervals, and a row for each class; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: the run has no such images, or its model is the user's own and `--trust` was
            not given.
        DataError: the images are missing, or are not those of the run.
        StoreError: the run has no stored model, or the store cannot be read.
    """
    asked = _parser().read(typed)
    places, where = validate.places(asked.overrides)
    name = asked.names[0] if asked.names else None
    run = api.load(name, *where, run_id=asked.run_id)
    found = run.evaluate(split=asked.split, places=places, trust=asked.trust)
    if asked.json:
        say(dump_json(found))
    else:
        _show(run.name, found)
    return 0


def _parser() -> Arguments:
    made = Arguments(
        "evaluate",
        "HASH [options] [data.root=FOLDER]",
        "Evaluate the stored model of a finished run: accuracy, balanced accuracy, F1, AUCs, log "
        "loss, Brier score and calibration error, with 95 % bootstrap intervals, and precision, "
        "recall and F1 of each class.",
        names=(1, 1),
        hint="cnn-sweeps evaluate HASH, or evaluate --run-id ID",
    )
    made.add_run_id()
    made.add_argument(
        "--split", choices=("test", "val"), default="test", help="which images (test)"
    )
    made.add_argument("--json", action="store_true", help="print everything as JSON")
    made.add_argument(
        "--trust", action="store_true", help="execute the recorded code of model.function"
    )
    return made


def _show(name: str, found: Evaluation) -> None:
    out = output.console()
    words = {"test": "test", "val": "validation"}[found.split]
    out.heading(name, f"  ({pluralize(found.images, f'{words} image')})")
    found.overall_table().show(out)
    out.print()
    found.class_table().show(out)
