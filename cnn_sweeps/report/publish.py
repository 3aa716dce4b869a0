"""The report of a sweep, put where its run is."""

from functools import partial
from importlib import import_module
from threading import Thread

from cnn_sweeps.report import html, markdown
from cnn_sweeps.sweeps.results.runs import Reading
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store, artifacts, notes
from cnn_sweeps.tracking.names import REPORT_FILES

PAGE, TEXT = REPORT_FILES
"""Artifacts of a sweep's run."""
HEAVY = ("cnn_sweeps.sweeps.results.collect", "matplotlib.backends.backend_svg", "jinja2")
"""What a report needs that nothing before it does; it takes a second or two to import."""


def warm_up() -> None:
    """Import beside whatever else goes on what a report needs."""
    Thread(target=lambda: [import_module(name) for name in HEAVY], daemon=True).start()


def publish(study: SweepStudy, store: Store, read: Reading | None = None) -> str:
    """Write description and report to the sweep's run; where to open the latter.

    Args:
        study: the sweep.
        store: where its runs are.
        read: of the study, if that was read already.

    Raises:
        StoreError: the store refuses.
    """
    from cnn_sweeps.sweeps.results.collect import results_of  # noqa: PLC0415 -- see HEAVY

    parent = store.reopen(study.parent_run_id or "")
    found = results_of(read or Reading.of(study, store))
    notes.describe(parent, partial(markdown.of_sweep, found))
    parent.log_text(html.page(found), PAGE)
    parent.log_text(markdown.markdown(found), TEXT)
    return artifacts.where_is(store, parent.run_id, PAGE)
