"""The next commands after a sweep, and the command that it was started with."""

import os
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from cnn_sweeps.config.rules import SPELLING, newest_number
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.budget import STORAGE_VARIABLE
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.results.results import Command, Trial
from cnn_sweeps.sweeps.study.attributes import COMMAND
from cnn_sweeps.sweeps.study.stored_studies import STORAGE, STUDIES, studies_of
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.text.shell import command_for, pasteable_command
from cnn_sweeps.tracking import Store, artifacts, pages
from cnn_sweeps.tracking.address import override
from cnn_sweeps.tracking.store import WHEREABOUTS

PROGRAM = "cnn-sweeps"
STORED = f"{STORAGE}="
SEARCHPATH = "hydra.searchpath="
OPTIONS = {"--config-path": "-cp", "--config-name": "-cn", "--config-dir": "-cd"}
"""Hydra's options for a user's own config files."""
FOLDER = ("--config-dir", "-cd")


def best_again(study: SweepStudy, best: Trial, store: Store | None) -> str:
    """The command that does the best trial again, as it ran; passwords are left out.

    Args:
        study: the sweep.
        best: the trial.
        store: where its run is; None where that cannot be looked at.
    """
    run = artifacts.run_by_id(store, best.run_id) if store and best.run_id else None
    plan = study.plan
    words = [text for text in plan.fixed if not text.startswith(WHEREABOUTS)]
    words += plan.space.overrides(best.params)
    words += _as_it_ran(plan, best, run.params if run else {})
    own = _own_config(shlex.split(study.optuna_study.user_attrs.get(COMMAND, ""))[1:])
    return pasteable_command([PROGRAM, *own, *map(without_password, words), *_where(plan, store)])


def _own_config(typed: Sequence[str]) -> list[str]:
    """What was typed to say where a user's own config files are, and which is the primary one."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    for name, short in OPTIONS.items():
        parser.add_argument(name, short)
    known, others = parser.parse_known_args(typed)
    values = (known.config_path, known.config_name, known.config_dir)
    named = [(name, value) for name, value in zip(OPTIONS, values, strict=True) if value]
    return [*chain(*named), *(text for text in others if text.startswith(SEARCHPATH))]


def save_command(study: SweepStudy, arguments: Sequence[str]) -> None:
    """Keep with the study what was typed to carry it out, for any folder; without passwords."""
    if arguments:
        line = shlex.join([PROGRAM, *map(without_password, _with_folder(arguments))])
        study.optuna_study.set_user_attr(COMMAND, line)


def _with_folder(typed: Sequence[str]) -> Iterator[str]:
    """What was typed, with the whole path of a user's folder of config files."""
    for before, word in zip(["", *typed], typed, strict=False):
        option, equals, folder = word.partition("=")
        if before in FOLDER:
            yield os.path.abspath(word)
        elif option in FOLDER and equals:
            yield f"{option}={os.path.abspath(folder)}"
        else:
            yield word


def commands(study: SweepStudy, best: Trial | None, store: Store | None) -> tuple[Command, ...]:
    """How to go on from a sweep; with those about the best trial where there is one."""
    where = _where(study.plan, store)
    lines = {"resume or extend the sweep": _sweep_again(study, store)}
    if best is not None:
        lines["rerun the best"] = best_again(study, best, store)
    if best is not None and best.config_hash:
        short = best.config_hash[:SHOWN]
        lines["show the best"] = pasteable_command([PROGRAM, "show", short, *where])
        lines["reproduce the best and compare every bit"] = pasteable_command(
            [PROGRAM, "reproduce", short, *where]
        )
    if store:
        run = artifacts.run_by_id(store, study.parent_run_id or "")
        lines["browse its runs"] = pages.browse(store, run)
    lines["write the report again"] = report_again(study, store)
    return tuple(Command(purpose=each, line=line) for each, line in lines.items() if line)


def _sweep_again(study: SweepStudy, store: Store | None) -> str | None:
    """What was typed to carry it out, as it works in any folder; of an early sweep nobody knows."""
    program, *typed = shlex.split(study.optuna_study.user_attrs.get(COMMAND, "")) or [""]
    words = [word for word in typed if not word.startswith((*WHEREABOUTS, STORED))]
    where = _where(study.plan, store)
    if any(word.startswith(STORED) for word in typed):
        where = [*where, override(STORAGE, study.address.absolute)]
    # Among the overrides: Hydra takes them in one row, with no option between two.
    first = (n for n, word in enumerate(words) if "=" in word and not word.startswith("-"))
    place = next(first, len(words))
    return pasteable_command([program, *words[:place], *where, *words[place:]]) if program else None


def report_again(study: SweepStudy, store: Store | None, *options: str) -> str:
    """The command that writes a report of a sweep, as far as it has come."""
    where = [*_where(study.plan, store), *_storage(study, store)]
    return command_for("report", study.address.name, *where, *options)


def join_command(study: SweepStudy, store: Store | None) -> str:
    """The command that starts further workers of a sweep, in any folder of this host or another."""
    local = store is not None and bool(store.address.database or study.address.file)
    where = store.whereabouts_anywhere if store and local else _where(study.plan, store)
    storage = ["--storage", study.address.absolute] if _storage(study, store) else []
    hidden = study.address.storage != str(study.address)
    line = command_for("worker", study.address.name, *where, *([] if hidden else storage))
    told = f" with {STORAGE_VARIABLE} set to the storage and its password" if hidden else ""
    return f"{line}{told}"


def _where(plan: Plan, store: Store | None) -> list[str]:
    """What has to be typed here to say where the runs are, without a password."""
    if store:
        return store.whereabouts
    return [text for text in map(without_password, plan.fixed) if text.startswith(WHEREABOUTS)]


def _storage(study: SweepStudy, store: Store | None) -> list[str]:
    """Where the study is, unless a report would look there anyway."""
    usual = store.dir / STUDIES if store else studies_of(study.plan.first.tracking)
    file = study.address.file
    if file and file.absolute().parent == usual:
        return []
    return [f"{STORED}{study.address.absolute}"]


def _as_it_ran(plan: Plan, best: Trial, ran: Mapping[str, str]) -> Sequence[str]:
    """What its worker added to a trial: the threads, and the seed of a repetition.

    In a study of an earlier version values are written as they were then, else it has another hash.
    """
    config = plan.config(best.params)
    asked = {"seed": config.seed, "trainer.threads": config.trainer.threads}
    earlier = config.rules < newest_number(SPELLING)
    return [f"++rules={config.rules}"] * earlier + [
        f"{key}={ran[key]}"
        for key, value in asked.items()
        if ran.get(key, f"{value}") != f"{value}"
    ]
