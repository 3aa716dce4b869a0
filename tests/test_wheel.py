"""The built wheel runs alone: from an empty folder, with its own conf, and with a user's."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow

Program = Callable[..., subprocess.CompletedProcess[str]]
"""Runs the installed `cnn-sweeps` with these arguments in an empty folder."""


def call(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program without what the surrounding environment says of Python and of stores."""
    private = ("PYTHONPATH", "PYTHONHOME", "MLFLOW_", "HYDRA_", "CNN_SWEEPS_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(private)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def build(source: Path, folder: Path) -> Path:
    """Build the wheel from a checkout or an unpacked or packed source distribution, offline."""
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    done = call(*pip, "--wheel-dir", folder, source, cwd=folder)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def names_in(wheel: Path) -> set[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel, and sees this one's other packages.

    A `.pth` file brings in only the folder that it names: the `.pth` files in that folder,
    and with them the editable install of the checkout, stay out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    inside = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(inside)]
    done = call(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    site_packages = next(folder.glob("lib/python*/site-packages"))
    (site_packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def program(environment: Path, tmp_path: Path) -> Program:
    """The installed program."""
    return lambda *arguments: call(environment / "bin" / "cnn-sweeps", *arguments, cwd=tmp_path)


def test_the_wheel_holds_conf_inside_the_package(wheel: Path) -> None:
    """All of conf/ is in the package, and nothing else of the checkout is beside it."""
    names = names_in(wheel)
    conf = {
        f"cnn_sweeps/{path.relative_to(ROOT)}"
        for path in (ROOT / "conf").rglob("*")
        if path.is_file()
    }
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert conf
    assert conf <= names
    assert top == {"cnn_sweeps", "hydra_plugins"}
    assert "hydra_plugins/__init__.py" not in names


def test_the_wheel_holds_the_parts_of_a_report(wheel: Path) -> None:
    """The page's template, its style and its script are files of the package."""
    parts = {f"cnn_sweeps/report/{name}" for name in ("page.html", "style.css", "sorting.js")}
    assert parts <= names_in(wheel)


def test_the_wheel_is_marked_as_typed(wheel: Path) -> None:
    """Type checkers read the annotations of an installed package only beside `py.typed`."""
    assert "cnn_sweeps/py.typed" in names_in(wheel)


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Nothing that the wheel needs is left out of the source distribution."""
    done = call(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    again = build(next(tmp_path.glob("*.tar.gz")), tmp_path)
    assert names_in(again) == names_in(wheel)


@pytest.mark.parametrize("arguments", [["--cfg", "job"], ["--help"]], ids=["cfg", "help"])
def test_it_composes_in_an_empty_folder(
    arguments: list[str], program: Program, tmp_path: Path
) -> None:
    """The groups are found, nothing is complained about and nothing is left behind."""
    done = program(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "trainer" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_conf_is_found_in_the_wheel(program: Program, environment: Path) -> None:
    """Not the checkout's conf/, which happens to be there too."""
    done = program("--info", "searchpath")
    assert done.returncode == 0, done.stderr
    assert str(environment.resolve()) in done.stdout
    assert str(ROOT / "conf") not in done.stdout


def test_the_sweeper_plugin_is_found(program: Program) -> None:
    """Hydra discovers the plugin in the installed namespace package."""
    done = program("--info", "plugins")
    assert done.returncode == 0, done.stderr
    assert "hydra_plugins.cnn_sweeps_sweeper" in done.stdout


def test_a_users_own_groups_are_added(program: Program, tmp_path: Path) -> None:
    """`--config-dir` puts a folder of the user's beside the groups in the wheel."""
    own = tmp_path / "mine" / "model"
    own.mkdir(parents=True)
    (own / "tiny.yaml").write_text("defaults:\n  - cnn\n  - _self_\nfilters: 5\n")
    done = program("--config-dir", "mine", "model=tiny", "--cfg", "job", "--package", "model")
    assert done.returncode == 0, done.stderr
    assert "filters: 5" in done.stdout
    assert "name: cnn" in done.stdout


def test_a_run_is_stored_where_it_was_started(program: Program, tmp_path: Path) -> None:
    """One real epoch on the digits, logged under the folder that it ran in."""
    done = program("data=digits", "model.filters=4", "trainer.epochs=1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mlruns" / "mlflow.db").is_file()
