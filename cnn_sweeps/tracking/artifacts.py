"""A run by its id, and its files, byte for byte."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.local_runs import find_run
from cnn_sweeps.tracking.records import RunRecord

if TYPE_CHECKING:
    from cnn_sweeps.tracking.store import Store


def run_by_id(store: "Store", run_id: str) -> RunRecord | None:
    """What the store knows of one run; None where it has none of that id.

    Raises:
        StoreError: the store refuses.
    """
    with as_store_error(store.address):
        return find_run(store.client, store.local, run_id)


def copy_folder(store: "Store", from_id: str, to_id: str, folder: str) -> None:
    """Give a run a folder of another one's artifacts; nothing where that has none.

    Raises:
        StoreError: the store refuses.
    """
    with TemporaryDirectory() as scratch, as_store_error(store.address):
        if store.client.list_artifacts(from_id, folder):
            files = store.client.download_artifacts(from_id, folder, scratch)
            store.client.log_artifacts(to_id, files, folder)


def read_file(store: "Store", run: RunRecord, path: str) -> bytes | None:
    """The content of a file of the run; None where it has none of that path.

    What lies on this machine is read where it is.

    Raises:
        StoreError: the store refuses.
    """
    here, folder = local_folder(run.artifact_uri), path.rpartition("/")[0]
    with TemporaryDirectory() as scratch, as_store_error(store.address):
        if here is not None:
            try:
                return (here / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        # Asked first, since some servers are asked again for minutes for what is not there.
        listed = store.client.list_artifacts(run.run_id, folder or None)
        if path not in [file.path for file in listed]:
            return None
        return Path(store.client.download_artifacts(run.run_id, path, scratch)).read_bytes()


def read_json(store: "Store", run: RunRecord, path: str) -> Any:
    """The values in a JSON file of the run; None where it has none of that path.

    Raises:
        StoreError: the store refuses.
        ValueError: the file was changed or damaged.
    """
    content = read_file(store, run, path)
    return None if content is None else json_of(content)


def read_folder(store: "Store", run_id: str, folder: str) -> dict[str, bytes]:
    """The content of all files under a folder of the run, by their paths in it.

    Raises:
        StoreError: the store refuses.
    """
    with TemporaryDirectory() as scratch, as_store_error(store.address):
        if not store.client.list_artifacts(run_id, folder):
            return {}
        root = Path(store.client.download_artifacts(run_id, folder, scratch))
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def are_there(store: "Store", run: RunRecord, names: Collection[str]) -> bool:
    """Whether files of these names are among the artifacts of the run.

    Raises:
        StoreError: the store refuses.
    """
    here = local_folder(run.artifact_uri)
    if here is not None:
        return all((here / name).is_file() for name in names)
    with as_store_error(store.address):
        return {file.path for file in store.client.list_artifacts(run.run_id)} >= {*names}


def where_is(store: "Store", run_id: str, path: str) -> str:
    """Where a person finds a file of the run: a path on this machine, or MLflow's address of it.

    Raises:
        StoreError: the store refuses.
    """
    folder = local_folder(store.get(run_id).artifact_uri)
    return f"runs:/{run_id}/{path}" if folder is None else str(folder / path)
