"""`cnn-sweeps export HASH FOLDER`: a run to reproduce elsewhere, or its network to use there."""

from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.errors import ConfigError, DataError, RecordError, UnknownHashError
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.export import export
from cnn_sweeps.runs.use.loaded import LoadedRun
from cnn_sweeps.runs.weights import pretrained
from cnn_sweeps.runs.weights.packed_weights import PackedWeights
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.training.backend import quiet_stderr

FORMATS = ("keras", "savedmodel", "litert")


def main(typed: list[str]) -> int:
    """Write the run of a hash, or with `--format` its network, into a folder; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: the run cannot be done again, or the folder cannot be written; or the exported
            network does not give what the original gives.
        ConfigError: the format cannot hold the network, or the model is the user's own and
            `--trust` was not given.
        DataError: the images that an exported network is checked with are missing.
        StoreError: the store cannot be read, or neither model nor last epoch is stored.
    """
    asked = _parser().read(typed)
    *hashes, folder = asked.names
    places, where = validate.places(asked.overrides)
    if asked.format is None and places:
        raise ConfigError(f"{places[0]} has no effect without --format.")
    if asked.format is not None and asked.no_weights:
        raise ConfigError("--no-weights has no effect with --format: the network has weights.")
    run = api.load(*hashes, *where, run_id=asked.run_id)
    if asked.format is None:
        _export_record(run, folder, trust=asked.trust, no_weights=asked.no_weights)
        return 0
    out = output.console()
    made = run.export(folder, asked.format, places=places, trust=asked.trust)
    out.print(f"{folder}: {run.name}", soft_wrap=True)
    out.print(f"  {'  '.join(made.files)}", soft_wrap=True)
    out.print(
        f"  test accuracy {made.accuracy_after:.4f}, of the original {made.accuracy:.4f}; "
        f"probabilities differ by at most {made.largest_difference:.2g}",
        soft_wrap=True,
    )
    out.print(
        f"  {pasteable_command(['python', f'{folder}/predict.py', 'PICTURE'])}", soft_wrap=True
    )
    return 0


def _export_record(run: LoadedRun, folder: str, *, trust: bool, no_weights: bool) -> None:
    """Write what reproduces a run, with the pretrained weights that it began with."""
    model = pretrained.begun_with(run.config)
    packs = model is not None and not no_weights
    if trust and not (packs and model and pretrained.runs_own_code(model)):
        raise ConfigError("--trust has no effect without --format.")
    if no_weights and model is None:
        raise ConfigError("--no-weights has no effect: the run began with no pretrained weights.")
    weights = _packed(run, trust=trust) if packs else None
    export.write(run, Path(folder), weights)
    out = output.console()
    out.print(f"{folder}: {run.name}\n  {export.command(folder, run, weights)}", soft_wrap=True)
    if weights is not None:
        out.print(f"  {export.WEIGHTS}/{weights.name}  {len(weights.content) / 1e6:,.1f} MB")
    elif model is not None:
        out.print(f"  without its pretrained weights: {pretrained.origin(model)}", soft_wrap=True)


def _packed(run: LoadedRun, *, trust: bool) -> PackedWeights:
    with quiet_stderr():
        from cnn_sweeps.runs import backbone  # noqa: PLC0415 -- TensorFlow
    try:
        return backbone.pack(run, run.store, trust=trust)
    except (DataError, RecordError, UnknownHashError) as error:
        raise type(error)(f"{error}\n  --no-weights exports the run without them.") from error


def _parser() -> Arguments:
    made = Arguments(
        "export",
        "HASH FOLDER [--format FORMAT]",
        "Export everything needed to reproduce a run elsewhere; or with --format its trained "
        "network, a model card and a script that predicts, checked on the test images.",
        names=(2, 2),
    )
    made.take_paths()
    made.add_run_id()
    made.add_argument(
        "--format", choices=FORMATS, help="export the network itself: keras, savedmodel or litert"
    )
    made.add_argument(
        "--no-weights", action="store_true", help="leave out the pretrained weights it began with"
    )
    made.add_trust()
    return made
