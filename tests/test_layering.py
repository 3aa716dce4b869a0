"""Who may import whom, read from the source; and what the quick commands really import.

The folders stand in an order, and each imports only from those before it. An import counts
wherever it stands: in a function, under `TYPE_CHECKING`, or as a module's name in a string, which
is how commands and workers are imported.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cnn_sweeps.cli import main
from cnn_sweeps.provenance import code as computation

ROOT = Path(__file__).resolve().parents[1]

ORDER = (
    "cnn_sweeps.errors",
    "cnn_sweeps.text",
    "cnn_sweeps.config",
    "cnn_sweeps.data",
    "cnn_sweeps.models",
    "cnn_sweeps.provenance",
    "cnn_sweeps.evaluation",
    "cnn_sweeps.training",
    "cnn_sweeps.trajectories",
    "cnn_sweeps.figures",
    "cnn_sweeps.tracking",
    "cnn_sweeps.runs.recorded",
    "cnn_sweeps.runs.weights",
    "cnn_sweeps.runs.composition",
    "cnn_sweeps.runs",
    "cnn_sweeps.runs.epochs",
    "cnn_sweeps.runs.export",
    "cnn_sweeps.runs.use",
    "cnn_sweeps.sweeps.space",
    "cnn_sweeps.sweeps.comparison",
    "cnn_sweeps.sweeps.plan",
    "cnn_sweeps.sweeps.study",
    "cnn_sweeps.sweeps.workers",
    "cnn_sweeps.sweeps.results",
    "cnn_sweeps.sweeps",
    "cnn_sweeps.sweeps.application",
    "cnn_sweeps.report",
    "cnn_sweeps.doctor",
    "cnn_sweeps.api",
    "cnn_sweeps",
    "cnn_sweeps.cli",
    "cnn_sweeps.__main__",
    "hydra_plugins",
)
"""The layers, lowest first; a module is in the one with the longest name that it begins with.

`cnn_sweeps.sweeps` is what stands in no folder there: controller, supervisor and display.
"""
ROOT_MODULES = 4
"""`__init__`, `__main__`, `api` and `errors`: everything else has a folder."""
LONGEST_FUNCTION = 60

MAY_PRINT = {
    "cnn_sweeps.cli": "reads arguments and prints",
    "cnn_sweeps.text.terminal": "makes the streams and the consoles that the others are handed",
    "cnn_sweeps.text.table": "draws itself on the console that it is handed",
    "cnn_sweeps.sweeps.live_view": "what a sweep is handed to show itself",
    "cnn_sweeps.training.progress": "the progress bar of Keras' fit, on standard error",
    "cnn_sweeps.data.download": "the progress bar of a download, on standard error",
    "cnn_sweeps.__main__": "interrupted before the command line is there",
}
"""Who writes to the terminal, and why. All others return what they have to say."""
QUERIES = {"buffer", "encoding", "fileno", "flush", "isatty"}
"""What may be asked of standard output by who does not write to it."""

MOVES_NOTHING = (
    "config",
    "data.download",
    "data.control_groups",
    "data.cores",  # threads are part of the environment
    "data.files",
    "data.folder_cache",
    "data.manifest",
    "data.memory_cache",
    "data.free_memory",
    "data.notices",
    "data.progress",
    "data.readers.unreadable",
    "data.readers.catalog",
    "data.readers.reader",
    "errors",
    "evaluation",  # stored values go by its digest, see trajectories/metric_values.py
    "models.imports",
    "models.own_training",
    "models.probe",
    "models.source",
    "text",
    "training.epoch",
    "training.no_effect",
    "training.stopping",
    "training.validation_metrics",
)
"""What the modules that compute import, and what moves no bit of an epoch."""
HEAVY = {"PIL", "keras", "matplotlib", "mlflow", "optuna", "scipy", "sklearn", "tensorflow"}
"""Imported late or not at all by the commands that have to answer at once."""
NOT_TO_COMPOSE = {"filelock", "jinja2", "pandas", "psutil", "requests", "sqlalchemy"}
"""Not so heavy, and no part of showing or refusing a config either."""

EDGE = (
    "cnn_sweeps.api",
    "cnn_sweeps.cli.main",
    "cnn_sweeps.cli.sweep",
    "cnn_sweeps.runs.composition.hydra_errors",
    "cnn_sweeps.runs.composition.validate",
    "cnn_sweeps.sweeps.application",
    "cnn_sweeps.sweeps.from_hydra",
    "cnn_sweeps.sweeps.hydra_call",
    "cnn_sweeps.sweeps.space.overrides",
    "cnn_sweeps.sweeps.swept",
    "cnn_sweeps.sweeps.workers.launcher",
    "cnn_sweeps.sweeps.space.space",
    "cnn_sweeps.sweeps.plan.base_config",
    "hydra_plugins",
)
"""The modules that read a command line, a sweep or a base config, and hand on plain values."""
MAY_IMPORT = {
    "mlflow": ("cnn_sweeps.tracking",),
    "optuna": ("cnn_sweeps.sweeps", "hydra_plugins"),
    "hydra": EDGE,
    "omegaconf": EDGE,
}
"""For each of these libraries, the modules (with all that is in them) that may import it."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement, or a string that names a module of ours.

    Attributes:
        importer: the module that it stands in.
        target: what it imports, by its full dotted name.
        late: whether it stands in a function, so that it runs when that is called, or in a string.
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


