"""`cnn-sweeps reproduce HASH`: train a run again, and compare it with its record."""

import math
from argparse import ArgumentTypeError

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments, filled, typed_path
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.reproduce import Reproduction
from cnn_sweeps.text.json import dump_json


def main(typed: list[str]) -> int:
    """Do a run again and print the verdict; 0 if it came out the same, 1 if not.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: what is stored of the run was changed, or cannot be done again.
        ConfigError: its model is the user's own and `--trust` was not given.
        DataError: the images are missing, or are not those of the run.
        RunFailedError: the training failed this time.
        StoreError: the store refuses.
    """
    asked = _parser().read(typed)
    done = api.reproduce(
        *(asked.names or [None]),
        *asked.overrides,
        run_id=asked.run_id,
        folder=asked.folder,
        trust=asked.trust,
        tolerance=asked.tolerance,
    )
    if asked.json:
        _print_json(done)
    else:
        _print(done)
    return done.verdict.exit_code


def _parser() -> Arguments:
    made = Arguments(
        "reproduce",
        "HASH [options] [data.root=FOLDER]",
        "Train the experiment of a hash again from scratch, with the config, the threads and the "
        "flags that were recorded, and compare every metric and the final weights with the record. "
        "Exit code 0: bit-identical, or equal within tolerance in another environment; "
        "1: different; 2: nothing was started.",
        names=(1, 1),
        hint="cnn-sweeps reproduce HASH, or reproduce --run-id ID, or reproduce --from FOLDER",
    )
    other = made.add_mutually_exclusive_group()
    other.add_argument("--run-id", type=filled, metavar="ID", help="this run instead of HASH")
    other.add_argument(
        "--from",
        dest="folder",
        type=typed_path,
        metavar="FOLDER",
        help="a run written by cnn-sweeps export",
    )
    made.add_trust()
    made.add_argument(
        "--tolerance",
        type=_share,
        metavar="SHARE",
        help="tolerance of all metrics in another environment, such as 0.01",
    )
    made.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return made


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < math.inf:
        raise ArgumentTypeError(f"{text} is not a tolerance; type a number from 0, such as 0.01")
    return share


def _print_json(done: Reproduction) -> None:
    about = {
        "config_hash": done.recorded.identity.config_hash,
        "run_id": done.recorded.run_id,
        "reproduction_run_id": done.now.run_id,
    }
    more = {"overridden": dict(done.overridden), "remarks": done.remarks}
    output.console().out(dump_json({**about, **done.verdict.to_json(), **more}))


def _print(done: Reproduction) -> None:
    out, record, again = output.console(), done.recorded, done.now
    out.heading(record.name, f"  ({record.stopped})")
    for when, run in (("recorded", record), ("now", again)):
        weights = (run.weights_sha256 or "none")[:SHOWN]
        out.print(f"  {when:<9} weights {weights}  MLflow run {run.run_id}")
    if done.used_recorded_source and record.source:
        files = ", ".join(each.path for each in record.source.files)
        out.print(f"  trained with the recorded {files}, not with what is here")
    for name, value in done.overridden.items():
        was = record.environment.flags.get(name)
        told = "recorded without it" if was is None else f"recorded with {was}"
        out.print(f"  overridden: your {name}={value}, {told}", soft_wrap=True)
    out.heading(str(done.verdict))
    for line in done.remarks:
        out.print(f"  {line}", soft_wrap=True)
