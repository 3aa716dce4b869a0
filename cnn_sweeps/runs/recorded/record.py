"""The record of a run: enough to train it again, and to compare the result.

A record comes from a store or from a folder that was exported. Both give the same plain values,
which are read and checked here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cnn_sweeps.config.metrics import KEY, own_metrics
from cnn_sweeps.config.schema import Config, own_network
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.errors import ConfigError, NewerVersionError, RecordError
from cnn_sweeps.models import custom
from cnn_sweeps.models.source import FOLDER, LOSS_FOLDER, Source, metric_folder
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SCHEMA_VERSION, SHOWN, Identity, identify
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.format import first_line
from cnn_sweeps.tracking.names import CONFIG_FILE, ENVIRONMENT_FILE, NETWORK_SHA256
from cnn_sweeps.training.epoch import Epoch

CONFIG, ENVIRONMENT = CONFIG_FILE, ENVIRONMENT_FILE
"""Where a run's config and environment are stored."""
FINISHED = "FINISHED"
LOSS = "trainer.loss"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run, as it was stored.

    Attributes:
        run_id: the MLflow run.
        name: the run's name, for a person.
        status: RUNNING, FINISHED, FAILED or KILLED.
        identity: the hashes and the digests of data and network, as stored.
        config: what was trained.
        source: the files of a user's own network; None where there is none, or none was stored.
        loss_source: those of a user's own loss, in the same way.
        metric_sources: those of each of a user's own metrics, by function.
        environment: where it ran.
        epochs: every epoch, in order.
        metrics: the last value of each metric.
        weights_sha256: digest of the final weights; None if it never came so far.
        stopped: why training ended, for a person.
    """

    run_id: str
    name: str
    status: str
    identity: Identity
    config: Config
    source: Source | None
    environment: Environment
    epochs: tuple[Epoch, ...]
    metrics: Mapping[str, float]
    weights_sha256: str | None
    stopped: str | None
    loss_source: Source | None = None
    metric_sources: Mapping[str, Source | None] = field(default_factory=dict)

    @classmethod
    def read(
        cls, stored: Mapping[str, Any], config: Any, sources: Callable[[str], Mapping[str, bytes]]
    ) -> "Record":
        """Make a record of plain values.

        Args:
            stored: everything but config and source, by name; environment and epochs nested.
            config: what the stored config says.
            sources: gives the contents of the user's files that were stored in a folder, by their
                paths.

        Raises:
            RecordError: something is missing, no value of its kind, or of another release.
        """
        run_id = stored.get("run_id")
        _check_version(stored)
        try:
            checked = load_stored(config)
            hashes = ("config_hash", "trajectory_hash", "data_digest")
            return cls(
                run_id=str(stored["run_id"]),
                name=str(stored["name"]),
                status=str(stored["status"]),
                identity=Identity(
                    **{name: str(stored[name]) for name in hashes},
                    network_sha256=stored.get(NETWORK_SHA256),
                ),
                config=checked,
                **stored_sources(checked, sources),
                environment=Environment.from_dict(stored["environment"]),
                epochs=tuple(map(_epoch, stored["epochs"])),
                metrics={name: float(value) for name, value in stored["metrics"].items()},
                weights_sha256=stored["weights_sha256"],
                stopped=stored["stopped"],
            )
        except NewerVersionError as error:
            raise RecordError(
                f"Run {run_id}: {error}\nNothing was started. Install the cnn-sweeps that stored "
                f"it ({_stored_by(stored)}), or a newer one."
            ) from error
        except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(
                f"What is stored of run {run_id} cannot be read: {_said(error)}\n"
                "It was changed or damaged, or written by another release; nothing was started."
            ) from error

    @property
    def sources(self) -> dict[str, Any]:
        """The user's files that it was made with, as `identify` takes them."""
        names = ("source", "loss_source", "metric_sources")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Everything but config and source as plain values, for `read`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "name": self.name,
            "status": self.status,
            **asdict(self.identity),
            "weights_sha256": self.weights_sha256,
            "stopped": self.stopped,
            "metrics": dict(self.metrics),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "environment": self.environment.as_dict(),
        }


def check_finished(record: Record) -> None:
    """Refuse a run that never came to an end that could be compared with.

    Raises:
        RecordError: it failed, was pruned or stopped, or still runs.
    """
    if record.status != FINISHED or not record.weights_sha256 or not record.epochs:
        raise RecordError(
            f"Run {record.run_id} ({record.name}) is {record.status}: only a finished run, with "
            "all its epochs and its weights, can be reproduced."
        )


