"""Pictures that several processes draw."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import pytest
from sweep_results import evaluated

from cnn_sweeps.report.figures import drawing
from cnn_sweeps.report.html import page
from cnn_sweeps.sweeps.workers import forkserver

pytestmark = pytest.mark.drawn


def again(thing: Any) -> Any:
    """It, as another process gets it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 -- our own


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures others were asked for; what they get and give is pickled on its way."""
    asked: list[int] = []

    @contextmanager
    def other(function: Callable[..., Any], *arguments: Any) -> Iterator[Callable[[], Any]]:
        asked.append(len(arguments[0]))
        function, arguments = again((function, arguments))
        yield lambda: again(function(*arguments))

    monkeypatch.setattr(forkserver, "asked", other)
    monkeypatch.setattr(forkserver, "is_warm", lambda: True)
    monkeypatch.setattr(drawing, "cores", lambda: 3)
    return asked


def test_a_page_is_the_same_whoever_draws_it(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the byte, and each picture in its place."""
    results = evaluated(3)
    together = page(results)
    assert sent == [4, 4]
    monkeypatch.setattr(forkserver, "is_warm", lambda: False)
    assert page(results) == together
    assert len(sent) == 2, "nobody else was asked"


def test_what_a_process_that_died_had_to_draw_is_drawn_here(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page lacks nothing."""
    results = evaluated(3)
    whole = page(results)

    @contextmanager
    def dying(*_: Any) -> Iterator[Callable[[], Any]]:
        yield lambda: forkserver.DIED

    monkeypatch.setattr(forkserver, "asked", dying)
    assert page(results) == whole
    assert sent == [4, 4], "only the first time"


def test_what_a_script_has_set_of_matplotlib_holds_for_all_pictures(sent: list[int]) -> None:
    """Other processes do not have it, nor fonts that were added beside it."""
    with mpl.rc_context({"lines.linewidth": 5}):
        assert drawing.processes(13) == 1
    with mpl.rc_context({"backend": "agg"}):
        assert drawing.processes(13) == 3
    assert sent == []


@pytest.mark.parametrize(
    ("drawings", "cores", "wanted"), [(0, 8, 1), (7, 8, 1), (8, 8, 2), (13, 2, 2), (13, 8, 3)]
)
def test_few_pictures_are_not_worth_another_process(
    sent: list[int], monkeypatch: pytest.MonkeyPatch, drawings: int, cores: int, wanted: int
) -> None:
    """Nor are there more of them than cores."""
    monkeypatch.setattr(drawing, "cores", lambda: cores)
    assert drawing.processes(drawings) == wanted
    assert sent == []
