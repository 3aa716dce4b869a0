"""`cnn-sweeps evaluate HASH`: scores of a finished run's model, class by class.

With `--metrics`, metrics of the validation images for a run, each of its epochs, or a study.
"""

from argparse import Namespace

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments, take_storage
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation, split_of
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.epochs.measured import MeasuredRun
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say


def main(typed: list[str]) -> int:
    """Print metrics with intervals, and a row for each class; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        UnknownStudyError: no study, or several, have that name.
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: an unknown metric, the run has no such images, or its model is the user's own
            and `--trust` was not given.
        DataError: the images are missing, or are not those of the run.
        ModelError: a metric of the user's own failed.
        StoreError: neither model nor last epoch is stored, or the store cannot be read.
    """
    asked = _parser().read(typed)
    if asked.metrics is not None:
        _measure(asked)
    else:
        _evaluate(asked)
    return 0


def _parser() -> Arguments:
    made = Arguments(
        "evaluate",
        "HASH|STUDY [options] [data.root=FOLDER] [hydra.sweeper.storage=URL]",
        "Evaluate the stored model of a finished run: accuracy, balanced accuracy, F1, AUCs, log "
        "loss, Brier score and calibration error, with 95 % bootstrap intervals, and precision, "
        "recall and F1 of each class. With --metrics, these metrics of the validation images, for "
        "a run, each of its epochs, or all trials of a study, ranked; nothing is trained.",
        names=(1, 1),
        hint="cnn-sweeps evaluate HASH, or evaluate --run-id ID",
    )
    made.add_run_id()
    made.add_argument(
        "--split",
        choices=sorted({*SPLITS, *SPLITS.values()}),
        help="which images (test; validation with --metrics)",
    )
    made.add_argument(
        "--metrics", metavar="NAME,...", help="such as macro_f1,roc_auc,my_module:function"
    )
    made.add_argument("--every-epoch", action="store_true", help="each stored epoch")
    made.add_forms("the metrics")
    made.add_trust()
    return made


def _evaluate(asked: Namespace) -> None:
    """Evaluate the stored model in full."""
    for option in ("every_epoch", "csv"):
        if getattr(asked, option):
            typed = option.replace("_", "-")
            raise ConfigError(f"--{typed} needs --metrics. Type --metrics macro_f1 --{typed}")
    places, where = validate.places(asked.overrides)
    name = asked.names[0] if asked.names else None
    run = api.load(name, *where, run_id=asked.run_id)
    found = run.evaluate(split=asked.split or "test", places=places, trust=asked.trust)
    if asked.json:
        say(dump_json(found))
    else:
        _show(run.name, found)


def _measure(asked: Namespace) -> None:
    """Print metrics of the validation images."""
    if split_of(asked.split or "val") == "test":
        raise ConfigError(
            "--metrics compares epochs and trials, which only the validation images may decide: "
            "the test split would be overfitted.\nLeave --split out; cnn-sweeps evaluate HASH "
            "scores the test images of one run."
        )
    storage, places = take_storage(asked.overrides)
    found = api.evaluate(
        asked.names[0] if asked.names else None,
        *places,
        storage=storage,
        metrics=asked.metrics,
        run_id=asked.run_id,
        every_epoch=asked.every_epoch,
        trust=asked.trust,
    )
    name = found.name if isinstance(found, MeasuredRun) else found.study
    output.print_results(found, asked, name)


def _show(name: str, found: Evaluation) -> None:
    out = output.console()
    out.heading(name, f"  ({pluralize(found.images, f'{SPLITS[found.split]} image')})")
    found.overall_table().show(out)
    out.print()
    found.class_table().show(out)
