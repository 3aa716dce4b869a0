"""Small files in the cache folder: what takes long to make and is the same on every start."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cnn_sweeps.data.files import written_whole
from cnn_sweeps.data.folder_cache import cache_folder
from cnn_sweeps.text.json import dump_json, read_mapping


def kept_file(name: str) -> Path | None:
    """Where a file is kept; None where there is no folder for it."""
    folder = cache_folder(None)
    homeless = folder.parts[:1] == ("~",)
    return None if homeless else folder / name


def keep(file: Path, write: Callable[[Path], object]) -> None:
    """Let a file be written that appears whole; where it cannot be, it is made again next time."""
    with suppress(OSError), written_whole(file) as part:
        write(part)


def kept_text(name: str, state: str, make: Callable[[], str]) -> str:
    """A text that was made of a state, or is made now; that of the last state is kept.

    Args:
        name: of the file.
        state: a digest of all that the text depends on.
        make: makes it.
    """
    file = kept_file(name)
    known = read_mapping(file).get(state) if file else None
    if isinstance(known, str):
        return known
    made = make()
    if file is not None:
        keep(file, lambda part: part.write_text(dump_json({state: made}), encoding="utf-8"))
    return made
