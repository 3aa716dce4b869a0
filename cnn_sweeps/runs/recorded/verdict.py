"""The verdict of a reproduction: two records in, one verdict out.

Everything is compared bit for bit first. Where bits differ and the environment does too, the
numbers may differ a little and still be the same experiment: sums are added up in another
order, and training carries that on. How much is allowed depends on the metric (`TOLERANCES`).
Where the environment is the same nothing is allowed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Literal

from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.text.json import plain_values
from cnn_sweeps.training.epoch import EPOCH_METRICS

IDENTICAL: Literal["bit-identical"] = "bit-identical"
EQUAL: Literal["equal within tolerance"] = "equal within tolerance"
DIFFERENT: Literal["different"] = "different"

TOLERANCES = {
    "loss": 0.03,
    "accuracy": 0.02,
    "val_loss": 0.15,
    "val_accuracy": 0.1,
    "test_loss": 0.15,
    "test_accuracy": 0.1,
}
"""How far metrics may be apart in another environment, see `Deviation.size`.

Measured on 7 experiments of 4 to 30 epochs (Fashion-MNIST and digits) with other threads, other
oneDNN kernels and other instruction sets: at most 0.025 and 0.013 for the training metrics,
0.10 and 0.06 for a validation split of 144 to 1,000 images. Another seed moves the training
metrics by 0.02 to 0.13 and by 0.01 to 0.15. So this catches an environment that computes
something else; telling experiments apart is what their hashes are for.
"""
DECODED, DECODED_NAME = "decoded", "the decoder of the image files: pixels"
"""A field of the environment, and what a person reads of it."""
FINAL_METRICS = ("test_loss", "test_accuracy")


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A metric that does not have the bits that it had.

    Attributes:
        epoch: where; None for a metric of the finished training.
        metric: its name.
        recorded: what it was; None if there was no such epoch.
        now: what it is; None if there is no such epoch any more.
    """

    epoch: int | None
    metric: str
    recorded: float | None
    now: float | None

    @property
    def size(self) -> float:
        """How far apart: the difference, of losses above 1 as a share of the greater one."""
        if self.recorded is None or self.now is None:
            return math.inf
        # Below 1, since a loss that nears 0 differs by many times what is left of it.
        apart = abs(self.recorded - self.now) / max(self.recorded, self.now, 1.0)
        return math.inf if math.isnan(apart) else apart

    def __str__(self) -> str:
        where = f"epoch {self.epoch}, {self.metric}" if self.epoch else self.metric
        was, now = ("none" if v is None else repr(v) for v in (self.recorded, self.now))
        return f"{where}: {was} recorded, {now} now"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a reproduction compares with what was recorded.

    Attributes:
        kind: one of the three.
        environment: what differs of that which may move the last bits: (recorded, now).
        deterministic: whether both runs asked for deterministic kernels.
        weights: whether the final weights have the same bits.
        compared: how many metrics were looked at.
        first: of a different training, the first metric that says so; None if only weights do.
        largest: the largest deviation of losses and of accuracies, where there is one.
    """

    kind: Literal["bit-identical", "equal within tolerance", "different"]
    environment: Mapping[str, tuple[Any, Any]]
    deterministic: bool
    weights: bool
    compared: int
    first: Deviation | None
    largest: tuple[Deviation, ...]

    @property
    def exit_code(self) -> int:
        """0 unless the training is a different one."""
        return int(self.kind == DIFFERENT)

    @property
    def excused(self) -> bool:
        """Whether something explains that bits differ."""
        return bool(self.environment) or not self.deterministic

    @property
    def reasons(self) -> str:
        """What differs in the environment, for a person."""
        named = {DECODED_NAME if k == DECODED else k: pair for k, pair in self.environment.items()}
        listed = [f"{k} ({_short(a)}, now {_short(b)})" for k, (a, b) in named.items()]
        if not self.deterministic:
            listed.append("no deterministic kernels (trainer.deterministic=false)")
        return ", ".join(listed)

    def __str__(self) -> str:
        if self.kind == IDENTICAL:
            return self.kind
        if self.kind == EQUAL:
            return f"{self.kind}: the environment differs in {self.reasons}"
        if self.first is None:
            return f"{self.kind}: the final weights, while every metric is the same"
        return f"{self.kind}: first at {self.first}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; a number that JSON does not know is null."""
        return {
            "verdict": self.kind,
            "says": str(self),
            "exit_code": self.exit_code,
            "weights_identical": self.weights,
            "metrics_compared": self.compared,
            "environment": {k: {"recorded": a, "now": b} for k, (a, b) in self.environment.items()},
            "deterministic": self.deterministic,
            "first_difference": _told(self.first) if self.first else None,
            "largest_deviations": [_told(deviation) for deviation in self.largest],
        }


