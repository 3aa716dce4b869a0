"""The user's own run-time folder, for the locks of studies that lie in no folder.

Others can neither read it nor put links or locks of their own into it. What a lock is for cannot be
told from its name: that is keyed, for the address of a database may hold a password.
"""

import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories.lock import hold_lock

FOLDER: Final = "cnn_sweeps"
KEY: Final = "key"
KEY_BYTES: Final = 32
PRIVATE: Final = 0o700
OF_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def lock_for(what: str) -> Path:
    """The lock of something, the same for every process of this user on this machine.

    Raises:
        StoreError: there is no folder for it that is the user's own.
    """
    folder = runtime_folder()
    file = folder / KEY
    with hold_lock(folder / f"{KEY}.lock"):
        try:
            if file.is_symlink() or not file.exists() or file.stat().st_size != KEY_BYTES:
                part = file.with_suffix(".part")  # a full disk leaves no half of a key
                part.unlink(missing_ok=True)
                part.write_bytes(secrets.token_bytes(KEY_BYTES))
                part.replace(file)
            key = file.read_bytes()
        except OSError as error:
            raise _refusal(f"{file} cannot be used: {error.strerror or error}") from error
    return folder / f"{hmac.new(key, what.encode(), 'sha256').hexdigest()[:KEY_BYTES]}.lock"


def runtime_folder() -> Path:
    """A folder of mode 0700 that is the user's own, made where it is not there.

    Raises:
        StoreError: none can be had.
    """
    places = list(_places())
    for folder in places:
        if _is_own(folder):
            return folder
    listed = ", ".join(map(str, places))
    raise _refusal(f"{listed} cannot be created, or others may write there")


def _refusal(said: str) -> StoreError:
    return StoreError(
        f"there is no folder for locks: {said}.\n"
        "  Type XDG_RUNTIME_DIR=FOLDER in front of the command, with a folder of your own."
    )


def _places() -> Iterator[Path]:
    """Where it may be, the best place first (XDG Base Directory Specification)."""
    user = os.getuid()
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), _user_folder(user)):
        # Kept from the environment of another user, by sudo for one, it is not ours.
        with suppress(OSError):  # nor is it to be looked into then
            if parent and Path(parent).is_dir() and Path(parent).stat().st_uid == user:
                yield Path(parent).absolute() / FOLDER
    home = os.path.expanduser("~")  # noqa: PTH111 -- Path's raises where there is none
    if os.path.isabs(home):  # noqa: PTH117 -- see above
        yield Path(home, ".cache", FOLDER)
    with suppress(OSError):  # all of them are full
        yield Path(tempfile.gettempdir()) / f"{FOLDER}-{user}"


def _user_folder(user: int) -> str:
    """Where systemd makes one at login."""
    return f"/run/user/{user}"


def _is_own(folder: Path) -> bool:
    """Whether it is a folder, no link, that nobody else can look into; made if it can be.

    One in which others could write may hold links and a key of theirs.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(PRIVATE, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if found.st_mode & OF_OTHERS:
            return False
        folder.chmod(PRIVATE)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
