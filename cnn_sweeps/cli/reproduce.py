"""`cnn-sweeps reproduce HASH`: do a run again from scratch, and say whether it came out the same.

The record is checked before anything runs. Then it is restored and trained, and what is logged
of that is compared with the record.
"""

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.markup import escape

from cnn_sweeps.cli import export, output
from cnn_sweeps.config.schema import Config, Tracking
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs import lookup, validate
from cnn_sweeps.runs.record import Record, check_finished, verify
from cnn_sweeps.runs.restore import check_images, importable, restore_flags, restored
from cnn_sweeps.runs.verdict import FINAL_METRICS, Verdict, compare, remarks
from cnn_sweeps.text.json import dumped
from cnn_sweeps.tracking import Store, notes
from cnn_sweeps.tracking.records import KIND, REPRODUCES
from cnn_sweeps.training.backend import quiet_stderr

USAGE = "reproduce HASH, or reproduce --run-id ID, or reproduce --from FOLDER"


def main(arguments: list[str]) -> int:
    """Do a run again and print the verdict; 0 if it came out the same, 1 if not.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that hash.
        RecordError: what is stored of the run was changed, or cannot be done again.
        ConfigError: its model is the user's own and `--trust` was not given.
        DataError: the images are missing, or are not those of the run.
        RunFailedError: the training failed this time.
        StoreError: the store refuses.
    """
    asked = _parser().parse_intermixed_args(arguments)
    count = 0 if asked.run_id or asked.folder else 1
    names, overrides = lookup.divide(asked.words, range(count, count + 1), USAGE)
    places = [text for text in overrides if text.startswith("data.")]
    tracking = validate.compose_tracking([text for text in overrides if text not in places])
    record, beside = _recorded(asked, names, tracking)
    check_finished(record)
    verify(record)
    config = restored(record, tracking, places)
    with importable(record, trust=asked.trust) as laid:
        validate.check(config)
        store = beside or Store.open(tracking)
        again = _trained(record, config, store)
    verdict = compare(record, again, tolerance=asked.tolerance)
    _tell(store, again.run_id, {"verdict": str(verdict)})
    if beside:
        linked = {"reproduced_by": again.run_id, "reproduction_verdict": verdict.kind}
        _tell(store, record.run_id, linked)
    if asked.json:
        _print_json(record, again, verdict)
    else:
        _print(record, again, verdict, laid=laid)
    return verdict.exit_code


def _parser() -> ArgumentParser:
    made = lookup.parser(
        "reproduce",
        "HASH [options] [data.root=FOLDER]",
        "Train the experiment of a hash again from scratch, with the config, the threads and the "
        "flags that were recorded, and compare every metric and the final weights with the record. "
        "Exit code 0: bit-identical, or equal within tolerance in another environment; "
        "1: different; 2: it cannot be done.",
    )
    other = made.add_mutually_exclusive_group()
    other.add_argument("--run-id", metavar="ID", help="this run, in place of HASH")
    other.add_argument(
        "--from", dest="folder", metavar="FOLDER", help="the run that cnn-sweeps export wrote there"
    )
    made.add_argument(
        "--trust", action="store_true", help="let the recorded code of model.function run"
    )
    made.add_argument(
        "--tolerance",
        type=_share,
        metavar="SHARE",
        help="how far any metric may be apart in another environment, such as 0.01",
    )
    made.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return made


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < math.inf:
        raise ArgumentTypeError(f"{text} is no share; type a number from 0, such as 0.01")
    return share


def _recorded(
    asked: Namespace, names: list[str], tracking: Tracking
) -> tuple[Record, Store | None]:
    """What is to be done again, and the store that it is in, with new runs next to it."""
    if asked.folder:
        return export.read(Path(asked.folder)), None
    store = lookup.open_store(tracking, asked.run_id or names[0])
    run = lookup.run_of_id(store, asked.run_id) if asked.run_id else lookup.one_run(store, names[0])
    return lookup.record_of(store, run), replace(store, experiment_id=run.experiment_id)


def _trained(record: Record, config: Config, store: Store) -> Record:
    """Train the restored config and log it as a run that names the one that it reproduces.

    The test split is scored if it was then.

    Raises:
        DataError: the images are missing, or are not those of the run.
    """
    restore_flags(record.environment)
    with quiet_stderr():
        from cnn_sweeps.runs.run import TrialContext, load_cached, run  # noqa: PLC0415 -- TensorFlow

    check_images(record, load_cached(config.data).digest)
    scored = any(name in record.metrics for name in FINAL_METRICS)
    result = run(
        config,
        store,
        trial=None if scored else TrialContext(parent_run_id=None),
        started=lambda run_id, _: store.reopen(run_id).set_tags(
            {REPRODUCES: record.run_id, KIND: "reproduction"}
        ),
    )
    return lookup.record_of(store, store.get(result.run_id))


def _tell(store: Store, run_id: str, tags: Mapping[str, str]) -> None:
    """Tag a run with a verdict, and have its description say so."""
    run = store.reopen(run_id)
    run.set_tags(tags)
    notes.describe(run)


def _print_json(record: Record, again: Record, verdict: Verdict) -> None:
    about = {
        "config_hash": record.identity.config_hash,
        "run_id": record.run_id,
        "reproduction_run_id": again.run_id,
    }
    output.console().out(dumped({**about, **verdict.to_json()}))


def _print(record: Record, again: Record, verdict: Verdict, *, laid: bool) -> None:
    out = output.console()
    out.print(f"[bold]{escape(record.name)}[/bold]  ({record.stopped})")
    for when, run in (("recorded", record), ("now", again)):
        weights = (run.weights_sha256 or "none")[:SHOWN]
        out.print(f"  {when:<9} weights {weights}  MLflow run {run.run_id}")
    if laid and record.source:
        out.print(f"  trained with the recorded {escape(record.source.path)}, which is not here")
    out.print(f"[bold]{escape(str(verdict))}[/bold]", soft_wrap=True)
    for line in remarks(verdict, record.environment, again.environment):
        out.print(f"  {escape(line)}", soft_wrap=True)
