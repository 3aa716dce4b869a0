"""The stored epochs that a config would be trained along, wherever they were trained.

What is asked afterwards of a finished run (metrics that nobody asked for then, another rule that
ends it) is answered from them. Nothing of the user's is imported to find them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cnn_sweeps.config.schema import Config
from cnn_sweeps.provenance import identity
from cnn_sweeps.runs.recorded import lineage
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.history import EpochRecord


@dataclass(frozen=True, kw_only=True)
class StoredPath:
    """Epochs of one training, as far as they are known.

    Attributes:
        epochs: from the first on without a gap; without weights where only the run has them.
        chain: where they are stored; None where they are not any more.
        is_own: whether they are those of the run itself, and no other training's.
    """

    epochs: tuple[EpochRecord, ...]
    chain: Chain | None
    is_own: bool = True

    @classmethod
    def find(cls, record: Record, folder: Path, config: Config | None = None) -> "StoredPath":
        """The longest one that agrees with a run as far as both go.

        Args:
            record: a finished run.
            folder: `tracking.dir`, below which trajectories are stored.
            config: another one of its data and code; the run's own when None.
        """
        config = config or record.config
        hashes = hashes_of(record, config)
        own = hashes == hashes_of(record, record.config)
        chains = [(chain, chain.history()) for chain in lineage.stored(config, hashes, folder)]
        known = [(c, h) for c, h in chains if h and (not own or _agree(record, h))]
        chain, history = max(known, key=lambda each: len(each[1]), default=(None, []))
        if own and len(history) < len(record.epochs):
            logged = [_logged(record, number) for number in range(len(record.epochs))]
            history = [*history, *logged[len(history) :]]
        return cls(epochs=tuple(history), chain=chain, is_own=own)

    def metrics(self, one: EpochRecord) -> dict[str, float]:
        """Further metrics of an epoch that are stored, by what names each."""
        return self.chain.metrics(one) if self.chain else {}

    def put_metrics(self, one: EpochRecord, values: Mapping[str, float]) -> None:
        """Store further metrics of an epoch, where epochs are stored."""
        if self.chain is not None and one.weights:
            self.chain.put_metrics(one, values)

    def weights(self, one: EpochRecord) -> Arrays | None:
        """The network's variables after an epoch; None where they are not stored any more."""
        return self.chain.weights(one) if self.chain is not None and one.weights else None


def hashes_of(record: Record, config: Config) -> tuple[str, ...]:
    """The trajectory hash of each segment of a config that is trained with the code of a run."""
    if config == record.config:
        return lineage.hashes_of(config, record.identity, record.sources)
    return identity.lineage(config, record.identity.data_digest, **record.sources)


def _agree(record: Record, history: list[EpochRecord]) -> bool:
    """Whether stored epochs are those of a run, as far as both go."""
    pairs = zip(record.epochs, history, strict=False)
    return all(
        (one.loss, one.accuracy, one.val_loss)
        == (kept.epoch.loss, kept.epoch.accuracy, kept.epoch.val_loss)
        for one, kept in pairs
    )


def _logged(record: Record, place: int) -> EpochRecord:
    return EpochRecord(epoch=record.epochs[place], run_id=record.run_id, weights="", optimizer=None)
