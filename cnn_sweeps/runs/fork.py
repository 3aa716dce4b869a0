"""Fork a finished run: continue after one of its epochs with other settings.

A fork is a config like any other: what its parent did so far, and a phase (`trainer.phases`) with
what is changed. So it is identified, swept and reproduced without its parent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnn_sweeps.config.fields import locations
from cnn_sweeps.config.loading import load, to_json, with_values
from cnn_sweeps.config.path import (
    FIRST,
    PHASES,
    defines_training,
    full_key,
    is_changeable,
    refuse_change,
    refuse_dropped,
    segments,
    with_changes,
)
from cnn_sweeps.config.schema import DECAYING, Config, Tracking, own_network
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.provenance.identity import SHOWN, Identity, identify
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded.lineage import lineage_lines
from cnn_sweeps.runs.recorded.record import Record, verify
from cnn_sweeps.runs.restore import threads
from cnn_sweeps.runs.stored_epochs import environment_of
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.backend import configure_backend, quiet_stderr

AT = "@"
"""Stands between a hash and the epoch after which it is taken up."""
EPOCHS = "trainer.epochs"
DECAY = "trainer.schedule.decay_epochs"


@dataclass(frozen=True, kw_only=True)
class Fork:
    """What a fork is, before it is trained.

    Attributes:
        parent: the run that is taken up.
        epoch: after which of its epochs.
        config: what will be trained, from the first epoch on.
        identity: its hashes.
    """

    parent: Record
    epoch: int
    config: Config
    identity: Identity

    @property
    def is_parent(self) -> bool:
        """Whether nothing is changed: the same experiment, with the same hash."""
        return self.identity.config_hash == self.parent.identity.config_hash

    @property
    def lines(self) -> tuple[str, ...]:
        """What is trained, a line for each segment."""
        return lineage_lines(self.config, self.identity.data_digest)

    def cost(self) -> int:
        """Epochs that have to be trained again to get to where the fork begins.

        Starts TensorFlow: what is stored counts where it was trained as it would be now.

        Raises:
            DataError: the images cannot be read.
        """
        with quiet_stderr():
            from cnn_sweeps.trajectories import resume  # noqa: PLC0415 -- TensorFlow
        config = self.config
        configure_backend(config.trainer, config.seed)
        asked = resume.TrainingRequest(
            config=config,
            identity=self.identity,
            environment=environment_of(Experiment.load(config), config.trainer.threads),
            folder=Store.open(config.tracking).address.dir,
        )
        # What it shares with its parent, or with an earlier fork, may reach further.
        return asked.chain().trained_again(self.epoch, config.trainer.epochs)


def parse_fork_point(name: str) -> tuple[str, int | None]:
    """The hash and the epoch of `HASH@8`; no epoch where none is given.

    Raises:
        ConfigError: what stands behind the @ is no epoch.
    """
    prefix, sign, epoch = name.partition(AT)
    if sign and not (epoch.isdecimal() and int(epoch)):
        raise ConfigError(
            f"{name} names no epoch: it is a hash, {AT} and a number from 1.\n"
            f"Type {prefix or 'HASH'}{AT}8 for what it was after epoch 8."
        )
    return prefix, int(epoch) if sign else None


def fork(parent: Record, epoch: int | None, overrides: Sequence[str], tracking: Tracking) -> Fork:
    """Plan a fork.

    Args:
        parent: the run that is taken up.
        epoch: after which of its epochs; the last one when None.
        overrides: what is changed, as it is typed for a run.
        tracking: where the fork is logged.

    Raises:
        ConfigError: what is typed cannot be changed, or the epochs do not fit.
        RecordError: the parent was changed after it was stored, or its own code is not here.
    """
    verify(parent)
    last = len(parent.epochs)
    epoch = last if epoch is None else epoch
    if epoch > last:
        raise ConfigError(
            f"{parent.name} has {pluralize(last, 'epoch')}: there is no epoch {epoch}.\n"
            f"Type {parent.identity.short}{AT}{last}, or a smaller number."
        )
    before = replace(
        parent.config,
        tracking=tracking,
        trainer=replace(
            parent.config.trainer, threads=threads(parent.environment), progress="auto"
        ),
        trajectory=replace(parent.config.trajectory, reuse=True),
    )
    changes, whole = _sorted(before, validate.values_of(overrides))
    config = _forked(before, epoch, changes, whole)
    validate.check(config)
    digest = parent.identity.data_digest
    _require_own_code(parent, identify(before, digest))
    network = parent.identity.network_sha256
    identity = replace(identify(config, digest), network_sha256=network)
    return Fork(parent=parent, epoch=epoch, config=config, identity=identity)


def _forked(
    config: Config, epoch: int, changes: Mapping[str, Any], whole: Mapping[str, Any]
) -> Config:
    """A config that goes its own way after an epoch.

    Args:
        config: that of the parent.
        epoch: until which both are the same.
        changes: what is changed then.
        whole: what holds of all of the fork, and is no part of its trajectory.
    """
    path = [segment for segment in segments(config) if segment.first <= epoch]
    held = path[-1].config
    refuse_dropped(held, changes)
    now = with_changes(held, changes, load)
    total = load(
        with_values(to_json(path[0].config), {EPOCHS: config.trainer.epochs, **whole})
    ).trainer
    if now == held and total.epochs == config.trainer.epochs:
        return load(with_values(to_json(config), whole))  # nothing is changed
    if total.epochs <= epoch:
        raise ConfigError(
            f"a fork after epoch {epoch} begins with epoch {epoch + 1}, but {EPOCHS}="
            f"{total.epochs}.\nType {EPOCHS}={epoch + 1} or more: those of its parent count too."
        )
    decays = now != held and now.trainer.schedule.name in DECAYING
    phases = [
        *({FIRST: segment.first, **segment.changes} for segment in path[1:]),
        {FIRST: epoch + 1, **({DECAY: None} if decays else {}), **changes},
    ]
    own = {EPOCHS: total.epochs, PHASES: phases}
    return load(with_values(to_json(path[0].config), {**whole, **own}))


def _sorted(config: Config, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes after the fork, and what is said of all of the run: when it stops, and how.

    Raises:
        ConfigError: neither; it would be another training from its first epoch on.
    """
    changes, whole = {}, {}
    for typed, value in values.items():
        key = full_key(typed)
        group, _, name = key.partition(".")
        if is_changeable(config, key):
            changes[key] = value
        elif (
            name in locations(config.data) if group == "data" else not defines_training(config, key)
        ):
            whole[key] = value
        else:
            refuse_change(config, key)
    return changes, whole


def _require_own_code(parent: Record, here: Identity) -> None:
    own = own_network(parent.config.model)
    if own and here.config_hash != parent.identity.config_hash:
        raise RecordError(
            f"model.function={own.function} is not here as it was trained: it gives "
            f"{here.short} instead of {parent.identity.config_hash[:SHOWN]}.\n"
            "Restore its files in the current folder; cnn-sweeps export HASH FOLDER writes them."
        )
