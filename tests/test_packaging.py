"""What the project declares, pins and tracks is what it uses, and nothing of one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PINS = re.findall(r"^([\w.-]+)==(\S+)(.*(?:\n    .*)*)", LOCK, re.MULTILINE)
"""Name, version and the rest (marker and hashes) of each pinned package."""

COMES_WITH = {
    "alembic": "mlflow",
    "annotated_types": "pydantic",
    "cloudpickle": "mlflow-skinny",
    "h5py": "keras",
    "markupsafe": "jinja2",
    "packaging": "mlflow-skinny",
    "pandas": "mlflow",
    "pydantic_core": "pydantic",
    "requests": "mlflow-skinny",
    "sqlalchemy": "mlflow",
}
"""Parts of another library's interface; which version is that library's to say."""

TOP_LEVEL = {
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile",
    "README.md", "SECURITY.md", "benchmarks", "cnn_sweeps", "conf",
    "docs", "hydra_plugins", "mlruns", "pyproject.toml", "requirements.lock", "tests",
}  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:work|root)/\w")


def requirements(*extras: str) -> list[Requirement]:
    """The dependencies that are declared, with those of the extras."""
    listed = [*PROJECT["dependencies"]]
    for extra in extras:
        listed += PROJECT["optional-dependencies"][extra]
    return [Requirement(text) for text in listed]


def imported_names(folder: Path) -> Iterator[str]:
    """The first part of the name of each module that the sources in a folder import."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


def undeclared(folder: str, declared: list[Requirement], *, own: set[str]) -> list[str]:
    """The imports from a folder that no declared distribution provides."""
    provides = packages_distributions()
    names = {canonicalize_name(requirement.name) for requirement in declared}
    third_party = set(imported_names(ROOT / folder)) - sys.stdlib_module_names - own
    third_party -= set(COMES_WITH)
    return sorted(
        module
        for module in third_party
        if not names & {canonicalize_name(name) for name in provides.get(module, [module])}
    )


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that git tracks, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.mark.parametrize("folder", ["cnn_sweeps", "hydra_plugins"])
def test_every_import_of_the_program_is_declared(folder: str) -> None:
    """A base install has what is imported, but for presets of KerasHub and jobs of Slurm."""
    assert (
        undeclared(folder, requirements("hub", "slurm"), own={"cnn_sweeps", "hydra_plugins"}) == []
    )


@pytest.mark.slow
def test_every_import_of_the_tests_is_declared() -> None:
    """The dev extra has what the tests import; packaging comes with pytest itself."""
    modules = set(imported_names(ROOT / "tests"))
    written_by_tests = modules - packages_distributions().keys()
    own = {"cnn_sweeps", "hydra_plugins", "packaging"} | written_by_tests
    assert undeclared("tests", requirements("dev"), own=own) == []


