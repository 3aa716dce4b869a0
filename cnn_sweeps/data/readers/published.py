"""Fashion-MNIST, MNIST and CIFAR-10: found on disk or downloaded, known by their content."""

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnn_sweeps.config.schema import ArchiveData, Data
from cnn_sweeps.data.arrays import Part
from cnn_sweeps.data.dataset import PARTS, Content, assemble
from cnn_sweeps.data.files import as_data_error, expand_user, kind, read_bytes
from cnn_sweeps.data.readers import cifar, idx, npz
from cnn_sweeps.data.readers.catalog import IDX_FILES, PUBLISHED, Published
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.errors import DataError

VARIABLE = "CNN_SWEEPS_DATA"
MOST = 1 << 26
"""More bytes than any published file has when it is unpacked."""
Files = dict[str, bytes]


def read(config: ArchiveData) -> Content:
    """Read a published data set from the first place that has it.

    `data.root`, then CNN_SWEEPS_DATA, then the Keras cache, then the network. What a user
    named must be right: anything broken there is told. What merely lies in a cache is passed
    over when it is broken, since a good copy can be had.

    Raises:
        DataError: it is nowhere and may not or cannot be downloaded, or a named folder does
            not exist, or holds it incomplete, damaged or under the wrong name.
    """
    published = PUBLISHED[config.name]
    bases = list(named_folders(config))
    for folder in (folder for base in bases for folder in folders(base, published)):
        if files := files_in(folder, published):
            return _content(files, folder, published)
    faults: list[str] = []
    for folder in folders(cache(), published):
        try:
            files = files_in(folder, published)
        except DataError as error:
            faults.append(f" Skipped: {error}")
            continue
        if files:
            return _content(files, folder, published)
    if not config.download:
        looked = ", ".join(str(base) for base in (*bases, cache()))
        raise DataError(
            f"{published.title} was not found and data.download=false; set data.root or {VARIABLE} "
            f"to its folder. Looked in {looked} and there in {', '.join(published.folders)}."
            + "".join(faults)
        )
    return _downloaded(published, cache() / "cnn_sweeps" / config.name)


def named_folders(config: ArchiveData) -> Iterator[Path]:
    """The folders of data sets that the user named, which must exist.

    Raises:
        DataError: one does not, or is a file.
    """
    for setting, path in (("data.root", config.root), (VARIABLE, os.environ.get(VARIABLE))):
        if not path:
            continue
        base = expand_user(Path(path))
        if (found := kind(base)) != "folder":
            fault = "is a file" if found == "file" else "does not exist"
            raise DataError(f"{setting}={path} {fault}; name the folder that holds the archives.")
        yield base


def search_settings(config: Data) -> ArchiveData:
    """Where published data sets are looked for, whatever data are configured."""
    return config if isinstance(config, ArchiveData) else ArchiveData()


def cache() -> Path:
    """The folder that Keras keeps data sets in, wherever KERAS_HOME puts it."""
    return expand_user(Path(os.environ.get("KERAS_HOME") or "~/.keras")) / "datasets"


def folders(base: Path, published: Published) -> list[Path]:
    """Where a data set may lie below a folder: first by its own name, last loose in it."""
    own = (*published.folders, f"cnn_sweeps/{published.folders[0]}")
    return [*(base / name for name in own), base]


def files_in(folder: Path, published: Published) -> Files | None:
    """The files of a data set in one folder, unzipped and verified; None when it has none.

    Raises:
        DataError: some are missing, or one is damaged or another data set's.
    """
    with as_data_error(folder):
        paths = {name: _loose(folder, name) for name in published.files}
        archives = [folder / name for name in published.archives if (folder / name).is_file()]
    present = {name: path for name, path in paths.items() if path is not None}
    if len(present) == len(published.files):
        files = {name: read_bytes(path, most=MOST) for name, path in present.items()}
        where = {name: str(path) for name, path in present.items()}
    elif archives:
        files = _unpacked(archives[0], published)
        where = {name: f"{name} in {archives[0]}" for name in files}
    elif present:
        absent = ", ".join(name for name, path in paths.items() if path is None)
        raise DataError(f"{folder} has part of {published.title}, but not {absent}; add it.")
    else:
        return None
    for name, data in files.items():
        _verify(name, data, where[name], published)
    return files


def _loose(folder: Path, name: str) -> Path | None:
    """One file under the names in use for it: zipped or not, with a dot for the dash."""
    names = (name, name.replace("-idx", ".idx"))
    candidates = [folder / (known + suffix) for known in names for suffix in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _unpacked(archive: Path, published: Published) -> Files:
    """The files inside an archive, by the names they have when they lie loose.

    Raises:
        DataError: it is damaged or lacks one of them.
    """
    if archive.suffix == ".npz":
        arrays = npz.read_parts(archive)
        return {
            name: idx.encode(arrays[part].array.astype(np.uint8, copy=False))
            for name, part in zip(IDX_FILES, PARTS, strict=True)
        }
    files: Files = {}
    try:
        with as_data_error(archive), tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                if name in published.files and member.isreg() and member.size <= MOST:
                    stream = tar.extractfile(member)
                    files[name] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{archive} is damaged ({error}); delete it or download it again."
        ) from error
    if absent := [name for name in published.files if name not in files]:
        raise DataError(f"{archive} has no {', '.join(absent)}; delete it or download it again.")
    return {name: files[name] for name in published.files}


def _verify(name: str, data: bytes, where: str, published: Published) -> None:
    """Refuse content that is not the published one; say whose it is, if it is known."""
    if _digest(data, published) == published.files[name]:
        return
    for other in PUBLISHED.values():
        if _digest(data, other) == other.files.get(name):
            raise DataError(
                f"{where} belongs to {other.title}, not to {published.title}; "
                "check data.root or data."
            )
    raise DataError(
        f"{where} is not {published.title}'s (its {published.algorithm.upper()} differs): damaged, "
        "truncated or changed; download it again, or read your own files with data=idx or data=npz."
    )


def _digest(data: bytes, published: Published) -> str:
    """The digest of a file's content, as the data set was published with."""
    return hashlib.new(published.algorithm, data, usedforsecurity=False).hexdigest()


def _content(files: Files, folder: Path, published: Published) -> Content:
    """Verified files as the four arrays."""
    if published.form == "cifar":
        arrays = cifar.arrays(files, str(folder))
    else:
        arrays = {
            part: Part(idx.parse(files[name], f"{name} in {folder}"), f"{name} in {folder}")
            for part, name in zip(PARTS, IDX_FILES, strict=True)
        }
    return assemble(
        arrays, name=published.title, source=str(folder), class_names=published.class_names
    )


def _downloaded(published: Published, folder: Path) -> Content:
    """Download what is not there yet, then read it like anything else.

    Raises:
        DataError: no mirror delivers, or the folder cannot be written to.
    """
    from cnn_sweeps.data import download  # noqa: PLC0415  few ever need it

    for name, sha256 in published.downloads.items():
        urls = [mirror + name for mirror in published.mirrors]
        download.fetch(urls, folder / name, digest=sha256)
    files = files_in(folder, published)
    if files is None:  # another process or a person removed them meanwhile
        raise DataError(f"{folder} lost what was just downloaded to it; run the command again.")
    return _content(files, folder, published)


READER: Reader[ArchiveData] = Reader(
    read=read,
    shape=lambda config: PUBLISHED[config.name].shape,
    num_classes=lambda config: len(PUBLISHED[config.name].class_names),
)
