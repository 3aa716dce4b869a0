"""`cnn-sweeps export HASH FOLDER`: all that is needed to do a run again elsewhere, and back."""

from pathlib import Path

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.runs import export


def main(typed: list[str]) -> int:
    """Write the run of a hash into a folder; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: the run cannot be done again, or the folder cannot be written.
        StoreError: the store cannot be read.
    """
    parser = Arguments(
        "export",
        "HASH FOLDER",
        "Export everything needed to reproduce a run elsewhere.",
        names=(2, 2),
    )
    parser.add_run_id()
    asked = parser.read(typed)
    *hashes, folder = asked.names
    record = api.load(*hashes, *asked.overrides, run_id=asked.run_id)
    export.write(record, Path(folder))
    output.console().print(f"{folder}: {record.name}\n  {export.command(folder, record)}")
    return 0
