"""What a terminal of some width gets, and what a pipe gets."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.cells import cell_len

from cnn_sweeps.cli import compare
from cnn_sweeps.text.terminal import Output, can_redraw, conventions, refuse
from cnn_sweeps.tracking import Store

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d")
BOXES = set("┏┃┡│└━─")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """A store with three runs that differ in two settings."""
    import shutil

    from cnn_sweeps.config.schema import Tracking

    made = tmp_path_factory.mktemp("runs")
    shutil.copy(migrated_database, made / "mlflow.db")
    store = Store.open(Tracking(dir=made))
    for number in range(3):
        with store.start_run(f"cnn {number}x2 · x", tags={"config_hash": f"{number}" * 64}) as run:
            run.log_params({"model.filters": 2**number, "trainer.optimizer.name": "adam"[number:]})
            run.log_metrics({"val_accuracy": 0.9, "test_accuracy": 0.8, "train_seconds": 12.5})
            run.log_metrics({"trainable_params": 27_682, "epochs": number + 1})
    return made


ASKED_OF_RICH = (
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"),
    *("COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
)
IN_A_SHELL = {"TERM": "xterm-256color", "LINES": "50", "LC_ALL": "C.UTF-8"}


def environ(**variables: str) -> dict[str, str]:
    """The variables of a shell in a terminal with colours, and these."""
    kept = {name: value for name, value in os.environ.items() if name not in ASKED_OF_RICH}
    return {**kept, **IN_A_SHELL, **variables}


def all_of(terminal: int) -> str:
    """What is written to a terminal until it is closed; its other end is closed then, too."""
    written = b""
    try:
        while block := os.read(terminal, 65536):
            written += block
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(terminal)
    return written.decode().replace("\r\n", "\n")


def in_terminal(do: Callable[[], object], **variables: str) -> str:
    """What is written to a terminal of this process, standard output and error together."""
    ours, theirs = pty.openpty()
    with (
        pytest.MonkeyPatch.context() as shell,
        ThreadPoolExecutor() as reader,
    ):
        for name in ASKED_OF_RICH:
            shell.delenv(name, raising=False)
        for name, value in {**IN_A_SHELL, **variables}.items():
            shell.setenv(name, value)
        written = reader.submit(all_of, ours)
        with (
            open(theirs, "w", encoding="utf-8") as stream,
            contextlib.redirect_stdout(stream),
            contextlib.redirect_stderr(stream),
        ):
            do()
        return written.result()


def widest(text: str) -> int:
    """The cells of the widest line, as it is seen."""
    return max(cell_len(ESCAPE.sub("", line)) for line in text.splitlines())


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(folder: Path, columns: int) -> None:
    """Whole columns are left out instead; the one that ranks and the hash stay."""
    text = in_terminal(lambda: compare.main([f"tracking.dir={folder}"]), COLUMNS=str(columns))
    assert widest(text) <= columns
    assert "0.9000" in text
    assert "222222222222" in text
    assert "…" not in text
    assert BOXES & set(text)
    assert (" not shown (" in text) is (columns < 120)


@pytest.mark.slow
def test_the_program_asks_the_terminal_for_its_width(folder: Path) -> None:
    """No variable has to say it."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 70))
    with subprocess.Popen(
        [sys.executable, "-m", "cnn_sweeps", "compare", f"tracking.dir={folder}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ(LINES=""),
    ):
        os.close(theirs)
        text = all_of(ours)
    assert 60 < widest(text) <= 70
    assert BOXES & set(text)


def test_a_pipe_gets_plain_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No lines, no colours, no tabs, no limit of the width, whatever COLUMNS says."""
    monkeypatch.setenv("COLUMNS", "40")
    compare.main([f"tracking.dir={folder}"])
    text = capfd.readouterr().out
    table, remarks = text.splitlines()[:4], text.splitlines()[4:]
    assert not BOXES & set(text)
    assert not {"\x1b", "\t"} & set(text)
    assert {len(re.split(r" {2,}", line.strip())) for line in table} == {10}
    assert not [line for line in remarks if re.search(r" {2,}", line.strip())]


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        pytest.param({}, True, id="as it is"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"CLICOLOR": "0"}, False, id="CLICOLOR"),
        pytest.param({"TERM": "dumb"}, False, id="dumb"),
    ],
)
def test_an_error_is_red_only_where_colours_are_wanted(
    variables: dict[str, str], coloured: bool
) -> None:
    """The first line; the remedy is indented and plain."""
    said = in_terminal(lambda: refuse("x is not a number.\nType a number."), **variables)
    first, second = said.splitlines()
    assert (COLOUR.search(first) is not None) is coloured
    assert ESCAPE.sub("", first) == "cnn-sweeps: x is not a number."
    assert second == "  Type a number."


@pytest.mark.parametrize(
    "command",
    ["compare --help", *(pytest.param(c, marks=pytest.mark.slow) for c in ("compare", "doctor"))],
)
def test_a_reader_that_leaves_is_no_error(folder: Path, command: str) -> None:
    """As in `| head -1`."""
    line = f"{sys.executable} -m cnn_sweeps {command} tracking.dir={folder} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        env=environ(CNN_SWEEPS_DATA=""),
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, {}),
        ({"CLICOLOR_FORCE": "1"}, {"force_terminal": True}),
        ({"CLICOLOR_FORCE": "0", "CLICOLOR": "1"}, {}),
        ({"CLICOLOR": "0"}, {"no_color": True}),
    ],
)
def test_what_the_variables_ask_for(variables: dict[str, str], asked: dict[str, bool]) -> None:
    """Those that rich does not know itself."""
    assert conventions(variables, io.StringIO()) == asked


KERNEL = {"JPY_PARENT_PID": "7", "FORCE_COLOR": "1", "CLICOLOR": "1", "CLICOLOR_FORCE": "1"}
"""What a kernel exports."""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(("stream", "coloured"), [(io.StringIO, False), (Terminal, True)])
def test_what_a_cell_takes_down_has_no_colours(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], coloured: bool
) -> None:
    """`out = !cnn-sweeps ...` is a pipe; `!cnn-sweeps ...` is none. The kernel forces both."""
    for name, value in KERNEL.items():
        monkeypatch.setenv(name, value)
    out = Output(file=stream())
    assert out.is_terminal is coloured
    out.print("x", style="bold")
    assert ("\x1b" in out.file.getvalue()) is coloured  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stream", "variables", "redraws"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm-color", **KERNEL}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
    ids=["terminal", "dumb", "notebook", "pipe"],
)
def test_where_a_line_can_be_written_over(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, variables: dict[str, str], redraws: bool
) -> None:
    """A notebook would show every version of it."""
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert can_redraw(stream) is redraws


def test_what_is_asked_for_in_the_code_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture for a test has no colours, whatever the shell says."""
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert not Output(force_terminal=False).is_terminal
