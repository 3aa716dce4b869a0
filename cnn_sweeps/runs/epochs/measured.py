"""Metrics of a finished run's epochs, computed afterwards from what is stored; nothing is trained.

What was measured before is read. For the rest the weights after an epoch are loaded, checked
against their digest and evaluated, and the values are stored beside the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from cnn_sweeps.config.metrics import PREFIX, metric_names, own_metrics
from cnn_sweeps.config.schema import Config, TrainerConfig
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models.source import Source
from cnn_sweeps.runs.epochs.stored_path import StoredPath
from cnn_sweeps.runs.recorded.record import Record, check_finished, verify
from cnn_sweeps.runs.restore import importable_source, recorded_images, restored_config
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import Store, model_files
from cnn_sweeps.training.backend import configure_backend, quiet_stderr
from cnn_sweeps.training.epoch import WeightAverage
from cnn_sweeps.training.validation_metrics import (
    ValidationMetrics,
    check_names,
    key_of,
    stored_value,
)
from cnn_sweeps.trajectories.history import EpochRecord

if TYPE_CHECKING:
    import keras

    from cnn_sweeps.training.steps import Scores

Which = Literal["best", "every"]


@dataclass(frozen=True, kw_only=True)
class MeasuredEpoch:
    """One epoch of a run.

    Attributes:
        number: from 1.
        values: by metric, as `val_macro_f1`; without those that cannot be known any more.
    """

    number: int
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class MeasuredRun(Results):
    """What epochs of a finished run are worth on the validation images.

    Attributes:
        name: the run, for a person.
        run_id: the MLflow run.
        config_hash: of its experiment.
        best: the epoch whose weights it ended with.
        metrics: what was asked for, in that order.
        epochs: those that were asked for, in order.
        average: what stands in the place of the last epoch, where the run ended with an average.
    """

    name: str
    run_id: str
    config_hash: str
    best: int
    metrics: tuple[str, ...]
    epochs: tuple[MeasuredEpoch, ...]
    average: str = ""

    @property
    def lost(self) -> tuple[int, ...]:
        """Epochs of which something is not known: their weights are not stored any more."""
        return tuple(e.number for e in self.epochs if len(e.values) < len(self.metrics))

    def notes(self) -> tuple[str, ...]:
        """What a person should know beside the table."""
        notes = []
        if self.average:
            notes.append(f"epoch {self.best}: of the {self.average}, with which the run ended")
        if self.lost:
            which = "epoch " if len(self.lost) == 1 else "epochs "
            which += ", ".join(map(str, self.lost))
            notes.append(f"{which}: not known, the weights are not stored any more")
        return tuple(notes)

    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each epoch, for a spreadsheet; None for what is not known."""
        return [
            {"epoch": e.number, **{name: e.values.get(name) for name in self.metrics}}
            for e in self.epochs
        ]

    def table(self) -> Table:
        """A row for each epoch."""
        rows = [
            (str(e.number), *(_shown(e.values.get(name)) for name in self.metrics))
            for e in self.epochs
        ]
        strong = frozenset(n for n, e in enumerate(self.epochs) if e.number == self.best)
        return Table(
            head=("epoch", *self.metrics), rows=tuple(rows), strong=strong, notes=self.notes()
        )


def check_metrics(metrics: Sequence[str]) -> None:
    """Refuse metrics that there are not; nothing is imported.

    Raises:
        ConfigError: naming the first, with what is possible.
    """
    if not metrics:
        raise ConfigError(
            f"{option('metrics')} names no metric. Type, for example, "
            f"{option('metrics', ('macro_f1', 'roc_auc'))}"
        )
    check_names(metrics, argument="metrics")


def measure(
    store: Store,
    record: Record,
    metrics: Sequence[str],
    *,
    which: Which = "best",
    places: Sequence[str] = (),
    trust: bool = False,
) -> MeasuredRun:
    """Metrics of the validation split for epochs of a finished run.

    Args:
        store: where the run is.
        record: the run.
        metrics: as in `trainer.metrics`.
        which: the epoch whose weights it ended with, or every one.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` may be executed.

    Raises:
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: an unknown metric, no validation images, or code that is not trusted.
        DataError: the images are missing, or are not those of the run.
        ModelError: a metric of the user's own failed.
        StoreError: the store refuses.
    """
    check_metrics(metrics)
    check_finished(record)
    verify(record)
    path = StoredPath.find(record, store.address.dir)
    measurer = Measurer(store, record, metrics, places, trust)
    names = tuple(f"{PREFIX}{name}" for name in metric_names(metrics))
    every = [path.epochs[number] for number in range(len(record.epochs))]
    if which == "best":
        measured = [MeasuredEpoch(number=measurer.best, values=measurer.final_values(path))]
    else:
        measured = [MeasuredEpoch(number=e.number, values=measurer.values(path, e)) for e in every]
    return MeasuredRun(
        name=record.name,
        run_id=record.run_id,
        config_hash=record.identity.config_hash,
        best=measurer.best,
        metrics=names,
        epochs=tuple(measured),
        average=measurer.average.name if measurer.average and which == "best" else "",
    )


