"""What a report says in sentences, and its tables beside the ranking, as text."""

from collections.abc import Iterator, Mapping
from typing import Any

from cnn_sweeps.evaluation import named
from cnn_sweeps.evaluation.evaluation import SPLITS
from cnn_sweeps.figures.examples import Example
from cnn_sweeps.sweeps.results.results import SweepResults, Trial, tied_best
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.format import duration, first_line, pluralize
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import images as stored_images

MOST_NAMED = 5
"""Winners whose values are told one by one."""
TESTED = "test_accuracy"
CARDS = ("trainable_params", "train_seconds", "epochs")
"""Metrics of the best that are shown beside what was sought."""

SAMPLERS = {
    "auto": "a grid where the trials cover it, else TPE (auto)",
    "grid": "a grid: every combination once",
    "tpe": "TPE (tpe)",
    "random": "random search",
    "qmc": "quasi-random search (qmc)",
    "cmaes": "CMA-ES (cmaes)",
    "gp": "a Gaussian process (gp)",
    "nsgaii": "NSGA-II (nsgaii)",
}
"""What the samplers are called in the field, by their names here."""
PHASES = {
    "data": "reading and checking the images",
    "build": "building the networks",
    "train": "training and validation",
    "other": "logging, figures, storing models, and everything else",
}


def answer(results: SweepResults) -> list[str]:
    """The answer to the question, a sentence for each winner; why there is none otherwise."""
    if not results.winners:
        return [_no_answer(results)]
    so_far = " so far" if results.unfinished else ""
    if len(results.objectives) == 1:
        (best,) = results.winners
        tied = tied_best(results.trials)
        return [
            f"The best{so_far} is {settings(best)}: {scores(results, best)}.",
            *([f"Its training has parts: {'; '.join(best.lineage)}."] if best.lineage else []),
            *([tied] if tied else []),
        ]
    named = results.winners[:MOST_NAMED]
    told = [
        f"Trial {trial.number}, {settings(trial)}: {scores(results, trial)}." for trial in named
    ]
    number = len(results.winners)
    more = [f"{number - len(named)} more trials are on the front."] if number > len(named) else []
    scored = len(results.of_state("complete"))
    are = "is" if number == 1 else "are"
    first = f"{number} of {pluralize(scored, 'trial')} {are} on the Pareto front"
    return [
        f"{first}{so_far}: no other trial is at least as good in all objectives and better in one."
    ] + (told + more)


def _no_answer(results: SweepResults) -> str:
    if not results.trials:
        return "No trial has finished yet."
    failed, pruned = (len(results.of_state(state)) for state in ("fail", "pruned"))
    if failed == len(results.trials):
        return f"No result: {pluralize(failed, 'trial')}, all failed."
    return f"No result: no trial completed; {pruned} pruned, {failed} failed."


def settings(trial: Trial) -> str:
    """The swept values of a trial, as they would be typed."""
    return " ".join(f"{key}={measures.setting(value, 6)}" for key, value in trial.params.items())


def scores(results: SweepResults, trial: Trial) -> str:
    """What a trial came to, and on the test split where that was scored."""
    names = [objective.name for objective in results.objectives]
    told = {name: trial.values[name] for name in names}
    if TESTED in trial.metrics:
        told[TESTED] = trial.metrics[TESTED]
    return ", ".join(f"{name} {measures.texts(name, [value])[0]}" for name, value in told.items())


def chosen_by(results: SweepResults) -> str:
    """Who chose the values of the trials, in words."""
    name = name_of(results.sampler)
    return SAMPLERS.get(name, name)


def name_of(told: str) -> str:
    """The name of a sampler or pruner, without its options: the commands have those typed."""
    return told.partition("(")[0]


def best_first(results: SweepResults) -> dict[str, str]:
    """In which order the best stands first, by the heading of a column; other columns rise."""
    orders = {"maximize": "descending", "minimize": "ascending"}
    sought = {measures.head(each.name): orders[each.direction] for each in results.objectives}
    rising = {name: "descending" for name in results.ranking.head if named.higher_is_better(name)}
    return rising | sought


def cards(results: SweepResults) -> list[tuple[str, str]]:
    """The numbers of the best that a reader looks for first, with their names."""
    best = results.winners[0]
    known = {**best.metrics, **best.values}
    names = [objective.name for objective in results.objectives]
    shown = dict.fromkeys((*names, TESTED, *CARDS))
    return [
        (measures.head(name), measures.texts(name, [known[name]])[0])
        for name in shown
        if name in known
    ]


def summary(results: SweepResults) -> str:
    """How many trials, how they ended, how long it took."""
    states = {"complete": "complete", "pruned": "pruned", "fail": "failed"}
    counts = [
        f"{len(found)} {told}" for s, told in states.items() if (found := results.of_state(s))
    ]
    if results.unfinished:
        counts.append(f"{results.unfinished} not finished")
    workers = results.timing.workers
    took = f"{duration(results.timing.wall, 1)} on {pluralize(workers, 'worker')}"
    return f"{', '.join(counts) or 'no trials'}; {took}"


def savings(results: SweepResults) -> list[str]:
    """What the time was used for, and what reuse and pruning have saved."""
    return list(_savings(results))


