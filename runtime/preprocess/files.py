"""From files to the arrays that the contract asks for: one reader a kind of input."""

import os
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..contract import Input

__all__ = ["AnyFile", "read_files"]

AnyFile = str | os.PathLike[str] | bytes | IO[bytes]
"""A path, the file's bytes, or a stream of them."""
_MOST_BYTES = 1 << 32


def read_files(files: AnyFile | Iterable[AnyFile], contract: Input) -> NDArray[Any]:
    """What the files hold, as `Model.predict` takes it: pixels, numbers or waveforms, (n, ...).

    Args:
        files: Pictures and recordings hold one example each; tables (CSV) and arrays (.npy) hold any number.
        contract: What the model takes.

    Raises:
        InputError: A file that cannot be read, or holds something else.
        MissingExtraError: A package that reads it is not installed.
    """
    single = isinstance(files, str | os.PathLike | bytes) or hasattr(files, "read")
    listed = [cast(AnyFile, files)] if single else list(cast("Iterable[AnyFile]", files))
    parts = [_READERS[contract.kind](file, contract) for file in listed]
    return np.concatenate(parts) if parts else np.empty((0, *contract.shape), contract.dtype)


def _picture(file: AnyFile, contract: Any) -> NDArray[Any]:
    from .fit import fit_picture
    from .pictures import read_picture

    return fit_picture(read_picture(file), contract)[None]


def _rows(file: AnyFile, contract: Any) -> NDArray[Any]:
    if _is_array(file):
        return _array(file, contract)
    from .tables import read_rows

    numbers: NDArray[Any] = contract.numbers(read_rows(file))
    return numbers


def _recording(file: AnyFile, contract: Any) -> NDArray[Any]:
    if _is_array(file):
        return _array(file, contract)
    from .sound import read_recording

    return read_recording(file, contract)[None]


def _array(file: AnyFile, contract: Any) -> NDArray[Any]:
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else "the file"
    try:
        if isinstance(file, str | os.PathLike):
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        else:
            import io

            array = np.load(io.BytesIO(file) if isinstance(file, bytes) else file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name an .npy file") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} holds no array ({str(error)[:100]}): an .npy file of numbers is allowed") from None
    if not isinstance(array, np.ndarray) or array.nbytes > _MOST_BYTES:
        raise InputError(f"{name}: one array of at most {_MOST_BYTES // 10**9} GB is allowed, as numpy.save writes it")
    numbers: NDArray[Any] = contract.numbers(np.asarray(array))
    return numbers


def _is_array(file: AnyFile) -> bool:
    return isinstance(file, str | os.PathLike) and os.fspath(file).lower().endswith(".npy")


_READERS: dict[str, Callable[[AnyFile, Any], NDArray[Any]]] = {
    "picture": _picture,
    "features": _rows,
    "signal": _array,
    "audio": _recording,
    "tensor": _array,
}
