"""The name of an experiment, made of everything that defines its result.

The *config hash* is the SHA-256 of the canonical JSON (RFC 8785 in spirit: sorted keys, no
white space, shortest float form) of the resolved config, the digest of the data and the
version of this schema. It is not made of the differences to the defaults: editing a default
never changes what an old hash means. The *trajectory hash* leaves out the fields that only
say when to stop.

A training that changes on its way (`config.path`) is a chain: its first segment has the trajectory
hash of a training that never changes, and each further one is named by the one before it, the
epoch with which it begins and what changes then. The last is the trajectory hash of the whole.

Metrics that are only looked at do not change what is trained, nor when it stops: those of this
package are no part of the content. A user's own are, with their files: what the hash does not
cover could not be verified before it is executed. A metric that stops the training stands in it by
the name of the monitor as well; one of the user's own that the learning rate follows is part of the
trajectory hash too.

The content can grow. A field that was added after version 1 is part of it only where it differs
from its neutral value, which is what every earlier experiment had (`config.schema.added`). No
code of the user's is run for a hash, and nothing that is built counts.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from cnn_sweeps.config import rules
from cnn_sweeps.config.fields import active
from cnn_sweeps.config.metrics import PREFIX, OwnMetric, own_metrics, plateau_monitor
from cnn_sweeps.config.path import Segment, segments
from cnn_sweeps.config.schema import CnnModel, Config, PretrainedModel, Split, own_network
from cnn_sweeps.models.cnn import filters
from cnn_sweeps.models.source import Source
from cnn_sweeps.text.json import sha256

SCHEMA_VERSION = 1
SHOWN = 12
"""Hex digits of a hash that are shown to people."""
PLAIN = frozenset({bool, int, float, str})
"""Types of most values, which stand in the content as they are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What names an experiment.

    Attributes:
        config_hash: 64 hex digits; the same for the same experiment, wherever it runs.
        trajectory_hash: the same without the fields that say when to stop; where the training
            changes on its way, that of its last segment.
        data_digest: SHA-256 of the images and labels.
        network_sha256: digest of a user's own network as its function built it, which no config
            tells (`models.custom.examine`); None before that, and for a network of ours.
    """

    config_hash: str
    trajectory_hash: str
    data_digest: str
    network_sha256: str | None = None

    @property
    def short(self) -> str:
        """The first digits of the config hash, for people."""
        return self.config_hash[:SHOWN]


def identify(
    config: Config,
    data_digest: str,
    *,
    source: Source | None = None,
    loss_source: Source | None = None,
    metric_sources: Mapping[str, Source | None] | None = None,
) -> Identity:
    """Name the experiment that a config describes on this data.

    Args:
        config: what is trained.
        data_digest: SHA-256 of the images and labels.
        source: the files of a user's own network; looked for among the modules when None.
        loss_source: those of a user's own loss, in the same way.
        metric_sources: those of each of a user's own metrics, by function, in the same way.
    """
    files = _files(config, source, loss_source)
    named = partial(content, config, data_digest, metric_sources=metric_sources, **files)
    first = sha256(named(trajectory=True), compact=True)
    return Identity(
        config_hash=sha256(named(), compact=True),
        trajectory_hash=chain_hashes(first, segments(config))[-1],
        data_digest=data_digest,
    )


def lineage(
    config: Config,
    data_digest: str,
    *,
    source: Source | None = None,
    loss_source: Source | None = None,
    metric_sources: Mapping[str, Source | None] | None = None,
) -> tuple[str, ...]:
    """The trajectory hash of each segment of a training, in order; arguments as in `identify`."""
    files = _files(config, source, loss_source)
    covered = content(config, data_digest, metric_sources=metric_sources, trajectory=True, **files)
    return chain_hashes(sha256(covered, compact=True), segments(config))


def _files(config: Config, source: Source | None, loss_source: Source | None) -> dict[str, Any]:
    """The files of network and loss, looked for among the modules where they are not given."""
    own, loss = own_network(config.model), config.trainer.loss
    if source is None and own is not None:
        source = Source.find(own.function)
    if loss_source is None and loss is not None:
        loss_source = Source.find(loss)
    return {"source": source, "loss_source": loss_source}


def chain_hashes(first: str, path: Sequence[Segment]) -> tuple[str, ...]:
    """The hash of each segment, from that of the first one on."""
    hashes = [first]
    for segment in path[1:]:
        link = {"previous": hashes[-1], **_link(segment)}
        hashes.append(sha256(link, compact=True))
    return tuple(hashes)


def content(
    config: Config,
    data_digest: str,
    *,
    source: Source | None = None,
    loss_source: Source | None = None,
    metric_sources: Mapping[str, Source | None] | None = None,
    trajectory: bool = False,
) -> dict[str, Any]:
    """Everything that the hash covers, as plain values; of its first segment for a trajectory.

    Two spellings of one experiment give one content: `filters: 64` and `filters: [64, 64]`
    with two blocks, or any kernel size where there is no block at all. Editing a file of a
    user's own function makes another experiment: the one that it stands in, or one that it imports.
    """
    first, *later = segments(config)
    plain = _fields(first.config, trajectory=trajectory)
    if not trajectory:
        plain["trainer"]["epochs"] = config.trainer.epochs  # of all segments
        if later:
            plain["trainer"]["phases"] = list(map(_link, later))
    if own_network(config.model) is not None:
        plain["model"] |= _digests(source)
    if isinstance(config.model, PretrainedModel) and config.model.weights_sha256 is None:
        plain["model"]["weights"] = config.model.weights  # until their digest is known
    if config.trainer.loss is not None:
        digests = _digests(loss_source)
        plain["trainer"] |= {f"loss_{name}": digest for name, digest in digests.items()}
    own = own_metrics(config.trainer.metrics)
    if trajectory:  # one that the learning rate follows changes what is trained
        followed = plateau_monitor(first.config.trainer)
        own = tuple(each for each in own if f"{PREFIX}{each.name}" in followed)
    if own:
        plain["trainer"]["metrics"] = _metrics(own, metric_sources)
    return {"schema": SCHEMA_VERSION, "data_digest": data_digest, **plain}


def _metrics(
    own: Sequence[OwnMetric], sources: Mapping[str, Source | None] | None
) -> list[dict[str, Any]]:
    """What names the user's own metrics, in whichever order they were typed."""
    return [
        {
            "function": each.function,
            "higher_is_better": each.higher_is_better,
            **_digests(Source.find(each.function) if sources is None else sources[each.function]),
        }
        for each in sorted(own, key=lambda each: each.function)
    ]


