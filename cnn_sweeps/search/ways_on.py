"""The commands that lead on from a sweep."""

import shlex
from collections.abc import Mapping, Sequence

from cnn_sweeps.findings import Command
from cnn_sweeps.identity import SHOWN
from cnn_sweeps.search.attributes import COMMAND
from cnn_sweeps.search.plan import Plan
from cnn_sweeps.search.ranking import Row
from cnn_sweeps.search.shelf import STORAGE, studies_of
from cnn_sweeps.search.study import SweepStudy
from cnn_sweeps.tracking import Store, details
from cnn_sweeps.tracking.address import without_password

PROGRAM = "cnn-sweeps"
TRACKING = ("tracking.uri=", "tracking.dir=")
"""What is typed to say where the runs are."""


def best_again(plan: Plan, best: Row, store: Store | None) -> str:
    """The command that does the best trial again, as it ran; passwords are left out.

    Args:
        plan: of its sweep.
        best: the trial.
        store: where its run is; None where that cannot be looked at.
    """
    run = details.known(store, best.run_id) if store and best.run_id else None
    overrides = [*plan.fixed, *plan.space.overrides(best.params)]
    overrides += _as_it_ran(plan, best, run.params if run else {})
    return shlex.join([PROGRAM, *map(without_password, overrides)])


def remember(study: SweepStudy, arguments: Sequence[str]) -> None:
    """Keep with the study what was typed to carry it out; passwords in addresses are left out."""
    if arguments:
        line = shlex.join([PROGRAM, *map(without_password, arguments)])
        study.study.set_user_attr(COMMAND, line)


def commands(study: SweepStudy, best: Row | None, store: Store | None) -> tuple[Command, ...]:
    """How to go on from a sweep; with those about the best trial where there is one."""
    where = _where(study)
    lines = {"the sweep again, or more of it": study.study.user_attrs.get(COMMAND)}
    if best is not None:
        lines["train the best again"] = best_again(study.plan, best, store)
    if best is not None and best.config_hash:
        short = best.config_hash[:SHOWN]
        lines["what is known of the best"] = shlex.join([PROGRAM, "show", short, *where])
        lines["prove that the best comes out the same"] = shlex.join(
            [PROGRAM, "reproduce", short, *where]
        )
    lines["browse its runs"] = store.ui_command if store else None
    lines["write this report again"] = report_again(study)
    return tuple(Command(purpose=each, line=line) for each, line in lines.items() if line)


def report_again(study: SweepStudy) -> str:
    """The command that writes a report of a sweep, as far as it has come."""
    words = [PROGRAM, "report", study.study.study_name, *_where(study), *_storage(study)]
    return shlex.join(words)


def _where(study: SweepStudy) -> list[str]:
    """What was typed to say where the runs are, without a password."""
    fixed = map(without_password, study.plan.fixed)
    return [text for text in fixed if text.startswith(TRACKING)]


def _storage(study: SweepStudy) -> list[str]:
    """Where the study is, unless a report would look there anyway."""
    folder = studies_of(study.plan.first.tracking)
    file = study.address.file
    return [] if file and file.parent == folder else [f"{STORAGE}={study.address}"]


def _as_it_ran(plan: Plan, best: Row, ran: Mapping[str, str]) -> Sequence[str]:
    """What its worker added to a trial: the threads, and the seed of a repetition."""
    config = plan.config(best.params)
    asked = {"seed": config.seed, "trainer.threads": config.trainer.threads}
    return [
        f"{key}={ran[key]}"
        for key, value in asked.items()
        if ran.get(key, f"{value}") != f"{value}"
    ]
