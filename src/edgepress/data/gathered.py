"""Examples that come a few at a time, kept in a file where they are many."""

import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import MANY_BYTES, StoredRows

__all__ = ["Gathered", "store_rows"]


def store_rows(pieces: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: Any) -> StoredRows:
    """Write examples, piece by piece, to a file that vanishes with this process; it lies in `$TMPDIR`.

    Args:
        pieces: (k, *shape) each, any number of them.
        shape: Of one example.
        dtype: Of all.

    Raises:
        OSError: No space there.
    """
    with _NamelessFile(shape, dtype) as file:
        for piece in pieces:
            file.add(piece)
        return file.rows()


class _NamelessFile:
    """A file of examples that grows, and has no name from the start: a process that is killed leaves nothing behind."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._shape, self._dtype, self._count = shape, np.dtype(dtype), 0
        self._file = tempfile.TemporaryFile(prefix="edgepress-", buffering=0)  # noqa: SIM115

    def __enter__(self) -> "_NamelessFile":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def __del__(self) -> None:
        self._file.close()

    def add(self, piece: NDArray[Any]) -> None:
        data = np.ascontiguousarray(piece, self._dtype).reshape(-1).view(np.uint8).data
        while len(data):
            data = data[self._file.write(data) or 0 :]
        self._count += len(piece)

    def rows(self) -> StoredRows:
        return StoredRows(self._file, (self._count, *self._shape), self._dtype)


class Gathered:
    """Examples that come in pieces and are wanted as one array; beyond `MANY_BYTES` they may lie in a file."""

    def __init__(self, *, in_pieces: bool) -> None:
        """`in_pieces`: whether they may."""
        self._stays = in_pieces
        self._pieces: list[NDArray[Any]] = []
        self._bytes = 0
        self._file: _NamelessFile | None = None

    def add(self, piece: NDArray[Any]) -> None:
        """The next, (k, ...).

        Raises:
            ValueError: Of another shape, or of a type that the first ones' does not hold, where they are in a file.
            OSError: No space in `$TMPDIR`.
        """
        first = self._pieces[0] if self._pieces else piece
        if self._file is not None:
            if piece.shape[1:] != first.shape[1:] or not np.can_cast(piece.dtype, first.dtype):
                raise ValueError(f"{piece.dtype} {piece.shape[1:]} after {first.dtype} {first.shape[1:]}")
            self._file.add(piece)
            return
        self._pieces.append(piece)
        self._bytes += piece.nbytes
        if self._stays and self._bytes > MANY_BYTES and piece.dtype.kind in "fiub":
            whole = np.concatenate(self._pieces)
            self._pieces = [whole[:1].copy()]
            self._file = _NamelessFile(whole.shape[1:], whole.dtype)
            self._file.add(whole)

    def whole(self) -> NDArray[Any] | StoredRows:
        """All of them, (n, ...).

        Raises:
            ValueError: Their shapes do not agree.
        """
        if self._file is None:
            return np.concatenate(self._pieces)
        with self._file as file:
            return file.rows()