def verify(record: Record) -> None:
    """Refuse a record whose config, data digest or source is not the one that made its hash.

    Nothing of the user's code is imported.

    Raises:
        RecordError: they give another hash.
    """
    custom.look_here()
    hashes = replace(record.identity, network_sha256=None)  # known once it is built
    made = identify(record.config, hashes.data_digest, **record.sources)
    if made == hashes or (record.source is None and _made_alone(record) == hashes):
        return
    for key, function, source in functions_of(record):
        if source is None:
            raise RecordError(
                f"Run {record.run_id} did not store the file of {key}={function}, and "
                f"no file here matches.\nRestore the file in the current "
                f"folder; config and data give {made.short} now instead of {record.identity.short}."
            )
    own = record.source or record.loss_source or record.metric_sources
    parts = "config, digest of the data and source" if own else "config and data digest"
    same = made.config_hash == record.identity.config_hash
    name = "trajectory_hash" if same else "config_hash"
    gives, stored = (getattr(each, name)[:SHOWN] for each in (made, record.identity))
    raise RecordError(
        f"Run {record.run_id} was changed after it was stored: its {parts} give the "
        f"{name} {gives}, but it is stored as {stored}.\nNothing was started. "
        f"If there is another run of that hash, choose it with {option('run_id', 'ID')}."
    )


def _check_version(stored: Mapping[str, Any]) -> None:
    """Refuse a meaning of the hash that this release does not know; it is never guessed."""
    version = stored.get("schema_version", 1)  # version 1 did not say so at first
    if str(version) != str(SCHEMA_VERSION):
        raise RecordError(
            f"Run {stored.get('run_id')} is stored with version {version} of the hash; this "
            f"cnn-sweeps knows version {SCHEMA_VERSION}.\nInstall the cnn-sweeps that stored it "
            f"({_stored_by(stored)}) to reproduce it."
        )


def _stored_by(stored: Mapping[str, Any]) -> str:
    """The version of cnn_sweeps that stored a record, for a person."""
    environment = stored.get("environment")
    packages = environment.get("packages", {}) if isinstance(environment, Mapping) else {}
    return str(packages.get("cnn-sweeps", "another release"))


def _epoch(stored: Mapping[str, Any]) -> Epoch:
    def value(name: str) -> float | None:
        return None if stored[name] is None else float(stored[name])

    return Epoch(
        number=int(stored["number"]),
        loss=float(stored["loss"]),
        accuracy=float(stored["accuracy"]),
        val_loss=value("val_loss"),
        val_accuracy=value("val_accuracy"),
        seconds=float(stored["seconds"]),
        images_per_second=float(stored["images_per_second"]),
        measured={name: float(given) for name, given in stored.get("measured", {}).items()},
    )


def functions_of(record: Record) -> list[tuple[str, str, Source | None]]:
    """The user's own functions that a run was made with: key, function, and its stored files."""
    network, loss = own_network(record.config.model), record.config.trainer.loss
    own = [(custom.KEY, network.function, record.source)] if network else []
    lost = [] if loss is None else [(LOSS, loss, record.loss_source)]
    measured = [(KEY, each, source) for each, source in record.metric_sources.items()]
    return [*own, *lost, *measured]


def stored_sources(config: Config, sources: Callable[[str], Mapping[str, bytes]]) -> dict[str, Any]:
    """The user's files that were stored with a run, as `identify` takes them.

    Args:
        config: of the run.
        sources: gives the contents of the files that were stored in a folder, by their paths.

    Raises:
        ConfigError: a function has no name that could be imported.
    """
    return {
        "source": _source(config, sources),
        "loss_source": _loss_source(config, sources),
        "metric_sources": dict(_metric_sources(config, sources)),
    }


def _source(config: Config, sources: Callable[[str], Mapping[str, bytes]]) -> Source | None:
    network = own_network(config.model)
    if network is None:
        return None
    custom.check_function_name(network.function)
    return Source.stored(network.function, sources(FOLDER))


def _loss_source(config: Config, sources: Callable[[str], Mapping[str, bytes]]) -> Source | None:
    if config.trainer.loss is None:
        return None
    custom.check_function_name(config.trainer.loss, key=LOSS)
    return Source.stored(config.trainer.loss, sources(LOSS_FOLDER))


def _metric_sources(
    config: Config, sources: Callable[[str], Mapping[str, bytes]]
) -> Iterator[tuple[str, Source | None]]:
    for each in own_metrics(config.trainer.metrics):
        custom.check_function_name(each.function, key=KEY)
        yield each.function, Source.stored(each.function, sources(metric_folder(each.function)))


def _made_alone(record: Record) -> Identity | None:
    """The hashes with the file that is here, as an earlier version made them: without imports."""
    network = own_network(record.config.model)
    found = Source.find(network.function) if network else None
    if found is None:
        return None
    alone = record.sources | {"source": replace(found, imports=())}
    return identify(record.config, record.identity.data_digest, **alone)


def _said(error: Exception) -> str:
    return f"{error} is missing." if isinstance(error, KeyError) else first_line(error)
