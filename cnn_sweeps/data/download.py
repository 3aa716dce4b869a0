"""A file from the network: complete and verified under its final name, or not there at all."""

import hashlib
import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from cnn_sweeps.errors import DataError
from cnn_sweeps.text.terminal import Output, can_redraw

BLOCK = 1 << 18
TIMEOUT = 30.0
NAMES = {"sha256": "SHA-256", "md5": "MD5"}
MD5_LENGTH = 32
REMEDY = "check the network, or put the files there yourself and set their folder: data.root=..."
Progress = Callable[[int, int | None], None]


class MirrorError(Exception):
    """One URL did not deliver; the next may."""


def fetch(urls: Sequence[str], target: Path, *, digest: str | None, remedy: str = REMEDY) -> None:
    """Download a file unless it is there already.

    It is written under another name in the same folder, verified, brought to the disk and
    then renamed, so an interruption leaves nothing and processes that do the same at one
    time all succeed.

    Args:
        urls: where to get it, tried in turn.
        target: final path; its folder is made.
        digest: SHA-256 or MD5 that the file must have, hexadecimal; None where none is known.
        remedy: what is said where it cannot be had.

    Raises:
        DataError: no URL delivers the file, or it cannot be written.
    """
    faults = []
    try:
        if target.is_file() and digest in (None, digest_of(target, _kind(digest))):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                _fetch_one(url, target, digest)
            except MirrorError as error:
                faults.append(f"{url}: {error}")
            else:
                return
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{target} cannot be written ({reason}); free or name another folder: "
            "set KERAS_HOME, or data.root to a folder that has the files."
        ) from error
    raise DataError(f"{target.name} could not be downloaded ({'; '.join(faults)}); {remedy}")


def _fetch_one(url: str, target: Path, digest: str | None) -> None:
    """Download from one URL.

    Raises:
        MirrorError: it does not deliver, or delivers another file.
        OSError: the disk refuses.
    """
    found = hashlib.new(_kind(digest))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, _bar(target.name) as advance:
            with closing(_blocks(url, advance)) as blocks:
                for block in blocks:
                    found.update(block)
                    file.write(block)
            if digest not in (None, found.hexdigest()):
                was, name = found.hexdigest()[:12], NAMES[_kind(digest)]
                raise MirrorError(f"its {name} is {was}..., not {str(digest)[:12]}...")
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)  # mkstemp's 0600 would shut out others who share the cache
        part.replace(target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _blocks(url: str, advance: Progress) -> Generator[bytes, None, None]:
    """The body of a response, piece by piece.

    Raises:
        MirrorError: no connection, an HTTP error, or an end before the announced length.
    """
    received = 0
    try:
        # The scheme is safe: every URL is a constant in `published`.
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310
            announced = response.headers.get("Content-Length", "")
            expected = int(announced) if announced.isdigit() else None
            while block := response.read(BLOCK):
                received += len(block)
                advance(received, expected)
                yield block
    except HTTPError as error:
        error.close()
        raise MirrorError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise MirrorError(str(getattr(error, "reason", "") or error)) from error
    if expected is not None and received < expected:
        raise MirrorError(f"ended after {received} of {expected} bytes")


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """A progress bar on standard error, where that is a terminal."""
    if not can_redraw(sys.stderr):
        yield lambda _received, _expected: None
        return
    from rich import progress  # noqa: PLC0415  only people need it

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Output(stderr=True)) as bars:
        task = bars.add_task(name, total=None)
        yield lambda received, expected: bars.update(task, completed=received, total=expected)


def digest_of(path: Path, kind: str = "sha256") -> str:
    """SHA-256, or another digest, of a file on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _kind(digest: str | None) -> str:
    """Which digest it is, by its length; the usual one where there is none."""
    return "md5" if digest is not None and len(digest) == MD5_LENGTH else "sha256"
