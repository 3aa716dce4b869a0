"""How many epochs of a training are stored, known before anything is started."""

from pathlib import Path

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config
from cnn_sweeps.models.hub import packages_of
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded import lineage
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.fingerprint import was_trained_as_here


def stored_segments(config: Config, threads: int) -> tuple[int, ...]:
    """The last stored epoch of each segment of a training, the one before it where none is.

    The images are read, where there are stored epochs at all.

    Args:
        config: what would be trained.
        threads: on which it would be; 0 for all cores.

    Raises:
        ConfigError: a weight for a class that there is not.
        DataError: the images cannot be read.
    """
    before = tuple(segment.first - 1 for segment in segments(config))
    folder = resolve(config.tracking).dir
    if not config.trajectory.reuse or not TrajectoryStore.under(folder).folder.is_dir():
        return before
    experiment = Experiment.load(config)
    chain = stored_here(experiment, environment_of(experiment, threads), folder)
    if chain is None:
        return before
    known = len(chain.history())
    return tuple(
        entry.first - 1 + len(entry.history()) if known >= entry.first else entry.first - 1
        for entry in chain.entries
    )


def environment_of(experiment: Experiment, threads: int) -> Environment:
    """Where an experiment is trained: with what TensorFlow tells, once it has been imported."""
    return Environment.capture(
        threads=threads,
        deterministic=experiment.config.trainer.deterministic,
        decoded=experiment.dataset.decoded,
        loss=experiment.loss_sha256,
        beside=packages_of(experiment.config.model),
    )


def stored_here(experiment: Experiment, environment: Environment, folder: Path) -> Chain | None:
    """The stored epochs from which a training would go on here; None without any.

    Args:
        experiment: what is trained; with the digest of a user's own network, or that counts as
            another's.
        environment: where.
        folder: `tracking.dir`, below which trajectories are stored.
    """
    config, identity = experiment.config, experiment.identity
    for chain in lineage.stored(config, lineage.hashes_of(config, identity), folder):
        entry, network = chain.entries[0], identity.network_sha256
        if was_trained_as_here(entry, config.trainer, environment, network):
            return chain
    return None


def stored_epochs(config: Config) -> int:
    """How many epochs of a run are stored already, of those that it would train.

    Raises:
        ConfigError: a weight for a class that there is not.
        DataError: the images cannot be read.
    """
    path = segments(config)
    ends = [after.first - 1 for after in path[1:]] + [config.trainer.epochs]
    known = 0
    for segment, end, last in zip(
        path, ends, stored_segments(config, config.trainer.threads), strict=True
    ):
        if known < segment.first - 1:
            break
        known = min(last, end)
    return known
