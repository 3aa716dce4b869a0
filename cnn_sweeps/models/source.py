"""The files that a user's own function is made of: found, named by digests, laid in place.

That is the file that it stands in, and the user's other modules which that one imports. They are
found by reading the import statements: nothing is imported, since the code may be foreign.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from pathlib import Path
from typing import Final

from cnn_sweeps.text.json import sha256

FOLDER: Final = "source"
"""Where a run, or a folder that was exported, keeps the files of a network."""
LOSS_FOLDER: Final = "loss_source"
"""Where it keeps those of a loss."""
METRIC_FOLDER: Final = "metric_source"
"""Where it keeps those of metrics, in a folder for each module."""
SUFFIX: Final = ".py"
INSTALLED: Final = {"site-packages", "dist-packages"}
LIBRARIES: Final = (Path(os.__file__).parent, Path(__file__).parents[1])
"""Python's own modules, and those of this package."""
BY_NAME: Final = {"import_module", "__import__"}
"""Functions that import what a text names."""
added_by_code: Final[set[str]] = set()
"""Folders that a user's own code put on Python's path as it was imported. What lies there is not
looked for: it would be found, and be in the hash, from the second time on."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of Python, as it was when it was read.

    Attributes:
        path: where Python looks for a module of that name: `my_nets.py`, `nets/small.py`.
        content: its bytes.
    """

    path: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Digest of the content, 64 hex digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def module(self) -> str:
        """The dotted name by which it is imported."""
        parts = self.path.removesuffix(SUFFIX).split("/")
        return ".".join(parts[:-1] if self.is_package else parts)

    @property
    def is_package(self) -> bool:
        """Whether it is the `__init__.py` of a package."""
        return self.path.rpartition("/")[2] == f"__init__{SUFFIX}"

    @property
    def is_empty(self) -> bool:
        """Whether it holds comments and a docstring at most, as many an `__init__.py`."""
        try:
            body = ast.parse(self.content).body
        except (SyntaxError, ValueError):
            return False
        return all(
            isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body
        )


@dataclass(frozen=True, kw_only=True)
class Source(SourceFile):
    """The file of a user's own function, with what it imports.

    Attributes:
        imports: the user's other modules that are imported with it, sorted by path; neither
            Python's own nor installed packages.
    """

    imports: tuple[SourceFile, ...] = ()

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """All of them, the function's own first."""
        return (self, *self.imports)

    @property
    def imports_sha256(self) -> str | None:
        """Digest of the paths and contents of the imports; None where no code is in any."""
        digests = {each.path: each.sha256 for each in self.imports if not each.is_empty}
        return sha256(digests, compact=True) if digests else None

    @classmethod
    def find(cls, function: str) -> "Source | None":
        """The files of a `package.module:function`, if there are any. Nothing is imported."""
        name = function.partition(":")[0]
        origin = _origin(name)
        if origin is None:
            return None
        own = _file(name, origin)
        imports: dict[str, SourceFile] = {}
        seen, waiting = {own.module}, [*_parents(name), *_imports_of(own)]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            origin = _origin(name)
            if origin is not None and origin.suffix == SUFFIX and is_own(origin):
                imports[name] = _file(name, origin)
                waiting += [*_parents(name), *_imports_of(imports[name])]
        ordered = sorted(imports.values(), key=lambda each: each.path)
        return cls(path=own.path, content=own.content, imports=tuple(ordered))

    @classmethod
    def stored(cls, function: str, contents: Mapping[str, bytes]) -> "Source | None":
        """The files of a function among those that were stored, by their paths."""
        path = next((path for path in places(function) if path in contents), None)
        if path is None:
            return None
        imports = [SourceFile(path=p, content=contents[p]) for p in sorted(contents) if p != path]
        return cls(path=path, content=contents[path], imports=tuple(imports))

    def is_here(self, function: str) -> bool:
        """Whether Python would import just this content; of imports only what is known counts."""
        found = Source.find(function)
        if found is None or found.sha256 != self.sha256:
            return False
        return not self.imports or found.imports_sha256 == self.imports_sha256

    def lay(self, folder: Path) -> None:
        """Write the files into a folder, and let Python look there before anywhere else."""
        for each in self.files:
            file = folder / each.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(each.content)
        sys.path.insert(0, str(folder))
        invalidate_caches()


