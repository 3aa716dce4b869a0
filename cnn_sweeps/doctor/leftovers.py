"""What processes that died have left: runs, trials, damaged files."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cnn_sweeps.doctor.finding import Finding, Machine, fail, ok, warn
from cnn_sweeps.text.format import duration
from cnn_sweeps.tracking import inspection
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.tracking.inspection import ActiveRun
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.entry import HISTORY
from cnn_sweeps.trajectories.files import DAMAGED, sizes
from cnn_sweeps.trajectories.history import decode_history

CLOSE = "cnn-sweeps doctor --close-runs"
MOST = 5
"""Runs that are listed."""
YOUNG = timedelta(days=1)
"""Age below which a run of an unknown process is not suspected."""


def runs(machine: Machine) -> Iterator[Finding]:
    """Runs that are RUNNING although their process has ended."""
    address = resolve(machine.config.tracking, machine.environ)
    if address.database is not None and not address.database.exists():
        return
    found = inspection.active_runs(address)
    dead = [run for run in found if run.lives is False]
    unknown = [run for run in found if run.lives is None and _age(run) > YOUNG]
    if dead:
        yield warn(
            f"{_runs(dead)} RUNNING, but the process has exited: {_listed(dead)}",
            "Run the command of a sweep again to finish it; a single run would be another one: "
            f"close those with {CLOSE}",
        )
    if unknown:
        yield warn(
            f"{_runs(unknown)} RUNNING for more than a day, and the process cannot be "
            f"checked from this machine: {_listed(unknown)}",
            f"If no process trains it: {CLOSE} {unknown[0].run_id}",
        )
    if not dead and not unknown:
        yield ok(f"no stale RUNNING runs ({len(found)} active)")


def studies(machine: Machine) -> Iterator[Finding]:
    """Trials that were given to workers that are gone, and journals that cannot be read."""
    from cnn_sweeps.sweeps.study.recovery import examine_journals  # noqa: PLC0415
    from cnn_sweeps.sweeps.study.stored_studies import STUDIES  # noqa: PLC0415 -- imports optuna

    looks = examine_journals(machine.home / STUDIES)
    for each in looks:
        if each.refusal is not None:
            first, _, rest = each.refusal.partition("\n")
            yield fail(first, rest.strip())
        elif each.orphans:
            yield warn(
                f"study {each.name}: {each.orphans} trials of dead workers, {each.waiting} waiting",
                "Run the command of the sweep again to retry them.",
            )
    if looks and not any(each.refusal or each.orphans for each in looks):
        yield ok(f"{len(looks)} studies can be read; no trial was left by a dead worker")


def trajectories(machine: Machine) -> Iterator[Finding]:
    """Stored epochs that are known to be damaged; that takes no reading of every file."""
    store = TrajectoryStore.under(machine.home)
    aside = [path for path, _ in sizes(store.folder) if path.name.endswith(DAMAGED)]
    entries = store.entries()
    unread = [entry for entry in entries if not _readable(entry.folder / HISTORY)]
    if aside or unread:
        yield warn(
            f"{store.folder}: {len(aside) + len(unread)} damaged files; what was in them is "
            "trained again when needed",
            "Check the disk; cnn-sweeps cache verify checks every file.",
        )
    elif entries:
        yield ok(f"{len(entries)} trajectories (cnn-sweeps cache verify checks every file)")


def _readable(history: Path) -> bool:
    """Whether a list of epochs can be read; one that is not there is no damage."""
    try:
        decode_history(history.read_bytes())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _age(run: ActiveRun) -> timedelta:
    return datetime.now(tz=UTC) - run.start


def _runs(found: list[ActiveRun]) -> str:
    return f"{len(found)} run{' is' if len(found) == 1 else 's are'}"


def _listed(found: list[ActiveRun]) -> str:
    told = [f"{run.name} ({run.run_id}, {duration(_age(run).total_seconds())})" for run in found]
    more = len(told) - MOST
    return "; ".join(told[:MOST]) + (f"; and {more} more" if more > 0 else "")