@cache
def tree_of(module: str) -> ast.Module:
    """What stands in a module."""
    return ast.parse(SOURCES[module].read_text("utf-8"))


def is_within(module: str, package: str) -> bool:
    """Whether a module is that package or in it."""
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> str:
    """The layer that a module is in: the longest name of one that it begins with."""
    return max((name for name in ORDER if is_within(module, name)), key=len)


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


def named_module(node: ast.AST) -> str | None:
    """The module of ours that a string names, as `import_module` and a worker's entry take it."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return None
    name = node.value.partition(":")[0]
    return name if "." in name and name in SOURCES else None


def read_imports(importer: str) -> Iterator[Import]:
    """Every import of a module, wherever in it."""

    def visit(node: ast.AST, *, late: bool, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node, importer):
                yield Import(importer=importer, target=target, late=late, typing=typing)
        if (named := named_module(node)) is not None:
            yield Import(importer=importer, target=named, late=True, typing=typing)
        if isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING"):
            typing = True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            late = True
        for child in ast.iter_child_nodes(node):
            yield from visit(child, late=late, typing=typing)

    yield from visit(tree_of(importer), late=False, typing=False)


@cache
def imports() -> list[Import]:
    """Every import of ours."""
    return [found for module in SOURCES for found in read_imports(module)]


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
        found = [
            i for i in imports() if i.importer == module and (late or not (i.late or i.typing))
        ]
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


def dotted(node: ast.AST) -> str:
    """A name with dots as it is written; empty for any other expression."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def written(module: str) -> Iterator[str]:
    """What in a module writes to the terminal, each with its line."""
    tree = tree_of(module)
    says = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "cnn_sweeps.text.terminal"
        for alias in node.names
        if alias.name == "say"
    }
    asked = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in QUERIES
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in says or name.rpartition(".")[2] in {"print", "Console", "Output"}:
                yield f"{module}:{node.lineno} {name}()"
        elif isinstance(node, ast.Attribute) and id(node) not in asked:
            name = dotted(node)
            if name in {"sys.stdout", "sys.stderr"}:
                yield f"{module}:{node.lineno} {name}"


def prints_itself(module: str) -> Iterator[str]:
    """What in a module writes to a standard stream without `text.terminal`, each with its line."""
    for node in ast.walk(tree_of(module)):
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        if name in {"print", "Console", "sys.stdout.write", "sys.stderr.write"}:
            yield f"{module}:{node.lineno} {name}()"


def long_functions(module: str) -> Iterator[str]:
    """The functions of a module that do not fit on a screen, by their full name."""

    def visit(node: ast.AST, prefix: str) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            prefix = f"{prefix}.{node.name}"
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION and not isinstance(node, ast.ClassDef):
                yield prefix
        for child in ast.iter_child_nodes(node):
            yield from visit(child, prefix)

    yield from visit(tree_of(module), module)


def test_the_reader_sees_late_and_typing_imports() -> None:
    """The rules below are worth as much as what is read from the source."""
    late = [i for i in imports() if i.late and i.target.split(".")[0] in HEAVY]
    at_import = {i.target for i in imports() if i.importer == "cnn_sweeps.config.schema"}
    assert late
    assert "pydantic.dataclasses" in at_import


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_only_its_own_modules_import(library: str) -> None:
    """A library is known to the modules made for it, and to no others."""
    found = [i for i in imports() if is_within(i.target, library)]
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
        i for i in imports() if is_within(i.importer, "hydra_plugins") and not (i.late or i.typing)
    ]
    ours = [
        i for i in found if i.target.split(".")[0] not in allowed and i.target not in SOURCES
    ] + [i for i in found if is_within(i.target, "cnn_sweeps")]
    assert found
    assert not [str(i) for i in ours]