def compare(recorded: Record, now: Record, *, tolerance: float | None = None) -> Verdict:
    """Judge a training against the record of an earlier one of the same experiment.

    Args:
        recorded: the earlier one.
        now: the one that was done to be compared.
        tolerance: allowed of every metric, in place of `TOLERANCES`.
    """
    pairs = list(_pairs(recorded, now))
    deviations = [pair for pair in pairs if not same_bits(pair.recorded, pair.now)]
    environment = recorded.environment.difference_in_numerics(now.environment)
    deterministic = recorded.environment.deterministic and now.environment.deterministic
    weights = recorded.weights_sha256 == now.weights_sha256
    if environment or not deterministic:
        telling = [d for d in deviations if d.size > _allowed(d.metric, tolerance)]
        kind = DIFFERENT if telling else EQUAL
    else:
        telling, kind = deviations, DIFFERENT
    return Verdict(
        kind=kind if deviations or not weights else IDENTICAL,
        environment=environment,
        deterministic=deterministic,
        weights=weights,
        compared=len(pairs),
        first=telling[0] if telling else None,
        largest=tuple(_largest(deviations)),
    )


def remarks(
    verdict: Verdict, recorded: Record, now: Record, not_recorded: Sequence[str] = ()
) -> Iterator[str]:
    """What a person may want to know beside the verdict, a line each.

    Args:
        verdict: of the two.
        recorded: the earlier run.
        now: the one that was done to be compared.
        not_recorded: files of the user's that were not stored with the earlier one.
    """
    if not_recorded:
        yield (
            f"warning: {', '.join(not_recorded)} not stored with the run, which an earlier "
            "version made: used as it is here"
        )
    if verdict.kind == IDENTICAL:
        yield f"{verdict.compared} metrics and the final weights are bit-identical to the record"
        if verdict.environment:
            yield f"although the environment differs in {verdict.reasons}"
        return
    for deviation in verdict.largest:
        yield f"largest deviation {deviation.size:.2g}: {deviation}"
    if verdict.excused:
        if verdict.kind == DIFFERENT:
            yield f"more than the tolerance, although the environment differs in {verdict.reasons}"
        return
    if recorded.environment.watching < now.environment.watching:
        yield (
            "The record does not say whether variables such as TF_XLA_FLAGS and XLA_FLAGS were set "
            "then; if they were, set them again."
        )
    yield _unexplained(recorded, now, not_recorded)


def _unexplained(recorded: Record, now: Record, not_recorded: Sequence[str]) -> str:
    """Where to look if bits differ in the same environment."""
    networks = {each.identity.network_sha256 for each in (recorded, now)} - {None}
    if len(networks) > 1:
        return (
            "The function builds another network than it did: a file that it reads, or a variable "
            "of the system, has changed. Restore it, then try again."
        )
    if not_recorded:
        return f"Look at {', '.join(not_recorded)} first, which may have been another file then."
    return (
        "The environment has the same numerics, so this should not happen. "
        f"{_code(recorded.environment, now.environment)}, then try again: if it differs again, "
        "suspect the hardware."
    )


def _code(recorded: Environment, now: Environment) -> str:
    """Where to look in the code, as far as it is known what was run."""
    commits = [
        f"{(e.git_commit or 'unknown')[:SHOWN]}{'+' * bool(e.git_dirty)}" for e in (recorded, now)
    ]
    told = f"commit {commits[0]} recorded, {commits[1]} now; + means changed files"
    if recorded.code is None or now.code is None:
        return f"Look at the code first ({told})"
    if recorded.code == now.code:
        return (
            "The modules of cnn_sweeps that train are the same; look at the others, and at "
            f"your own code if there is some ({told})"
        )
    return f"The modules of cnn_sweeps that train have changed since: look at these first ({told})"


def _pairs(recorded: Record, now: Record) -> Iterator[Deviation]:
    """Every metric that both could have, in the order in which a training makes them."""
    for number, (then, here) in enumerate(zip_longest(recorded.epochs, now.epochs), start=1):
        further = [name for each in (then, here) if each for name in each.measured]
        for name in dict.fromkeys((*EPOCH_METRICS, *further)):
            values = [None if e is None else e.metrics.get(name) for e in (then, here)]
            if values != [None, None]:
                yield Deviation(epoch=number, metric=name, recorded=values[0], now=values[1])
    for name in FINAL_METRICS:
        if name in recorded.metrics:
            yield Deviation(
                epoch=None,
                metric=name,
                recorded=recorded.metrics[name],
                now=now.metrics.get(name),
            )


def _allowed(metric: str, tolerance: float | None) -> float:
    """How far a metric may be apart; one that has no limit of its own as far as a loss may."""
    return TOLERANCES.get(metric, TOLERANCES["val_loss"]) if tolerance is None else tolerance


def same_bits(one: Any, other: Any) -> bool:
    """Whether two values are the same, numbers bit for bit as far as a store keeps them."""
    both = isinstance(one, float) and isinstance(other, float)
    return one == other or (both and math.isnan(one) and math.isnan(other))


def _largest(deviations: list[Deviation]) -> Iterator[Deviation]:
    for accuracy in (False, True):
        kind = [d for d in deviations if ("accuracy" in d.metric) == accuracy]
        if kind:
            yield max(kind, key=lambda deviation: deviation.size)


def _told(deviation: Deviation) -> Any:
    return plain_values({**asdict(deviation), "size": deviation.size})


def _short(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple | list) else str(value)
