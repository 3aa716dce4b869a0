"""Bytes from disk; every failure is told in one sentence that names the file."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from cnn_sweeps.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"


def expanded(path: Path) -> Path:
    """The path with `~` replaced; a shell leaves the one in `data.path=~/x` alone."""
    with suppress(RuntimeError):  # a user without a home: the path is taken as it is
        return path.expanduser()
    return path


def kind(path: Path) -> Literal["file", "folder", "nothing"]:
    """What is under a path.

    Raises:
        DataError: the folders above it may not be entered.
    """
    with told(path):
        if path.is_dir():
            return "folder"
        return "file" if path.is_file() else "nothing"


def visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without the hidden files that systems leave."""
    with told(folder):
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    litter = {"thumbs.db", "desktop.ini", "__macosx"}
    return [e for e in entries if not e.name.startswith(".") and e.name.lower() not in litter]


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a file into one `DataError`.

    Raises:
        DataError: missing, a folder, not permitted, too large for memory, or unreadable.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path.") from error
    except PermissionError as error:
        raise DataError(f"{path} is not readable; change its permissions.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, but a file is expected; move it.") from error
    except NotADirectoryError as error:
        raise DataError(f"{path} is not a folder; check the path.") from error
    except MemoryError as error:
        raise DataError(f"{path} does not fit into memory; use fewer or smaller images.") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{path} cannot be read ({reason}); check the disk or copy it again."
        ) from error


def read_bytes(path: Path) -> bytes:
    """The content of a file, unzipped where it is gzip, whatever it is called.

    Browsers unzip on the way down and keep the `.gz`, so the first bytes decide.

    Raises:
        DataError: the file cannot be read, or its gzip stream is cut off or damaged.
    """
    with told(path):
        data = path.read_bytes()
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise DataError(f"{path} is truncated; copy or download it again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); copy or download it again.") from error
