"""`.npz` archives: with the parts that Keras names, or with one array an input."""

import logging
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Input, Signal
from edgepress.runtime.preprocess.files import TARGET_NAMES

from ..arrays import dataset_of_arrays
from ..dataset import Dataset
from ..gathered import store_rows
from ..options import Options
from ..rows import MANY_BYTES, PIECE_BYTES, StoredRows
from .files import DAMAGED, PART_NAMES

__all__ = ["dataset_of_members", "is_npy", "is_npz", "npy_rows", "read_npz", "refuse_npy"]

logger = logging.getLogger(__name__)

# A 2 MB archive can unpack to gigabytes; full ImageNet-sized sets do not belong in one .npz.
_MAX_BYTES = 4_000_000_000
_LOCAL_NAME, _LOCAL_BYTES = 26, 30
"""Where the length of its name stands in a member's local header, and how long that is without names (PKWARE's
APPNOTE, 4.3.7)."""

_X_WORDS = ("x", "images", "data", "features", "inputs")
_UNNAMED = re.compile(r"arr_\d+")
"""What numpy.savez calls arrays that it is given without a name."""
_NAMES = ("class_names", "label_names", "labels_names", "target_names")
_SIGNAL = ("rate", "channels", "units")
"""What an archive may say of its windows: samples a second, the channels' names, and their units."""


def is_npz(path: Path) -> bool:
    """A file that is called so, or any other archive with nothing but arrays in it."""
    if not path.is_file() or path.suffix.lower() == ".npz":
        return path.is_file()
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_npy(path: Path) -> bool:
    """A file that is called so."""
    return path.is_file() and path.suffix.lower() == ".npy"


def refuse_npy(path: Path, options: Options) -> Dataset:
    """One array is no data set.

    Raises:
        InputError: Always.
    """
    raise InputError(
        f"{path} is one array: put it and its targets into an .npz: numpy.savez('data.npz', x_train=..., y_train=...)"
    )


