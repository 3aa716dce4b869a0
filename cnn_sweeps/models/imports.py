"""Importing a user's own modules anew for each network.

Python imports a file once in a process. A notebook, or a worker with many trials, would go on with
the code and the data that it read first, under the hash of what the files hold now.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from cnn_sweeps.models.source import SUFFIX, Source, SourceFile, added_by_code, is_own

_imported: set[str] = set()
"""The user's modules that the last network was built with, by name."""
_run: set[str] = set()
"""The files that Python made modules of for it, also where nobody keeps the module by a name."""
_importing: list[Source | None] = []
"""What is being imported: a script that trains as it is imported comes here once more."""


@contextmanager
def fresh_modules(source: Source | None) -> Iterator[None]:
    """Inside the block, the user's modules are imported as their files are now.

    Args:
        source: what is about to be imported; None where it is no file.
    """
    if _importing:
        yield
        return
    files = source.files if source is not None else ()
    for name in {*_imported, *(each.module for each in files)}:
        sys.modules.pop(name, None)
    invalidate_caches()
    before, writes_bytecode = set(sys.modules), sys.dont_write_bytecode
    path = {*sys.path}
    # Python takes byte code for current if the source has its size and second.
    sys.dont_write_bytecode = True
    _importing.append(source)
    _run.clear()
    try:
        with _noted(_run):
            yield
    finally:
        _importing.clear()
        sys.dont_write_bytecode = writes_bytecode
        _imported.clear()
        _imported.update(name for name in set(sys.modules) - before if _is_own(name))
        added_by_code.update({*sys.path} - path)


def unseen_modules(source: Source | None) -> tuple[SourceFile, ...]:
    """The user's modules that the last network was built with, and that reading did not find.

    They were imported under a name that is computed, by the path of their file, or from a folder
    that the code itself put on Python's path. Those that hold no code are left out.

    Args:
        source: what reading found.
    """
    seen = {each.sha256 for each in source.files} if source is not None else set()
    files = [path for path in map(Path, _run) if is_own(path)]
    found = {SourceFile(path=str(path), content=path.read_bytes()) for path in files}
    found |= {_file(sys.modules[name]) for name in _imported if name in sys.modules}
    told = (each for each in found if not each.is_empty and each.sha256 not in seen)
    return tuple(sorted(told, key=lambda each: each.path))


@contextmanager
def _noted(files: set[str]) -> Iterator[None]:
    """Add the files that Python makes modules of inside the block."""
    get_code = SourceFileLoader.get_code

    def noting(loader: SourceFileLoader, name: str) -> CodeType | None:
        files.add(str(loader.path))
        return get_code(loader, name)

    SourceFileLoader.get_code = noting  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _file(module: ModuleType) -> SourceFile:
    file = str(module.__file__)
    loader: Any = module.__loader__  # of the file system, or of an archive
    return SourceFile(path=file, content=loader.get_data(file))


def _is_own(name: str) -> bool:
    file = Path(getattr(sys.modules[name], "__file__", None) or "")
    return file.suffix == SUFFIX and is_own(file)
