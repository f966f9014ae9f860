"""Arrays out of an HDF5 file that somebody else wrote.

HDF5 can point into other files (external links, external storage, virtual data sets) and declare arrays far larger than
itself: none of that is followed. What is read are plain, hard-linked arrays whose bytes lie in the file.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["Hdf5File"]

_MOST_OBJECTS = 200_000


class Hdf5File:
    """Read access by path. A context manager."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open the file's bytes; `name` is what errors call it."""
        self._h5py = require("h5py", extra="toolkit")
        self._name = name
        self._left = len(data)
        self._objects = _MOST_OBJECTS
        try:
            self._file = self._h5py.File(io.BytesIO(data), "r")
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{name} is a damaged HDF5 file ({error}): save the model again") from None

    def __enter__(self) -> "Hdf5File":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def attributes(self, path: str = "/") -> dict[str, Any]:
        """Attributes of a group."""
        with self._refusing_damage():
            found = self._find(path)
            if found is None:
                raise InputError(f"{self._name} holds no {path!r}: save the model again")
            return dict(found.attrs)

    def children(self, path: str) -> list[str]:
        """Names in a group; none where there is no such group."""
        with self._refusing_damage():
            group = self._find(path)
            return list(group) if isinstance(group, self._h5py.Group) else []

    def array(self, path: str) -> NDArray[Any]:
        """One array, read whole."""
        with self._refusing_damage():
            dataset = self._find(path)
            self._checked(dataset, path)
            return np.asarray(dataset[()])

    def _checked(self, dataset: Any, path: str) -> None:
        with self._refusing_damage():
            if not isinstance(dataset, self._h5py.Dataset):
                raise InputError(f"{self._name} holds no array {path!r}: save the model again")
            if dataset.external or dataset.is_virtual:
                raise InputError(f"{self._name}: array {path!r} lies in another file: store it in the file itself")
            if dataset.dtype.kind not in "fiu":
                raise InputError(f"{self._name}: array {path!r} is {dataset.dtype}: numbers are allowed")
            # Each array has to bring its bytes; together they cannot be more than the file.
            self._left -= dataset.nbytes
            if dataset.id.get_storage_size() < dataset.nbytes or self._left < 0:
                raise InputError(
                    f"{self._name}: array {path!r} declares {dataset.nbytes} bytes that the file does not hold"
                )

    def check(self) -> None:
        """Walk through the whole file as for reading: every link, and what every array declares.

        Raises:
            InputError: Something points elsewhere, or declares more than the file holds.
        """
        waiting = [""]
        while waiting:
            path = waiting.pop()
            for child in self.children(path):
                with self._refusing_damage():
                    found = self._find(f"{path}/{child}")
                if isinstance(found, self._h5py.Group):
                    waiting.append(f"{path}/{child}")
                else:
                    self._checked(found, f"{path}/{child}")

    def total_weights(self) -> int:
        """How many numbers the file can hold at most, going by its size."""
        return self._left // 2

    @contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        """What h5py raises on damaged structures, as one error that says so."""
        try:
            yield
        except InputError:
            raise
        except (KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip("'\"")[:150]
            raise InputError(f"{self._name} is a damaged HDF5 file ({reason}): save the model again") from None

    def _find(self, path: str) -> Any:
        """Walk to an object along hard links only."""
        found: Any = self._file["/"]
        for part in filter(None, path.split("/")):
            self._objects -= 1
            if self._objects < 0:
                raise InputError(f"{self._name} has more than {_MOST_OBJECTS} objects")
            if not isinstance(found, self._h5py.Group):
                return None
            link = found.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, self._h5py.HardLink):
                raise InputError(f"{self._name}: {path!r} is a link to elsewhere: store it in the file itself")
            found = found[part]
        return found
