"""From what is typed (a hash, a run id, where to look) to the runs of a store."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import RecordError, UnknownHashError
from cnn_sweeps.models.network import Shape
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded.record import CONFIG, ENVIRONMENT, FINISHED, Record
from cnn_sweeps.text.untrusted import json_of, yaml_of
from cnn_sweeps.tracking import RunRecord, Store, artifacts, checked_prefix, finished_runs
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.tracking.names import (
    CONFIG_HASH,
    DATA_DIGEST,
    LAYERS_FILE,
    NETWORK_SHA256,
    REPRODUCES,
    REUSED_FROM,
    SCHEMA_VERSION,
    TRAJECTORY_HASH,
    WEIGHTS,
)
from cnn_sweeps.tracking.records import stop_reason

MOST_CANDIDATES = 10
RUN_ID_LENGTH = 32
HOW = ("threads", "deterministic", "steps_per_execution")
"""Fields of `trainer` that are no part of an experiment, but of how it is computed."""


def open_store(tracking: Tracking, wanted: str | None = None) -> Store:
    """The store to look in; nothing is made where none is.

    Args:
        tracking: where it is.
        wanted: the hash that is looked for, for the refusal; None where any run would do.

    Raises:
        UnknownHashError: no run was ever logged there.
        StoreError: it cannot be read.
    """
    store = Store.open_existing(tracking)
    if store is None:
        raise UnknownHashError(_nowhere(wanted, str(resolve(tracking))))
    return store


def one_experiment(store: Store, prefix: str) -> list[RunRecord]:
    """The runs of the one experiment with this prefix as it was typed, newest first.

    Raises:
        UnknownHashError: there is none, or more than one; the candidates are named.
    """
    prefix = checked_prefix(prefix)
    runs = store.find(prefix)
    hashes = {run.config_hash: run for run in runs}
    if not hashes:
        if deleted := store.find_deleted(prefix):
            _refuse_deleted(store, newest_run(deleted))
        raise UnknownHashError(_nowhere(prefix, str(store.address)))
    if len(hashes) > 1:
        listed = [f"  {str(h)[: SHOWN + 4]}  {run.name}" for h, run in sorted(hashes.items())]
        more = len(listed) - MOST_CANDIDATES
        listed = listed[:MOST_CANDIDATES] + ([f"  and {more} more"] if more > 0 else [])
        raise UnknownHashError(
            f"{prefix} matches {len(hashes)} hashes; type more digits:\n" + "\n".join(listed)
        )
    return runs


def newest_run(runs: Sequence[RunRecord]) -> RunRecord:
    """The run that represents an experiment, out of its runs.

    That is the newest one that finished. Reproductions and reused runs come after originals, runs
    that a callback stopped after those, and runs that did not finish last.
    """
    whole = [run for run in runs if run.is_whole]
    originals = [run for run in whole if not {REPRODUCES, REUSED_FROM} & run.tags.keys()]
    finished = [run for run in runs if run.status == FINISHED]
    return (originals or whole or finished or list(runs))[0]


def runs_named(store: Store, name: str) -> list[RunRecord]:
    """The runs of the one experiment with a hash, newest first, or the run with a run id.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that name.
    """
    if len(name) == RUN_ID_LENGTH and artifacts.run_by_id(store, name):
        return [run_of_id(store, name)]
    return one_experiment(store, name)


def one_run(store: Store, name: str) -> RunRecord:
    """The run that represents a hash, or the one with a run id.

    Raises:
        UnknownHashError: see `runs_named`.
    """
    return newest_run(runs_named(store, name))


def find_run(store: Store, name: str | None, run_id: str | None = None) -> RunRecord:
    """The run with a run id where one is given, else the one that represents a hash.

    Raises:
        UnknownHashError: there is none, or more than one experiment has that hash.
    """
    return run_of_id(store, run_id) if run_id else one_run(store, name or "")


def run_of_id(store: Store, run_id: str) -> RunRecord:
    """The run with an MLflow run id.

    Raises:
        UnknownHashError: there is none, or it was deleted.
    """
    run = artifacts.run_by_id(store, run_id)
    if run is None:
        raise UnknownHashError(f"There is no run with the id {run_id} in {store.address}.")
    if run.deleted:
        _refuse_deleted(store, run)
    return run


def _refuse_deleted(store: Store, run: RunRecord) -> NoReturn:
    told, command = store.restore_command(run)
    raise UnknownHashError(f"{told}.\n  Restore it with {command}")


def hash_of(run: RunRecord) -> str:
    """The config hash of a run.

    Raises:
        RecordError: it is no experiment, but the run of a sweep.
    """
    if run.config_hash is None:
        raise RecordError(f"Run {run.run_id} ({run.name}) is not an experiment; its trials are.")
    return run.config_hash


def record_of(store: Store, run: RunRecord) -> Record:
    """Everything that the store has of a run.

    Raises:
        RecordError: it is no experiment, is incomplete, or of another release.
        StoreError: the store refuses.
    """
    hash_of(run)
    tags = run.tags
    named = (SCHEMA_VERSION, CONFIG_HASH, TRAJECTORY_HASH, DATA_DIGEST)
    return Record.read(
        {
            "run_id": run.run_id,
            "name": run.name,
            "status": run.status,
            **{name: tags[name] for name in named if name in tags},
            NETWORK_SHA256: tags.get(NETWORK_SHA256),
            WEIGHTS: tags.get(WEIGHTS),
            "stopped": stop_reason(tags),
            "environment": _parsed(store, run, ENVIRONMENT, json_of),
            "epochs": _epochs(store, run),
            "metrics": run.metrics,
        },
        config=_as_trained(_parsed(store, run, CONFIG, yaml_of), run),
        sources=lambda folder: artifacts.read_folder(store, run.run_id, folder),
    )


def sizes(store: Store, run: RunRecord) -> tuple[Shape, int]:
    """The shape of an image and the number of classes, from the layers that a run has logged.

    Raises:
        RecordError: that file is not there, or cannot be read.
        StoreError: the store refuses.
    """
    rows = _parsed(store, run, LAYERS_FILE, json_of)
    try:
        column = rows["columns"].index("output_shape")
        height, width, channels = rows["data"][0][column]
        (num_classes,) = rows["data"][-1][column]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise damaged(LAYERS_FILE, run.run_id) from error
    return (height, width, channels), num_classes


def damaged(path: str, run_id: str) -> RecordError:
    """The refusal of a file of a run that cannot be read as what was stored."""
    return RecordError(f"{path} of run {run_id} cannot be read; it was changed or damaged.")


def _parsed(store: Store, run: RunRecord, path: str, parse: Callable[[str], Any]) -> Any:
    content = artifacts.read_file(store, run, path)
    if content is None:
        raise RecordError(f"Run {run.run_id} ({run.name}) ended before {path} was stored.")
    try:
        return parse(content.decode())
    except ValueError as error:
        raise damaged(path, run.run_id) from error


def _epochs(store: Store, run: RunRecord) -> list[dict[str, Any]]:
    try:
        return [asdict(epoch) for epoch in finished_runs.epochs_of(store, run)]
    except KeyError as error:
        raise RecordError(
            f"The metrics of run {run.run_id} ({run.name}) are incomplete: there are epochs "
            "without some of them."
        ) from error


def _as_trained(config: Any, run: RunRecord) -> Any:
    """The stored config with how it was computed.

    A run that was answered from another has the config of the one who asked, and the params of
    the one that trained.
    """
    if REUSED_FROM in run.tags and isinstance(config, dict):
        how = {
            name: run.params[f"trainer.{name}"] for name in HOW if f"trainer.{name}" in run.params
        }
        trainer = {**config.get("trainer", {}), **{k: json.loads(v) for k, v in how.items()}}
        return {**config, "trainer": trainer}
    return config


def _nowhere(prefix: str | None, place: str) -> str:
    told = f"no run has a config hash that begins with {prefix}, in"
    return (
        f"{'no run was ever logged in' if prefix is None else told} {place}.\n"
        "  Look elsewhere with tracking.uri=URI or tracking.dir=FOLDER."
    )
