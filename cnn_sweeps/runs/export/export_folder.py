"""The folder of an export: nothing in it is overwritten, and a failure leaves nothing in it."""

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnn_sweeps.errors import RecordError

INCOMPLETE = "INCOMPLETE.txt"
"""File that is there as long as an export writes, so that one that was killed looks like it."""
SAID = (
    "cnn-sweeps export has not come to its end here. If none runs any more, delete this folder.\n"
)


def check_unused(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        RecordError: it does, is no folder, or cannot be read.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise RecordError(f"{folder} cannot be written: it is a file, not a folder.")
        used = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise RecordError(f"{folder} cannot be read: {error.strerror or error}.") from error
    check_complete(folder)
    if used:
        raise RecordError(
            f"{folder} is not empty, and nothing in it is overwritten.\n"
            "  Type cnn-sweeps export HASH ANOTHER_FOLDER"
        )


def check_complete(folder: Path) -> None:
    """Refuse what an export has left that was killed, or has not come to its end yet.

    Raises:
        RecordError: it is that.
    """
    if (folder / INCOMPLETE).exists():
        raise RecordError(
            f"{folder} holds an export that has not come to its end ({INCOMPLETE}).\n"
            f"  If none runs any more, type rm -r {shlex.quote(str(folder))} and export it again."
        )


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Make a folder, and empty it again if what is written into it does not come to its end.

    Raises:
        RecordError: it is in use, or cannot be written.
    """
    check_unused(folder)
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INCOMPLETE).write_text(SAID, encoding="utf-8")
        yield
        (folder / INCOMPLETE).unlink()
    except OSError as error:
        _empty(folder, keep=there)
        raise RecordError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except BaseException:
        _empty(folder, keep=there)
        raise


def _empty(folder: Path, *, keep: bool) -> None:
    """Delete what is in a folder that was empty, and the folder itself if it was not there."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not keep:
            folder.rmdir()
