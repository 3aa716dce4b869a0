"""The segments of a training: told to a person, and as they are stored."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config
from cnn_sweeps.provenance.identity import SHOWN, Identity, lineage
from cnn_sweeps.tracking.params import as_text
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.chain import Chain

NOTHING: Mapping[str, Any] = MappingProxyType({})


def lineage_lines(config: Config, data_digest: str) -> tuple[str, ...]:
    """A line for each segment: its epochs, its trajectory and what changes; none for a single one.

    Args:
        config: what is trained.
        data_digest: SHA-256 of the images and labels.
    """
    path = segments(config)
    if not path[1:]:
        return ()
    ends = [after.first - 1 for after in path[1:]] + [config.trainer.epochs]
    lines = []
    for segment, end, name in zip(path, ends, lineage(config, data_digest), strict=True):
        epochs = f"epoch {end}" if segment.first == end else f"epochs {segment.first} to {end}"
        changes = " ".join(f"{key}={as_text(value)}" for key, value in segment.changes.items())
        lines.append(f"{epochs}: trajectory {name[:SHOWN]}{changes and f', {changes}'}")
    return tuple(lines)


def hashes_of(
    config: Config, identity: Identity, sources: Mapping[str, Any] = NOTHING
) -> tuple[str, ...]:
    """The trajectory hash of each segment of a training; that of a single one is known.

    Args:
        config: what was trained.
        identity: its hashes.
        sources: the user's files that it was trained with, as `identify` takes them; those that
            are not named are looked for here.
    """
    if segments(config)[1:]:
        return lineage(config, identity.data_digest, **sources)
    return (identity.trajectory_hash,)


def stored(config: Config, hashes: Sequence[str], folder: Path) -> list[Chain]:
    """The epochs of a training in each environment that has some, whatever trained them.

    Args:
        config: what was trained.
        hashes: those of its segments.
        folder: `tracking.dir`, below which trajectories are stored.
    """
    firsts = [segment.first for segment in segments(config)]
    return TrajectoryStore.under(folder).chains(hashes, firsts)
