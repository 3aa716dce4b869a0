"""MLflow's pages and the report of a finished sweep, as a person finds them in a browser."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import numpy as np
import pytest
from programs import typed
from stores import ready

from cnn_sweeps.tracking import RunRecord, Store, pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.drawn,
    pytest.mark.slow(minutes=2),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="playwright is not installed"
    ),
    pytest.mark.skipif(
        browser.program() is None, reason=f"there is none of {', '.join(browser.PROGRAMS)}"
    ),
]
SWEEP = (
    *("data=digits", "data.limit=300", "model.filters=4,8", "trainer.epochs=1,2"),
    "hydra.sweeper.n_jobs=0",
)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A sweep to look at.

    Attributes:
        address: that `cnn-sweeps ui` prints first.
        parent: the sweep's own run.
        trials: its trials, the best first.
        report: the file of its report.
    """

    address: str
    parent: RunRecord
    trials: list[RunRecord]
    report: Path


@pytest.fixture(scope="module")
def finished(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """A finished sweep of four trials, with the pages over it."""
    with ready(tmp_path_factory.mktemp("seen"), migrated_database) as tracking:
        folder = tracking.dir
        typed(folder.parent, "-m", *SWEEP, f"tracking.dir={folder}").well()
        store = Store.open(tracking)
        (report,) = folder.glob("artifacts/*/artifacts/report.html")
        parent = store.get(report.parents[1].name)
        trials = sorted(
            store.children(parent.run_id), key=lambda run: run.metrics["val_accuracy"], reverse=True
        )
        with browser.ui(folder) as address:
            yield Finished(address=address, parent=parent, trials=trials, report=report)


@pytest.fixture(scope="module")
def opened() -> Iterator["Browser"]:
    """One browser for all of these tests."""
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def page(opened: "Browser") -> Iterator["Page"]:
    """A page for each test, which knows nothing of what the others have clicked on."""
    with browser.new_page(opened) as made:
        yield made


def test_the_ranking_is_seen_first(page: "Page", finished: Finished) -> None:
    """On the first visit: the trials, best first, objective, swept keys, seconds and state.

    A score has no digits but its own, and no word in the heading is cut off.
    """
    mlflow = version("mlflow")
    assert mlflow.startswith(pages.SEEN), f"look at MLflow {mlflow}, then add it to pages.SEEN"
    browser.open_ranking(page, finished.address)
    shown = page.get_by_text("val_accuracy", exact=True)
    shown.first.wait_for()
    assert browser.names(page, 4) == [run.name for run in finished.trials]
    swept = ["val_accuracy", "model.filters", "trainer.epochs", "train_seconds", "state"]
    heads = [page.locator(f"[role=columnheader][col-id*='{name}']") for name in swept]
    places = [head.bounding_box() for head in heads]
    assert None not in places
    assert [box["x"] for box in places] == sorted(box["x"] for box in places)  # type: ignore[index]
    cut = "e => [...e.querySelectorAll('*')].some(each => each.scrollWidth > each.clientWidth + 1)"
    assert [name for name, head in zip(swept, heads, strict=True) if head.evaluate(cut)] == []
    for row, run in enumerate(finished.trials):
        told = [
            page.locator(f"[row-index='{row}'] [col-id*='{name}']").last.inner_text()
            for name in swept
        ]
        assert told[0] == str(np.float32(run.metrics["val_accuracy"]))
        assert told[1:3] == [run.params["model.filters"], run.params["trainer.epochs"]]
        assert told[4] == "complete"


def test_the_sweep_is_listed_with_its_trials(page: "Page", finished: Finished) -> None:
    """Only the sweep at first; its trials below it when it is opened."""
    browser.open_runs(page, finished.address)
    assert browser.names(page, 1) == [finished.parent.name]
    browser.expand(page, finished.parent.name)
    assert sorted(browser.names(page, 5)) == sorted(
        run.name for run in (finished.parent, *finished.trials)
    )


def test_runs_can_be_sorted_by_val_accuracy(page: "Page", finished: Finished) -> None:
    """The best trial stands first, and the sweep, which has none, last."""
    browser.open_runs(page, finished.address)
    browser.sort_by(page, "val_accuracy")
    scores = {run.name: run.metrics["val_accuracy"] for run in finished.trials}
    *trials, last = browser.names(page, 5)
    assert [scores[name] for name in trials] == sorted(scores.values(), reverse=True)
    assert last == finished.parent.name


def test_a_run_shows_its_params_and_metrics(page: "Page", finished: Finished) -> None:
    """With their values, and the data set that it was trained on."""
    best = finished.trials[0]
    page.goto(browser.run_page(finished.address, best.run_id))
    metric = page.get_by_role("row").filter(has_text="val_accuracy").first
    shown = float(metric.inner_text().split()[-1])
    assert shown == pytest.approx(best.metrics["val_accuracy"])
    param = page.get_by_role("row").filter(has_text="model.filters").first
    assert param.inner_text().split()[-1] == best.params["model.filters"]
    assert page.get_by_role("button", name="UCI digits").is_visible()


def test_a_run_shows_its_learning_curves(page: "Page", finished: Finished) -> None:
    """The picture among its artifacts is drawn, and not too small to read."""
    best = finished.trials[0].run_id
    page.goto(browser.run_page(finished.address, best, "artifacts/learning_curves.png"))
    browser.wait_for_picture(page)


def test_a_run_shows_its_layers(page: "Page", finished: Finished) -> None:
    """The summary of the model can be read where it stands."""
    best = finished.trials[0].run_id
    page.goto(browser.run_page(finished.address, best, "artifacts/model_summary.txt"))
    page.get_by_text("Trainable params").first.wait_for()


def test_two_runs_can_be_compared(page: "Page", finished: Finished) -> None:
    """Their difference is shown, and what they share is hidden when that is asked for."""
    browser.open_runs(page, finished.address)
    browser.expand(page, finished.parent.name)
    wide, narrow = (
        next(run for run in finished.trials if run.params["model.filters"] == filters)
        for filters in ("8", "4")
    )
    browser.select(page, wide.name)
    browser.select(page, narrow.name)
    page.get_by_role("button", name="Compare").click()
    same = page.get_by_role("row").filter(has_text="model.dense_units")
    same.wait_for()
    page.get_by_role("switch", name="Parameters - Show diff only").click()
    same.wait_for(state="detached")
    different = page.get_by_role("row").filter(has_text="model.filters").inner_text().split()
    assert sorted(different[1:]) == ["4", "8"]


def test_the_report_is_among_the_artifacts(page: "Page", finished: Finished) -> None:
    """MLflow shows the page in its own."""
    page.goto(browser.run_page(finished.address, finished.parent.run_id, "artifacts/report.html"))
    page.get_by_test_id("artifact-tree-node").filter(has_text="report.html").wait_for()
    page.frame_locator("iframe").get_by_text("Sweep report").wait_for()


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_the_report_is_sorted_by_the_keyboard(page: "Page", finished: Finished, key: str) -> None:
    """The best first, then the worst; which it is is told to a screen reader."""
    page.goto(finished.report.as_uri())
    head = page.locator("#trials th", has_text="val_accuracy")
    head.focus()
    orders = []
    for _ in range(2):
        page.keyboard.press(key)
        cells = page.locator("#trials tbody tr td:nth-child(2)").all_inner_texts()
        orders.append(([*map(float, cells)], head.get_attribute("aria-sort")))
    values = sorted((run.metrics["val_accuracy"] for run in finished.trials), reverse=True)
    expected = [(pytest.approx(values, abs=1e-4), "descending")]
    assert orders == [*expected, (pytest.approx(values[::-1], abs=1e-4), "ascending")]
    assert page.locator("#trials th[aria-sort='none']").count() > 0


@pytest.mark.parametrize(("width", "wide"), [(1280, False), (390, True)])
def test_a_table_that_scrolls_says_so(
    page: "Page", finished: Finished, width: int, wide: bool
) -> None:
    """On a phone the ranking is wider than the window."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(finished.report.as_uri())
    said = page.locator("#trials .scroll").evaluate("e => getComputedStyle(e, '::before').content")
    assert ("Scroll sideways" in said) == wide


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_renders_without_an_error(page: "Page", finished: Finished, width: int) -> None:
    """Nothing on the console, nothing loaded, nothing wider than the window of a phone."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(finished.report.as_uri())
    page.get_by_role("heading", name=finished.parent.name.removeprefix("sweep ")).wait_for()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
