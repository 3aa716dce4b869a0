"""The remaining time of a sweep, told as precisely as it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

MINUTE, HOUR, DAY = 60, 3600, 86_400
SINGULAR = 1e-9
"""Share below which a determinant is rounding: all networks have one size."""


def time_left(
    durations: Sequence[float], waiting: int, workers: int, under_way: Sequence[float] = ()
) -> float | None:
    """Seconds until the last trial ends, if the rest takes as long as the trials before it.

    Args:
        durations: seconds of the trials that have ended.
        waiting: trials that nobody has taken yet.
        workers: how many trials run at a time.
        under_way: seconds that each running trial has taken so far.

    Returns:
        The estimate; None before as many trials have ended as there are workers.
    """
    if not durations or len(durations) < workers:
        return None
    mean = fmean(durations)
    rests = [max(mean - taken, 0.0) for taken in under_way]
    work = mean * waiting + sum(rests)
    longest = mean if waiting else max(rests, default=0.0)
    return max(work / max(workers, 1), longest)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one finished trial took.

    Attributes:
        epochs: epochs that were trained.
        params: parameters of the network; None where they are not known.
        seconds: wall time of the whole trial.
    """

    epochs: float
    params: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class EpochCost:
    """How long an epoch takes: some seconds for any network, and some for each parameter.

    Attributes:
        per_epoch: seconds.
        per_param: seconds, for each parameter in each epoch.
    """

    per_epoch: float
    per_param: float = 0.0

    def seconds(self, epochs: float, params: float | None) -> float:
        """The estimate for one trial; without its parameters, that of a network of none."""
        return epochs * (self.per_epoch + self.per_param * (params or 0))

    @classmethod
    def fit(cls, timings: Sequence[Timing]) -> "EpochCost":
        """The least squares of the trials' seconds, neither part below 0.

        A small convolution over a large image has few parameters and takes long, so that more
        parameters can even seem to save time. The mean time of an epoch is the estimate then,
        as it is where some parameters are unknown or all are the same.

        Args:
            timings: one or more, of one or more epochs each.
        """
        flat = cls(per_epoch=sum(t.seconds for t in timings) / sum(t.epochs for t in timings))
        known = [(t.epochs, t.epochs * t.params, t.seconds) for t in timings if t.params]
        if len(known) < len(timings):
            return flat
        xx, xy = sum(x * x for x, _, _ in known), sum(x * y for x, y, _ in known)
        yy = sum(y * y for _, y, _ in known)
        xs, ys = sum(x * s for x, _, s in known), sum(y * s for _, y, s in known)
        determinant = xx * yy - xy**2
        if determinant <= SINGULAR * xx * yy:
            return flat
        per_epoch = (xs * yy - ys * xy) / determinant
        per_param = (ys * xx - xs * xy) / determinant
        if per_param < 0:
            return flat
        if per_epoch < 0:
            return cls(per_epoch=0.0, per_param=ys / yy)
        return cls(per_epoch=per_epoch, per_param=per_param)


def approximate_duration(seconds: float) -> str:
    """A duration to as many digits as an estimate has: `about 3 min`."""
    if seconds < 10:  # noqa: PLR2004 -- steps of rounding, here and below
        return "a few seconds"
    if seconds < 0.9 * MINUTE:
        return f"about {round(seconds, -1):.0f} s"
    for unit, size, most in (("min", MINUTE, 90), ("h", HOUR, 48)):
        number = seconds / size
        if number < most:
            return f"about {_rounded(number)} {unit}"
    return f"about {seconds / DAY:.0f} days"


def _rounded(number: float) -> str:
    """Halves below 3, whole numbers below 20, then fives."""
    if number < 3:  # noqa: PLR2004
        return f"{max(round(2 * number) / 2, 1):g}"
    return f"{number:.0f}" if number < 20 else f"{5 * round(number / 5)}"  # noqa: PLR2004
