"""`cnn-sweeps show PREFIX`: everything that is known of a config hash."""

from collections.abc import Sequence

import yaml

from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.composition.validate import compose_tracking
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import Output
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking import RunRecord, Store, artifacts, checked_prefix, images
from cnn_sweeps.tracking.names import (
    BY_CALLBACK,
    CONFIG_FILE,
    DATA_DIGEST,
    ENVIRONMENT_FILE,
    GIT_COMMIT,
    IMAGES_FILE,
    LINEAGE,
    REPRODUCED_BY,
    TRAJECTORY_HASH,
    WEIGHTS,
)


def main(typed: list[str]) -> int:
    """Print what the store knows of an experiment, by its hash or a run of it; 0 when it is done.

    Raises:
        UnknownHashError: no experiment, or several, have that prefix.
        RecordError: the run is that of a sweep.
        StoreError: the store cannot be read.
    """
    asked = Arguments(
        "show",
        "HASH",
        "Show an experiment: config, images, metrics, environment, runs.",
        names=(1, 1),
    ).read(typed)
    prefix = checked_prefix(asked.names[0])
    store = lookup.open_store(compose_tracking(asked.overrides), prefix)
    run = lookup.one_run(store, prefix)
    show(store, lookup.one_experiment(store, lookup.hash_of(run)), run)
    return 0


def show(store: Store, runs: Sequence[RunRecord], run: RunRecord | None = None) -> None:
    """Print one experiment: a run of it in full, by default the newest, and a line for each."""
    out = output.console()
    newest = run or lookup.newest_run(runs)
    out.heading(newest.name)
    out.print(f"config hash      {newest.config_hash}", soft_wrap=True)
    for tag in (TRAJECTORY_HASH, DATA_DIGEST, WEIGHTS, GIT_COMMIT, REPRODUCED_BY):
        if tag in newest.tags:
            out.print(f"{tag.replace('_', ' '):<16} {newest.tags[tag]}", soft_wrap=True)
    if newest.ending != newest.status:
        out.print(f"{'stopped':<16} by a callback: {newest.tags[BY_CALLBACK]}", soft_wrap=True)
    for line in newest.tags.get(LINEAGE, "").splitlines():
        out.print(f"{'lineage':<16} {line}", soft_wrap=True)
    _section(out, "config", _stored(store, newest, CONFIG_FILE))
    _section(out, "images", _images(store, newest))
    _section(out, "metrics", _metrics(newest))
    _section(out, "environment", _environment(store, newest))
    _runs_table(runs).show(out)


def _section(out: Output, title: str, text: str) -> None:
    out.print()
    out.heading(title)
    out.print(text.rstrip(), soft_wrap=True)


def _stored(store: Store, run: RunRecord, path: str) -> str:
    content = artifacts.read_file(store, run, path)
    if content is None:
        return f"(run {run.run_id} ended before {path} was stored)"
    return content.decode(errors="replace")


def _images(store: Store, run: RunRecord) -> str:
    """Images per class and split, and what should be known; a run of an early release has none."""
    try:
        stored = artifacts.read_json(store, run, IMAGES_FILE)
        if stored is None:
            return "(not stored)"
        return "\n".join([images.table(stored).to_text(), *stored["notices"]])
    except (ValueError, KeyError, TypeError):
        return f"({IMAGES_FILE} was changed or damaged)"


def _metrics(run: RunRecord) -> str:
    width = max(map(len, run.metrics), default=0)
    lines = [f"{name:<{width}}  {value:.6g}" for name, value in sorted(run.metrics.items())]
    return "\n".join(lines) or "(none)"


def _environment(store: Store, run: RunRecord) -> str:
    text = _stored(store, run, ENVIRONMENT_FILE)
    try:
        return yaml.safe_dump(json_of(text), sort_keys=False, allow_unicode=True)
    except ValueError:
        return text


def _runs_table(runs: Sequence[RunRecord]) -> Table:
    scores = ("val_accuracy", "test_accuracy")
    columns = {
        "run id": [run.run_id for run in runs],
        "status": [run.ending for run in runs],
        "started (UTC)": [f"{run.start:%Y-%m-%d %H:%M:%S}" for run in runs],
        "weights": [run.tags.get(WEIGHTS, "")[:SHOWN] for run in runs],
        **{name: measures.texts(name, [run.metrics.get(name) for run in runs]) for name in scores},
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset(columns.keys() - set(scores)),
        title=pluralize(len(runs), "run"),
        first=("run id", "val_accuracy", "status", "test_accuracy"),
    )
