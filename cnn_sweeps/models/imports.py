"""Importing a user's own modules anew for each network.

Python imports a file once in a process. A notebook, or a worker with many trials, would go on with
the code and the data that it read first, under the hash of what the files hold now.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from cnn_sweeps.models.source import SUFFIX, Source, SourceFile, added_by_code, is_own

_imported: set[str] = set()
"""The user's modules that the last network was built with, by name."""
_importing: list[Source | None] = []
"""What is being imported: a script that trains as it is imported comes here once more."""


@contextmanager
def fresh(source: Source | None) -> Iterator[None]:
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
    try:
        yield
    finally:
        _importing.clear()
        sys.dont_write_bytecode = writes_bytecode
        _imported.clear()
        _imported.update(name for name in set(sys.modules) - before if _is_own(name))
        added_by_code.update({*sys.path} - path)


def unseen(source: Source | None) -> tuple[SourceFile, ...]:
    """The user's modules that the last network was built with, and that reading did not find.

    They were imported under a name that is computed, or from a folder that the code itself put on
    Python's path. Those that hold no code are left out.

    Args:
        source: what reading found.
    """
    seen = {each.module for each in source.files} if source is not None else set()
    found = [_file(sys.modules[name]) for name in _imported - seen if name in sys.modules]
    return tuple(sorted((each for each in found if not each.is_empty), key=lambda each: each.path))


def _file(module: ModuleType) -> SourceFile:
    file = str(module.__file__)
    loader: Any = module.__loader__  # of the file system, or of an archive
    return SourceFile(path=file, content=loader.get_data(file))


def _is_own(name: str) -> bool:
    file = Path(getattr(sys.modules[name], "__file__", None) or "")
    return file.suffix == SUFFIX and is_own(file)
