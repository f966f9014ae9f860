"""Folders of IDX files, the format of the original MNIST distribution (LeCun, Cortes, Burges).

Big-endian: two zero bytes, a type code (8: unsigned byte), the number of dimensions, each as uint32, the data.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from ..arrays import dataset_of_arrays
from ..dataset import Dataset
from ..gathered import store_rows
from ..options import Options
from ..rows import MANY_BYTES, PIECE_BYTES, StoredRows

__all__ = ["is_idx_folder", "read_idx_folder"]

_UNSIGNED_BYTE = 8
_AGAIN = "download it again"
_PARTS = {
    "x_train": ("train-images", 3),
    "y_train": ("train-labels", 1),
    "x_test": ("t10k-images", 3),
    "y_test": ("t10k-labels", 1),
}


def is_idx_folder(folder: Path) -> bool:
    """Whether any of the four IDX files is there."""
    return folder.is_dir() and any(_find(folder, stem, rank) is not None for stem, rank in _PARTS.values())


def read_idx_folder(folder: Path, options: Options) -> Dataset:
    """Read `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the two `t10k` files, gzipped or not.

    Raises:
        InputError: A file is missing, cut off, or no IDX file of unsigned bytes.
    """
    arrays: dict[str, Any] = {}
    for key, (stem, rank) in _PARTS.items():
        file = _find(folder, stem, rank)
        if file is None:
            raise InputError(f"{folder} lacks {stem}-idx{rank}-ubyte (.gz): put all four IDX files there")
        arrays[key] = _read(file, rank, in_pieces=options.in_pieces)
    return dataset_of_arrays(
        folder.resolve().name,
        (arrays["x_train"], arrays["y_train"]),
        (arrays["x_test"], arrays["y_test"]),
        numbers=options.numbers,
        anomalies=options.anomalies,
    )


def _find(folder: Path, stem: str, rank: int) -> Path | None:
    # Both spellings circulate: train-images-idx3-ubyte and train-images.idx3-ubyte.
    names = [f"{stem}{mark}idx{rank}-ubyte{suffix}" for mark in "-." for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(file: Path, rank: int, *, in_pieces: bool) -> Any:
    with open(file, "rb") as plain:
        stream = gzip.GzipFile(fileobj=plain) if file.suffix == ".gz" else plain
        try:
            header = stream.read(4 + 4 * rank)
            if len(header) < 4 + 4 * rank or header[:4] != bytes((0, 0, _UNSIGNED_BYTE, rank)):
                raise InputError(f"{file} starts with {header[:4].hex()}: an IDX file of unsigned bytes, rank {rank}")
            shape = struct.unpack(f">{rank}I", header[4:])
            if rank > 1 and in_pieces and math.prod(shape) > MANY_BYTES:
                return _rows(stream, file, shape)
            # One byte more than promised tells a file that is too long, without unpacking a bomb.
            data = stream.read(math.prod(shape) + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{file} cannot be unpacked ({error}): {_AGAIN}") from None
    if len(data) != math.prod(shape):
        raise InputError(f"{file} promises {shape} but holds {len(data):,} bytes or more: {_AGAIN}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _rows(stream: IO[bytes] | gzip.GzipFile, file: Path, shape: tuple[int, ...]) -> StoredRows:
    """The examples behind a header, unpacked to a file of their own, a piece at a time."""
    size = math.prod(shape[1:])
    step = max(1, PIECE_BYTES // size)

    def pieces() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            data = stream.read(count * size)
            if len(data) != count * size:
                raise InputError(f"{file} promises {shape} but ends in example {start + len(data) // size}: {_AGAIN}")
            yield np.frombuffer(data, np.uint8).reshape(count, *shape[1:])

    rows = store_rows(pieces(), shape[1:], np.uint8)
    if stream.read(1):
        raise InputError(f"{file} promises {shape} but holds more: {_AGAIN}")
    return rows
