"""The progress bar: what it shows, and where it keeps quiet."""

import io
from dataclasses import replace

import pytest

from cnn_sweeps.data.progress import with_progress
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.progress import Mode, ProgressBar, reading_bar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def epoch(number: int, val_accuracy: float | None = None) -> Epoch:
    """An epoch of round numbers."""
    return Epoch(
        number=number,
        loss=0.25,
        accuracy=0.875,
        val_loss=None,
        val_accuracy=val_accuracy,
        seconds=1.0,
        images_per_second=1.0,
    )


def shown(mode: Mode, stream: io.StringIO, *epochs: Epoch, start: int = 1) -> str:
    """What a bar over three epochs writes."""
    with ProgressBar(mode, 3, 10, start=start, stream=stream) as bar:
        bar.on_step(5)
        for each in epochs:
            bar.on_epoch(each)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize(
    ("mode", "stream", "visible"),
    [
        pytest.param("auto", io.StringIO(), False, id="auto into a file"),
        pytest.param("auto", Terminal(), True, id="auto on a terminal"),
        pytest.param("bar", io.StringIO(), True, id="bar into a file"),
        pytest.param("none", Terminal(), False, id="none on a terminal"),
    ],
)
def test_where_it_is_shown(mode: Mode, stream: io.StringIO, visible: bool) -> None:
    """`auto` looks at the stream; `bar` and `none` do not."""
    assert bool(shown(mode, stream, epoch(1))) is visible


def test_it_shows_epoch_and_metrics() -> None:
    """After an epoch its numbers stand beside the next one's."""
    text = shown("bar", io.StringIO(), epoch(1))
    assert "epoch 2/3 · loss 0.2500 · accuracy 0.8750 " in text


def test_a_diverging_loss_has_few_digits() -> None:
    """And the numbers beside it keep theirs."""
    text = shown("bar", io.StringIO(), replace(epoch(1), loss=7.75465e29))
    assert "loss 7.75e+29 · accuracy 0.8750 " in text


def test_it_shows_validation_where_there_is_one() -> None:
    """The validation accuracy is shown if the epoch has one."""
    assert "val_accuracy 0.7500" in shown("bar", io.StringIO(), epoch(1, 0.75))


def test_the_last_epoch_stays_the_last() -> None:
    """There is no epoch 4 of 3."""
    text = shown("bar", io.StringIO(), epoch(1), epoch(2), epoch(3))
    assert "epoch 3/3" in text
    assert "epoch 4" not in text


def test_it_can_begin_later() -> None:
    """A training that is taken up begins where it was left."""
    assert shown("bar", io.StringIO(), start=3).count("epoch 3/3") >= 1


def test_it_leaves_the_cursor_visible_after_ctrl_c() -> None:
    """An interrupt passes through, and the terminal is as before."""
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), ProgressBar("auto", 3, 10, stream=stream):
        raise KeyboardInterrupt
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")


def test_steps_in_quick_succession_are_not_drawn_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tenth of a second one update is enough."""
    moves: list[int] = []
    with ProgressBar("bar", 1, 1000, stream=io.StringIO()) as bar:
        monkeypatch.setattr(bar, "_move", moves.append)
        monkeypatch.setattr(
            "cnn_sweeps.training.progress.time.monotonic", iter([1.0, 1.05, 1.11]).__next__
        )
        for step in (1, 2, 3):
            bar.on_step(step)
        monkeypatch.undo()
    assert moves == [1, 3]


@pytest.mark.parametrize(("stream", "visible"), [(Terminal(), True), (io.StringIO(), False)])
def test_reading_shows_how_many_files_are_read(stream: io.StringIO, visible: bool) -> None:
    """Where a training would show its bar; in a file nothing is written."""
    with reading_bar("auto", stream):
        assert list(with_progress(["a", "b"], "images read")) == ["a", "b"]
    assert ("images read" in stream.getvalue()) == visible