def _digests(source: Source | None) -> dict[str, str | None]:
    """What names the files of a user's own function."""
    digests = {"source_sha256": source.sha256 if source else None}
    if source is not None and source.imports_sha256 is not None:
        digests["imports_sha256"] = source.imports_sha256
    return digests


def _link(segment: Segment) -> dict[str, Any]:
    return {"first": segment.first, "changes": dict(segment.changes)}


def _fields(value: Any, *, trajectory: bool) -> dict[str, Any]:
    plain = {
        f.name: _plain(getattr(value, f.name), trajectory=trajectory)
        for f in _counting(value.__class__, trajectory=trajectory)
        if active(value, f)
    }
    if isinstance(value, CnnModel) and value.conv_blocks:
        plain["filters"] = list(filters(value))
    if isinstance(value, Split):
        kind = str(getattr(value, "name", ""))
        plain["rules"] = rules.least_number(rules.DATA, value.rules, kind)
    neutral = _neutral(value.__class__, trajectory=trajectory)
    return {k: v for k, v in plain.items() if k not in neutral or v != neutral[k]}


@cache
def _counting(kind: type, *, trajectory: bool) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of a dataclass that are part of a hash, wherever they have an effect."""
    return tuple(
        f
        for f in dataclasses.fields(kind)
        if f.metadata.get("identity", True)
        and (f.metadata.get("trajectory", True) or not trajectory)
    )


@cache
def _neutral(kind: type, *, trajectory: bool) -> dict[str, Any]:
    """The neutral values of a dataclass, as plain ones."""
    return {
        f.name: _plain(f.metadata["neutral"], trajectory=trajectory)
        for f in dataclasses.fields(kind)
        if "neutral" in f.metadata
    }


def _plain(value: Any, *, trajectory: bool) -> Any:
    if value is None or type(value) in PLAIN:
        return value
    if dataclasses.is_dataclass(value):
        return _fields(value, trajectory=trajectory)
    if isinstance(value, tuple | list):
        return [_plain(item, trajectory=trajectory) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, trajectory=trajectory) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value
