"""Where things are written, what lies there that would mislead, and the tracking database.

In place of the database there may be a server.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from cnn_sweeps.config.schema import EXPERIMENT, Tracking
from cnn_sweeps.doctor.finding import Finding, Machine, existing_folder, fail, ok, warn
from cnn_sweeps.text.format import MB
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.tracking import inspection, schema
from cnn_sweeps.tracking.address import Address, resolve
from cnn_sweeps.tracking.schema import MLFLOW
from cnn_sweeps.tracking.server import version_of
from cnn_sweeps.trajectories.cache import GB, TrajectoryStore

ELSEWHERE = "choose another folder with tracking.dir=FOLDER"
ROOM = 0.5 * GB
"""Free bytes below which models and pictures of a sweep may not fit."""
BLOCK = b"\0" * 4096

LARGE = 2_000 * MB
"""Bytes above which a database is not read through; that would take longer than the rest."""
SECONDS = 3
"""For a server to answer."""
ASIDE = "Move the file, restore a backup, or choose another folder with tracking.dir=FOLDER."


def folder(machine: Machine) -> Iterator[Finding]:
    """Whether runs can be written: tried with a file that has no name and leaves nothing."""
    home, place = machine.home, existing_folder(machine.home)
    reason = _why_not_writable(place)
    if reason is None:
        yield ok(f"{home} can be {'written' if home.is_dir() else 'created'}")
    elif place == home:
        yield fail(f"{home} cannot be written: {reason}", f"Make it writable, or {ELSEWHERE}.")
    else:
        yield fail(
            f"{home} cannot be created: {place}: {reason}", f"Free some space, or {ELSEWHERE}."
        )


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
            f"{place} has {free / GB:.1f} GB free; models are written there before being stored",
            "Free some space, or set TMPDIR to another folder.",
        )


def room(machine: Machine) -> Iterator[Finding]:
    """Whether the disk holds what may come: the trajectories up to their limit, and models."""
    disk = shutil.disk_usage(existing_folder(machine.home))
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
            f"{old} belongs to MLflow's retired file store: `mlflow ui` and scripts without a "
            "tracking URI would try to use it and fail (cnn-sweeps does not)",
            f"Move it: mv {old} {old.parent.parent / 'old-mlruns'}-{old.name}",
        )
    if not found:
        yield ok("no folder of MLflow's retired file store")


def variables(machine: Machine) -> Iterator[Finding]:
    """Variables that send runs elsewhere."""
    uri = machine.environ.get("MLFLOW_TRACKING_URI")
    if uri and not machine.config.tracking.uri:
        yield warn(
            f"MLFLOW_TRACKING_URI sends runs to {without_password(uri)}, and not to {machine.home}",
            "If unintended: unset MLFLOW_TRACKING_URI",
        )
    name, default = machine.environ.get(EXPERIMENT), Tracking().experiment
    if name and name not in (default, machine.config.tracking.experiment):
        yield warn(
            f"{EXPERIMENT}={name} is not used: tracking.experiment is "
            f"{machine.config.tracking.experiment}",
            f"unset {EXPERIMENT}, or leave tracking.experiment out",
        )
    elif name and name != default:
        yield warn(
            f"{EXPERIMENT} sends runs to the MLflow experiment {name}, and not to {default}",
            f"If unintended: unset {EXPERIMENT}",
        )
    if machine.environ.get("MLFLOW_EXPERIMENT_ID"):
        yield warn(
            "MLFLOW_EXPERIMENT_ID is set: other programs log to that experiment; cnn-sweeps goes "
            f"by name, and logs to {machine.config.tracking.experiment}",
            f"To choose by name: {EXPERIMENT}=NAME or tracking.experiment=NAME",
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


def database(machine: Machine) -> Iterator[Finding]:
    """Whether it opens, is sound and fits the installed MLflow."""
    address = resolve(machine.config.tracking, machine.environ)
    if address.artifacts is None:
        yield from _server(address)
    elif address.database is None:
        yield ok(f"{address} is checked on first use")
    elif not address.database.exists():
        yield ok(f"{address} is created by the first run")
    else:
        yield from _file(address.database)


def _file(path: Path) -> Iterator[Finding]:
    size = path.stat().st_size
    try:
        with inspection.read_only(path) as connection:
            fault = inspection.database_fault(connection) if size <= LARGE else None
            misfit = MLFLOW.misfit(*schema.of_file(connection))
    except sqlite3.Error as error:
        yield fail(f"{path} cannot be read: {error}", ASIDE)
        return
    if fault is not None:
        yield fail(f"{path} is damaged: {fault.splitlines()[-1]}", ASIDE)
        return
    if misfit is None:
        yield ok(f"{path} is intact, {size / MB:.1f} MB, and fits MLflow {version('mlflow')}")
    else:
        what, remedy = MLFLOW.explain(misfit, str(path), f"sqlite:///{path}")
        yield fail(what, f"{remedy}; or {ELSEWHERE}.")
    try:
        inspection.check_writable(path)
    except sqlite3.Error as error:
        locked = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
        yield (
            warn(
                f"{path} is locked by another program",
                f"If this persists, end that program: fuser {path} names it.",
            )
            if locked
            else fail(f"{path} cannot be written: {error}", f"Make it writable. {ASIDE}")
        )


def _server(address: Address) -> Iterator[Finding]:
    if not address.uri.startswith("http"):
        yield ok(f"{address} is checked on first use")
        return
    shown = without_password(address.uri)
    try:
        there = version_of(address.uri, SECONDS)[:100]
    except OSError as error:
        answer = getattr(error, "response", None)
        yield (
            fail(
                f"{shown} does not respond: {error}",
                "Start the server, correct tracking.uri (or MLFLOW_TRACKING_URI), or leave it out.",
            )
            if answer is None
            else fail(
                f"{shown} returned {answer.status_code} {answer.reason}",
                "Correct tracking.uri, or log in: set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD.",
            )
        )
    else:
        here = version("mlflow")
        if there.split(".")[:1] == here.split(".")[:1]:
            yield ok(f"{shown} answers: MLflow {there} (here {here})")
        else:
            yield warn(
                f"{shown} is MLflow {there}, and {here} is installed here",
                f"Client and server need the same major version: pip install 'mlflow=={there}'",
            )
