"""The network of a run: built, or that of the trial before it, which gets other weights.

Trials that follow each other in a process often share a trajectory, the longest first. Of the
others everything is stored: nothing has to be built for them, compiled or trained. Import this
module late: it imports Keras.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import own_network
from cnn_sweeps.models.build import build_model
from cnn_sweeps.runs import backbone
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.stored_epochs import environment_of
from cnn_sweeps.tracking import Store
from cnn_sweeps.training import backend, freezing, loop
from cnn_sweeps.trajectories.resume import NOBODY, TrainingRequest
from cnn_sweeps.trajectories.retention import WantedEpochs
from cnn_sweeps.trajectories.stored import StoredTraining

if TYPE_CHECKING:
    import keras

_last: dict[str, "keras.Model"] = {}
"""The network of this process's last run, by its trajectory hash; it carries that one's weights."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a run trains.

    Attributes:
        model: built for its config; with its first weights unless its training is stored.
        asked: what is asked of its trajectory, and where it is trained.
        stored: its training, where all of that is stored.
    """

    model: "keras.Model"
    asked: TrainingRequest
    stored: StoredTraining | None

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        store: Store,
        *,
        built: "keras.Model | None" = None,
        wanted: WantedEpochs | None = None,
    ) -> "Network":
        """Build it, unless that was done or is not needed.

        Args:
            experiment: what is run.
            store: where it is logged, beside its trajectory.
            built: a user's own network, which was built before.
            wanted: what the other trials want of its epochs; None for a single run, which may have
                to be evaluated.
        """
        kept = None if built else _kept(experiment)
        model = built or kept or build(experiment, store)
        asked = TrainingRequest(
            config=experiment.config,
            identity=experiment.identity,
            environment=environment_of(experiment, experiment.config.trainer.threads),
            folder=store.dir,
            wanted=wanted or NOBODY,
        )
        stored = None if wanted is None else StoredTraining.find(model, asked)
        if model is kept and stored is None:
            model = build(experiment, store)
        if built is None and len(segments(experiment.config)) == 1:
            _last[experiment.identity.trajectory_hash] = model
        return cls(model=model, asked=asked, stored=stored)


def build(experiment: Experiment, store: Store) -> "keras.Model":
    """Start TensorFlow as the config has it, and build the network, frozen as it begins."""
    config, dataset = experiment.config, experiment.dataset
    _last.clear()
    with loop.memory_remedy(config.trainer):
        backend.configure_backend(config.trainer, config.seed)
        model = build_model(config.model, dataset.shape, dataset.num_classes)
        backbone.fill_backbone(model, config, store)
        freezing.apply_freeze(model, segments(config)[0].config.trainer.freeze)
        return model


def _kept(experiment: Experiment) -> "keras.Model | None":
    """The last network, if it is that of the same trajectory and TensorFlow may stay as it is."""
    config = experiment.config
    if own_network(config.model) or not backend.can_configure_backend(config.trainer):
        return None
    return _last.get(experiment.identity.trajectory_hash)