@pytest.mark.parametrize(("part", "whole"), COMES_WITH.items(), ids=COMES_WITH)
def test_what_comes_with_a_library_does(part: str, whole: str) -> None:
    """A base install has it because that library requires it."""
    needed = [Requirement(text) for text in requires(whole) or []]
    assert canonicalize_name(part) in {
        canonicalize_name(requirement.name)
        for requirement in needed
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def test_the_lock_pins_every_direct_dependency_within_its_range() -> None:
    """What pyproject.toml asks for, the build requirement included, is what the lock holds."""
    pinned = {canonicalize_name(name): version for name, version, _ in PINS}
    asked = requirements("dev") + [Requirement(r) for r in PYPROJECT["build-system"]["requires"]]
    for requirement in asked:
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"make lock: {requirement} is missing"
        assert version in requirement.specifier, f"make lock: {requirement} is not {version}"


def test_the_lock_is_all_pins_with_hashes() -> None:
    """Every line belongs to an exact version, and each version has SHA-256 hashes."""
    unhashed = [name for name, _, rest in PINS if "--hash=sha256:" not in rest]
    lines = [line for line in LOCK.splitlines() if not line.startswith("    --hash=sha256:")]
    assert unhashed == []
    assert len(lines) == len(PINS)


def test_the_lock_names_no_index() -> None:
    """Where packages come from is pip's configuration, not ours."""
    assert not re.search(r"://|@|^\s*-(?!-hash=)", LOCK, re.MULTILINE)


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_the_python_versions_agree(minor: int) -> None:
    """The range and the classifiers both name each version that is served."""
    assert f"3.{minor}.0" in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: 3.{minor}" in PROJECT["classifiers"]


def test_the_package_is_marked_as_typed() -> None:
    """The marker that type checkers look for is there, as the classifier says."""
    assert (ROOT / "cnn_sweeps" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_citation_names_this_version() -> None:
    """CITATION.cff has the version, the license and the authors of pyproject.toml."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert citation["authors"] == PROJECT["authors"]


@pytest.mark.parametrize("name", ["CITATION.cff", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_source_distribution_has_the_project_files(name: str) -> None:
    """They exist and are listed; hatchling adds README and LICENSE by itself."""
    listed = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    assert name in listed
    assert (ROOT / name).is_file()


def test_the_top_level_is_as_documented(tracked: list[Path]) -> None:
    """Everything has its folder; dot-files are set-up."""
    found = {path.parts[0] for path in tracked}
    assert {name for name in found if not name.startswith(".")} <= TOP_LEVEL


def test_what_runs_leave_behind_is_not_tracked(tracked: list[Path]) -> None:
    """Only its README stands for mlruns in the repository."""
    inside = {path for path in tracked if path.parts[0] == "mlruns"}
    assert inside <= {Path("mlruns/README.md")}


@pytest.mark.parametrize("name", ["mlruns/mlflow.db", "mlruns/README.md", ".venv/pyvenv.cfg"])
def test_git_ignores_what_runs_and_set_up_leave_behind(name: str, tracked: list[Path]) -> None:
    """A clone stays clean after `make sweep`, and the README of mlruns stays visible."""
    asked = subprocess.run(
        ["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False
    )
    assert (asked.returncode == 0) == (name != "mlruns/README.md")


@pytest.mark.parametrize("name", ["Makefile", "pyproject.toml", ".ci/run"])
def test_the_set_up_names_no_index(name: str) -> None:
    """No address, and no option of pip that would override the user's own configuration."""
    text = (ROOT / name).read_text("utf-8")
    assert re.findall(r"\w+://\S+|--(?:extra-)?index-url\b|--find-links\b", text) == []


def test_no_tracked_file_names_a_path_of_one_machine(tracked: list[Path]) -> None:
    """The project runs anywhere."""
    found = []
    for path in tracked:
        text = (ROOT / path).read_text("utf-8", errors="ignore")
        found += [f"{path}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_the_readme_names_every_extra() -> None:
    """In one table, and none that is not there."""
    text = (ROOT / "README.md").read_text("utf-8")
    rows = text.partition("| extra | for |")[2].partition("\n\n")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row)}
    assert named == PROJECT["optional-dependencies"].keys() - {"dev"}


def test_the_image_has_what_the_wheel_is_built_of() -> None:
    """The Dockerfile copies every folder of the wheel, and installs extras that there are."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (\w+) \w+$", text, re.MULTILINE)
    assert copied == PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    (extras,) = re.findall(r"pip install .*\[(.*)\]", text)
    named = {each for each in re.split(r"\W+", extras) if each and each != "GPU"}
    assert named == {"postgres", "mysql", "gpu"}
    assert named <= PROJECT["optional-dependencies"].keys()


def test_the_kubernetes_job_can_be_read() -> None:
    """Ten lines of YAML, of which a worker's arguments are the ones of the command line."""
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    job = yaml.safe_load(text)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert len(text.splitlines()) <= 10
    assert container["args"][:2] == ["worker", "lab"]
    assert all(isinstance(each, str) for each in container["args"])
