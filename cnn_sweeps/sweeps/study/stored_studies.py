"""Find stored studies: in the folder of the store, or in a storage that was named."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import optuna

from cnn_sweeps.config.rules import DATA, newest_number
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.files import absolute
from cnn_sweeps.errors import InputError, StoreError, UnknownStudyError, denial
from cnn_sweeps.sweeps.plan.budget import Budget, study_name
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy

STUDIES = "studies"
"""Folder under `tracking.dir` that holds a journal for each study."""
STORAGE = "hydra.sweeper.storage"
"""The key that names another storage."""
MOST = 20
"""Studies that a refusal lists."""


def studies_of(tracking: Tracking) -> Path:
    """The folder of the studies that were given no other storage."""
    return absolute(tracking.dir) / STUDIES


def address_of(plan: Plan, budget: Budget, tracking: Tracking) -> StudyAddress:
    """Where the study of a sweep is, or will be."""
    name = budget.study_name or default_name(tracking.experiment, plan)
    file = studies_of(tracking) / f"{name}{SUFFIX}"
    return StudyAddress(storage=budget.storage or str(file), name=name)


def as_begun(plan: Plan, budget: Budget) -> Plan:
    """The plan, its values written as they are in its study, where an earlier version began it.

    Other hashes would be other experiments: it would begin anew.
    """
    try:
        tracking = plan.first.tracking
    except InputError:  # which is told when the plan is checked
        return plan
    for number in range(plan.spelling, 0, -1):
        asked = plan.spelt(number)
        known = SweepStudy.existing(address_of(asked, budget, tracking), checked=False)
        if known is not None:
            return plan.spelt(min(number, known.plan.spelling))
    return plan


def begun_earlier(plan: Plan, budget: Budget, tracking: Tracking) -> str | None:
    """A sentence on a study of the same command that was begun under other `data.rules`.

    A sweep without a name is named by what it asks, so that it would begin anew. None where its own
    study is there, and where nothing was begun.
    """
    own = address_of(plan, budget, tracking)
    if budget.study_name or SweepStudy.existing(own, checked=False) is not None:
        return None
    for number in range(newest_number(DATA) - 1, 0, -1):
        address = address_of(plan.under_rules(number), budget, tracking)
        if SweepStudy.existing(address, checked=False) is not None:
            return (
                f"begins a new study: {address.name} is one of the same command, begun under "
                f"data.rules={number}; type data.rules={number} to continue it."
            )
    return None


def default_name(experiment: str, plan: Plan) -> str:
    """A study name that the same command gives again; that of an exercise says which."""
    return study_name(plan.exercise.name if plan.exercise else experiment, plan.digest())


def find_study(name: str | None, tracking: Tracking, storage: str | None) -> StudyAddress:
    """The study of that name, or the only one whose name begins so; without a name the newest.

    Args:
        name: what was typed.
        tracking: whose folder to look in.
        storage: where to look instead: the path of a journal, or the URL of a database.

    Raises:
        UnknownStudyError: there is none, or more than one; those that are there are listed.
        StoreError: the storage cannot be read.
    """
    there = _in_storage(storage) if storage else _in_folder(studies_of(tracking))
    place = str(StudyAddress(storage=storage, name="")) if storage else str(studies_of(tracking))
    if not there:
        raise UnknownStudyError(
            f"there is no study in {place}.\n"
            f"  Look elsewhere with tracking.dir=FOLDER or {STORAGE}=PATH_OR_URL."
        )
    if name is None:
        return there[0]
    exact = [address for address in there if address.name == name]
    begin = exact or [address for address in there if address.name.startswith(name)]
    if len(begin) == 1:
        return begin[0]
    said = f"is a prefix of {len(begin)} studies" if begin else "is not a study"
    raise UnknownStudyError(f"{name} {said} in {place}.\n{_listed(begin or there)}")


def load(name: str | None, tracking: Tracking, storage: str | None) -> SweepStudy:
    """Open the study that `find_study` finds, to look at it.

    Raises:
        StoreError: see `find_study`; or it is a study, but none of ours.
    """
    address = find_study(name, tracking, storage)
    study = SweepStudy.existing(address, checked=False)
    if study is None:
        raise StoreError(f"the study {address.name} in {address} was not created by cnn_sweeps.")
    return study


def _in_folder(folder: Path) -> list[StudyAddress]:
    """A study for each journal, the one that was written last in front.

    Raises:
        StoreError: the folder is somebody else's, so nobody knows which there are.
    """
    written: dict[Path, float] = {}
    try:
        journals = [file for file in folder.iterdir() if file.name.endswith(SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        told = denial(error.errno, "look elsewhere with tracking.dir=FOLDER")
        raise StoreError(f"{folder} {told or f'cannot be read: {error.strerror}.'}") from error
    for file in journals:
        with suppress(OSError):  # it was deleted meanwhile, or is a link to nothing
            about = file.stat()
            if file.is_file() and about.st_size:
                written[file] = about.st_mtime
    files = sorted(written, key=lambda file: written[file], reverse=True)
    return [StudyAddress(storage=str(file), name=file.name.removesuffix(SUFFIX)) for file in files]


def _in_storage(storage: str) -> list[StudyAddress]:
    """The studies of a storage, the one that was made last in front."""
    address = StudyAddress(storage=storage, name="")
    if not address.begun:  # a worker waits for it
        raise UnknownStudyError(f"{STORAGE}={address} does not exist.")
    try:
        opened = address.open(make=False)
    except UnknownStudyError:  # a database without tables
        return []
    with address.refusing():
        names = optuna.get_all_study_names(opened)
    return [StudyAddress(storage=storage, name=name) for name in reversed(names)]


def _listed(addresses: Sequence[StudyAddress]) -> str:
    """The names for a refusal, the newest first."""
    lines = [f"  {address.name}" for address in addresses[:MOST]]
    more = len(addresses) - MOST
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)
