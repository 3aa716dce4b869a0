"""The study: an Optuna study that carries its plan, used as a queue of trials."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from cnn_sweeps.config.loading import plain_value
from cnn_sweeps.config.schema import Data
from cnn_sweeps.errors import InputError, StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import build_pruner
from cnn_sweeps.sweeps.study.attributes import CPU_SLOTS, IMAGES, PLAN
from cnn_sweeps.sweeps.study.opening import (
    existing_storage,
    open_study,
    refuse_difference,
    store_plan,
)
from cnn_sweeps.sweeps.study.order import Prefix
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.text.json import sha256
from cnn_sweeps.text.redact import without_passwords

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class SweepStudy(TrialQueue):
    """A queue of trials that are experiments of our own, with the plan that they carry out.

    Attributes:
        plan: what the sweep is.
        new: whether this process has begun it.
        same_images: settings of data whose images are known to be those of the sweep.
    """

    plan: Plan
    new: bool = False
    same_images: set[str] = field(default_factory=set)

    @classmethod
    def create(cls, address: StudyAddress, plan: Plan) -> Self:
        """Create the study, or find it again when the same plan made it.

        Raises:
            StoreError: a study of that name exists and holds another sweep.
        """
        storage = address.open()
        with address.refusing():
            study = open_study(address, storage, plan.objectives, plan=PLAN, maker="cnn_sweeps")
            stored = study.user_attrs.get(PLAN)
            wanted = plan.to_json()
            if without_passwords(wanted) != wanted:
                address.restrict()
            if stored is None:
                store_plan(study, plan.objectives, plan=PLAN, plain=wanted)
            else:
                refuse_difference(address, Plan.from_json(stored).difference(plan))
        return replace(cls._ready(study, storage, plan, address), new=stored is None)

    @classmethod
    def load(cls, address: StudyAddress, *, checked: bool = True) -> Self:
        """Open a study that a controller prepared, with the sampler and pruner stored in it.

        Args:
            address: where it is.
            checked: whether its trials are to be carried out here, and not only looked at.
        """
        return cls._loaded(address, address.open(), checked=checked)

    @classmethod
    def _loaded(cls, address: StudyAddress, storage: BaseStorage, *, checked: bool) -> Self:
        with address.refusing():
            try:
                study = optuna.load_study(study_name=address.name, storage=storage)
            except KeyError:
                raise StoreError(f"there is no study {address.name} in {address}.") from None
            plan = Plan.from_json(study.user_attrs[PLAN])
        if address.tracking:
            plan = plan.logged_to(dict(address.tracking))
        return cls._ready(study, storage, plan if checked else plan.unchecked(), address)

    @classmethod
    def existing(cls, address: StudyAddress, *, checked: bool = True) -> Self | None:
        """The study, if there is one yet; nothing is created. See `load`."""
        storage = existing_storage(address, plan=PLAN)
        return None if storage is None else cls._loaded(address, storage, checked=checked)

    @classmethod
    def _ready(
        cls, study: optuna.Study, storage: BaseStorage, plan: Plan, address: StudyAddress
    ) -> Self:
        study.pruner = build_pruner(plan.pruner, max_epochs=plan.max_epochs)
        return cls(optuna_study=study, storage=storage, address=address, plan=plan)

    def refuse_other_images(self, data: Data, digest: str) -> None:
        """Refuse images that are not those that the first trial with these settings was given.

        On another host the same path may hold other files.

        Raises:
            StoreError: they are others.
        """
        settings = sha256(plain_value(data))
        if settings in self.same_images:
            return
        name = f"{IMAGES}{settings[:16]}"
        known = self._noted(name)
        if known is None:
            self.storage.set_study_system_attr(self._study_id, name, digest)
            known = self._noted(name)  # of two hosts that note it at once one is told
        if known != digest:
            raise StoreError(
                f"the images of data={data.name} are not those of the sweep {self.address.name}: "
                f"their digest is {digest[:SHOWN]} here, and was {known[:SHOWN]}.\n"
                "  Copy the same files to this host, or type another hydra.sweeper.study_name."
            )
        self.same_images.add(settings)

    def _noted(self, name: str) -> Any:
        return self.storage.get_study_system_attrs(self._study_id).get(name)

    def kept_cpu_slots(self, wanted: int) -> int:
        """Into how many shares the cores are divided: as whoever began with the trials says."""
        if self.attribute(CPU_SLOTS) is None and self.counts().waiting:
            self.optuna_study.set_user_attr(CPU_SLOTS, wanted)
        return int(self.attribute(CPU_SLOTS) or wanted)

    def values_of(self, trial: Trial) -> dict[str, Any]:
        """The values of a claimed trial: those it carries, and the sampler's choice of the rest."""
        return self.plan.space.suggest(trial)

    def reuses_epochs(self, trial: FrozenTrial) -> bool:
        """Whether another attempt at a trial begins after the last epoch of this one."""
        with suppress(InputError):
            return self.plan.config(self.carried_values(trial)).trajectory.reuse
        return True

    def keys_of(self, cell: Mapping[str, Any]) -> tuple[str, str | None]:
        """Which experiment a whole cell is, and which trajectory it begins on."""
        return self.plan.keys_of(cell)

    def prefix(self, cell: Mapping[str, Any]) -> Prefix:
        """A cell with the trajectory that it is a prefix of."""
        return Prefix.of(self.plan, cell)


def refuse_another(address: StudyAddress, plan: Plan) -> None:
    """Refuse a sweep whose study is there and holds another one; nothing is created.

    Raises:
        StoreError: saying what is different.
    """
    if (there := SweepStudy.existing(address)) is not None:
        refuse_difference(address, there.plan.difference(plan))
