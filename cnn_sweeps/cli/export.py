"""`cnn-sweeps export HASH FOLDER`: all that is needed to do a run again elsewhere, and back."""

from pathlib import Path

from cnn_sweeps.cli import arguments, output
from cnn_sweeps.runs import export, lookup
from cnn_sweeps.runs.record import check_finished, verify
from cnn_sweeps.runs.validate import compose_tracking

USAGE = "export HASH FOLDER"


def main(typed: list[str]) -> int:
    """Write the run of a hash into a folder; 0 when it is done.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: the run cannot be done again, or the folder cannot be written.
        StoreError: the store cannot be read.
    """
    parser = arguments.parser(
        "export", "HASH FOLDER", "Export everything needed to reproduce a run elsewhere."
    )
    parser.add_argument("--run-id", metavar="ID", help="this run instead of HASH")
    asked = parser.parse_intermixed_args(typed)
    count = 1 if asked.run_id else 2
    names, overrides = arguments.divide(asked.words, range(count, count + 1), USAGE)
    name, folder = asked.run_id or names[0], names[-1]
    store = lookup.open_store(compose_tracking(overrides), name)
    run = lookup.run_of_id(store, name) if asked.run_id else lookup.one_run(store, name)
    record = lookup.record_of(store, run)
    check_finished(record)
    verify(record)
    export.write(record, Path(folder))
    output.console().print(f"{folder}: {record.name}\n  {export.command(folder, record)}")
    return 0
