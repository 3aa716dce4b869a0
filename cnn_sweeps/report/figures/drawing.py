"""The pictures of a page, drawn by several processes at the end of a sweep.

They take most of the second that a report takes, in which all cores but one would be idle. A sweep
has a process to fork others from; where there is none, to start one would take longer than to draw.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from cnn_sweeps.data.cores import cores
from cnn_sweeps.report import svg
from cnn_sweeps.sweeps.workers import forkserver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORTH_IT: Final = 4
"""Pictures for which another process is started, which takes as long as drawing one."""


class Drawing(NamedTuple):
    """A picture that is to be drawn.

    Attributes:
        name: unique on the page, for `id`s.
        label: what it shows, for those who cannot see it.
        draw: makes it; a partial function of values that can be pickled.
    """

    name: str
    label: str
    draw: Callable[[], "Figure"]


def svg_elements(drawings: Sequence[Drawing]) -> list[str]:
    """The pictures as elements of a page, in their order; whoever draws them, they are the same."""
    several = processes(len(drawings))
    drawn = [""] * len(drawings)
    with ExitStack() as others:
        parts = [drawings[first::several] for first in range(several)]
        answers = [others.enter_context(forkserver.asked(_drawn, part)) for part in parts[1:]]
        drawn[::several] = _drawn(parts[0])
        for first, answer in enumerate(answers, start=1):
            told = answer()  # an error where the process has died
            drawn[first::several] = told if isinstance(told, list) else _drawn(parts[first])
    return drawn


def processes(pictures: int) -> int:
    """How many processes draw so many pictures, with this one."""
    others = forkserver.is_warm() and _settings_are_unchanged()
    return max(1, min(cores(), pictures // WORTH_IT)) if others else 1


def _settings_are_unchanged() -> bool:
    """Whether Matplotlib is set as other processes find it, and not by a user's script."""
    import matplotlib as mpl  # noqa: PLC0415 -- as in `svg`

    # A copy: to read the backend of the original would choose one.
    now, begun = (dict(each.copy()) for each in (mpl.rcParams, mpl.rcParamsOrig))
    return {**now, "backend": None} == {**begun, "backend": None}


def _drawn(drawings: Sequence[Drawing]) -> list[str]:
    with svg.svg_style():
        return [svg.inline_svg(each.draw(), each.name, each.label) for each in drawings]
