"""Who may import whom, read from the source; and what the quick commands really import."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cnn_sweeps.cli import main
from cnn_sweeps.provenance import code as computation

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE = 420
MOVES_NOTHING = (
    "config",
    "data.download",
    "data.files",
    "data.readers.catalog",
    "data.readers.reader",
    "errors",
    "text",
    "training.epoch",
    "training.stopping",
)
"""What the modules that compute import, and what moves no bit of an epoch."""
HEAVY = {"PIL", "keras", "matplotlib", "mlflow", "optuna", "scipy", "sklearn", "tensorflow"}
"""Imported late or not at all by the commands that have to answer at once."""

EDGE = (
    "cnn_sweeps.cli.main",
    "cnn_sweeps.runs.validate",
    "cnn_sweeps.cli.sweep",
    "cnn_sweeps.sweeps.space.overrides",
    "cnn_sweeps.sweeps.workers.hydra_jobs",
    "cnn_sweeps.sweeps.workers.launcher",
    "cnn_sweeps.sweeps.space.space",
    "cnn_sweeps.sweeps.plan.base_config",
    "hydra_plugins",
)
"""The modules that read a command line, a sweep or a template, and hand on plain values."""
MAY_IMPORT = {
    "mlflow": ("cnn_sweeps.tracking",),
    "optuna": ("cnn_sweeps.sweeps", "hydra_plugins"),
    "hydra": EDGE,
    "omegaconf": EDGE,
}
"""For each of these libraries, the modules (with all that is in them) that may import it."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement.

    Attributes:
        importer: the module that it stands in.
        target: what it imports, by its full dotted name.
        late: whether it stands in a function, so that it runs when that is called.
        typing: whether only the type checker sees it.
    """

    importer: str
    target: str
    late: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer} imports {self.target}"


def module_name(path: Path) -> str:
    """The dotted name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for package in ("cnn_sweeps", "hydra_plugins")
    for path in sorted((ROOT / package).rglob("*.py"))
}
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in SOURCES.items()}


def is_within(module: str, package: str) -> bool:
    """Whether a module is that package or in it."""
    return module == package or module.startswith(f"{package}.")


def targets(node: ast.Import | ast.ImportFrom, importer: str) -> Iterator[str]:
    """Name what a statement imports: a module of ours rather than a name from its package."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        is_package = SOURCES[importer].name == "__init__.py"
        parents = importer.split(".")
        kept = parents[: len(parents) - node.level + is_package]
        base = ".".join([*kept, *filter(None, [node.module])])
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield full if full in SOURCES else base


def read_imports(importer: str) -> Iterator[Import]:
    """Every import statement of a module, wherever in it."""

    def visit(node: ast.AST, *, late: bool, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node, importer):
                yield Import(importer=importer, target=target, late=late, typing=typing)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing = True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            late = True
        for child in ast.iter_child_nodes(node):
            yield from visit(child, late=late, typing=typing)

    yield from visit(TREES[importer], late=False, typing=False)


IMPORTS = [found for module in SOURCES for found in read_imports(module)]


def reach(start: list[str], *, late: bool) -> dict[str, Import | None]:
    """All that these modules lead to, each with the import that leads there.

    Args:
        start: modules of ours.
        late: whether imports in functions count; without them, importing a module runs its
            packages' `__init__` too, as Python does.
    """
    reached: dict[str, Import | None] = dict.fromkeys(start)
    queue = list(start)
    while queue:
        module = queue.pop()
        found = [i for i in IMPORTS if i.importer == module and (late or not (i.late or i.typing))]
        steps = [(i.target, i) for i in found]
        if not late:
            steps += [(parent, i) for i in found for parent in packages_of(i.target)]
        for target, step in steps:
            if target not in reached:
                reached[target] = step
                queue.append(target)
    return reached


def packages_of(module: str) -> list[str]:
    """The packages of ours that a module stands in."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts)) if ".".join(parts[:n]) in SOURCES]


def libraries(reached: dict[str, Import | None], names: set[str]) -> dict[str, str]:
    """Which of the named libraries were reached, and by which import."""
    return {t: str(step) for t, step in reached.items() if step and t.split(".")[0] in names}


def modules_of(*packages: str) -> list[str]:
    """All modules of ours in these packages."""
    return [module for module in SOURCES if any(is_within(module, p) for p in packages)]


