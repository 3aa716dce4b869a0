"""`cnn-sweeps report [STUDY]`: the report of a sweep (HTML, Markdown, CSV, JSON)."""

from collections.abc import Sequence
from pathlib import Path

from cnn_sweeps.cli.arguments import BEHIND, STORAGE, STUDY, Arguments, take_storage, typed_path
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.runs.composition.validate import compose_tracking
from cnn_sweeps.text import terminal
from cnn_sweeps.text.terminal import say
from cnn_sweeps.tracking import Store

FORMATS = ("html", "md", "csv", "json")
STANDARD_OUTPUT = (Path("-"), Path("/dev/stdout"))
"""As a file: the report is printed, and nothing else is."""


def main(typed: list[str]) -> int:
    """Write the report of a study; 0 when it is done.

    Raises:
        ConfigError: this is nothing that can be typed, or the file cannot be written.
        UnknownStudyError: no study, or several, have that name.
        StoreError: the study cannot be read.
    """
    parser = Arguments(
        "report",
        f"[STUDY] [--format {'|'.join(FORMATS)}] [--output FILE] [{STORAGE}PATH_OR_URL]",
        "Write the report of a sweep, finished or not: best, all trials, parameter "
        "importance, time, failures, next commands. HTML is "
        "written to a file, the other formats are printed.",
        names=(0, 1),
        epilog=STUDY,
    )
    parser.add_argument("--format", choices=FORMATS, default="html", help="html by default")
    parser.add_argument(
        "--output", "--into", type=typed_path, metavar="FILE", help="where to write it; - prints it"
    )
    asked = parser.read(typed)
    name = asked.names[0] if asked.names else None
    storage, where = take_storage(asked.overrides)
    tracking = compose_tracking(where, BEHIND)
    printed = asked.output in STANDARD_OUTPUT
    if asked.output is not None and not printed:
        _check_writable(asked.output)
    study, text = _report(name, storage, tracking, asked.format)
    if printed or (asked.output is None and asked.format != "html"):
        say(text, end="")
    else:
        into = asked.output or Path(f"report-{study}.html")
        _write(into, text)
        say(str(into.absolute()))
    return 0


def _report(
    name: str | None, storage: str | None, tracking: Tracking, form: str
) -> tuple[str, str]:
    """The study's full name, and its report."""
    from cnn_sweeps.report import html, markdown  # noqa: PLC0415
    from cnn_sweeps.sweeps.results.collect import rank_trials, results  # noqa: PLC0415
    from cnn_sweeps.sweeps.study import stored_studies  # noqa: PLC0415 -- imports Optuna

    study = stored_studies.load(name, tracking, storage)
    store = _opened(tracking)
    if form == "csv":
        ranking = rank_trials(study, store)
        _warn(ranking.differences)
        return study.address.name, ranking.to_csv()
    found = results(study, store)
    _warn(found.missing)
    render = {"html": html.page, "md": markdown.markdown, "json": markdown.to_json}[form]
    return study.address.name, render(found)


def _warn(sentences: Sequence[str]) -> None:
    """Say what a program that reads the report must know too."""
    if sentences:
        terminal.warn("\n".join(sentences))


def _opened(tracking: Tracking) -> Store | StoreError | None:
    """The store of the runs, or why it cannot be opened: the study alone has most of it all."""
    try:
        return Store.open_existing(tracking)
    except StoreError as error:
        return error


def _check_writable(file: Path) -> None:
    """Refuse a file that there can never be, before anything is read."""
    if file.is_dir():
        raise ConfigError(
            f"--output {file} is a folder; name a file in it: --output {file}/report.html"
        )
    if not file.absolute().parent.is_dir():
        raise ConfigError(f"--output {file}: there is no folder {file.absolute().parent}.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}. Name another file with --output FILE."
        ) from error
