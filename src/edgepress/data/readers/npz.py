"""`.npz` archives with the member names that Keras uses."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from ..dataset import Dataset

__all__ = ["read_npz"]

_MEMBERS = ("x_train", "y_train", "x_test", "y_test")
# A 2 MB archive can unpack to gigabytes; full ImageNet-sized sets do not belong in one .npz.
_MAX_BYTES = 4_000_000_000


def read_npz(path: Path, *, name: str | None = None, labels: tuple[str, ...] | None = None) -> Dataset:
    """Read a data set; nothing in the file is executed.

    Args:
        path: The archive.
        name: The data set's name; the file's stem when None.
        labels: Class names; "0", "1", ... up to the largest label when None.

    Raises:
        InputError: Not an archive, members missing, pickled, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {member: _read_member(archive, member, path) for member in _MEMBERS}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise InputError(f"{path} is not a whole .npz archive ({error}): copy or download it again") from None
    y_train, y_test = (_as_indices(arrays[key], f"{path}: {key}") for key in ("y_train", "y_test"))
    count = int(max(y_train.max(initial=0), y_test.max(initial=0))) + 1
    return Dataset(
        name=name or path.stem,
        x_train=_drop_grey_axis(arrays["x_train"]),
        y_train=y_train,
        x_test=_drop_grey_axis(arrays["x_test"]),
        y_test=y_test,
        labels=labels or tuple(map(str, range(count))),
    )


def _read_member(archive: zipfile.ZipFile, member: str, path: Path) -> NDArray[np.generic]:
    names = [info for info in archive.infolist() if info.filename == f"{member}.npy"]
    if len(names) != 1:
        present = ", ".join(sorted(info.filename for info in archive.infolist())) or "nothing"
        raise InputError(f"{path} holds {present}: exactly one of each {', '.join(_MEMBERS)} is needed")
    if names[0].file_size > _MAX_BYTES:
        raise InputError(f"{path}: {member} unpacks to {names[0].file_size:,} bytes: at most {_MAX_BYTES:,} are read")
    with archive.open(names[0]) as file:
        return _read_npy(file, f"{path}: {member}")


def _read_npy(file: IO[bytes], what: str) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{what} is no plain array ({error}): save it with numpy.savez, without objects") from None
    return array


def _as_indices(array: NDArray[np.generic], what: str) -> NDArray[np.int64]:
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{what} is {array.dtype}: class indices as integers are allowed")
    return array.astype(np.int64)


def _drop_grey_axis(images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """(n, height, width, 1) as (n, height, width); `Dataset` checks the rest."""
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images  # type: ignore[return-value]
