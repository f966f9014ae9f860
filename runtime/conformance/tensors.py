"""Arrays, or dictionaries of arrays, by name in one `.npz`: `kind/size` is the member `size` of the entry `kind`."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tensors", "by_name", "read_tensors", "unnamed", "write_tensors"]

Tensors = NDArray[Any] | Mapping[str, NDArray[Any]]
"""What goes into a model or comes out of it, as in `Model.run`: an array, or a dictionary by name of several."""


def by_name(tensors: Tensors) -> Mapping[str, NDArray[Any]]:
    """As a dictionary; one array stands under the empty name."""
    return {"": tensors} if isinstance(tensors, np.ndarray) else tensors


def unnamed(tensors: Mapping[str, NDArray[Any]]) -> Tensors:
    """The inverse of `by_name`."""
    return tensors[""] if set(tensors) == {""} else tensors


def write_tensors(path: str | os.PathLike[str], entries: Mapping[str, Tensors], *, compress: bool = True) -> None:
    """Write `.npz`; equal entries are equal files.

    Args:
        path: The file.
        entries: By names without a slash.
        compress: False where time counts more than bytes.
    """
    members = {
        f"{entry}/{name}" if name else entry: array
        for entry, tensors in entries.items()
        for name, array in by_name(tensors).items()
    }
    save = np.savez_compressed if compress else np.savez
    save(path, **{name: members[name] for name in sorted(members)})  # type: ignore[arg-type]


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensors]:
    """The inverse of `write_tensors`.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: Not such a file.
    """
    found: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as archive:
        for member in archive.files:
            entry, slash, name = member.partition("/")
            if slash:
                found.setdefault(entry, {})[name] = archive[member]
            else:
                found[entry] = archive[member]
    return found
