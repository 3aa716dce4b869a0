"""The published data sets: where they lie, and whether they are whole."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cnn_sweeps.config.schema import ArchiveData
from cnn_sweeps.data.files import expand_user, kind
from cnn_sweeps.data.readers import published as archives
from cnn_sweeps.data.readers.catalog import PUBLISHED, Published
from cnn_sweeps.doctor.finding import Finding, Machine, fail, ok, warn
from cnn_sweeps.errors import DataError


def images(machine: Machine) -> Iterator[Finding]:
    """Look for each data set where a run would, and check every file that is found."""
    named = archives.search_settings(machine.config.data)
    try:
        bases = list(archives.named_folders(named))
    except DataError as error:
        yield fail(str(error), f"Set data.root or {archives.VARIABLE} to a folder that exists.")
        bases = []
    with ThreadPoolExecutor() as threads:  # zlib and hashlib let each other work
        yield from threads.map(
            lambda name: _one(replace(named, name=name), PUBLISHED[name], bases), PUBLISHED
        )
    if (variable := os.environ.get(archives.VARIABLE)) and kind(
        expand_user(Path(variable))
    ) == "folder":
        base = expand_user(Path(variable))
        if not any(_there(base, published) for published in PUBLISHED.values()):
            yield fail(
                f"{archives.VARIABLE}={variable} holds none of the data sets",
                "Set it to their parent folder, or unset it.",
            )


def _one(config: ArchiveData, published: Published, bases: list[Path]) -> Finding:
    """What is known of one data set."""
    spare = archives.cache()
    for base in (*bases, spare):
        for folder in archives.folders(base, published):
            try:
                found = archives.files_in(folder, published)
            except DataError as error:
                remedy = "Delete it: the next run downloads a good copy."
                if base == spare:
                    return warn(f"{published.title}: {error}", remedy)
                return fail(f"{published.title}: {error}", "Copy or download it again.")
            if found:
                return ok(f"{published.title} in {folder}: {len(found)} files as published")
    loaded = (
        "the first run that needs it downloads it" if config.download else "data.download=false"
    )
    return warn(
        f"{published.title} is not on this machine; {loaded}",
        f"Without a network: copy it, and set data.root or {archives.VARIABLE} to its folder.",
    )


def _there(base: Path, published: Published) -> bool:
    """Whether any file of a data set lies in or below a folder."""
    names = {*published.files, *published.archives}
    names |= {f"{name}.gz" for name in published.files}
    return any(
        (folder / name).exists() for folder in archives.folders(base, published) for name in names
    )
