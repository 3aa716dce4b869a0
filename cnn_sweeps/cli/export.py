"""`cnn-sweeps export HASH FOLDER`: a run to reproduce elsewhere, or its network to use there."""

from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs import export, validate
from cnn_sweeps.text.shell import pasteable_command

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
        StoreError: the store cannot be read, or the run has no stored model.
    """
    asked = _parser().read(typed)
    *hashes, folder = asked.names
    places, where = validate.places(asked.overrides)
    if asked.format is None and (places or asked.trust):
        given = places[0] if places else "--trust"
        raise ConfigError(f"{given} has no effect without --format.")
    run = api.load(*hashes, *where, run_id=asked.run_id)
    out = output.console()
    if asked.format is None:
        export.write(run, Path(folder))
        out.print(f"{folder}: {run.name}\n  {export.command(folder, run)}")
        return 0
    made = run.export(folder, asked.format, places=places, trust=asked.trust)
    out.print(f"{folder}: {run.name}")
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


def _parser() -> Arguments:
    made = Arguments(
        "export",
        "HASH FOLDER [--format FORMAT]",
        "Export everything needed to reproduce a run elsewhere; or with --format its trained "
        "network, a model card and a script that predicts, checked on the test images.",
        names=(2, 2),
    )
    made.add_run_id()
    made.add_argument(
        "--format", choices=FORMATS, help="export the network itself: keras, savedmodel or litert"
    )
    made.add_argument(
        "--trust", action="store_true", help="execute the recorded code of model.function"
    )
    return made
