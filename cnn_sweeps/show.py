"""`cnn-sweeps show PREFIX`: everything that is known of a config hash."""

import argparse
import json
from collections.abc import Sequence

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnn_sweeps import console
from cnn_sweeps.composition import compose_tracking
from cnn_sweeps.errors import StoreError, UnknownHashError
from cnn_sweeps.identity import SHOWN
from cnn_sweeps.tracking import RunRecord, Store, checked_prefix

MOST_CANDIDATES = 10


def main(arguments: list[str]) -> None:
    """Print what the store knows of the one experiment whose hash begins so.

    Raises:
        UnknownHashError: no experiment, or several, have that prefix.
        StoreError: the store cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="cnn-sweeps show",
        description="Print what is known of a config hash: config, metrics, environment, runs.",
        epilog="Where to look: tracking.uri=URI or tracking.dir=FOLDER, as for a run.",
    )
    parser.add_argument("prefix", metavar="PREFIX", help="the first 4 or more digits of the hash")
    parser.add_argument("overrides", nargs="*", metavar="tracking.KEY=VALUE", help="where to look")
    asked = parser.parse_args(arguments)
    prefix, tracking = checked_prefix(asked.prefix), compose_tracking(asked.overrides)
    store = Store.open_existing(tracking)
    if store is None:
        raise UnknownHashError(_nowhere(prefix, str(tracking.uri or tracking.dir.absolute())))
    show(store, one_experiment(store, prefix))


def one_experiment(store: Store, prefix: str) -> list[RunRecord]:
    """The runs of the one experiment with this prefix, newest first.

    Raises:
        UnknownHashError: there is none, or more than one; the candidates are named.
    """
    runs = store.find(prefix)
    hashes = {run.config_hash: run for run in runs}
    if not runs:
        raise UnknownHashError(_nowhere(prefix, str(store.address)))
    if len(hashes) > 1:
        listed = [f"  {str(h)[: SHOWN + 4]}  {run.name}" for h, run in sorted(hashes.items())]
        more = len(listed) - MOST_CANDIDATES
        listed = listed[:MOST_CANDIDATES] + ([f"  and {more} more"] if more > 0 else [])
        raise UnknownHashError(
            f"{prefix} is the beginning of {len(hashes)} hashes; type more digits:\n"
            + "\n".join(listed)
        )
    return runs


def show(store: Store, runs: Sequence[RunRecord]) -> None:
    """Print one experiment: its newest finished run in full, and a line for each run."""
    out = console.console()
    newest = next((run for run in runs if run.status == "FINISHED"), runs[0])
    out.print(f"[bold]{escape(newest.name)}[/bold]")
    out.print(f"config hash      {newest.config_hash}")
    for tag in ("trajectory_hash", "data_digest", "weights_sha256", "git_commit"):
        if tag in newest.tags:
            out.print(f"{tag.replace('_', ' '):<16} {newest.tags[tag]}")
    _section(out, "config", _stored(store, newest, "config.yaml"))
    _section(out, "metrics", _metrics(newest))
    _section(out, "environment", _environment(store, newest))
    out.print(_runs_table(runs))


def _nowhere(prefix: str, place: str) -> str:
    return (
        f"no run has a config hash that begins with {prefix}, in {place}.\n"
        "  Look elsewhere with tracking.uri=URI or tracking.dir=FOLDER."
    )


def _section(out: Console, title: str, text: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    out.print(escape(text.rstrip()))


def _stored(store: Store, run: RunRecord, path: str) -> str:
    try:
        return store.read_text(run.run_id, path)
    except StoreError:
        return f"(run {run.run_id} ended before {path} was stored)"


def _metrics(run: RunRecord) -> str:
    width = max(map(len, run.metrics), default=0)
    lines = [f"{name:<{width}}  {value:.6g}" for name, value in sorted(run.metrics.items())]
    return "\n".join(lines) or "(none)"


def _environment(store: Store, run: RunRecord) -> str:
    text = _stored(store, run, "environment.json")
    try:
        return yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
    except ValueError:
        return text


def _runs_table(runs: Sequence[RunRecord]) -> Table:
    table = Table(title=f"{len(runs)} run{'s' if len(runs) > 1 else ''}", title_justify="left")
    for name in ("run id", "status", "started (UTC)", "weights", "val_accuracy", "test_accuracy"):
        table.add_column(name, no_wrap=True)
    for run in runs:
        scores = [run.metrics.get(name) for name in ("val_accuracy", "test_accuracy")]
        table.add_row(
            run.run_id,
            run.status,
            f"{run.start:%Y-%m-%d %H:%M:%S}",
            run.tags.get("weights_sha256", "")[:SHOWN],
            *("" if score is None else f"{score:.4f}" for score in scores),
        )
    return table
