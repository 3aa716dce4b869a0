"""Picture files that a user names, by themselves or in folders."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnn_sweeps.data.files import expand_user, kind, visible_entries
from cnn_sweeps.data.readers.listed import SUFFIXES
from cnn_sweeps.errors import DataError


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, or by a pattern; of a folder all pictures, at any depth.

    Those in a folder are known by their endings.

    Raises:
        DataError: there is nothing under a path, or no picture in a folder.
    """
    return [file for path in paths for file in _files(expand_user(path))]


def _files(path: Path) -> list[Path]:
    found = kind(path)
    if found == "nothing" and (matching := _matching(path)):
        return matching
    if found == "nothing":
        raise DataError(f"{path} does not exist; check the path ({path.absolute()}).")
    if found == "file":
        return [path]
    files = _below(path)
    if not files:
        endings = " ".join(suffix[1:] for suffix in SUFFIXES)
        raise DataError(f"{path} contains no pictures ({endings}).")
    return files


def _matching(pattern: Path) -> list[Path]:
    """What a pattern such as `photos/*.jpg` stands for, where the shell did not say."""
    root = Path(pattern.anchor)
    with suppress(ValueError):  # an invalid one
        return sorted(root.glob(str(pattern.relative_to(root))))
    return []


def _below(folder: Path) -> list[Path]:
    files: list[Path] = []
    for path in visible_entries(folder):
        if path.is_dir():
            # A link may lead back to where it stands.
            files += [] if path.is_symlink() else _below(path)
        elif path.suffix.lower() in SUFFIXES:
            files.append(path)
    return files
