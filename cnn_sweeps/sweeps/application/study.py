"""The study of an application's sweep: a queue whose trials are jobs."""

from dataclasses import dataclass
from typing import Self

import optuna
from optuna.storages import BaseStorage

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.application.plan import VERSION, ApplicationPlan
from cnn_sweeps.sweeps.study.opening import (
    existing_storage,
    open_study,
    refuse_difference,
    store_plan,
)
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue

PLAN = "cnn_sweeps:application"
"""User attribute of the study that holds its plan."""
JOB = "job"
FOLDER = "folder"
"""User attributes of a trial: number and folder of its job."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class ApplicationStudy(TrialQueue):
    """A queue of jobs, with the plan that they carry out.

    Attributes:
        plan: what the sweep is.
    """

    plan: ApplicationPlan

    @classmethod
    def create(cls, address: StudyAddress, plan: ApplicationPlan) -> Self:
        """Create the study, or find it again when the same plan made it.

        Raises:
            StoreError: a study of that name exists and holds something else.
        """
        storage = address.open()
        with address.refusing():
            study = open_study(address, storage, plan.objectives, plan=PLAN, maker="this sweeper")
            if PLAN not in study.user_attrs:
                store_plan(study, plan.objectives, plan=PLAN, plain=plan.to_json())
        found = cls._ready(study, storage, address)
        refuse_difference(address, found.plan.difference(plan))
        return found

    @classmethod
    def existing(cls, address: StudyAddress) -> Self | None:
        """The study, if there is one yet; nothing is created."""
        storage = existing_storage(address, plan=PLAN)
        if storage is None:
            return None
        with address.refusing():
            study = optuna.load_study(study_name=address.name, storage=storage)
        return cls._ready(study, storage, address)

    @classmethod
    def _ready(cls, study: optuna.Study, storage: BaseStorage, address: StudyAddress) -> Self:
        stored = study.user_attrs[PLAN]
        if stored.get("version") != VERSION:
            raise StoreError(
                f"the study {address.name} was created by another version of cnn_sweeps.\n"
                f"  Type another hydra.sweeper.study_name."
            )
        plan = ApplicationPlan.from_json(stored)
        return cls(optuna_study=study, storage=storage, address=address, plan=plan)
