"""Take the pictures of docs/ui.md again: `python tests/screenshots.py FOLDER`.

FOLDER is a store with a finished sweep, such as `mlruns`; the newest sweep in it is shown. Another
folder to put the pictures into may follow; they go to docs/pictures without it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import browser
from PIL import Image

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.tracking import RunRecord, Store
from cnn_sweeps.tracking.names import STUDY_NAME

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 800
PHONE = 390
COLOURS = 128
"""Of a picture that is stored: pages have few, and the file is a third as large."""


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """What is shown.

    Attributes:
        parent: the newest finished sweep that has a report.
        trials: its finished trials, the best first.
        report: the file of its report.
    """

    parent: RunRecord
    trials: list[RunRecord]
    report: Path

    @property
    def best(self) -> RunRecord:
        """The trial with the highest validation accuracy."""
        return self.trials[0]


def find(store: Store) -> Trainer:
    """The newest sweep of a store, and its best run.

    Raises:
        SystemExit: there is none with two finished trials.
    """
    reports = store.dir.glob("artifacts/*/artifacts/report.html")
    sweeps = sorted(
        ((store.get(path.parents[1].name), path) for path in reports),
        key=lambda found: found[0].start,
        reverse=True,
    )
    for parent, report in sweeps:
        trials = [
            run
            for run in store.children(parent.run_id)
            if run.status == "FINISHED" and "val_accuracy" in run.metrics
        ]
        if len(trials) > 1:
            trials.sort(key=lambda run: run.metrics["val_accuracy"], reverse=True)
            return Trainer(parent=parent, trials=trials, report=report)
    raise SystemExit(f"{store.dir} has no finished sweep of two trials with a report.")


def runs(page: "Page", address: str, trainer: Trainer) -> None:
    """The sweep with its trials."""
    browser.open_runs(page, address)
    browser.expand(page, trainer.parent.name)


def best(page: "Page", address: str, trainer: Trainer) -> None:
    """The ranking of the sweep, as `cnn-sweeps ui` opens it."""
    browser.open_ranking(page, address)
    page.get_by_text("val_accuracy", exact=True).first.wait_for()


def run(page: "Page", address: str, trainer: Trainer) -> None:
    """What is known of the best run."""
    page.goto(browser.run_page(address, trainer.best.run_id))
    page.get_by_role("row").filter(has_text="val_accuracy").first.wait_for()


def live(page: "Page", address: str, trainer: Trainer) -> None:
    """Its metrics as they are drawn while it trains."""
    page.goto(browser.run_page(address, trainer.best.run_id, "model-metrics"))
    page.get_by_placeholder("Search metric charts").fill("accuracy|loss")
    page.locator(".main-svg").first.wait_for()


def curves(page: "Page", address: str, trainer: Trainer) -> None:
    """Its pictures."""
    page.goto(browser.run_page(address, trainer.best.run_id, "artifacts/learning_curves.png"))
    browser.wait_for_picture(page)


def compare(page: "Page", address: str, trainer: Trainer) -> None:
    """The best beside one that differs from it most, without what they share."""
    browser.open_runs(page, address)
    browser.expand(page, trainer.parent.name)
    for trial in (trainer.best, trainer.trials[-1]):
        browser.select(page, trial.name)
    page.get_by_role("button", name="Compare").click()
    for part in ("Parameters", "Metrics"):
        page.get_by_role("switch", name=f"{part} - Show diff only").click()
    page.get_by_role("button", name="Visualizations").click()


def report(page: "Page", address: str, trainer: Trainer) -> None:
    """The report of the sweep, where MLflow shows it."""
    page.goto(browser.run_page(address, trainer.parent.run_id, "artifacts/report.html"))
    page.frame_locator("iframe").get_by_text("Sweep report").wait_for()


PAGES: dict[str, Callable[["Page", str, Trainer], None]] = {
    "ui-runs": runs,
    "ui-best": best,
    "ui-run": run,
    "ui-live": live,
    "ui-curves": curves,
    "ui-compare": compare,
    "ui-report": report,
}
"""What makes each picture."""


def main(arguments: list[str]) -> None:
    """Take all pictures; their names are printed."""
    if not 0 < len(arguments) < 3:
        raise SystemExit(__doc__)
    store = Store.open_existing(Tracking(dir=Path(arguments[0])))
    if store is None:
        raise SystemExit(f"{arguments[0]} holds no runs.")
    into = Path(arguments[1]) if len(arguments) > 1 else PICTURES
    into.mkdir(parents=True, exist_ok=True)
    trainer = find(store)
    study = trainer.parent.tags[STUDY_NAME]
    with browser.ui(store.dir, study) as there, browser.chromium() as opened:
        for name, show in PAGES.items():
            with browser.new_page(opened, WIDTH, HEIGHT) as page:
                show(page, there, trainer)
                _keep(page, into / f"{name}.png")
        for width, name in ((WIDTH, "report"), (PHONE, "report-phone")):
            _report(opened, trainer, width, into / f"{name}.png")


def _report(opened: "Browser", trainer: Trainer, width: int, file: Path) -> None:
    with browser.new_page(opened, width, HEIGHT) as page:
        page.goto(trainer.report.as_uri())
        page.get_by_role("heading").first.wait_for()
        _keep(page, file)


def _keep(page: "Page", file: Path) -> None:
    """Store what a page shows, once nothing on it moves any more."""
    shot, before = page.screenshot(path=file), b""
    while shot != before:
        page.wait_for_timeout(1_000)
        shot, before = page.screenshot(path=file), shot
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}  {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
