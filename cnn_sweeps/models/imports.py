"""Importing a user's own modules as their files are now.

Python imports a file once in a process. A notebook, or a worker with many trials, would train the
old code under the hash of the new.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path

from cnn_sweeps.models.source import Source, SourceFile, is_own

_imported: dict[str, SourceFile] = {}
"""The user's modules that were imported here, by name, and what their files held then.

The path is where the file lies on this machine.
"""


@contextmanager
def fresh(source: Source | None) -> Iterator[None]:
    """Inside the block, the user's modules are imported anew where a file of theirs has changed.

    Args:
        source: what is about to be imported; None where it is no file.
    """
    if source is not None and not _is_current(source):
        for name in {*_imported, *(each.module for each in source.files)}:
            sys.modules.pop(name, None)
        _imported.clear()
        invalidate_caches()
    before, writes_bytecode = set(sys.modules), sys.dont_write_bytecode
    # Python takes byte code for current if the source has its size and second.
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_bytecode
        _note(set(sys.modules) - before)


def _is_current(source: Source) -> bool:
    """Whether all that is imported of the user's modules holds what its files hold."""
    known = {name: each.sha256 for name, each in _imported.items()}
    ours = {each.module: each.sha256 for each in source.files if each.module in sys.modules}
    return all(known.get(name) == digest for name, digest in ours.items()) and all(
        _read(Path(each.path)) == each.content for each in _imported.values()
    )


def _note(names: set[str]) -> None:
    for name in names:
        file = Path(getattr(sys.modules.get(name), "__file__", None) or "<frozen>")
        content = _read(file) if file.suffix == ".py" and is_own(file) else None
        if content is not None:
            _imported[name] = SourceFile(path=str(file), content=content)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
