"""`cnn-sweeps figures HASH`: draw figures of a run, also of other images and filters."""

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments, typed_path
from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation.evaluation import SPLITS, Split
from cnn_sweeps.figures import learning_curves_png
from cnn_sweeps.figures.choices import FIGURES, NOTEBOOK, Choices
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.recorded.verdict import FINAL_METRICS
from cnn_sweeps.runs.restore import recorded_images, reopened
from cnn_sweeps.runs.use.loaded import LoadedRun
from cnn_sweeps.tracking import descriptions
from cnn_sweeps.tracking.names import CURVES_FILE
from cnn_sweeps.training.backend import configure_backend, quiet_stderr


def main(typed: list[str]) -> int:
    """Make the pictures of a run again and say where they are; 0, or 1 if one had to be left out.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: what is stored of the run was changed, or it did not finish.
        ConfigError: a figure, an image, a filter or a layer that is not there; or the model is the
            user's own and `--trust` was not given.
        DataError: the images are missing, or are not those of the run.
        StoreError: neither model nor last epoch is stored, or the store refuses.
    """
    asked = _parser().read(typed)
    name = asked.names[0] if asked.names else None
    places, where = validate.places(asked.overrides)
    record = api.load(name, *where, run_id=asked.run_id)
    with reopened(record, places, trust=asked.trust) as config:
        return _make(asked, record, config)


def _parser() -> Arguments:
    made = Arguments(
        "figures",
        "HASH [options] [data.root=FOLDER]",
        "Draw the figures of a finished run again from its stored model: the learning curves; of "
        "the test images (of a trial that was not scored on them: of the validation images) the "
        "confusion matrix, scores of each class, ROC and precision-recall curves, reliability, the "
        "most confident mistakes, Grad-CAM and the activations of the layers; the first kernels "
        "and samples of the data. Overwrites the run's existing figures.",
        names=(1, 1),
        hint="cnn-sweeps figures HASH, or figures --run-id ID",
    )
    made.add_run_id()
    made.add_argument(
        "--only", type=_names, metavar="NAME,...", help=f"which of {', '.join(FIGURES)} (all)"
    )
    made.add_argument(
        "--split", choices=tuple(SPLITS), help="whose images (test if the run was scored on them)"
    )
    made.add_argument(
        "--images",
        type=_numbers,
        metavar="N,N,...",
        help=f"images to show (of layers {','.join(map(str, NOTEBOOK))}, of Grad-CAM the worst "
        "mistakes and one of each class that is right)",
    )
    made.add_argument(
        "--filter", type=_number, default=0, metavar="N", help="which filter of each layer (0)"
    )
    made.add_argument(
        "--layer", metavar="NAME", help="layer whose filters are all shown (the first)"
    )
    made.add_argument(
        "--output",
        "--into",
        type=typed_path,
        metavar="FOLDER",
        help="write files to this folder instead of the run",
    )
    made.add_trust()
    return made


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ArgumentTypeError(f"{text} is not an integer from 0")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_number(part.strip()) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def _split(asked: Split | None, record: Record, held_out: int) -> Split:
    """Whose images are shown: a search has not seen those of the test split, and its user neither.

    Args:
        asked: what was typed.
        record: the run.
        held_out: how many validation images there are.

    Raises:
        ConfigError: there are no validation images.
    """
    if asked == "val" and not held_out:
        raise ConfigError(f"{record.name} has no validation images; type --split test.")
    scored = any(name in record.metrics for name in FINAL_METRICS)
    return asked or ("test" if scored or not held_out else "val")


def _make(asked: Namespace, record: LoadedRun, config: Config) -> int:
    with quiet_stderr():
        from cnn_sweeps.figures import gallery  # noqa: PLC0415 -- TensorFlow
        from cnn_sweeps.runs import stored_model  # noqa: PLC0415
    dataset = recorded_images(record, config)
    choices = Choices(
        images=asked.images,
        filter=asked.filter,
        layer=asked.layer,
        only=asked.only,
        split=_split(asked.split, record, len(dataset.x_val)),
    )
    choices.check_images(len(dataset.x_test if choices.split == "test" else dataset.x_val))
    configure_backend(config.trainer, config.seed)
    store, run = record.store, record.store.get(record.run_id)
    tracked = store.reopen(record.run_id)
    write = _into(asked.output) if asked.output else tracked.log_bytes
    if asked.only is None:  # of what is logged: they need no model
        write(learning_curves_png(record.epochs, record.name), CURVES_FILE)
    model = stored_model.load(store, run, config, dataset.shape, dataset.num_classes)
    made = gallery.Gallery.of(
        config,
        model=model,
        dataset=dataset,
        about=record.name,
        choices=choices,
    )
    made.check()
    saved = gallery.save(made, write)
    if asked.only is None:
        saved.written.insert(0, CURVES_FILE)
    if not asked.output:
        if asked.only is None:
            stored_model.note_left_out(saved.left_out, tracked)
        descriptions.describe(tracked)
    said = [*saved.left_out, *(saved.absent if asked.only else ())]
    _print(record, asked.output, saved.written, said, SPLITS[choices.split])
    return 1 if said else 0


def _into(folder: Path) -> Callable[[bytes, str], None]:
    """Writes into a folder, whatever the path that a picture has in a run."""

    def write(content: bytes, path: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / Path(path).name).write_bytes(content)
        except OSError as error:
            raise ConfigError(
                f"--output {folder} cannot be written: {error.strerror or error}."
            ) from error

    return write


def _print(
    record: Record, into: Path | None, written: list[str], left_out: list[str], split: str
) -> None:
    out = output.console()
    out.heading(record.name, f"  ({split} images)")
    for path in written:
        out.print(f"  {into / Path(path).name if into else path}", soft_wrap=True)
    for line in left_out:
        out.print(f"  {line}", soft_wrap=True)
    if into is None and written:
        out.print(f"  among the artifacts of MLflow run {record.run_id}")
