"""Bytes from disk; every failure is told in one sentence that names the file."""

import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from cnn_sweeps.data import free_memory
from cnn_sweeps.errors import ConfigError, DataError

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
"""What zlib takes for "a gzip header, whatever its window"."""
SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What may stand where a file is expected, and would be waited for, or read, for ever."""
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins: `https://`, `s3://`; paths have lost one slash."""
PART: Final = ".part-"
"""Stands in the name of what is not whole, or is being deleted."""
MISSING = "does not exist; check the path"
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}
"""Files and folders that systems leave."""


def expand_user(path: Path) -> Path:
    """The path with `~` replaced; a shell leaves the one in `data.path=~/x` alone."""
    with suppress(RuntimeError):  # a user without a home: the path is taken as it is
        return path.expanduser()
    return path


def absolute(path: Path) -> Path:
    """The whole path, without `..`: it holds where the folder that it was typed in is gone.

    Links stay as they were typed; behind one of them `..` stays too, for it leads elsewhere.
    """
    plain = Path(os.path.abspath(path))
    same = os.path.realpath(plain) == os.path.realpath(path)
    return plain if same else path.absolute()


def part_of(path: Path) -> Path:
    """A name beside a path for what is not whole yet, that no other process gives, on any host.

    Numbers of processes do not tell containers apart: in each of them the first one is 1.
    """
    return path.with_name(f"{path.name}{PART}{uuid4().hex}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name to write a file under; it takes its place at the end of the block, or is gone.

    Raises:
        OSError: the file system refuses.
    """
    part = part_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def checked_home(key: str, path: Path) -> Path:
    """The same of where something is written: a folder called `~` is never made.

    Args:
        key: the setting that has the path.
        path: what was typed.

    Raises:
        ConfigError: nobody knows the home that is meant.
    """
    expanded = expand_user(path)
    if str(expanded).startswith("~"):
        raise ConfigError(
            f"{key}={path} begins with a home folder that this machine does not know. "
            f"Type the whole path: {key}=/FOLDER/..."
        )
    return expanded


def kind(path: Path) -> Literal["file", "folder", "nothing"]:
    """What is under a path.

    Raises:
        DataError: the folders above it may not be entered, or it is a pipe or the like.
    """
    with as_data_error(path):
        if path.is_dir():
            return "folder"
        if not path.exists():
            return "nothing"
    check_regular(path)
    return "file"


def check_regular(path: Path) -> None:
    """Refuse, before it is opened, what is no file with a beginning and an end.

    Raises:
        DataError: a pipe, a socket or a device, or a link to one; or there is nothing.
    """
    with as_data_error(path):
        mode = stat.S_IFMT(path.stat().st_mode)
    if mode in SPECIAL:
        raise DataError(f"{path} is {SPECIAL[mode]}, not a regular file; remove it.")


def links_out(folder: Path, paths: Iterable[str | Path]) -> tuple[str, ...]:
    """A sentence on the files that are read through links to outside; none where there is none.

    Args:
        folder: what the user named.
        paths: files below it, which are there.
    """
    root, parents = folder.resolve(), dict[str, set[str] | None]()
    out = []
    for path in paths:
        above, separator, name = str(path).rpartition(os.sep)
        parent = above + separator
        if parent not in parents:
            parents[parent] = _leading_out(Path(parent), root)
        outside = parents[parent]
        if outside is None or name in outside:
            out.append(path)
    told = f"{len(out):,} of the files that are read lie outside of {folder}, reached by links"
    return (f"{told}, such as {out[0]}.",) if out else ()


def _leading_out(folder: Path, root: Path) -> set[str] | None:
    """The names in a folder that are links to outside of the root; None where all lie there."""
    if not folder.resolve().is_relative_to(root):
        return None
    with (
        as_data_error(folder),
        os.scandir(folder) as entries,
    ):  # which knows the links without a look
        links = [entry.name for entry in entries if entry.is_symlink()]
    return {name for name in links if not (folder / name).resolve().is_relative_to(root)}


def check_memory(needed: int, what: object, remedy: str = "") -> None:
    """Refuse, before it is read, what would not fit into the memory that is free.

    Args:
        needed: bytes.
        what: the file, or the array in it, for the message.
        remedy: what else can be done.

    Raises:
        DataError: it needs more.
    """
    free = free_memory.free_bytes()
    if free is not None and needed > free:
        raise DataError(
            f"{what} needs {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; "
            f"use fewer or smaller images{remedy and ', or '}{remedy}."
        )


def visible_entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without the hidden files that systems leave."""
    return [folder / entry.name for entry in entries_of(folder)]


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """The same, as the system lists it: of most entries it knows the kind without a look."""
    with as_data_error(folder), os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    return [e for e in found if not e.name.startswith(".") and e.name.lower() not in LITTER]


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a file into one `DataError`.

    Raises:
        DataError: missing, a folder, not permitted, too large for memory, or unreadable.
    """
    try:
        yield
    except FileNotFoundError as error:
        fault = "is a link to nothing; fix or remove it" if path.is_symlink() else MISSING
        raise DataError(f"{path} {fault}.") from error
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


def first_bytes(path: Path, size: int) -> bytes:
    """The first bytes of what `read_bytes` gives, at most so many; the rest stays on disk.

    Raises:
        DataError: the file cannot be read, or begins as a gzip stream that is damaged.
    """
    check_regular(path)
    with as_data_error(path), path.open("rb") as file, _told_of_gzip(path):
        data = file.read(io.DEFAULT_BUFFER_SIZE)
        if not data.startswith(GZIP_MAGIC):
            return data[:size]
        return zlib.decompressobj(wbits=GZIP_WINDOW).decompress(data, size)


def read_bytes(path: Path, *, most: int) -> bytes:
    """The content of a file, unzipped where it is gzip, whatever it is called.

    Browsers unzip on the way down and keep the `.gz`, so the first bytes decide.

    Args:
        path: the file.
        most: bytes that the content may have; a small gzip can unpack to more than there is room.

    Raises:
        DataError: the file cannot be read, is longer, or its gzip stream is cut off or damaged.
    """
    check_regular(path)
    with as_data_error(path), _told_of_gzip(path):
        check_memory(path.stat().st_size, path)
        data = path.read_bytes()
        content = _unzipped(data, most + 1) if data.startswith(GZIP_MAGIC) else data
    if len(content) > most:
        raise DataError(
            f"{path} has more than the {most:,} bytes that belong in it; copy or download it again."
        )
    return content


@contextmanager
def _told_of_gzip(path: Path) -> Iterator[None]:
    """Turn what zlib says about a stream into one `DataError`."""
    try:
        yield
    except EOFError as error:
        raise DataError(f"{path} is truncated; copy or download it again.") from error
    except zlib.error as error:
        raise DataError(f"{path} is damaged ({error}); copy or download it again.") from error


def _unzipped(data: bytes, most: int) -> bytes:
    """The beginning of what a gzip file of one or more members unpacks to, at most `most` bytes.

    Raises:
        EOFError: the stream is cut off.
        zlib.error: it is damaged.
    """
    pieces: list[bytes] = []
    while data and most > 0:
        stream = zlib.decompressobj(wbits=GZIP_WINDOW)
        pieces.append(stream.decompress(data, most))
        most -= len(pieces[-1])
        if most and not stream.eof:
            raise EOFError
        data = stream.unused_data.lstrip(b"\0")  # tools pad to whole blocks
    return b"".join(pieces)
