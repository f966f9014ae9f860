"""From files to the arrays that the contract asks for: one reader a kind of input."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..contract import Contract, Input, Picture

__all__ = ["TARGET_NAMES", "AnyFile", "read_examples", "read_files", "read_named"]

AnyFile = str | os.PathLike[str] | bytes | IO[bytes]
"""A path, the file's bytes, or a stream of them."""
TARGET_NAMES = ("y", "labels", "label", "targets", "target")
"""What right answers are called in an archive; those of examples that a model is asked about are not looked at."""
_MOST_BYTES = 1 << 32


def read_examples(files: AnyFile | Iterable[AnyFile], contract: Contract) -> Any:
    """What files hold, as `Model.predict` takes it: an array, or one for each of several inputs.

    Raises:
        InputError: As `read_files` and `read_named`; several files for several inputs.
    """
    if contract.only is not None:
        return read_files(files, contract.only)
    if not _is_single(files):
        raise InputError(f"several inputs are read from one .npz with the arrays {', '.join(contract.inputs)}")
    return read_named(cast(AnyFile, files), contract)


def read_files(files: AnyFile | Iterable[AnyFile], contract: Input) -> NDArray[Any]:
    """What the files hold, as `Model.predict` takes it: pixels, numbers or waveforms, (n, ...).

    Args:
        files: Pictures and recordings hold one example each; tables (CSV) and arrays (.npy) hold any number.
        contract: What the model takes.

    Raises:
        InputError: A file that cannot be read, or holds something else.
        MissingExtraError: A package that reads it is not installed.
    """
    listed = [cast(AnyFile, files)] if _is_single(files) else list(cast("Iterable[AnyFile]", files))
    parts = [_READERS[contract.kind](file, contract) for file in listed]
    return np.concatenate(parts) if parts else np.empty((0, *contract.shape), contract.dtype)


def read_named(file: AnyFile, contract: Contract) -> dict[str, NDArray[Any]]:
    """What an `.npz` holds for each of several inputs, as `Model.predict` takes it.

    Raises:
        InputError: Another kind of file, or other names than the inputs'.
    """
    name, arrays = _loaded(file)
    wanted = ", ".join(contract.inputs)
    others = set() if isinstance(arrays, np.ndarray) else set(arrays) - set(contract.inputs)
    if isinstance(arrays, np.ndarray) or others - set(TARGET_NAMES) or not set(contract.inputs) <= set(arrays):
        came = "one array" if isinstance(arrays, np.ndarray) else ", ".join(arrays) or "nothing"
        raise InputError(f"{name} holds {came}: an .npz with the arrays {wanted} is allowed")
    found = {key: _checked(name, arrays[key], each) for key, each in contract.inputs.items()}
    counts = {key: len(values) for key, values in found.items()}
    if len(set(counts.values())) != 1:
        raise InputError(f"{name} holds {counts} examples: as many for each input")
    return found


def _picture(file: AnyFile, contract: Any) -> NDArray[Any]:
    if _is_array(file):
        return _array(file, contract)
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
    name, array = _loaded(file)
    if not isinstance(array, np.ndarray):
        examples = [values for key, values in array.items() if key not in TARGET_NAMES]
        if len(examples) != 1:
            raise InputError(
                f"{name} holds {', '.join(array) or 'nothing'}: one array of examples is allowed; `edgepress predict "
                "--data` answers about a data set"
            )
        array = examples[0]
    return _checked(name, array, contract)


def _loaded(file: AnyFile) -> tuple[str, NDArray[Any] | dict[str, NDArray[Any]]]:
    """The file's name, and its array or its arrays by name."""
    name = str(os.fspath(file)) if isinstance(file, str | os.PathLike) else "the file"
    try:
        if isinstance(file, str | os.PathLike):
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        else:
            import io

            array = np.load(io.BytesIO(file) if isinstance(file, bytes) else file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name an .npy file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{name} holds no array ({str(error)[:100]}): an .npy file of numbers is allowed") from None
    found: NDArray[Any] | dict[str, NDArray[Any]] = array
    if not isinstance(array, np.ndarray):
        try:
            with array as archive:
                sizes = {info.filename: info.file_size for info in archive.zip.infolist()}
                if sum(sizes.values()) > _MOST_BYTES:
                    raise InputError(f"{name} unpacks to {sum(sizes.values()):,} bytes: at most {_MOST_BYTES:,}")
                found = {key: archive[key] for key in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{name} holds no arrays ({str(error)[:100]}): make it with numpy.savez") from None
    elif array.nbytes > _MOST_BYTES:
        raise InputError(f"{name}: one array of at most {_MOST_BYTES // 10**9} GB is allowed, as numpy.save writes it")
    return name, found


def _checked(name: str, array: NDArray[Any], contract: Input) -> NDArray[Any]:
    """Examples as `Model.predict` takes them, (n, ...)."""
    if not isinstance(contract, Picture):
        numbers: NDArray[Any] = contract.numbers(np.asarray(array))
        return numbers
    pixels = array[..., 0] if array.shape[-1:] == (1,) and contract.channels == 1 else array
    pixels = pixels[None] if pixels.shape == contract.shape else pixels
    if pixels.dtype != np.uint8 or pixels.shape[1:] != contract.shape:
        raise InputError(
            f"{name} holds {array.dtype} {array.shape}: pixels are uint8, {contract.shape} or (n, ...) of it"
        )
    return np.asarray(pixels)


def _is_single(files: AnyFile | Iterable[AnyFile]) -> bool:
    return isinstance(files, str | os.PathLike | bytes) or hasattr(files, "read")


def _is_array(file: AnyFile) -> bool:
    return isinstance(file, str | os.PathLike) and os.fspath(file).lower().endswith((".npy", ".npz"))


_READERS: dict[str, Callable[[AnyFile, Any], NDArray[Any]]] = {
    "picture": _picture,
    "features": _rows,
    "signal": _array,
    "audio": _recording,
    "tensor": _array,
}
