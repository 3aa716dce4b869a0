"""An array in an NPY file of which rows are read where they are wanted, and none is kept.

A file that is mapped into memory counts as memory of every process that has it, and ends the
process where the file is truncated meanwhile. What is read counts as that of nobody, is as quick
while the system has the file in its cache, and an error that can be told.
"""

import os
import weakref
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnn_sweeps.errors import DataError


class RowFile:
    """An array in an NPY file: an index of rows gives an array in memory.

    The file stays open, so that it can be read after it was deleted. Many threads may read it, and
    so may processes that were forked meanwhile.

    Attributes:
        path: of the file.
        shape: (n, ...).
        dtype: of one value.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is no NPY file, is of another kind, or is truncated.
        """
        self.path = path
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read_head = (
                npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            )
            self.shape, columns_first, self.dtype = read_head(file)
            self._start = file.tell()
            if columns_first or self.dtype.hasobject or not self.shape:
                raise ValueError(f"{path} has no rows that can be read one by one")
            if os.fstat(file.fileno()).st_size < self._start + len(self) * self._row:
                raise ValueError(f"{path} is truncated")
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, also in another process, opens the file itself."""
        return type(self), (self.path,)

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self.shape[0])

    def __getitem__(self, which: Any) -> NDArray[Any]:
        """One row, or those of a slice, an array of indices or a mask, as an array of its own.

        Raises:
            IndexError: there is no such row, or more than rows are chosen.
            DataError: the file cannot be read any more.
        """
        if isinstance(which, tuple) or which is Ellipsis:
            raise IndexError(f"{self.path.name} is read by rows, not by {which!r}")
        places = np.arange(len(self))[which]
        found = np.empty((places.size, *self.shape[1:]), self.dtype)
        self._read(np.atleast_1d(places), found.reshape(-1).view(np.uint8).data)
        return found.reshape((*np.shape(places), *self.shape[1:]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows, in memory."""
        if copy is False:
            raise ValueError("a file of rows cannot become one array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    @property
    def _row(self) -> int:
        """Bytes of a row."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def _read(self, places: NDArray[np.int64], into: memoryview) -> None:
        """Read rows, those that follow one another in the file at once."""
        cuts = np.flatnonzero(np.diff(places) != 1) + 1
        firsts = places[[0, *cuts]].tolist() if len(places) else []
        bounds = [0, *(cuts * self._row).tolist(), len(into)]
        for first, (begin, end) in zip(firsts, pairwise(bounds), strict=False):
            self._fill(into[begin:end], self._start + first * self._row)

    def _fill(self, into: memoryview, at: int) -> None:
        """Read so many bytes; the system may give them piece by piece."""
        done = 0
        while done < len(into):
            try:
                count = os.preadv(self._file, [into[done:]], at + done)
            except OSError as error:
                raise DataError(
                    f"{self.path} cannot be read ({error.strerror}); check the disk."
                ) from error
            if not count:
                raise DataError(f"{self.path} was truncated while it was read; start again.")
            done += count