def metric_folder(function: str) -> str:
    """Where a run, or a folder that was exported, keeps the files of a metric."""
    return f"{METRIC_FOLDER}/{function.partition(':')[0]}"


def places(function: str) -> tuple[str, str]:
    """The paths that a function's source can have: that of a module, and of a package."""
    path = function.partition(":")[0].replace(".", "/")
    return f"{path}{SUFFIX}", f"{path}/__init__{SUFFIX}"


def is_users(function: str) -> bool:
    """Whether the file of a function is there, and the user's; nothing is imported."""
    origin = _origin(function.partition(":")[0])
    return origin is not None and is_own(origin)


def is_own(file: Path) -> bool:
    """Whether a file is the user's: neither Python's, nor of an installed package, nor ours."""
    if INSTALLED.intersection(file.parts) or str(file).startswith("<frozen"):
        return False
    return not any(file.is_relative_to(folder) for folder in LIBRARIES)


def _origin(name: str) -> Path | None:
    """The file that Python would import for a module; None where there is no such file."""
    spec = _spec(name)
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return file if file is not None and file.is_file() else None


def _spec(name: str) -> ModuleSpec | None:
    """How Python would import a module, whatever is imported already.

    `importlib.util.find_spec` would tell what was imported, and import the packages around it.
    """
    root, *parts = name.split(".")
    here = [folder for folder in sys.path if folder not in added_by_code]
    found = (
        finder.find_spec(root, here if finder is PathFinder else None)
        for finder in sys.meta_path
        if root
    )
    spec = next((each for each in found if each is not None), None)
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        # By its last name: of a full one, Python would look for the packages among those imported.
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    return spec


def _file(name: str, origin: Path) -> SourceFile:
    is_package = origin.name == f"__init__{SUFFIX}"
    folders = name.split(".")[: None if is_package else -1]
    return SourceFile(path="/".join([*folders, origin.name]), content=origin.read_bytes())


def _parents(name: str) -> list[str]:
    """The packages around a module, which Python imports before it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _imports_of(file: SourceFile) -> tuple[str, ...]:
    package = file.module if file.is_package else file.module.rpartition(".")[0]
    listed = (f"{package}.{name}" for name in _listed(file.content)) if file.is_package else ()
    return (*_imported_names(file.content, package), *listed)


@lru_cache(maxsize=256)
def _imported_names(content: bytes, package: str) -> tuple[str, ...]:
    """What a module in a package may import, by absolute names; some may be no modules."""
    nodes = _nodes(content)
    froms = (alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names)
    functions = BY_NAME | {each.asname for each in froms if each.asname and each.name in BY_NAME}
    return tuple(dict.fromkeys(n for node in nodes for n in _named(node, package, functions)))


def _listed(content: bytes) -> tuple[str, ...]:
    """What `from package import *` gives, as far as its `__all__` says so; it imports modules."""
    values = (
        node.value
        for node in _nodes(content)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value
        if "__all__"
        in map(_called, node.targets if isinstance(node, ast.Assign) else [node.target])
    )
    return tuple(text for value in values for each in ast.walk(value) if (text := _text(each)))


def _nodes(content: bytes) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):  # importing it will say so
        return ()


def _named(node: ast.AST, package: str, functions: Set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        if base:
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
    elif isinstance(node, ast.Call) and _called(node.func) in functions:
        given = dict(zip(("name", "package"), node.args, strict=False))
        given |= {each.arg: each.value for each in node.keywords if each.arg}
        name, base = (_text(given.get(key)) for key in ("name", "package"))
        if name and (full := _absolute(name, base or package)):
            yield full


def _absolute(name: str, package: str) -> str | None:
    try:
        return resolve_name(name, package)
    except (ImportError, ValueError):  # beyond the outermost package
        return None


def _text(node: ast.AST | None) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _called(function: ast.expr) -> str:
    return str(getattr(function, "attr", None) or getattr(function, "id", ""))