def read_npz(path: Path, options: Options, *, name: str | None = None, names: tuple[str, ...] = ()) -> Dataset:
    """Read a data set; nothing in the file is executed.

    Members are `x_train`, `y_train` and so for `test` and `val`, in other words too (`train_images`, `X_train`,
    `data` and `target`, `images` and `labels`); or one array an input, under its name, with `labels` or `targets` where
    there are any. `class_names` names the classes; `rate`, `channels` and `units` describe windows of signals.

    Args:
        path: The archive.
        options: `task` decides what whole numbers are.
        name: The data set's name; the file's stem when None.
        names: Class names, where the archive has none.

    Raises:
        InputError: Not an archive, members missing, pickled, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read_members(archive, path, in_pieces=options.in_pieces)
    except DAMAGED as error:
        raise InputError(f"{path} is not a whole .npz archive ({error}): copy or download it again") from None
    return dataset_of_members(name or path.stem, str(path), arrays, options, names)


def dataset_of_members(
    name: str, path: str, arrays: dict[str, Any], options: Options, names: tuple[str, ...] = ()
) -> Dataset:
    """A data set of arrays by name, as `read_npz` reads them; `path` is what messages call them, `arrays` is emptied.

    Raises:
        InputError: Members missing, or that do not agree.
    """
    said = _take(arrays, _NAMES)
    about = {key: arrays.pop(key) for key in _SIGNAL if key in arrays and _is_about(key, arrays[key])}
    given = _parts(path, arrays)
    if given and said is None and "labels" in arrays and arrays["labels"].dtype.kind in "US":
        # Beside y_train these are no targets: they are what the classes are called.
        said = arrays.pop("labels")
    if arrays and given:
        logger.warning("%s: members %s are left out", path, ", ".join(sorted(arrays)))
    if not given:
        given = {"train": _by_input(path, arrays)}
    if options.raw:
        given = {part: (x, None) for part, (x, _) in given.items()}
    if "train" not in given:
        raise InputError(f"{path} has {', '.join(given)} and nothing to train on: add x_train and y_train")
    called = tuple(map(str, said.ravel())) if said is not None else names
    validation = given.get("validation")
    if validation is not None and "test" not in given:
        given["test"], validation = validation, None
        logger.info("%s has no test part: its validation part is the test set", path)
    return dataset_of_arrays(
        name,
        given["train"],
        given.get("test"),
        validation=validation,
        names=() if options.raw else called,
        numbers=options.numbers,
        anomalies=options.anomalies,
        inputs=_signals(path, given["train"][0], about),
    )


def _take(arrays: dict[str, NDArray[Any]], words: tuple[str, ...]) -> NDArray[Any] | None:
    plain = {_plain(word) for word in words}
    found = next((key for key in arrays if _plain(key) in plain), None)
    return None if found is None else arrays.pop(found)


def _plain(name: str) -> str:
    """A name as it is compared: `X_train`, `xTrain` and `xtrain` are one."""
    return name.lower().replace("_", "").replace("-", "")


def _parts(path: str, arrays: dict[str, NDArray[Any]]) -> dict[str, tuple[Any, Any]]:
    """Part to inputs and targets, taken out of `arrays`; empty where none are called so."""
    given: dict[str, tuple[Any, Any]] = {}
    for part, parts in PART_NAMES.items():
        x, y = (
            _take(arrays, tuple(f for word in words for each in parts for f in (f"{word}_{each}", f"{each}_{word}")))
            for words in (_X_WORDS, TARGET_NAMES)
        )
        if x is None and y is not None:
            raise InputError(f"{path} has targets of {part} and no examples: add x_{part}")
        if x is not None:
            given[part] = (x, y)
    if given and any(y is None for _, y in given.values()) and not all(y is None for _, y in given.values()):
        lacking = ", ".join(f"y_{part}" for part, (_, y) in given.items() if y is None)
        raise InputError(f"{path} lacks {lacking}: it has targets of its other parts")
    return given


def _by_input(path: str, arrays: dict[str, NDArray[Any]]) -> tuple[Any, Any]:
    """Arrays by input name, and the targets."""
    targets = [key for key in arrays if key.lower() in TARGET_NAMES]
    if len(targets) > 1:
        raise InputError(f"{path} has {' and '.join(targets)}: one array of targets is allowed")
    y = arrays.pop(targets[0]) if targets else None
    if not arrays:
        raise InputError(
            f"{path} holds {', '.join(targets) or 'nothing'}: x_train, y_train, x_test and y_test are read, or an "
            "array for each input, with labels or targets"
        )
    unnamed = [key for key in arrays if _UNNAMED.fullmatch(key)]
    if len(unnamed) > 1:
        raise InputError(
            f"{path} holds {', '.join(unnamed)}, which does not say what is what: name them, as in "
            "numpy.savez('data.npz', x_train=..., y_train=...)"
        )
    only = next(iter(arrays)) if len(arrays) == 1 else None
    # What everybody calls so is no name of an input.
    return (arrays[only] if only is not None and only.lower() in _X_WORDS else arrays), y


def _is_about(key: str, array: NDArray[Any]) -> bool:
    return array.size == 1 and array.dtype.kind in "iuf" if key == "rate" else array.dtype.kind in "US"


def _signals(path: str, x: Any, about: dict[str, NDArray[Any]]) -> dict[str, Input]:
    """Windows as the archive describes them, by input name."""
    described: dict[str, Input] = {}
    for key, array in (x if isinstance(x, dict) else {"": x}).items():
        if not about or array.ndim != 3:
            continue
        steps, count = array.shape[1:]
        channels = tuple(map(str, about["channels"].ravel())) if "channels" in about else ()
        units = tuple(map(str, about["units"].ravel())) if "units" in about else ()
        for what, texts in (("channels", channels), ("units", units)):
            if texts and len(texts) != count:
                raise InputError(f"{path} names {len(texts)} {what} for windows of {count}: one name each is allowed")
        rate = float(about["rate"].ravel()[0]) if "rate" in about else 0.0
        signal = Signal(steps, channels or tuple(f"channel{i}" for i in range(count)), units, rate)
        signal.check()
        described[key] = signal
    return described


def _read_members(archive: zipfile.ZipFile, path: Path, *, in_pieces: bool) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for info in archive.infolist():
        member = info.filename.removesuffix(".npy")
        if member == info.filename:
            raise InputError(
                f"{path} holds {member[:60]}: an .npz has nothing but .npy members; make it with numpy.savez"
            )
        if member in arrays:
            raise InputError(f"{path} holds {member} twice: make it again with numpy.savez")
        stays = in_pieces and info.file_size > MANY_BYTES
        if stays and info.compress_type == zipfile.ZIP_STORED:
            with archive.open(info) as file:
                rows = _stored_rows(file, path, info)
            if rows is not None:
                arrays[member] = rows
                continue
        if info.file_size > _MAX_BYTES:
            raise InputError(f"{path}: {member} unpacks to {info.file_size:,} bytes: at most {_MAX_BYTES:,} are read")
        with archive.open(info) as file:
            rows = _unpacked_rows(file) if stays else None
        if rows is not None:
            arrays[member] = rows
            continue
        with archive.open(info) as file:
            arrays[member] = _read_npy(file, f"{path}: {member}")
    return arrays


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of an array of plain numbers in C order; None of any other, which is left to NumPy."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file)
    except (ValueError, KeyError, EOFError):
        return None
    plain = dtype.kind in "fiub" and dtype.isnative and not fortran
    return (shape, dtype) if plain and len(shape) > 1 and min(shape) > 0 else None


def npy_rows(path: Path) -> StoredRows | None:
    """The array of an `.npy` file where it lies; None where it is none of plain numbers in C order.

    Raises:
        InputError: The file ends before its array does.
    """
    with open(path, "rb", buffering=0) as file:
        header = _header(file)
        if header is None:
            return None
        rows = StoredRows(file, *header, offset=file.tell())
        if file.tell() + rows.nbytes > os.fstat(file.fileno()).st_size:
            raise InputError(f"{path} ends in the middle of its examples: copy it again")
        return rows


def _stored_rows(member: IO[bytes], path: Path, info: zipfile.ZipInfo) -> StoredRows | None:
    """An array that is not packed: it is read where it lies."""
    header = _header(member)
    if header is None:
        return None
    shape, dtype = header
    with open(path, "rb", buffering=0) as file:
        file.seek(info.header_offset + _LOCAL_NAME)
        name, extra = struct.unpack("<HH", file.read(4))
        start = info.header_offset + _LOCAL_BYTES + name + extra
        end = start + info.file_size
        rows = StoredRows(file, shape, dtype, start + member.tell())
        if rows.nbytes != info.file_size - member.tell() or end > os.fstat(file.fileno()).st_size:
            return None
        check = 0
        file.seek(start)
        while left := end - file.tell():
            check = zlib.crc32(file.read(min(left, PIECE_BYTES)), check)
        if check != info.CRC:
            raise zipfile.BadZipFile(f"bad checksum of {info.filename}")
        return rows


def _unpacked_rows(member: IO[bytes]) -> StoredRows | None:
    """An array unpacked to a file of its own, a piece at a time."""
    header = _header(member)
    if header is None:
        return None
    shape, dtype = header
    row = int(np.prod(shape[1:])) * dtype.itemsize
    step = max(1, PIECE_BYTES // row)

    def pieces() -> Iterator[NDArray[Any]]:
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            data = member.read(count * row)
            if len(data) != count * row:
                raise EOFError(f"{len(data)} bytes of {count * row}")
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])

    rows = store_rows(pieces(), shape[1:], dtype)
    if member.read(1):
        raise EOFError("more bytes than its header says")
    return rows


def _read_npy(file: IO[bytes], what: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{what} is no plain array ({error}): save it with numpy.savez, without objects") from None
    return array
