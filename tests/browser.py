"""MLflow's pages in a real browser: `cnn-sweeps ui` as a user starts it, and Chromium before it.

For `test_browser` and for `screenshots`, which makes the pictures of the documents.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import waiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 1000 * waiting.PATIENCE
"""Milliseconds for a page to show something, on a machine that has other work too."""
REMEMBERED = """
    localStorage.setItem('mlflow.workflowType_v1', '"machine_learning"');
    localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
    localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
"""
"""What a browser knows once a person has chosen "Model training" and closed the assistant."""
NAMES = "[role=gridcell][col-id*='Run Name']"
"""The cells of the table of runs that have their names."""
TRAINING = "?workflowType=machine_learning"
"""Of MLflow's two menus, the one for trainings."""


def program() -> str | None:
    """The browser of this machine; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def ui(folder: Path, *more: str) -> Iterator[str]:
    """`cnn-sweeps ui` over a store, started as a user would; the first address that it prints."""
    line = [sys.executable, "-m", "cnn_sweeps", "ui", f"tracking.dir={folder}", *more]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=folder) as running:
        try:
            yield running.stdout.readline().strip() if running.stdout else ""
        finally:
            running.send_signal(signal.SIGTERM)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program(), args=[*ARGUMENTS])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def new_page(opened: "Browser", width: int = 1400, height: int = 900) -> Iterator["Page"]:
    """A page; nothing is remembered but the two settings of a first visit."""
    context = opened.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(f"try {{ {REMEMBERED} }} catch {{}}")
    try:
        yield context.new_page()
    finally:
        context.close()


def open_runs(page: "Page", address: str) -> None:
    """The list of all runs, loaded."""
    _open(page, f"{address.partition('?')[0]}{TRAINING}")


def open_ranking(page: "Page", address: str) -> None:
    """The list of a sweep's trials that `cnn-sweeps ui` opens, loaded."""
    _open(page, address)


def _open(page: "Page", address: str) -> None:
    page.goto(address)
    page.get_by_test_id("sort-header-Run Name").wait_for()
    row(page, "").first.wait_for()


def row(page: "Page", name: str) -> "Locator":
    """The cells with the names of runs whose name begins so."""
    link = page.get_by_role("link", name=re.compile(f"^{re.escape(name)}"))
    return page.locator(NAMES).filter(has=link)


def names(page: "Page", count: int) -> list[str]:
    """The runs that are listed, from above, as soon as there are so many."""
    page.wait_for_function(f"document.querySelectorAll(`{NAMES} a`).length == {count}")
    cells = page.locator(NAMES).all()
    # The table places its rows by style: where they stand in the document says nothing.
    places = {int(each.locator("xpath=..").get_attribute("row-index") or 0): each for each in cells}
    return [places[place].get_by_role("link").inner_text() for place in sorted(places)]


def expand(page: "Page", name: str) -> None:
    """Show the trials of a sweep."""
    before = page.locator(f"{NAMES} a").count()
    row(page, name).get_by_role("button").click()
    page.wait_for_function(f"document.querySelectorAll(`{NAMES} a`).length > {before}")


def sort_by(page: "Page", metric: str) -> None:
    """Sort the runs by a metric, the highest first."""
    page.get_by_test_id("sort-select-dropdown").click()
    page.get_by_test_id(f"sort-select-{metric}").click()
    page.get_by_role("button", name=f"Sort: {metric}").wait_for()


def select(page: "Page", name: str) -> None:
    """Tick a run."""
    key = row(page, name).locator("xpath=..").first.get_attribute("row-id")
    page.locator(f"[row-id='{key}'] .ag-selection-checkbox input").check()


def run_page(address: str, run_id: str, tab: str = "") -> str:
    """The address of a run's page.

    Args:
        address: of the experiment's runs.
        run_id: the run.
        tab: such as `artifacts/report.html`; the overview without it.
    """
    runs = address.partition("?")[0]
    return f"{runs}/{run_id}/{tab}".rstrip("/") + TRAINING


def wait_for_picture(page: "Page") -> None:
    """Wait until a picture among the artifacts is drawn, large enough to be read."""
    page.wait_for_function(
        "[...document.images].some(image => image.complete && image.naturalWidth > 600)"
    )