@dataclass
class Measurer:
    """Measures epochs of one run; TensorFlow is started for the first that is not known.

    Attributes:
        store: where the run is.
        record: the run.
        metrics: as in `trainer.metrics`.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` may be executed.
    """

    store: Store
    record: Record
    metrics: Sequence[str]
    places: Sequence[str] = ()
    trust: bool = False
    _graph: "Scores | None" = field(default=None, init=False)

    @property
    def average(self) -> WeightAverage | None:
        """The average that the run ended with."""
        return WeightAverage.of_logged(self.record.metrics, len(self.record.epochs))

    @property
    def best(self) -> int:
        """The epoch whose weights the run ended with; with an average, the last one."""
        last = len(self.record.epochs)
        return last if self.average else int(self.record.metrics.get("best_epoch", last))

    @cached_property
    def keys(self) -> dict[str, str]:
        """What a stored value of each metric goes by, by the name that it has behind `val_`."""
        own = {each.name: key_of(each.function) for each in own_metrics(self.metrics)}
        return {name: own.get(name, name) for name in metric_names(self.metrics)}

    def values(self, path: StoredPath, one: EpochRecord) -> dict[str, float]:
        """The metrics of an epoch, as `val_macro_f1`; without those that cannot be known any more.

        Args:
            path: the stored epochs of the run, or of one that shares its trajectory.
            one: the epoch.

        Raises:
            ConfigError: no validation images, or code that is not trusted.
            DataError: the images are missing, or are not those of the run.
            ModelError: a metric of the user's own failed.
            StoreError: the store refuses.
        """
        known = self._known(path, one)
        if not known.keys() >= self.keys.keys() and (model := self._network(path, one)):
            found = self._validation.values(self._scores(model))
            path.put_metrics(one, self._validation.stored(found))
            known |= {name.removeprefix(PREFIX): value for name, value in found.items()}
        return {f"{PREFIX}{name}": known[name] for name in self.keys if name in known}

    def final_values(self, path: StoredPath) -> dict[str, float]:
        """The metrics of the weights that the run ended with; see `values`."""
        if self.average is None:
            return self.values(path, path.epochs[self.best - 1])
        wanted = [f"{PREFIX}{name}" for name in self.keys]
        known = {name: v for name, v in self.record.metrics.items() if name in wanted}
        if len(known) < len(wanted) and (model := self._stored_model):
            known = self._validation.values(self._scores(model)) | known
        return {name: known[name] for name in wanted if name in known}

    def stored_values(self, path: StoredPath, one: EpochRecord) -> dict[str, float]:
        """The metrics of an epoch that are stored with it, as `val_macro_f1`."""
        stored = path.metrics(one)
        known = {name: stored_value(stored, key) for name, key in self.keys.items()}
        return {f"{PREFIX}{name}": v for name, v in known.items() if v is not None}

    def _known(self, path: StoredPath, one: EpochRecord) -> dict[str, float]:
        """What is stored, by name: with the epochs, or with the run."""
        logged = dict(one.epoch.metrics)
        if path.is_own and one.number <= len(self.record.epochs):
            logged |= self.record.epochs[one.number - 1].metrics
        ours = {f"{PREFIX}{name}" for name, key in self.keys.items() if name == key}
        known = {name: value for name, value in logged.items() if name in ours}
        found = known | self.stored_values(path, one)
        return {name.removeprefix(PREFIX): value for name, value in found.items()}

    def _network(self, path: StoredPath, one: EpochRecord) -> "keras.Model | None":
        """The network as it was after an epoch; None where its weights are not stored any more."""
        weights = path.weights(one)
        with quiet_stderr():
            from cnn_sweeps.training import state  # noqa: PLC0415 -- TensorFlow
        if weights is not None and state.fits_model(self._built, weights):
            state.restore_model(self._built, weights)
            return self._built
        if not path.is_own or one.number != self.best or self.average:
            return None
        return self._stored_model

    @cached_property
    def _stored_model(self) -> "keras.Model | None":
        """The network that the run itself has stored, with the weights of its best epoch."""
        from cnn_sweeps.runs import stored_model  # noqa: PLC0415 -- TensorFlow

        run, data = self.store.get(self.record.run_id), self._dataset
        if not model_files.has_model(self.store, run):
            return None
        with importable_source(self.record, trust=self.trust):
            return stored_model.load(self.store, run, self._config, data.shape, data.num_classes)

    @cached_property
    def _built(self) -> "keras.Model":
        from cnn_sweeps.models.build import build_model  # noqa: PLC0415 -- TensorFlow

        config, data = self._config, self._dataset
        with importable_source(self.record, trust=self.trust):
            configure_backend(config.trainer, config.seed)
            return build_model(config.model, data.shape, data.num_classes)

    def _scores(self, model: "keras.Model") -> Any:
        from cnn_sweeps.training.steps import Scores  # noqa: PLC0415 -- TensorFlow

        if self._graph is None or self._graph.model is not model:
            self._graph = Scores(model)
        return self._graph(self._dataset.x_val)

    @cached_property
    def _validation(self) -> ValidationMetrics:
        data = self._dataset
        asked = TrainerConfig(metrics=tuple(self.metrics))
        own = {each.function for each in own_metrics(self.metrics)}
        gone = any(Source.find(each) is None for each in own & {*self.record.metric_sources})
        with importable_source(self.record, trust=self.trust, to_train=gone):
            return ValidationMetrics.of(asked, data.y_val, data.num_classes)

    @cached_property
    def _config(self) -> Config:
        return restored_config(self.record, self.record.config.tracking, list(self.places))

    @cached_property
    def _dataset(self) -> Dataset:
        data = recorded_images(self.record, self._config)
        if not len(data.x_val):
            raise ConfigError(
                f"{self.record.name} has no validation images, which all its epochs are compared "
                "on.\nEvaluate its test images: cnn-sweeps evaluate HASH."
            )
        return data


def _shown(value: float | None) -> str:
    return "-" if value is None else rounded(value)
