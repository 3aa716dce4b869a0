"""Which pictures a report has, with what is said about each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation
from cnn_sweeps.figures import reliability
from cnn_sweeps.figures.roc import key
from cnn_sweeps.report.confusion import MOST_CELLS
from cnn_sweeps.report.figures import evaluation, space, trials
from cnn_sweeps.report.figures.drawing import Drawing, svg_elements
from cnn_sweeps.sweeps.comparison.chart import chart
from cnn_sweeps.sweeps.results.results import SweepResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = "train_seconds"
UNUSED = "A line below an axis: that param is inactive in the trial."
PRUNED = " A cross is a pruned trial at its last value."
FEWEST = 2
"""Trials with a value below which there is nothing to be seen in most pictures."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture on a page.

    Attributes:
        section: the part of the report that it belongs to.
        title: what it shows.
        note: how to read it.
        svg: the picture as an element of the page.
        wide: whether it takes the whole width.
    """

    section: str
    title: str
    note: str
    svg: str
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A picture that is to be drawn: see `Chart`."""

    section: str
    title: str
    note: str
    draw: Callable[[], "Figure"]
    wide: bool = False


def charts(results: SweepResults) -> list[Chart]:
    """The pictures for which there is something to be seen, in their order."""
    asked = list(_asked(results))
    drawn = svg_elements(
        [Drawing(f"chart{number}", each.title, each.draw) for number, each in enumerate(asked)]
    )
    return [
        Chart(section=a.section, title=a.title, note=a.note, svg=element, wide=a.wide)
        for a, element in zip(asked, drawn, strict=True)
    ]


def _asked(results: SweepResults) -> Iterator[_Asked]:
    if results.answer is not None:
        yield _Asked(
            section="answer",
            title="Accuracy over training time",
            note="",
            draw=partial(chart, results.answer),
        )
    if len(results.of_state("complete")) >= FEWEST:
        if results.answer is None:  # an exercise chooses nothing: its order tells nothing
            yield from _tradeoffs(results)
            yield from _progress(results)
        yield from _importances(results)
        yield from _space(results)
    yield from _curves(results)
    if results.evaluation is not None:
        yield from _evaluation(results.evaluation)
    if any(trial.begin is not None for trial in results.trials):
        yield _Asked(
            section="time",
            title="Worker timeline",
            note="A bar for each trial, with its number where there is room. "
            "Pauses between two calls of more than a minute are left out.",
            draw=partial(trials.timeline, results),
            wide=True,
        )


def _tradeoffs(results: SweepResults) -> Iterator[_Asked]:
    names = [objective.name for objective in results.objectives]
    if len(names) > 1:
        for up, across in combinations(names, 2):
            yield _Asked(
                section="answer",
                title=f"{up} against {across}",
                note="The front: no other trial is at least as good in all objectives and "
                "better in one.",
                draw=partial(trials.scatter_plot, results, across, up),
            )
    elif names[0] != SECONDS and any(SECONDS in trial.metrics for trial in results.winners):
        yield _Asked(
            section="answer",
            title=f"{names[0]} against training time",
            note="Training time is that of the original training, in seconds.",
            draw=partial(trials.scatter_plot, results, SECONDS, names[0]),
        )


def _progress(results: SweepResults) -> Iterator[_Asked]:
    several = len(results.objectives) > 1
    for objective in results.objectives:
        yield _Asked(
            section="search" if several else "answer",
            title=f"{objective.name} by trial",
            note="The trials in the order in which they were chosen."
            f"{PRUNED if any(t.last for t in results.trials) else ''}",
            draw=partial(trials.progress, results, objective),
        )


def _importances(results: SweepResults) -> Iterator[_Asked]:
    for importance in results.importances:
        if importance.shares:
            yield _Asked(
                section="search",
                title=f"Parameter importance for {importance.objective}",
                note="PED-ANOVA: how much the values of a param among the good trials differ "
                "from those among all trials. Valid for this search space only.",
                draw=partial(trials.importance, importance),
            )


def _space(results: SweepResults) -> Iterator[_Asked]:
    for objective in results.objectives:
        for axis in results.axes:
            yield _Asked(
                section="search",
                title=f"{objective.name} by {axis.key}",
                note="A dot for each trial, a bar at the median."
                if space.has_few_values(axis)
                else "",
                draw=partial(space.slice_of, results, axis, objective),
            )
    if len(results.axes) > 1:
        yield _Asked(
            section="search",
            title="Parallel coordinates",
            note=f"One line per trial, through its params and objectives; the best in orange. "
            f"{UNUSED if space.some_unused(results) else ''}",
            draw=partial(space.parallel_coordinates, results),
            wide=True,
        )


def _curves(results: SweepResults) -> Iterator[_Asked]:
    if not results.curves:
        return
    measured = [name for curve in results.curves for e in curve.epochs for name in e.measured]
    further = [name.removeprefix("val_") for name in dict.fromkeys(measured)]
    for metric in ("accuracy", "loss", *further):
        pruned = trials.pruned_trials(results, metric)
        yield _Asked(
            section="curves",
            title=f"{metric if metric in further else metric.capitalize()} of the best",
            note=f"Validation{'' if metric in further else '; training dashed'}."
            f"{' Thin grey lines are pruned trials.' if pruned else ''}",
            draw=partial(trials.curves, results, metric),
        )


def _evaluation(found: Evaluation) -> Iterator[_Asked]:
    section, images = "evaluation", f"{SPLITS[found.split]} images"
    if len(found.classes) > MOST_CELLS:
        yield _Asked(
            section=section,
            title="Confusion matrix",
            note="The share of each class, by the number of the class in the table.",
            draw=partial(evaluation.confusion_map, found),
        )
    for title, curves, draw in (
        ("ROC curves", found.roc, evaluation.roc_curves),
        ("Precision-recall curves", found.precision_recall, evaluation.precision_recall_curves),
    ):
        if curves:
            yield _Asked(
                section=section,
                title=f"{title} of the {images}",
                note=f"{key(curves).capitalize()}.",
                draw=partial(draw, found),
            )
    yield _Asked(
        section=section,
        title=f"Reliability of the {images}",
        note=f"{reliability.key(found).capitalize()}. ECE: expected calibration error.",
        draw=partial(evaluation.reliability_diagram, found),
    )
