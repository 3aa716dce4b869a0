"""The official hydra-optuna-sweeper, in an environment of its own.

It needs a pre-release of Hydra, so it cannot live beside cnn_sweeps. TensorFlow, MLflow and
Optuna are those of this environment: a `.pth` file leads to them, which saves 2 GB and makes
the comparison one of sweepers, not of versions.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.points import Grid
from cnn_sweeps.errors import RunFailedError

SWEEPER = "hydra-optuna-sweeper==1.4.0rc3"
AUTOLOG_NEEDS = "tensorboard"
"""MLflow's autolog for TensorFlow fails without it."""
FIELDS = ("filters", "conv_blocks", "epochs")


def prepare(folder: Path) -> Path:
    """Make the environment, or bring one made before up to date; return its Python.

    Raises:
        RunFailedError: it cannot be made, or the package index has not what it needs.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        _call([sys.executable, "-I", "-m", "venv", str(folder)])
    packages = Path(
        _call([str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    )
    # Python reads no .pth file in the folder that this one names, so an editable install of
    # cnn_sweeps there stays unseen.
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    shutil.copytree(Path(__file__).parent, packages / "benchmarks", dirs_exist_ok=True)
    _call([str(python), "-I", "-m", "pip", "install", "--quiet", "--pre", SWEEPER])
    _call([str(python), "-I", "-m", "pip", "install", "--quiet", AUTOLOG_NEEDS])
    return python


def command(python: Path, images: Path, grid: Grid) -> list[str]:
    """The command line that sweeps the grid."""
    return [
        *(str(python), "-m", "benchmarks.official_app", "-m"),
        *grid.overrides({field: field for field in FIELDS}),
        f"hydra.sweeper.n_trials={len(grid)}",
        f"images='{images}'",
    ]


def _call(arguments: list[str]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)  # noqa: S603 ours
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise RunFailedError(
            f"the environment of {SWEEPER} cannot be made: {' '.join(last)}\n"
            "  It needs a package index that pip is configured for; without --official "
            "the rest is compared."
        )
    return done.stdout.strip()
