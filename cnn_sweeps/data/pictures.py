"""Picture files that a user names, by themselves or in folders.

What cannot be read, a folder as well, is among them as it is: whoever reads it says why.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnn_sweeps.data.files import expand_user, visible_entries
from cnn_sweeps.data.readers.listed import SUFFIXES, is_image
from cnn_sweeps.errors import DataError


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, or by a pattern; of a folder all pictures, at any depth.

    Those in a folder are known by their endings, and those of a pattern as far as it has any.

    Raises:
        DataError: there is nothing under a path, or no picture in a folder.
    """
    return [file for path in paths for file in _files(expand_user(path))]


def _files(path: Path) -> list[Path]:
    named = [path] if _is_there(path) else _matching(path)
    if not named:
        raise DataError(f"{path} does not exist; check the path ({path.absolute()}).")
    files = [file for each in named for file in (_below(each) if _is_folder(each) else [each])]
    if not files:
        endings = " ".join(suffix[1:] for suffix in SUFFIXES)
        raise DataError(f"{path} contains no pictures ({endings}).")
    return list(dict.fromkeys(files))


def _is_there(path: Path) -> bool:
    """Whether there is something, be it a link to nothing, or behind a door that is closed."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _matching(pattern: Path) -> list[Path]:
    """What a pattern such as `photos/*.jpg` stands for, where the shell did not say.

    Hidden files only where it names them, as in a shell.
    """
    root, found = Path(pattern.anchor), list[Path]()
    with suppress(ValueError):  # an invalid one
        found = sorted(root.glob(str(pattern.relative_to(root))))
    hidden = [{part for part in each.parts if part.startswith(".")} for each in found]
    shown = [each for each, parts in zip(found, hidden, strict=True) if parts <= {*pattern.parts}]
    return [each for each in shown if is_image(each.name) or _is_folder(each)] or shown


def _below(folder: Path) -> list[Path]:
    files: list[Path] = []
    try:
        entries = visible_entries(folder)
    except DataError:
        return [folder]
    for path in entries:
        if _is_folder(path):
            # A link may lead back to where it stands.
            files += [] if path.is_symlink() else _below(path)
        elif is_image(path.name):
            files.append(path)
    return files
