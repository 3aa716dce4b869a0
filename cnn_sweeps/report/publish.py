"""The report of a sweep, put where its run is."""

from functools import partial
from importlib.metadata import version
from threading import Thread

from cnn_sweeps import figures
from cnn_sweeps.report import html, markdown
from cnn_sweeps.sweeps.results.runs import Reading
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.json import sha256
from cnn_sweeps.tracking import Store, TrackedRun, artifacts, descriptions
from cnn_sweeps.tracking.imports import import_quickly
from cnn_sweeps.tracking.names import REPORT_FILES, REPORT_OF

PAGE, TEXT = REPORT_FILES
"""Artifacts of a sweep's run."""
HEAVY = (
    "cnn_sweeps.sweeps.results.collect",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "jinja2",
)
"""What a report needs that nothing before it does; it takes a second or two to import."""


def warm_up() -> None:
    """Import beside whatever else goes on what a report needs."""
    Thread(target=_import, daemon=True).start()


def _import() -> None:
    import_quickly(*HEAVY)
    from cnn_sweeps.sweeps.results import collect  # noqa: PLC0415 -- see HEAVY

    collect.import_importance()


def publish(study: SweepStudy, store: Store, read: Reading | None = None) -> str:
    """Write description and report to the sweep's run; where to open the latter.

    A report that was made of the same is left as it is.

    Args:
        study: the sweep.
        store: where its runs are.
        read: of the study, if that was read already.

    Raises:
        StoreError: the store refuses.
    """
    parent = store.reopen(study.parent_run_id or "")
    read = read or Reading.of(study, store)
    if published(study, store, read) is None:
        _write(read, parent)
        parent.set_tags({REPORT_OF: _made_of(read)})
    return artifacts.where_is(store, parent.run_id, PAGE)


def published(study: SweepStudy, store: Store, read: Reading) -> str | None:
    """Where to open the report that was made of what was read; None where there is none."""
    run = store.get(study.parent_run_id or "")
    made_of_it = run.tags.get(REPORT_OF) == _made_of(read)
    if not made_of_it or not artifacts.are_there(store, run, REPORT_FILES):
        return None
    return artifacts.where_is(store, run.run_id, PAGE)


def _made_of(read: Reading) -> str:
    return sha256([read.digest(figures.EVALUATION, figures.EXAMPLES), version("cnn-sweeps")])


def _write(read: Reading, parent: TrackedRun) -> None:
    from cnn_sweeps.sweeps.results.collect import results_of  # noqa: PLC0415 -- see HEAVY

    found = results_of(read)
    descriptions.describe(parent, partial(markdown.of_sweep, found))
    parent.log_text(html.page(found), PAGE)
    parent.log_text(markdown.markdown(found), TEXT)
