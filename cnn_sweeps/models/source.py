"""The file that a user's own function stands in: found, named by its digest, laid in place."""

import hashlib
import sys
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

FOLDER = "source"
"""Where a run, or a folder that was exported, keeps such a file."""


@dataclass(frozen=True, kw_only=True)
class Source:
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

    @classmethod
    def find(cls, function: str) -> "Source | None":
        """The file of a `package.module:function`, if there is one. Nothing is imported."""
        name = function.partition(":")[0]
        spec = _spec(name)
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            return None
        folders = name.split(".")[: None if spec.submodule_search_locations else -1]
        path = "/".join([*folders, Path(spec.origin).name])
        return cls(path=path, content=Path(spec.origin).read_bytes())

    def lay(self, folder: Path) -> None:
        """Write the file into a folder, and let Python look there before anywhere else."""
        file = folder / self.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)
        sys.path.insert(0, str(folder))
        invalidate_caches()


def _spec(name: str) -> ModuleSpec | None:
    """How Python would import a module; `find_spec` alone would import the packages around it."""
    root, *parts = name.split(".")
    try:
        spec = find_spec(root)
    except (ImportError, ValueError):
        return None
    for count in range(1, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        inner = ".".join([root, *parts[:count]])
        spec = PathFinder.find_spec(inner, spec.submodule_search_locations)
    return spec


def places(function: str) -> tuple[str, str]:
    """The paths that a function's source can have: that of a module, and of a package."""
    path = function.partition(":")[0].replace(".", "/")
    return f"{path}.py", f"{path}/__init__.py"
