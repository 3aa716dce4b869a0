"""What the Makefile does before anything else, tried with a Python that installs nothing."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = ["environment", "packages", "project"]
NEEDED = ("Makefile", "requirements.lock", "pyproject.toml")

FAKE_PYTHON = """#!/bin/sh
# Notes what it is asked for; makes a folder with itself in it for `-m venv`.
echo "$*" >> "$FAKE_LOG"
case "$*" in
    *"-m venv"*) for folder; do :; done
        mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
    *require-hashes*) [ -z "$FAKE_BROKEN" ] ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout with a fake Python.

    Attributes:
        folder: where the Makefile is.
        log: what the fake Python was asked for, one call a line.
    """

    folder: Path
    log: Path

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make, and forget what was noted before."""
        self.log.write_text("")
        own = {"PATH": os.environ["PATH"], "FAKE_LOG": str(self.log), "FAKE_BROKEN": ""}
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env=own | environment,  # and nothing of a make that runs these tests
            capture_output=True,
            text=True,
            check=False,
        )

    def setup(self, **environment: str) -> list[str]:
        """Run `make setup`; what it did, in order: a new environment, packages, the project."""
        self.make("setup", f"PYTHON={self.folder / 'python'}", **environment)
        kinds = {"venv": "environment", "--require-hashes": "packages", "--editable": "project"}
        calls = self.log.read_text().splitlines()
        return [kind for line in calls for option, kind in kinds.items() if option in line.split()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout that nothing was installed in, in a folder with a space in its name."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in NEEDED:
        shutil.copyfile(ROOT / name, folder / name)
    python = folder / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return Checkout(folder=folder, log=tmp_path / "log")


def test_the_first_call_installs_everything(checkout: Checkout) -> None:
    """The locked packages first, then the project without asking an index again."""
    assert checkout.setup() == EVERYTHING


def test_the_second_call_installs_nothing(checkout: Checkout) -> None:
    """What stands is used."""
    assert checkout.setup() != []
    assert checkout.setup() == []


@pytest.mark.parametrize(
    ("changed", "installed"),
    [("requirements.lock", ["packages", "project"]), ("pyproject.toml", ["project"])],
)
def test_a_change_installs_what_depends_on_it(
    changed: str, installed: list[str], checkout: Checkout
) -> None:
    """New pins are installed over the old; a new setting of a linter leaves packages alone."""
    checkout.setup()
    later = (checkout.folder / ".venv" / ".project").stat().st_mtime + 10
    os.utime(checkout.folder / changed, (later, later))
    assert checkout.setup() == installed


def test_an_interrupted_install_is_taken_up_again(checkout: Checkout) -> None:
    """What did not reach its end is not taken for an installation."""
    assert checkout.setup(FAKE_BROKEN="yes") == ["environment", "packages"]
    assert checkout.setup() == EVERYTHING


def test_an_interrupted_update_is_not_trusted(checkout: Checkout) -> None:
    """It begins again in an empty folder, like an interrupted first install."""
    checkout.setup()
    later = (checkout.folder / ".venv" / ".packages").stat().st_mtime + 10
    os.utime(checkout.folder / "requirements.lock", (later, later))
    assert checkout.setup(FAKE_BROKEN="yes") == ["packages"]
    os.utime(checkout.folder / "requirements.lock", (0, 0))
    assert checkout.setup() == EVERYTHING


def test_a_moved_checkout_is_installed_again(checkout: Checkout) -> None:
    """The scripts in a virtual environment hold the path that it was made for."""
    checkout.setup()
    moved = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
    assert Checkout(folder=moved, log=checkout.log).setup() == EVERYTHING


def test_a_python_that_is_gone_is_replaced(checkout: Checkout) -> None:
    """An upgrade of the system may take away the Python that the environment links to."""
    checkout.setup()
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    assert checkout.setup() == EVERYTHING


def test_without_a_python_the_message_says_what_to_type(checkout: Checkout) -> None:
    """Which versions serve, and how to name one."""
    done = checkout.make("sweep", "PYTHON=")
    assert done.returncode != 0
    assert "make sweep PYTHON=/path/to/python3" in done.stderr
    assert checkout.log.read_text() == ""


def test_a_python_that_does_not_run_is_passed_over(checkout: Checkout) -> None:
    """A shim without a version behind it exists and fails: the next in the list is tried."""
    programs = checkout.folder / "programs"
    programs.mkdir()
    for name, text in {"python3.13": "#!/bin/sh\nexit 127\n", "python3.12": FAKE_PYTHON}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = checkout.make("--eval", "chosen: ; @echo [$(PYTHON)]", "chosen", PATH=path)
    assert "[python3.12]" in done.stdout


def test_help_lists_every_target(checkout: Checkout) -> None:
    """A bare `make` names all that can be made, and installs nothing."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    listed = set(re.findall(r"^make (\w+) +\w", checkout.make().stdout, re.MULTILINE))
    assert {"sweep", "test", "check"} <= targets
    assert listed == targets
    assert not (checkout.folder / ".venv").exists()


def continuous_integration(checkout: Checkout, failing: str = "") -> tuple[int, list[str]]:
    """The exit code of `.ci/run`, and what make is asked for; one of the calls may fail."""
    (checkout.folder / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", checkout.folder / ".ci" / "run")
    programs = {
        "make": f'echo "$CNN_SWEEPS_DATA in $PWD: $*"\n[ "$1" != "{failing}" ]',
        "apt-get": "exit 0",  # which would install a browser, PostgreSQL and Slurm
    }
    for name, text in programs.items():
        (checkout.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (checkout.folder / name).chmod(0o755)
    path = f"{checkout.folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [script], cwd="/", env={"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("is_there", [True, False], ids=["data sets", "no data sets"])
def test_ci_run_hands_on_the_data_sets_beside_the_checkout(
    is_there: bool, checkout: Checkout
) -> None:
    """From any folder, as an absolute path; and every test is asked for but those online."""
    data = checkout.folder.parent / "shared" / "datasets"
    if is_there:
        data.mkdir(parents=True)
    code, said = continuous_integration(checkout)
    place = f"{data if is_there else ''} in {checkout.folder}: "
    asked = [line.removeprefix(place).partition(" ARGS=")[0] for line in said]
    assert {*asked[:2]} == {"setup", "ray"}
    assert asked[2:] == ["check", "test SELECT=slow and not network"]
    assert "\nSELECT ?= not slow and not network\n" in (ROOT / "Makefile").read_text("utf-8")
    assert code == 0


@pytest.mark.parametrize("failing", ["check", "test"])
def test_ci_run_tells_all_and_fails_with_any_of_it(failing: str, checkout: Checkout) -> None:
    """The slow tests run beside the rest, and are told behind it."""
    code, said = continuous_integration(checkout, failing)
    assert (code, len(said)) == (1, 4)
