"""The tables of a report beside the ranking, as text."""

from collections.abc import Mapping
from typing import Any

from cnn_sweeps.findings import Findings
from cnn_sweeps.report.words import settings
from cnn_sweeps.table import Table
from cnn_sweeps.wording import first_line

PHASES = {
    "data": "reading and checking the images",
    "build": "building the networks",
    "train": "training and validation",
    "other": "logging, pictures, storing models, and everything else",
}


def phases(findings: Findings) -> Table:
    """What the workers' time was spent on."""
    timing = findings.timing
    busy = sum(timing.phases.values())
    rows = [
        (name, PHASES[name], f"{seconds:.1f}", f"{100 * seconds / busy:.0f}" if busy else "")
        for name, seconds in timing.phases.items()
    ]
    rows.append(("together", "all workers", f"{busy:.1f}", "100" if busy else ""))
    return Table(
        head=("phase", "what", "seconds", "%"),
        rows=tuple(rows),
        text=frozenset({"phase", "what"}),
        strong=frozenset({len(rows) - 1}),
    )


def ended_early(findings: Findings) -> Table:
    """The trials without a value, each with its reason."""
    rows = [
        (
            str(trial.number),
            "failed" if trial.state == "fail" else trial.state,
            settings(trial),
            str(trial.epochs or ""),
            first_line(trial.reason),
        )
        for trial in findings.trials
        if not trial.values
    ]
    return Table(
        head=("trial", "ended", "settings", "epochs", "reason"),
        rows=tuple(rows),
        text=frozenset({"ended", "settings", "reason"}),
    )


def environment(findings: Findings) -> Table:
    """Where the best was trained."""
    rows = [(name, text) for name, text in _flat(findings.environment).items() if text]
    return Table(head=("name", "value"), rows=tuple(rows), text=frozenset({"name", "value"}))


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": text for key, text in _flat(value).items()}
        elif isinstance(value, list | tuple):
            flat[name] = " ".join(map(str, value))
        else:
            flat[name] = "" if value is None else str(value)
    return flat
