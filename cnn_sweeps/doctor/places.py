"""Where things are written, and what lies there that would mislead."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cnn_sweeps.doctor.finding import Finding, Machine, existing, fail, ok, warn
from cnn_sweeps.passwords import without_password
from cnn_sweeps.trajectory.store import GB, TrajectoryStore

ELSEWHERE = "choose another folder with tracking.dir=FOLDER"
ROOM = 0.5 * GB
"""Free bytes below which models and pictures of a sweep may not fit."""
BLOCK = b"\0" * 4096


def folder(machine: Machine) -> Iterator[Finding]:
    """Whether runs can be written: tried with a file that has no name and leaves nothing."""
    home, place = machine.home, existing(machine.home)
    reason = _why_not_writable(place)
    if reason is None:
        yield ok(f"{home} can be {'written' if home.is_dir() else 'made'}")
    elif place == home:
        yield fail(f"{home} cannot be written: {reason}", f"Make it writable, or {ELSEWHERE}.")
    else:
        yield fail(f"{home} cannot be made: {place}: {reason}", f"Make room, or {ELSEWHERE}.")


def temporary(_machine: Machine) -> Iterator[Finding]:
    """Whether there is a temporary folder; models pass through it on their way to a run."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield fail(f"there is no temporary folder: {error.strerror}", "Set TMPDIR to a folder.")
        return
    free = shutil.disk_usage(place).free
    if free < ROOM:
        yield warn(
            f"{place} has {free / GB:.1f} GB free, and models pass through it",
            "Free some space, or set TMPDIR to another folder.",
        )


def room(machine: Machine) -> Iterator[Finding]:
    """Whether the disk holds what may come: the trajectories up to their limit, and models."""
    disk = shutil.disk_usage(existing(machine.home))
    kept = TrajectoryStore.under(machine.home).size
    limit = machine.config.trajectory.max_gb * GB
    told = f"{disk.free / GB:.1f} GB free for runs"
    to_come = max(limit - kept, 0)
    if disk.free < ROOM:
        yield fail(told, f"Free some space (cnn-sweeps cache clear), or {ELSEWHERE}.")
    elif disk.free < to_come + ROOM:
        yield warn(
            f"{told}, and trajectories may still grow by {to_come / GB:.1f} GB",
            f"Lower the limit: trajectory.max_gb={max((disk.free + kept) / GB / 2, 0.1):.1f}",
        )
    else:
        yield ok(f"{told}; trajectories take {kept / GB:.2f} of at most {limit / GB:g} GB")


def stale(machine: Machine) -> Iterator[Finding]:
    """Folders of MLflow's retired file store, which its own commands fall for."""
    places = {machine.folder / "mlruns", machine.home}
    found = sorted(
        file.parent
        for place in places
        for file in place.glob("[0-9]*/meta.yaml")
        if file.parent.name.isdecimal()
    )
    for old in found:
        yield warn(
            f"{old} is of MLflow's retired file store: `mlflow ui` and scripts without a tracking "
            "URI would take it for theirs, and refuse it (cnn-sweeps does not)",
            f"Move it away: mv {old} {old.parent.parent / 'old-mlruns'}-{old.name}",
        )
    if not found:
        yield ok("no folder of MLflow's retired file store is in the way")


def variables(machine: Machine) -> Iterator[Finding]:
    """Variables that send runs elsewhere."""
    uri = machine.environ.get("MLFLOW_TRACKING_URI")
    if uri and not machine.config.tracking.uri:
        yield warn(
            f"MLFLOW_TRACKING_URI sends runs to {without_password(uri)}, and not to {machine.home}",
            "If that is not meant: unset MLFLOW_TRACKING_URI",
        )
    if machine.environ.get("MLFLOW_RUN_ID"):
        yield warn(
            "MLFLOW_RUN_ID is set: scripts that log to MLflow would write into that run "
            "(cnn-sweeps does not)",
            "unset MLFLOW_RUN_ID",
        )


def _why_not_writable(place: Path) -> str | None:
    """Why no file can be written into a folder; None where one can."""
    if not place.is_dir():
        return "it is a file"
    try:
        # On Linux such a file never has a name, so nothing is left behind whatever happens.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(BLOCK)
    except OSError as error:
        return error.strerror or str(error)
    return None
