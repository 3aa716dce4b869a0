"""Create an Optuna study that carries a plan, or open one that is there."""

import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from cnn_sweeps.errors import ConfigError, StoreError, UnknownStudyError
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.study.storage import StudyAddress

CREATING = 60.0
"""Seconds in which who has created a study stores its plan, and begins its run."""


def open_study(
    address: StudyAddress, storage: BaseStorage, objectives: Objectives, *, plan: str, maker: str
) -> optuna.Study:
    """The Optuna study at an address, which is created where there is none.

    Of two processes that create it at once one does, and the other waits for its plan.

    Args:
        address: where it is.
        storage: opened there.
        objectives: give it its directions.
        plan: the user attribute that holds its plan.
        maker: who creates such studies, for the refusal.

    Raises:
        StoreError: a study of that name exists that has trials and no such plan.
    """
    try:
        return optuna.create_study(
            study_name=address.name, storage=storage, directions=list(objectives.directions)
        )
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=address.name, storage=storage)
    await_attribute(study, plan, address)
    if study.user_attrs.get(plan) is None and study.get_trials(deepcopy=False):
        raise StoreError(
            f"the study {address.name} in {address} was not created by {maker}.\n"
            f"  Type another hydra.sweeper.study_name or hydra.sweeper.storage."
        )
    return study


def await_attribute(study: optuna.Study, name: str, address: StudyAddress) -> bool:
    """Wait a moment for what another host may be about to store with a study that it has created.

    It may have died before. Beside a file is a lock that hosts hold by turns: nobody is about to.

    Returns:
        Whether the attribute is there.
    """
    until = time.monotonic() + (CREATING if address.file is None else 0.0)
    while name not in study.user_attrs:
        if time.monotonic() >= until:
            return False
        time.sleep(0.5)
    return True


def store_plan(
    study: optuna.Study, objectives: Objectives, *, plan: str, plain: Mapping[str, Any]
) -> None:
    """Make a new study carry its plan, and name its objectives for Optuna's dashboard."""
    study.set_user_attr(plan, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(objectives.names))


def existing_storage(address: StudyAddress, *, plan: str) -> BaseStorage | None:
    """The storage of a study, to look at it; None where none is there that carries such a plan.

    Nothing is created, and no connection is left open.
    """
    if not address.begun:
        return None
    with address.refusing(), suppress(UnknownStudyError, KeyError):
        storage = address.open(make=False)
        study_id = storage.get_study_id_from_name(address.name)
        return storage if plan in storage.get_study_user_attrs(study_id) else None
    return None


def refuse_as_option(typed: str | None, address: StudyAddress, *, plan: str) -> None:
    """Refuse to begin a study whose name looks like an option; those that are there go on.

    Args:
        typed: its name; None where it is derived from what is swept.
        address: where it is, or would be.
        plan: the user attribute that holds its plan.

    Raises:
        ConfigError: it would be a new one.
    """
    if typed is None or not typed.startswith("-") or existing_storage(address, plan=plan):
        return
    raise ConfigError(
        f"hydra.sweeper.study_name={typed} is invalid for a new study: commands take what begins "
        f"with - for an option.\n  Type a name without - in front, or null for one derived from "
        f"what is swept."
    )


def refuse_difference(address: StudyAddress, difference: str | None) -> None:
    """Refuse to go on with a study whose plan is another one.

    Raises:
        StoreError: there is a difference.
    """
    if difference is not None:
        raise StoreError(
            f"the study {address.name} holds another sweep: {difference}\n"
            f"  Type another hydra.sweeper.study_name, or leave it out to get a new one."
        )
