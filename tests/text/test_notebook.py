"""What a notebook's kernel exports, and what becomes of it."""

import os
import subprocess
import sys

import pytest

from cnn_sweeps.text.notebook import drop_missing_backend, in_notebook, missing_backend


@pytest.mark.parametrize(
    ("backend", "module"),
    [
        ("", None),
        ("agg", None),
        ("qtagg", None),
        ("module://json.decoder", None),
        ("module://nonesuch_inline.backend_inline", "nonesuch_inline.backend_inline"),
        ("module://json.nonesuch", "json.nonesuch"),
        ("module://nonesuch", "nonesuch"),
        ("module://", ""),
    ],
)
def test_a_backend_of_another_environment_is_replaced(backend: str, module: str | None) -> None:
    """One that is here stays: a notebook's own shows its figures."""
    environ = {"MPLBACKEND": backend}
    assert missing_backend(environ) == module
    drop_missing_backend(environ)
    assert environ["MPLBACKEND"] == (backend if module is None else "agg")


@pytest.mark.parametrize(("environ", "inside"), [({}, False), ({"JPY_PARENT_PID": "7"}, True)])
def test_a_kernel_is_known_by_its_parent(environ: dict[str, str], inside: bool) -> None:
    """Which it tells all that it starts."""
    assert in_notebook(environ) is inside


@pytest.mark.parametrize(
    ("code", "backend"),
    [
        ("import cnn_sweeps", "module://nonesuch_inline.backend"),
        ("import cnn_sweeps", "module://json.decoder"),
        ("from cnn_sweeps import __main__; __main__.main()", "nonesuch"),
        ("import cnn_sweeps.sweeps.workers.preload", "module://json.decoder"),
    ],
    ids=["script", "notebook", "command", "worker"],
)
def test_what_the_processes_of_a_kernel_draw_with(code: str, backend: str) -> None:
    """Agg, before anything heavy is imported; only a kernel itself keeps what it has."""
    heavy = [
        "cnn_sweeps.cli.main",
        "cnn_sweeps.runs.run",
        "cnn_sweeps.sweeps.workers.worker",
        "keras",
    ]
    program = (
        "import os, sys, atexit\n"
        f"sys.modules |= dict.fromkeys({heavy})  # each fails to be imported\n"
        "atexit.register(lambda: print(os.environ['MPLBACKEND'], 'matplotlib' in sys.modules))\n"
        f"{code}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    kept = backend if backend.endswith("decoder") and code == "import cnn_sweeps" else "agg"
    assert done.stdout == f"{kept} False\n", done.stderr