def test_every_module_has_a_layer() -> None:
    """A new folder needs its place in the order: nothing but `__init__` is the root package's."""
    assert [m for m in SOURCES if layer(m) == "cnn_sweeps"] == ["cnn_sweeps"]


def test_imports_go_down_the_order() -> None:
    """Whoever reads a folder need not know those after it."""
    against = {
        (found.importer, found.target)
        for found in imports()
        if found.target in SOURCES
        and ORDER.index(layer(found.target)) > ORDER.index(layer(found.importer))
    }
    assert sorted(against) == []


def test_architecture_lists_the_folders_in_this_order() -> None:
    """What a newcomer reads first is what holds."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"^\| `([\w/]+)/` \|", page, flags=re.MULTILINE)
    folders = [
        name.removeprefix("cnn_sweeps.").replace(".", "/")
        for name in ORDER
        if name in SOURCES and SOURCES[name].name == "__init__.py" and name != "cnn_sweeps"
    ]
    assert sorted(listed) == sorted(folders)
    # The table names `sweeps/` before what is in it; the rest of it stands after.
    assert [name for name in listed if name != "sweeps"] == [f for f in folders if f != "sweeps"]


def test_modules_do_not_import_each_other_in_circles() -> None:
    """Arrows go one way, late imports included."""
    graph: dict[str, set[str]] = {module: set() for module in SOURCES}
    for found in imports():
        if found.target in SOURCES and found.target != found.importer:
            graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_only_the_command_line_writes_to_the_terminal() -> None:
    """All others return what they have to say, so that a program that calls them decides."""
    others = [m for m in SOURCES if not any(is_within(m, name) for name in MAY_PRINT)]
    assert [line for module in others for line in written(module)] == []


@pytest.mark.parametrize("module", MAY_PRINT)
def test_who_may_print_does(module: str) -> None:
    """An exception that nobody needs any more is none."""
    assert [line for m in modules_of(module) for line in written(m)]


def test_what_is_printed_is_escaped_in_one_place() -> None:
    """What an outsider has named goes to the terminal through `text.terminal` alone."""
    others = set(SOURCES) - {"cnn_sweeps.text.terminal", "cnn_sweeps.__main__"}
    assert [line for module in sorted(others) for line in prints_itself(module)] == []


def test_the_root_has_few_modules() -> None:
    """Who opens the package sees its folders first."""
    assert len(list((ROOT / "cnn_sweeps").glob("*.py"))) <= ROOT_MODULES


def test_functions_fit_on_a_screen() -> None:
    """A function can be read in one go."""
    assert [name for module in SOURCES for name in long_functions(module)] == []


def test_no_module_asserts() -> None:
    """`python -O` takes no check away."""
    asserting = [
        f"{module}:{node.lineno}"
        for module in SOURCES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Assert)
    ]
    assert asserting == []


def test_hydra_plugins_stays_a_shared_namespace() -> None:
    """An `__init__.py` in it would hide the plugins of others."""
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()


REPORT = """
import os, runpy, sys
for arguments in {commands!r}:
    os.environ.pop("HYDRA_FULL_ERROR", None)  # set by the command before
    sys.argv = ["cnn-sweeps", *arguments]
    try:
        runpy.run_module("cnn_sweeps", run_name="__main__")
    except SystemExit as exit:
        print("CODE", exit.code, *sorted({heavy!r} & set(sys.modules)), file=sys.stderr)
"""


def endings(folder: Path, commands: list[list[str]], heavy: set[str]) -> list[str]:
    """The exit code of each command, and what is heavy and loaded by then, in one new process."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(commands=commands, heavy=heavy)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    return [line.removeprefix("CODE ") for line in lines if line.startswith("CODE ")]


@pytest.mark.slow
def test_what_only_explains_loads_nothing_heavy(tmp_path: Path) -> None:
    """Help and lists answer before TensorFlow could have been imported."""
    commands = [["--help"], ["cache"], *([command, "--help"] for command in main.COMMANDS)]
    assert endings(tmp_path, commands, HEAVY) == ["0"] * len(commands)


def test_what_composes_or_refuses_loads_nothing_heavy(tmp_path: Path) -> None:
    """A config is shown, and a mistake told, before TensorFlow could have been imported."""
    commands = {
        "--cfg job": "0",
        "model.filters=0": "2",
        "trainer.epochs=many": "2",
        "trainer.epoch=3": "2",
        "model=transformer": "2",
    }
    ended = endings(tmp_path, [text.split() for text in commands], HEAVY | NOT_TO_COMPOSE)
    assert ended == [*commands.values()]