def test_the_reader_sees_late_and_typing_imports() -> None:
    """The rules below are worth as much as what is read from the source."""
    late = [i for i in IMPORTS if i.late and i.target.split(".")[0] in HEAVY]
    at_import = {i.target for i in IMPORTS if i.importer == "cnn_sweeps.config.schema"}
    assert late
    assert "pydantic.dataclasses" in at_import


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_only_its_own_modules_import(library: str) -> None:
    """A library is known to the modules made for it, and to no others."""
    found = [i for i in IMPORTS if is_within(i.target, library)]
    astray = [
        str(i) for i in found if not any(is_within(i.importer, p) for p in MAY_IMPORT[library])
    ]
    assert found
    assert not astray


@pytest.mark.parametrize("inner", ["training", "models", "data"])
def test_the_inside_knows_no_framework_around_it(inner: str) -> None:
    """What loads, builds and trains reaches neither MLflow nor Hydra nor Optuna on any way."""
    start = modules_of(f"cnn_sweeps.{inner}")
    assert start
    assert not libraries(reach(start, late=True), set(MAY_IMPORT))


@pytest.mark.parametrize(("one", "other"), [("data", "models"), ("models", "data")])
def test_data_and_models_do_not_know_each_other(one: str, other: str) -> None:
    """Shape and number of classes travel as arguments."""
    start = modules_of(f"cnn_sweeps.{one}")
    assert not [m for m in reach(start, late=True) if is_within(m, f"cnn_sweeps.{other}")]


def test_everything_that_computes_is_in_the_digest_of_it() -> None:
    """A module that is new between config and epochs has to be named in one of two lists."""
    start = [
        f"cnn_sweeps.{name}"
        for name in ("data", "models.build", "training.backend", "training.loop")
    ]
    covered = set(computation.files_of())
    allowed = tuple(f"cnn_sweeps.{name}" for name in MOVES_NOTHING)
    packages = ("cnn_sweeps", "cnn_sweeps.data")
    reached = [m for m in reach(start, late=True) if m in SOURCES and m not in packages]
    assert len(reached) > len(start)
    assert not [
        module
        for module in reached
        if SOURCES[module] not in covered and not any(is_within(module, a) for a in allowed)
    ]


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    """Everything heavy that the command line leads to is imported late."""
    assert not libraries(reach(["cnn_sweeps.cli.main"], late=False), HEAVY)


def test_the_plugin_imports_only_hydra_at_first() -> None:
    """Hydra imports every plugin at each start: the facade costs it nothing."""
    allowed = {"hydra", "omegaconf", *sys.stdlib_module_names}
    found = [
        i for i in IMPORTS if is_within(i.importer, "hydra_plugins") and not (i.late or i.typing)
    ]
    ours = [
        i for i in found if i.target.split(".")[0] not in allowed and i.target not in SOURCES
    ] + [i for i in found if is_within(i.target, "cnn_sweeps")]
    assert found
    assert not [str(i) for i in ours]


def test_modules_do_not_import_each_other_in_circles() -> None:
    """Arrows go one way, late imports included."""
    graph: dict[str, set[str]] = {module: set() for module in SOURCES}
    for found in IMPORTS:
        if found.target in SOURCES and found.target != found.importer:
            graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", SOURCES)
def test_module_is_short_and_asserts_nothing(module: str) -> None:
    """A module can be read in one go, and `python -O` takes no check away."""
    lines = SOURCES[module].read_text("utf-8").count("\n")
    asserts = [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Assert)]
    assert lines <= LONGEST_MODULE
    assert not asserts


def test_hydra_plugins_stays_a_shared_namespace() -> None:
    """An `__init__.py` in it would hide the plugins of others."""
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()


REPORT = f"""
import runpy, sys
sys.argv[0] = "cnn-sweeps"
code = 0
try:
    runpy.run_module("cnn_sweeps", run_name="__main__")
except SystemExit as exit:
    code = exit.code
loaded = sorted({HEAVY!r} & set(sys.modules))
print("LOADED", *loaded, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["--cfg", "job"], 0, id="cfg"),
        pytest.param(["--help"], 0, id="help"),
        pytest.param(["cache"], 0, id="list of the cache"),
        *(pytest.param([command, "--help"], 0, id=command) for command in main.COMMANDS),
        pytest.param(["model.filters=0"], 2, id="impossible value"),
        pytest.param(["trainer.epochs=many"], 2, id="wrong type"),
        pytest.param(["trainer.epoch=3"], 2, id="unknown key"),
        pytest.param(["model=resnet"], 2, id="unknown option"),
    ],
)
def test_a_quick_command_loads_nothing_heavy(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    """What only composes, or refuses, answers before TensorFlow could have been imported."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (code, "LOADED"), done.stderr
