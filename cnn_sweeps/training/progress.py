"""The progress bars of a training, and of the reading before it, on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self, TextIO

from cnn_sweeps.data.progress import shown_by
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.terminal import Output, can_redraw
from cnn_sweeps.training.epoch import Epoch

if TYPE_CHECKING:
    from rich.progress import Progress

Mode = Literal["auto", "bar", "none"]
BESIDE = 18
"""Columns of a terminal that are kept for the bar and the time that is left."""
BETWEEN_UPDATES = 0.1
"""Least time between two updates within an epoch, in seconds."""


class ProgressBar:
    """A callback that shows epoch, loss, accuracy and time left.

    Use it as a context manager around a training; it leaves a clean line behind, also
    after an exception or Ctrl-C. It shows nothing with mode `none`, or with `auto` where
    the stream is not a terminal, or a notebook's.
    """

    def __init__(
        self, mode: Mode, epochs: int, steps: int, *, start: int = 1, stream: TextIO | None = None
    ) -> None:
        """Plan a bar for `epochs` epochs of `steps` steps, beginning with epoch `start`."""
        self._stream = stream or sys.stderr
        self._shown = mode == "bar" or (mode == "auto" and can_redraw(self._stream))
        self._epochs, self._steps, self._done = epochs, steps, start - 1
        self._metrics: tuple[str, ...] = ()
        self._updated = -BETWEEN_UPDATES
        self._bar: Progress | None = None

    @property
    def shown(self) -> bool:
        """Whether there is anything to show; if not, nobody need count steps."""
        return self._shown

    @property
    def counts_steps(self) -> Callable[[int], None] | None:
        """`on_step`, where there is a bar to move."""
        return self.on_step if self._shown else None

    def __enter__(self) -> Self:
        """Draw the bar, if there is one to draw."""
        if self._shown:
            self._bar = _bar(self._stream)
            self._bar.add_task(
                self._text(), total=self._epochs * self._steps, completed=self._done * self._steps
            )
            self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Leave the terminal as it was found; exceptions pass."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_step(self, step: int) -> None:
        """Move within an epoch, of which `step` steps are done."""
        now = time.monotonic()
        if self._bar is not None and now - self._updated >= BETWEEN_UPDATES:
            self._updated = now
            self._move(step)

    def on_epoch(self, epoch: Epoch) -> None:
        """Show the metrics of the epoch that has ended."""
        self._done = epoch.number
        self._metrics = _metrics(epoch)
        self._move(0)

    def _move(self, step: int) -> None:
        if self._bar is not None:
            done = self._done * self._steps + step
            self._bar.update(self._bar.task_ids[0], completed=done, description=self._text())

    def _text(self) -> str:
        current = min(self._done + 1, self._epochs)
        text = f"epoch {current}/{self._epochs}"
        room = self._bar.console.width - BESIDE if self._bar is not None else 0
        # Whole metrics or none: half a number would be a wrong one.
        for metric in self._metrics:
            if len(text) + len(metric) > room:
                break
            text += metric
        return text


@contextmanager
def reading_bar(mode: Mode, stream: TextIO | None = None) -> Iterator[None]:
    """Show how many files are read inside the block, where a training would show its progress."""
    out = stream or sys.stderr
    if mode == "none" or (mode == "auto" and not can_redraw(out)):
        yield
        return
    with _bar(out, transient=True) as bar:

        def show(what: str, done: int, total: int) -> None:
            if not bar.task_ids:
                bar.add_task(what)
            bar.update(bar.task_ids[0], completed=done, total=total)

        with shown_by(show):
            yield


def _metrics(epoch: Epoch) -> tuple[str, ...]:
    """The metrics of an epoch for the bar, in the order in which they get room."""
    shown = {"loss": epoch.loss, "accuracy": epoch.accuracy, "val_accuracy": epoch.val_accuracy}
    return tuple(
        f" · {name} {rounded(value)}" for name, value in shown.items() if value is not None
    )


def _bar(stream: TextIO, *, transient: bool = False) -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Output(file=stream, force_terminal=True),
        refresh_per_second=1 / BETWEEN_UPDATES,
        transient=transient,
    )
