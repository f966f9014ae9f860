"""Examples that stay where they are, in a file, until some of them are asked for."""

import os
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import reduction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

__all__ = [
    "MANY_BYTES",
    "PIECE_BYTES",
    "Mapped",
    "Rows",
    "StoredRows",
    "batch_of",
    "bounds",
    "in_pieces",
    "joined",
    "mapped",
    "open_npy",
    "save_npy",
    "save_npz",
    "save_pieces",
    "select",
]

MANY_BYTES = 64_000_000
"""More than so much stays in a file where `Options.in_pieces` allows it."""
PIECE_BYTES = 16_000_000
"""About so much is read at a time where all examples are gone through."""


class Rows:
    """An array (n, ...) of which `rows[i]`, `rows[a:b]`, `rows[indices]` and `rows[a:b, ...]` are read when asked for.

    Wherever an array of examples is indexed by example, this does the same; `numpy.asarray` reads all of it.
    """

    anywhere = False
    """Whether another machine can read them, which has the same files at the same paths."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """These examples, (len(places), ...); places count from 0."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """As of an array."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """As of an array."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """What all of it would take in memory."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return self[index[0]][(slice(None), *index[1:])]
        places = np.arange(len(self))[index]
        return self.read(np.atleast_1d(places))[0] if np.ndim(places) == 0 else self.read(places)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for piece in in_pieces(self):
            yield from piece

    def reshape(self, *shape: Any) -> NDArray[Any]:
        """As of an array; all is read."""
        return np.asarray(self).reshape(*shape)

    def astype(self, dtype: Any, copy: bool = True) -> "Rows":
        """As of an array; what is read is changed then."""
        return self if self.dtype == dtype else mapped(self, partial(_cast, dtype=dtype), dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values = self.read(np.arange(len(self)))
        return values if dtype is None else values.astype(dtype, copy=False)


class _Handle:
    """An open file of our own, closed when nothing holds it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def read_at(self, view: memoryview, position: int) -> int:
        """Fill `view` as far as one call does; how many bytes that are."""
        if hasattr(os, "preadv"):
            return os.preadv(self.descriptor, [view], position)
        # Windows has one place in a file for all threads, who take turns.
        with _TURN:
            os.lseek(self.descriptor, position, os.SEEK_SET)
            data = os.read(self.descriptor, len(view))
        view[: len(data)] = data
        return len(data)


_TURN = threading.Lock()


class StoredRows(Rows):
    """Rows that lie one after another in a file, as `numpy.save` writes them in C order."""

    def __init__(self, file: IO[bytes] | _Handle, shape: tuple[int, ...], dtype: Any, offset: int = 0) -> None:
        super().__init__(shape, dtype)
        # The caller's file is the caller's to close.
        self._handle = file if isinstance(file, _Handle) else _Handle(os.dup(file.fileno()))
        self._offset = offset
        self._row = int(np.prod(shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """See `Rows`; neighbours are read at once.

        Raises:
            InputError: The file was cut off meanwhile.
        """
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        view = out.reshape(-1).view(np.uint8).data
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        for start, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(places)], strict=True):
            if start < stop:
                self._fill(view[start * self._row : stop * self._row], self._offset + int(places[start]) * self._row)
        return out

    def _fill(self, view: memoryview, position: int) -> None:
        while len(view):
            count = self._handle.read_at(view, position)
            if count <= 0:
                raise InputError("a file of examples has become shorter while it was read: copy it again")
            view, position = view[count:], position + count

    def reshaped(self, shape: tuple[int, ...]) -> "StoredRows":
        """The same bytes as rows of another shape."""
        return StoredRows(self._handle, shape, self.dtype, self._offset)

    def __reduce__(self) -> tuple[Any, ...]:
        # A child of `multiprocessing` gets the open file: it may have no name any more.
        return _reopened, (reduction.DupFd(self._handle.descriptor), self.shape, self.dtype, self._offset)


def _reopened(handle: Any, shape: tuple[int, ...], dtype: Any, offset: int) -> StoredRows:
    return StoredRows(_Handle(handle.detach()), shape, dtype, offset)


class _Selected(Rows):
    """Some rows of others."""

    def __init__(self, rows: Rows, places: NDArray[np.int64]) -> None:
        super().__init__((len(places), *rows.shape[1:]), rows.dtype)
        self._rows, self._places = rows, places
        self.anywhere = rows.anywhere

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        return self._rows.read(self._places[places])


def select(values: Any, index: Any) -> Any:
    """`values[index]` without reading any: of an array an array, of `Rows` rows again."""
    if not isinstance(values, Rows):
        return values[index]
    places = np.arange(len(values))[index]
    return values[index] if np.ndim(places) == 0 else _Selected(values, places)


class Mapped(Rows):
    """Rows made from others when they are asked for: normalized, for instance."""

    def __init__(
        self, rows: Any, made: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...], dtype: Any
    ) -> None:
        """Keep the rule.

        Args:
            rows: Arrays or `Rows`, (n, ...).
            made: From (k, ...) of them to (k, *shape).
            shape: Of one example.
            dtype: Of what is made.
        """
        super().__init__((len(rows), *shape), dtype)
        self._rows, self._made = rows, made

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """See `Rows`."""
        given = self._made(np.asarray(self._rows[places]))
        return given.reshape(len(places), *self.shape[1:]).astype(self.dtype, copy=False)


def _cast(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    return values.astype(dtype)


def mapped(
    values: Any, made: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any, shape: tuple[int, ...] | None = None
) -> Any:
    """What is made of an array, or of `Rows` when they are read.

    Args:
        values: (n, ...).
        made: From (k, ...) of them to (k, *shape); a function of a module, which another process can be given.
        dtype: Of what is made.
        shape: Of one example; that of `values` where None.
    """
    return Mapped(values, made, shape or values.shape[1:], dtype) if isinstance(values, Rows) else made(values)


class _Joined(Rows):
    """Rows of several, one after another."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        super().__init__((int(self._ends[-1]), *parts[0].shape[1:]), parts[0].dtype)

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        owners = np.searchsorted(self._ends, places, side="right")
        for owner in np.unique(owners):
            own = owners == owner
            part = self._parts[owner]
            out[own] = part[places[own] - (self._ends[owner] - len(part))]
        return out


def joined(parts: Sequence[Any], places: Sequence[NDArray[np.int64]] | None = None) -> Any:
    """Parts one after another; where they were drawn, in the order before that.

    Args:
        parts: Arrays or `Rows`.
        places: Where each part's examples stood, if they were drawn: all there are, each once.
    """
    if places is not None:
        first = parts[0]
        if isinstance(first, _Selected) and all(isinstance(p, _Selected) and p._rows is first._rows for p in parts):
            return first._rows
        return select(joined(parts), np.argsort(np.concatenate(places)))
    if len(parts) == 1:
        return parts[0]
    return _Joined(parts) if any(isinstance(part, Rows) for part in parts) else np.concatenate(parts)


def in_pieces(values: Any, count: int | None = None) -> Iterator[NDArray[Any]]:
    """All examples in their order, `count` at a time (about `PIECE_BYTES` of them when None)."""
    step = count or max(1, PIECE_BYTES * len(values) // max(1, values.nbytes))
    for start in range(0, len(values), step):
        yield values[start : start + step]


def bounds(values: Any) -> tuple[float, float]:
    """The lowest and the highest number of an array or of `Rows` (n, ...), n above 0."""
    found = [(float(piece.min()), float(piece.max())) for piece in in_pieces(values)]
    return min(low for low, _ in found), max(high for _, high in found)


def batch_of(numbers: int, most: int, limit: int = 8_000_000) -> int:
    """How many examples of so many numbers go into a model at a time: `most`, fewer where these are beyond `limit`."""
    return max(1, min(most, limit // max(1, numbers)))


def save_npy(path: Path, values: Any) -> None:
    """`numpy.save` that reads `Rows` in pieces."""
    with open(path, "wb") as file:
        _write_npy(file, values)


def save_pieces(path: Path, pieces: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: Any) -> None:
    """`numpy.save` of an array that comes in pieces; shape and type are those of the whole."""
    with open(path, "wb") as file:
        _write_pieces(file, pieces, shape, np.dtype(dtype))


def save_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """`numpy.savez` that reads `Rows` in pieces."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                _write_npy(file, values)


def open_npy(path: Path) -> StoredRows:
    """What `save_npy` wrote, as rows that stay there."""
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return StoredRows(file, shape, dtype, file.tell())


def _write_npy(file: IO[bytes], values: Any) -> None:
    # A quarter at a time: what is made when it is asked for, real numbers of pixels, takes several times as much.
    count = max(1, PIECE_BYTES // 4 * len(values) // max(1, values.nbytes))
    _write_pieces(file, in_pieces(values, count), values.shape, values.dtype)


def _write_pieces(
    file: IO[bytes], pieces: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    for piece in pieces:
        file.write(np.ascontiguousarray(piece).data)
