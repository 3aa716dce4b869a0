"""Where a study is stored; all that a worker must be told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from cnn_sweeps.errors import CnnSweepsError, StoreError
from cnn_sweeps.search.journal import journal

SUFFIX = ".journal"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a study is.

    Attributes:
        storage: path of a journal file, or the URL of a database.
        name: the study's name.
    """

    storage: str
    name: str

    @property
    def shared(self) -> bool:
        """Whether workers on other hosts may use it: a database, not a file."""
        return "://" in self.storage

    def open(self) -> BaseStorage:
        """The storage, ready to use.

        Raises:
            StoreError: it cannot be read or written, or is no journal.
        """
        with self.refusing():
            if self.shared:
                return RDBStorage(self.storage)
            Path(self.storage).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(journal(self.storage))

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turn what a storage raises when it cannot be used into one clear refusal."""
        try:
            yield
        except CnnSweepsError:
            raise
        except OSError as error:
            raise StoreError(
                f"the study's storage {self.storage} cannot be used: {error.strerror or error}.\n"
                f"  Type hydra.sweeper.storage=PATH{SUFFIX} for another place."
            ) from error
        except Exception as error:
            raise StoreError(
                f"the study's storage {self.storage} cannot be read: "
                f"{(str(error).splitlines() or [type(error).__name__])[0]}\n"
                f"  Move it away, or type hydra.sweeper.storage=PATH{SUFFIX} for another place."
            ) from error
