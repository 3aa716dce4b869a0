"""An answer in plain words."""

from collections.abc import Collection, Iterator, Sequence

from cnn_sweeps.sweeps.comparison.definition import ComparisonSpec
from cnn_sweeps.sweeps.comparison.statistics import (
    BaselineDifference,
    Cell,
    Difference,
    Overfitting,
    Spread,
)
from cnn_sweeps.sweeps.comparison.tables import MINUS, percent
from cnn_sweeps.text.format import pluralize, rounded

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ALIKE = 0.05
"""Times and sizes that are apart by less than this share are told to be about the same."""
STOP = "trainer.stop_at_loss"


def of_comparisons(
    comparisons: Sequence[BaselineDifference], exercise: ComparisonSpec
) -> Iterator[str]:
    """A sentence for each cell: what it changes."""
    for comparison in comparisons:
        subject = exercise.phrases.get(comparison.cell.typed, comparison.cell.label)
        yield f"{subject} {_change(comparison)}.{_stopped(comparison.cell)}"


def of_epochs(found: Overfitting) -> Iterator[str]:
    """Where overfitting begins, what comes after it, and how far it goes."""
    seeds = _single_seeds(found)
    if found.rise is None:
        yield (
            f"The validation loss is still falling after {_epochs(found.last)}{seeds}: overfitting "
            f"has not begun."
        )
    else:
        low, high = (rounded(loss, decimals=3) for loss in found.loss)
        rises = f"rises from {low} to {high} after {_epochs(found.last)}"
        yield f"The validation loss is lowest after {_epochs(found.lowest)}{seeds}, and {rises}."
        yield _begun(found.rise, found.lowest)
    if found.after is not None:
        yield f"{_afterwards(found.after)} from epoch {found.lowest} to epoch {found.last}."
    before, after = (f"{gap.mean:.1f}" for gap in found.gaps)
    drift = "" if found.lowest == found.last else f", against {before} after {found.lowest}"
    yield (
        f"Training accuracy is {after} points above validation accuracy after "
        f"{_epochs(found.last)}{drift}."
    )


def of_failures(cells: Sequence[Cell]) -> Iterator[str]:
    """What could not be trained, and why."""
    for cell in cells:
        if cell.failed:
            whole = not cell.measured
            seeds = ", ".join(str(outcome.seed) for outcome in cell.failed)
            who = cell.label if whole else f"{cell.label} with seed {seeds}"
            reason = (cell.failed[0].reason or "").splitlines()[:1]
            yield f"{who} has no result: {''.join(reason).rstrip('.')}."
        if cell.base and not cell.measured:
            yield "That is the base model, so there is nothing to compare with."


def of_missing(missing: Sequence[str], cells: Sequence[Cell], seeds: int) -> Iterator[str]:
    """What was not tried yet, or not with every seed."""
    some = [(cell.label, len(cell.outcomes)) for cell in cells if len(cell.outcomes) < seeds]
    left = [*missing, *(f"{label} ({number} of {seeds} seeds done)" for label, number in some)]
    if left:
        yield f"Not run yet: {'; '.join(left)}. Run the same command to continue."


def notes(cells: Sequence[Cell]) -> tuple[str, ...]:
    """How the numbers are to be read."""
    most = max((len(cell.measured) for cell in cells), default=0)
    if most < 2:  # noqa: PLR2004 -- a spread needs two
        noise = (
            "A single seed gives no confidence interval: use exercise.seeds=3 for a standard "
            "deviation and a 95 % interval."
        )
    else:
        noise = (
            "± stands for the standard deviation in the first table, and for the 95 % confidence "
            "interval of the differences, paired by seed (Student's t)."
        )
    return (
        "Test accuracy is measured on the test split, which is not used to choose anything.",
        noise,
        "Training accuracy and images per second are those of the last epoch.",
        "Seconds are training time, also for epochs that were read from the cache.",
        *_of_hosts({host for cell in cells for o in cell.measured for host in o.hosts}),
    )


def _of_hosts(hosts: Collection[str]) -> Iterator[str]:
    """Which seconds are not compared, where they are those of several hosts."""
    if len(hosts) > 1:
        yield (
            f"The runs were trained on {listed_hosts(hosts)}: ratios of times are those of pairs "
            "that were trained on the same one, and mean times are of all."
        )


def listed_hosts(hosts: Collection[str]) -> str:
    """So many hosts, by name."""
    return f"{pluralize(len(hosts), 'host')} ({', '.join(sorted(hosts))})"