def _savings(results: SweepResults) -> Iterator[str]:
    timing, trials = results.timing, results.trials
    if timing.wall:
        yield (
            f"The trials ran for {duration(timing.wall, 1)}; the {timing.workers} worker"
            f"{'s were' if timing.workers != 1 else ' was'} busy for {timing.use:.0%} of that."
        )
    asked = sum(trial.epochs for trial in trials)
    trained = sum(trial.epochs_trained for trial in trials)
    if trained < asked:
        told = f"{pluralize(asked, 'epoch')}: {trained:,} trained, {asked - trained:,} from cache"
        saved = max(0.0, timing.train_original - timing.phases["train"])
        known = all(trial.seconds_paid is not None for trial in trials if trial.metrics)
        yield (
            f"{told}; the cache saved {duration(saved, 1)} of training." if known else f"{told}."
        )
    pruned = results.of_state("pruned")
    if pruned:
        spared = sum(max(0, trial.epochs_asked - trial.epochs) for trial in pruned)
        yield (
            f"The pruner {name_of(results.pruner)} stopped {pluralize(len(pruned), 'trial')} early "
            f"and saved {pluralize(spared, 'epoch')}."
        )


def unknown_importances(results: SweepResults) -> list[str]:
    """Why it cannot be told what good values depend on."""
    return [
        f"Parameter importance for {each.objective} is not available: {each.reason}."
        for each in results.importances
        if each.reason
    ]


def state(results: SweepResults) -> str:
    """Whether the sweep is over."""
    return "unfinished" if results.unfinished else "finished"


def phases(results: SweepResults) -> Table:
    """What the workers' time was spent on."""
    timing = results.timing
    busy = sum(timing.phases.values())
    rows = [
        (name, PHASES[name], f"{seconds:.1f}", f"{100 * seconds / busy:.0f}" if busy else "")
        for name, seconds in timing.phases.items()
    ]
    rows.append(("together", "all workers", f"{busy:.1f}", "100" if busy else ""))
    return Table(
        head=("phase", "what", "seconds", "%"),
        rows=tuple(rows),
        text=frozenset({"phase", "what"}),
        strong=frozenset({len(rows) - 1}),
    )


def ended_early(results: SweepResults) -> Table:
    """The trials without a value, each with its reason."""
    rows = [
        (
            str(trial.number),
            "failed" if trial.state == "fail" else trial.state,
            settings(trial),
            str(trial.epochs or ""),
            ", ".join(
                f"{name} {measures.texts(name, [value])[0]}" for name, value in trial.last.items()
            ),
            first_line(trial.reason),
        )
        for trial in results.trials
        if not trial.values
    ]
    return Table(
        head=("trial", "ended", "settings", "epochs", "last value", "reason"),
        rows=tuple(rows),
        text=frozenset({"ended", "settings", "last value", "reason"}),
    )


def retries_table(results: SweepResults) -> Table:
    """The trials that were tried again: each retry, and what became of the worker before it."""
    rows = [
        (
            str(trial.number),
            str(retry.attempt),
            str(retry.trial),
            f"{retry.when:%Y-%m-%d %H:%M:%S}",
            f"{retry.host or 'unknown'} {retry.pid or ''}".rstrip(),
            first_line(retry.reason),
        )
        for trial in sorted(results.trials, key=lambda trial: trial.number)
        for retry in trial.retries
    ]
    return Table(
        head=("trial", "attempt", "trial before", "requeued (UTC)", "its worker", "reason"),
        rows=tuple(rows),
        text=frozenset({"requeued (UTC)", "its worker", "reason"}),
    )


def images(results: SweepResults) -> Table:
    """Images per class and split."""
    return stored_images.table(results.images)


def notices(results: SweepResults) -> list[str]:
    """What should be known of the images, a sentence each."""
    return [str(each) for each in results.images.get("notices", ())]


def evaluated(results: SweepResults) -> str:
    """Which trial was evaluated, and on which images."""
    found, best = results.evaluation, results.winners[0]
    if found is None:
        return ""
    images = f"{found.images:,} {SPLITS[found.split]} images"
    if found.split == "test":
        return f"Trial {best.number} on the {images}, which were not used to train or choose it."
    return (
        f"Trial {best.number} on the {images}, by which it was chosen: "
        "the test images will look a little worse."
    )


def examples(results: SweepResults) -> list[tuple[str, list[Example]]]:
    """Images that the best is wrong about, the surest first, and some that it is right about."""
    found = results.examples
    if found is None:
        return []
    wrong = [each for each in found.images if not each.is_right]
    wrong.sort(key=lambda each: -each.probability)
    right = [each for each in found.images if each.is_right]
    count = pluralize(found.mistakes, "mistake")
    which = f"{len(wrong)} of {count}" if len(wrong) < found.mistakes else f"All {count}"
    which = f"{which}, the most confident first"
    parts = [(which, wrong), ("Right", right)]
    return [(title, shown) for title, shown in parts if shown]


def grad_cam(results: SweepResults) -> str:
    """How to read the heat maps, or why there are none."""
    found = results.examples
    if found is None:
        return ""
    if found.note:
        return f"Grad-CAM is not available: {found.note}."
    return (
        f"Beside each image: Grad-CAM of {found.layer}, bright where the image speaks for the "
        "predicted class."
    )


def environment(results: SweepResults) -> Table:
    """Where the best was trained."""
    rows = [(name, text) for name, text in _flat(results.environment).items() if text]
    return Table(head=("name", "value"), rows=tuple(rows), text=frozenset({"name", "value"}))


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": text for key, text in _flat(value).items()}
        elif isinstance(value, list | tuple):
            flat[name] = " ".join(map(str, value))
        else:
            flat[name] = "" if value is None else str(value)
    return flat
