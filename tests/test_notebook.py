"""The program in the `!` cells of a notebook, executed by a real kernel."""

import importlib.util
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

KERNEL = ("nbclient", "nbformat", "ipykernel")

pytestmark = [
    pytest.mark.slow(minutes=2),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in KERNEL),
        reason=f"{', '.join(KERNEL)} are not all installed",
    ),
    # The kernel and its client speak with each other in their own ways.
    pytest.mark.filterwarnings("ignore"),
]
SMALL = "data=digits data.limit=300 trainer.epochs=1 tracking.figures=false"
CELLS = {
    "run": SMALL,
    "sweep": f"-m {SMALL} model.filters=4,6,8,10",
    "exercise": f"-m {SMALL} +exercise=2_remove_final_conv model.filters=4 exercise.seeds=2",
    "compare": "compare",
    "report": "report",
}
"""What is typed behind `!cnn-sweeps`."""
TAKEN = "out = "
"""A cell that takes the lines down."""
PROGRAM = shlex.join([sys.executable, "-m", "cnn_sweeps"])
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def printed(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each cell shows, in a kernel whose backend the program's environment does not have."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    (folder / "mlruns").mkdir()
    shutil.copy(migrated_database, folder / "mlruns" / "mlflow.db")
    lines = {name: f"!{PROGRAM} {typed}" for name, typed in CELLS.items()}
    lines[TAKEN] = f"out = {lines['compare']}\nprint('\\n'.join(out))"
    cells = [nbformat.v4.new_code_cell(line) for line in lines.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    here = str(Path(__file__).resolve().parents[1])
    environ = {
        **os.environ,
        "MPLBACKEND": "module://nonesuch_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environ)
    return {
        name: "".join(output.get("text", "") for output in cell.outputs)
        for name, cell in zip(lines, notebook.cells, strict=True)
    }


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_shows_what_a_person_reads(printed: dict[str, str], name: str) -> None:
    """No traceback, nothing written over, and no table that is wider than the cell."""
    text = printed[name]
    assert "Traceback" not in text
    plain = COLOUR.sub("", text)
    assert "\x1b" not in plain
    assert "worker 0" not in plain
    drawn = [line for line in plain.splitlines() if line.startswith(tuple("┏┃┡│└"))]
    assert max(map(len, drawn), default=0) <= 80


def test_a_sweep_has_a_line_for_each_trial(printed: dict[str, str]) -> None:
    """In the order in which they ended."""
    text = COLOUR.sub("", printed["sweep"])
    assert re.findall(r"^\[(\d)/4\] trial \d  val_accuracy", text, re.MULTILINE) == list("1234")
    assert len(text) < 3_000


def test_the_report_is_written(printed: dict[str, str]) -> None:
    """And its file is named."""
    assert Path(printed["report"].strip()).name.startswith("report-2_remove_final_conv-")


def test_what_is_taken_down_has_no_colours(printed: dict[str, str]) -> None:
    """A table of plain columns, whatever the kernel forces."""
    assert "\x1b" not in printed[TAKEN]
    assert printed[TAKEN].startswith("rank  ")
    assert len(printed[TAKEN].splitlines()) > 5
