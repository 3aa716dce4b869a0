"""`cnn-sweeps diff HASH HASH`: in what two runs differ."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.text import Text

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.schema import Config
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.recorded.verdict import same_bits
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import Output
from cnn_sweeps.tracking import flatten

MOST_ROWS = 40
DIGEST = re.compile(r"[0-9a-f]{64}")
"""A digest, of which a person is shown the first digits."""
Pair = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs between two runs, by name: (one, other); None where one has no such thing.

    Attributes:
        names: the two runs, for a person.
        run_ids: the two MLflow runs.
        identity: hashes, digest of the data, digest of a user's own file.
        config: fields of the config, by their dotted keys; where it was logged is left out.
        environment: see `Environment.difference`.
        metrics: final metrics and the digest of the weights.
        epochs: metrics of each epoch, as `epoch 2 val_loss`.
    """

    names: tuple[str, str]
    run_ids: tuple[str, str]
    identity: Mapping[str, Pair]
    config: Mapping[str, Pair]
    environment: Mapping[str, Pair]
    metrics: Mapping[str, Pair]
    epochs: Mapping[str, Pair]

    @classmethod
    def between(cls, one: Record, other: Record) -> "Difference":
        """Compare two records."""
        return cls(
            names=(one.name, other.name),
            run_ids=(one.run_id, other.run_id),
            identity=_differing(_identity(one), _identity(other)),
            config=_differing(_config(one), _config(other)),
            environment=one.environment.difference(other.environment),
            metrics=_differing(_metrics(one), _metrics(other)),
            epochs=_differing(dict(_epochs(one)), dict(_epochs(other))),
        )


def main(typed: list[str]) -> int:
    """Print in what two runs differ; 0 whether they do or not.

    Raises:
        UnknownHashError: no run, or more than one experiment, has one of the hashes.
        RecordError: a run ended before its config was stored.
        StoreError: the store cannot be read.
    """
    parser = Arguments(
        "diff",
        "HASH HASH",
        "Show how two runs differ: config, environment, metrics.",
        names=(2, 2),
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    asked = parser.read(typed)
    one, other = (api.load(name, *asked.overrides) for name in asked.names)
    difference, out = Difference.between(one, other), output.console()
    if asked.json:
        out.out(dump_json(difference))
    else:
        show(difference, out)
    return 0


def show(difference: Difference, out: Output) -> None:
    """Print a table for each part that differs."""
    for sign, name, run_id in zip("-+", difference.names, difference.run_ids, strict=True):
        out.print(Text.assemble(f"{sign} ", (name, "bold"), f"  MLflow run {run_id}"))
    parts = ("identity", "config", "environment", "metrics", "epochs")
    for part in parts:
        pairs = getattr(difference, part)
        if not pairs:
            out.print()
            out.heading(part, ": no difference")
            continue
        head = ("what", "-", "+")
        rows = [(key, *_texts(values)) for key, values in list(pairs.items())[:MOST_ROWS]]
        out.print()
        Table(head=head, rows=tuple(rows), text=frozenset(head), title=part, folded=True).show(out)
        if len(pairs) > MOST_ROWS:
            out.print(f"and {len(pairs) - MOST_ROWS} more; --json has all")


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Pair]:
    names = [*one, *(name for name in other if name not in one)]
    pairs = {name: (one.get(name), other.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not same_bits(*pair)}


def _identity(record: Record) -> dict[str, Any]:
    sources = {"source_sha256": record.source, "loss_sha256": record.loss_source}
    sources |= {f"{key}_sha256": source for key, source in record.metric_sources.items()}
    found = {key: source for key, source in sources.items() if source}
    own = {key: source.sha256 for key, source in found.items()}
    imports = {each.path: each.sha256 for source in found.values() for each in source.imports}
    return asdict(record.identity) | own | imports


def _config(record: Record) -> dict[str, Any]:
    kept = {field.name for field in fields(Config) if field.metadata.get("identity", True)}
    return flatten({key: value for key, value in to_json(record.config).items() if key in kept})


def _metrics(record: Record) -> dict[str, Any]:
    of_epochs = {name for epoch in record.epochs for name in epoch.metrics}
    final = {name: value for name, value in record.metrics.items() if name not in of_epochs}
    return {"stopped": record.stopped, "weights_sha256": record.weights_sha256, **final}


def _epochs(record: Record) -> Iterator[tuple[str, float]]:
    for epoch in record.epochs:
        for name, value in epoch.determined.items():
            yield f"epoch {epoch.number} {name}", value


def _texts(values: Pair) -> tuple[str, str]:
    """Two different values so that they look different; with all digits where it takes them."""
    short = (_text(values[0], digits=6), _text(values[1], digits=6))
    return short if short[0] != short[1] else (_text(values[0], 17), _text(values[1], 17))


def _text(value: Any, digits: int) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return str(value)[:SHOWN] if DIGEST.fullmatch(str(value)) else str(value)
