"""The study: an Optuna study that carries its plan, used as a queue of trials."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import optuna
from optuna.storages import BaseStorage
from optuna.trial import Trial

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import build_pruner
from cnn_sweeps.sweeps.plan.samplers import build_sampler
from cnn_sweeps.sweeps.study.attributes import PLAN
from cnn_sweeps.sweeps.study.queue import Prefix
from cnn_sweeps.sweeps.study.storage import Address
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.text.redact import without_passwords

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class SweepStudy(TrialQueue):
    """A queue of trials that are experiments of our own, with the plan that they carry out.

    Attributes:
        plan: what the sweep is.
    """

    plan: Plan

    @classmethod
    def create(cls, address: Address, plan: Plan) -> Self:
        """Create the study, or find it again when the same plan made it.

        Raises:
            StoreError: a study of that name exists and holds another sweep.
        """
        storage = address.open()
        with address.refusing():
            study = optuna.create_study(
                study_name=address.name,
                storage=storage,
                directions=list(plan.objectives.directions),
                load_if_exists=True,
            )
            stored = study.user_attrs.get(PLAN)
            if stored is None and study.get_trials(deepcopy=False):
                raise StoreError(
                    f"the study {address.name} in {address} was not created by cnn_sweeps.\n"
                    f"  Type another hydra.sweeper.study_name or hydra.sweeper.storage."
                )
            wanted = plan.to_json()
            if without_passwords(wanted) != wanted:
                address.restrict()
            if stored is None:
                study.set_user_attr(PLAN, wanted)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    study.set_metric_names(list(plan.objectives.names))
            else:
                _refuse_difference(address, Plan.from_json(stored), plan)
        return cls._ready(study, storage, plan, address)

    @classmethod
    def load(cls, address: Address, *, checked: bool = True) -> Self:
        """Open a study that a controller prepared, with the sampler and pruner stored in it.

        Args:
            address: where it is.
            checked: whether its trials are to be carried out here, and not only looked at.
        """
        storage = address.open()
        with address.refusing():
            try:
                study = optuna.load_study(study_name=address.name, storage=storage)
            except KeyError:
                raise StoreError(f"there is no study {address.name} in {address}.") from None
            plan = Plan.from_json(study.user_attrs[PLAN])
        return cls._ready(study, storage, plan if checked else plan.unchecked(), address)

    @classmethod
    def existing(cls, address: Address, *, checked: bool = True) -> Self | None:
        """The study, if there is one yet; nothing is created. See `load`."""
        if not address.begun:
            return None
        storage = address.open()
        with address.refusing():
            same = [s for s in storage.get_all_studies() if s.study_name == address.name]
        return cls.load(address, checked=checked) if same and PLAN in same[0].user_attrs else None

    @classmethod
    def _ready(
        cls, study: optuna.Study, storage: BaseStorage, plan: Plan, address: Address
    ) -> Self:
        study.sampler = build_sampler(plan.sampler, plan.space)
        study.pruner = build_pruner(plan.pruner, max_epochs=plan.max_epochs)
        return cls(study=study, storage=storage, address=address, plan=plan)

    def values_of(self, trial: Trial) -> dict[str, Any]:
        """The values of a claimed trial: those it carries, and the sampler's choice of the rest."""
        return self.plan.space.suggest(trial)

    def prefix(self, experiment_key: str, cell: Mapping[str, Any]) -> Prefix:
        """A cell with the trajectory that it is a prefix of."""
        return Prefix.of(self.plan, experiment_key, cell)


def refuse_another(address: Address, plan: Plan) -> None:
    """Refuse a sweep whose study is there and holds another one; nothing is created.

    Raises:
        StoreError: saying what is different.
    """
    if (there := SweepStudy.existing(address)) is not None:
        _refuse_difference(address, there.plan, plan)


def _refuse_difference(address: Address, there: Plan, here: Plan) -> None:
    if (difference := there.difference(here)) is not None:
        raise StoreError(
            f"the study {address.name} holds another sweep: {difference}\n"
            f"  Type another hydra.sweeper.study_name, or leave it out to get a new one."
        )