def _change(comparison: BaselineDifference) -> str:
    """What a cell does to accuracy, time and size: the verb and all behind it."""
    time, size = _time(comparison.seconds), _size(comparison.params)
    told = f"{time}, with {size}" if time and size else time or (f"has {size}" if size else "")
    found = comparison.test
    if found is None:
        return told or "was trained"
    if not found.mean and not found.half:
        judged = "does not change test accuracy with any seed"
        return f"{judged}; it {told}" if told else judged
    if found.half is None:
        verb = "gains" if found.mean > 0 else "costs"
        amount = f"{verb} {_points(abs(found.mean))} of test accuracy"
        judged = f"{amount} with one seed, so without a confidence interval"
        return f"{judged}; it {told}" if told else judged
    if not found.shown:
        seeds = f"{_number(found.number)} seeds"
        judged = f"makes no significant difference in test accuracy ({_interval(found)}, {seeds})"
        return f"{judged}; it {told}" if told else judged
    verb = "gains" if found.mean > 0 else "costs"
    judged = f"{verb} {_both(found)} points of test accuracy"
    return f"{judged} and {told}" if told else judged


def _single_seeds(found: Overfitting) -> str:
    """After how many epochs the loss is lowest with each seed alone."""
    alone = sorted(set(found.by_seed.values()))
    if len(found.by_seed) == 1:
        return ""
    return ", with every seed" if len(alone) == 1 else f" ({_listed(alone)} with single seeds)"


def _begun(rise: Difference, lowest: int) -> str:
    """Whether the validation loss has risen by more than chance."""
    if rise.shown:
        return f"Overfitting begins after {_epochs(lowest)}."
    if rise.half is None:
        return (
            f"By its single seed, without an interval, overfitting begins after {_epochs(lowest)}."
        )
    return (
        f"The rise is not significant with {_number(rise.number)} seeds: overfitting may not have "
        f"begun."
    )


def _afterwards(after: Difference) -> str:
    """Whether validation accuracy still rises after overfitting has begun."""
    if after.half is None:
        verb = "rises" if after.mean > 0 else "falls"
        return f"With the single seed, validation accuracy {verb} by {_points(abs(after.mean))}"
    if not after.shown:
        seeds = f"{_number(after.number)} seeds"
        return f"Validation accuracy does not change significantly ({_interval(after)}, {seeds})"
    verb = "still rises" if after.mean > 0 else "falls"
    return f"Validation accuracy {verb} by {_both(after)} points"


def _stopped(cell: Cell) -> str:
    """When a training ended that stops on its loss, and with what."""
    limit = cell.values.get(STOP, "null")
    epochs, losses = cell.by_seed("epochs"), cell.by_seed("loss")
    if limit == "null" or not epochs:
        return ""
    numbers = [int(number) for number in epochs.values()]
    reached = [seed for seed in epochs if losses.get(seed, 0.0) <= float(limit)]
    after = _epochs(numbers[0]) if len(set(numbers)) == 1 else f"{_listed(numbers)} epochs"
    verb = "It stopped after" if reached else "It never reached that loss and ended after"
    seconds = cell.spread("train_seconds")
    took = f" and {seconds.mean:.1f} s" if seconds else ""
    missed = len(numbers) - len(reached)
    some = f" ({_number(missed)} of {_number(len(numbers))} seeds never reached it)"
    return (
        f" {verb} {after}{some if reached and missed else ''}{took}"
        f"{_with_accuracy(cell.spread('test_accuracy'))}."
    )


def _with_accuracy(accuracy: Spread | None) -> str:
    return f", with a test accuracy of {percent(accuracy)} %" if accuracy else ""


def _time(ratio: float | None) -> str:
    """What a ratio of times means."""
    if ratio is None:
        return ""
    if abs(ratio - 1) < ALIKE:
        return "takes about as long to train"
    if ratio < 1:
        return f"trains {_times(1 / ratio)} as fast"
    return f"takes {_times(ratio)} as long to train"


def _size(ratio: float | None) -> str:
    """What a ratio of parameters means; nothing where it is 1."""
    if ratio is None or ratio == 1:
        return ""
    if ratio > 1:
        return f"{_times(ratio)} as many parameters"
    return f"{100 * ratio:.{0 if ratio >= 0.1 else 1}f} % of the parameters"  # noqa: PLR2004


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio < 1.2 else f"{ratio:.1f} times"  # noqa: PLR2004 -- digits


def _interval(difference: Difference) -> str:
    sign = MINUS if difference.mean < 0 else "+"
    return f"{sign}{_both(difference)} points"


def _both(difference: Difference) -> str:
    """The size of a difference with its interval, in as many digits as the interval lets stand."""
    half = difference.half or 0.0
    digits = 1 if half >= 0.1 else 2  # noqa: PLR2004
    return f"{abs(difference.mean):.{digits}f} ± {half:.{digits}f}"


def _points(number: float) -> str:
    return f"{number:.1f} points"


def _number(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _epochs(number: int) -> str:
    return f"{_number(number)} epoch{'' if number == 1 else 's'}"


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last
