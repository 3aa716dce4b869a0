"""What is trained: a config on its data, under the hashes that identify it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnn_sweeps import data
from cnn_sweeps.config.loading import settled
from cnn_sweeps.config.schema import Config
from cnn_sweeps.config.spelling import with_images
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.models.names import name_of
from cnn_sweeps.provenance.identity import Identity, identify
from cnn_sweeps.runs.weights import pretrained
from cnn_sweeps.tracking import Store
from cnn_sweeps.training import class_weights


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A config, with what only its images tell.

    Attributes:
        config: without what makes no difference to the images, with the rules number that made
            one, with weights of classes by their names, and with the digest of pretrained weights.
        dataset: the images.
        identity: the hashes.
        loss_sha256: digest of a user's own loss (`training.own_loss`), which only calling it tells;
            None before that, and without one.
        remarks: what a person should know of its network and its record, a sentence each.
    """

    config: Config
    dataset: Dataset
    identity: Identity
    loss_sha256: str | None = None
    remarks: tuple[str, ...] = ()

    @classmethod
    def load(cls, config: Config, store: Store | None = None) -> "Experiment":
        """Read the images, find pretrained weights, and identify.

        Args:
            config: what is asked for.
            store: where a run that is named by its hash is looked for; `config.tracking` when None.

        Raises:
            ConfigError: a weight for a class that there is not.
            DataError: the images, or a file of pretrained weights, cannot be read.
            UnknownHashError: there is no such run to take the weights from.
            RecordError: pretrained weights are not those that are recorded.
        """
        dataset = data.load_cached(config.data)
        config = with_images(config, limited=dataset.limited, size=dataset.shape[:2])
        config = replace(
            config,
            model=pretrained.resolve_weights(config, dataset.shape, store),
            data=data.as_read(config.data, dataset),
            trainer=class_weights.named_weights(config.trainer, dataset.class_names),
        )
        config = settled(config)
        return cls(config=config, dataset=dataset, identity=identify(config, dataset.digest))

    def noting(self, sentences: Sequence[str]) -> "Experiment":
        """The same, with more that a person should know; it is kept and shown with the images."""
        dataset = replace(self.dataset, notices=(*self.dataset.notices, *sentences))
        return replace(self, dataset=dataset, remarks=(*self.remarks, *sentences))

    @property
    def name(self) -> str:
        """What a person reads in MLflow's lists: `cnn 64x2 e5 · 3f2a9c1b7d20`."""
        return f"{name_of(self.config)} · {self.identity.short}"
