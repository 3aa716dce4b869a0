"""`cnn-sweeps doctor`: every check, a line for each finding."""

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import MANY, Arguments
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.doctor import data, installation, leftovers, machine, storage
from cnn_sweeps.doctor.finding import Check, Finding, Machine, fail
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.runs.composition.validate import compose_machine
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say
from cnn_sweeps.tracking import Store, inspection
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.tracking.inspection import ActiveRun

CHECKS: Mapping[str, Check] = {
    "python": installation.python,
    "versions": installation.versions,
    "byte code": installation.byte_code,
    "plotting": installation.plotting,
    "folder": storage.folder,
    "temporary folder": storage.temporary,
    "room": storage.room,
    "stale folders": storage.stale,
    "variables": storage.variables,
    "database": storage.database,
    "runs": leftovers.runs,
    "studies": leftovers.studies,
    "trajectories": leftovers.trajectories,
    "processors": machine.processors,
    "kernels": machine.kernels,
    "memory": machine.memory,
    "limits": machine.limits,
    "text": machine.text,
    "gpu": machine.gpu,
    "images": data.images,
}
STYLES = {"ok": "green", "warn": "bold yellow", "fail": "bold red"}


def main(typed: list[str]) -> int:
    """Print what the checks find, or close runs; 1 where something fails.

    Raises:
        ConfigError: an argument is invalid.
        StoreError: runs are to be closed, and the store refuses.
    """
    parser = _parser()
    asked = parser.read(typed)
    config = compose_machine(asked.overrides)
    if asked.close_runs:
        if asked.json or asked.gpu:
            option = "--json" if asked.json else "--gpu"
            raise ConfigError(f"{option} is about the checks: leave it out with --close-runs.")
        return _close_runs(config.tracking, asked.names)
    if asked.names:
        parser.refuse(asked.names)
    looked = Machine(config=config, environ=os.environ, folder=Path.cwd(), gpu=asked.gpu)
    findings = {name: examine(name, check, looked) for name, check in CHECKS.items()}
    if asked.json:
        rows = [{"check": name, **asdict(f)} for name, found in findings.items() for f in found]
        say(dump_json(rows))
    else:
        _print([finding for found in findings.values() for finding in found])
    return 1 if any(f.level == "fail" for found in findings.values() for f in found) else 0


def examine(name: str, check: Check, looked: Machine) -> list[Finding]:
    """What a check finds; one that breaks is a finding itself."""
    try:
        return list(check(looked))
    except Exception as error:  # noqa: BLE001 -- the one command that must not break on a sick machine
        told = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {told[0]}".rstrip(": ")
        return [fail(f"{name} could not be checked: {reason}", "\n".join(told[1:]).strip())]


def _parser() -> Arguments:
    made = Arguments(
        "doctor",
        "[options] [data.root=FOLDER]",
        "Check this machine for problems: one line for each check, with "
        "the remedy. Nothing is changed. Exit code 0: no failures; 1: failures.",
        names=(0, MANY),
    )
    made.add_argument("--gpu", action="store_true", help="check GPUs with TensorFlow (10 s)")
    made.add_argument("--json", action="store_true", help="print it as JSON")
    made.add_argument(
        "--close-runs",
        action="store_true",
        help="close RUNNING runs whose process has exited, as FAILED; "
        "with run ids, also runs whose process cannot be checked",
    )
    return made


def _print(findings: list[Finding]) -> None:
    out = output.console()
    facts = [(f.level, f"{f.what}\n  {f.remedy}" if f.remedy else f.what) for f in findings]
    output.show_facts(facts, out, STYLES)
    levels = [finding.level for finding in findings]
    failures, warnings = levels.count("fail"), levels.count("warn")
    if failures or warnings:
        numbers = {"failure": failures, "warning": warnings}
        out.print(
            ", ".join(pluralize(n, each) if n else f"no {each}s" for each, n in numbers.items())
        )
    else:
        out.print("no problems found")


def _close_runs(tracking: Tracking, run_ids: list[str]) -> int:
    """End runs that nobody writes to any more; never one whose process lives."""
    out, store = output.console(), Store.open_existing(tracking)
    place = resolve(tracking)
    try:
        found = inspection.active_runs(place) if store else []
    except sqlite3.Error as error:
        raise StoreError(f"{place} cannot be read ({error}); try again.") from error
    unknown = set(run_ids) - {run.run_id for run in found}
    if unknown:
        raise ConfigError(f"{min(unknown)} is not a RUNNING run in {place}.")
    if living := [run for run in found if run.run_id in run_ids and run.lives]:
        raise ConfigError(
            f"{living[0].name} ({living[0].run_id}) is still running and was not closed."
        )
    chosen = [r for r in found if (r.run_id in run_ids if run_ids else r.lives is False)]
    for run in chosen:
        if store and _is_as_it_was(store, run):
            store.close_run(run.run_id, "FAILED", inspection.DIED)
            out.print(f"ended: {run.name} ({run.run_id})", soft_wrap=True)
    if not chosen:
        out.print("no RUNNING run whose process has exited")
    return 0


def _is_as_it_was(store: Store, run: ActiveRun) -> bool:
    """Whether nobody has taken a run up, or ended it, since it was looked at."""
    now = store.get(run.run_id)
    process: Owner | None = ActiveRun.of(now).process
    return now.status == "RUNNING" and process == run.process
