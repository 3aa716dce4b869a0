"""Descriptions of runs in the store: written when a run ends, never over one that a user wrote."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cnn_sweeps.errors import StoreError
from cnn_sweeps.text.escape import printable
from cnn_sweeps.tracking import params
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.description_text import EXPERIMENT, OTHERS, Others, left_curves_to, of_run
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.local_runs import LocalRuns, find_run
from cnn_sweeps.tracking.names import CURVES_FILE
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.run import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE = "mlflow.note.content"
"""Tag that MLflow's pages show as the description, and write when a person edits it."""
DIGEST = "description_digest"
"""Tag with the digest of the description that we wrote: another one is a person's."""
EXPERIMENT_TAGS = {NOTE: EXPERIMENT, "mlflow.experimentKind": "custom_model_development"}
"""Tags of a new experiment; with the second MLflow need not guess of which kind it is."""
PICTURE = ".png"


def describe(
    run: TrackedRun,
    made: Callable[[RunRecord, list[str]], str] | None = None,
    *,
    ending: str | None = None,
    known: RunRecord | None = None,
) -> None:
    """Write the description of a run that has ended, unless a person has written another.

    A store that refuses it refuses no more than that: the run has ended as it has.

    Args:
        run: that has ended, or has got something new to say.
        made: makes the text of the run and of its pictures; an empty one is not written. That of
            an experiment when None.
        ending: the status that the run is about to end with, together with the tags that wait.
        known: the run, where it has just been read.
    """
    with suppress(StoreError), as_store_error(run.address):
        known = known or find_run(run.client, run.local, run.run_id)
        if known is None:
            return
        if ending is not None:
            tags = {**known.tags, **(run.waiting.tags if run.waiting else {})}
            known = replace(known, status=ending, end=datetime.now(tz=UTC), tags=tags)
        if not _is_ours(known):
            return
        told = (
            made(known, pictures_of(run.client, known))
            if made
            else text_of(run.client, run.local, known)
        )
        text = params.shorten(printable(told), params.TAG_LENGTH)
        if text:
            run.set_tags({NOTE: text, DIGEST: _digest(text)})


def text_of(client: "MlflowClient", local: LocalRuns | None, run: RunRecord) -> str:
    """The description of a run that trained an experiment, with what it says of other runs.

    Args:
        client: of the store.
        local: the same to read runs of a local database.
        run: as it is stored, or is about to be.
    """
    pictures = pictures_of(client, run)
    left_to = left_curves_to(run, pictures)
    named = [*(run.tags[tag] for tag in OTHERS if tag in run.tags), *left_to]
    found = [find_run(client, local, run_id) for run_id in named]
    runs = {each.run_id: each for each in found if each is not None and not each.deleted}
    drawn = [n for n in left_to if n in runs and CURVES_FILE in pictures_of(client, runs[n])]
    return of_run(run, pictures, Others(runs=runs, drawn=drawn))


def pictures_of(client: "MlflowClient", run: RunRecord) -> list[str]:
    """The pictures among the artifacts of a run, and in the folders of these."""
    here = local_folder(run.artifact_uri)
    if here is not None:
        found = [*here.glob(f"*{PICTURE}"), *here.glob(f"*/*{PICTURE}")]
        return [path.relative_to(here).as_posix() for path in sorted(found)]
    listed = client.list_artifacts(run.run_id)
    within = [
        file
        for folder in listed
        if folder.is_dir
        for file in client.list_artifacts(run.run_id, folder.path)
    ]
    return [file.path for file in (*listed, *within) if file.path.endswith(PICTURE)]


def _is_ours(run: RunRecord) -> bool:
    """Whether the description is none, or what we wrote."""
    return NOTE not in run.tags or _digest(run.tags[NOTE]) == run.tags.get(DIGEST)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
