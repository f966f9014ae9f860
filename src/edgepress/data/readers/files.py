"""The files of a folder or of a `.zip` archive, which is read in place."""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import MissingExtraError
from edgepress.runtime import InputError

from ..gathered import store_rows
from ..rows import PIECE_BYTES

__all__ = ["DAMAGED", "PART_NAMES", "File", "Folder", "decoded", "in_parallel", "part_of", "read_folder"]

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
"""How people call the parts of a data set, in any case."""
_OF_A_PART = re.compile(r"[-_ ]*(set|data|split|images)$")
"""What may follow such a name."""

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeError)
"""What `zipfile` raises for archives that are cut off, altered, encrypted, or packed in a way that it does not know."""

MAX_FILE_BYTES = 500_000_000
"""Of one file: a small archive can unpack to gigabytes."""
_THREADS = 4

Given = TypeVar("Given")
Made = TypeVar("Made")


class File(NamedTuple):
    """One file of a folder or of an archive."""

    place: str
    """As messages name it."""
    parts: tuple[str, ...]
    """Folders and name, from the top."""
    size: int
    """In bytes."""
    open: Callable[[], io.BufferedIOBase]
    """A stream of its bytes that can seek."""

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return os.path.splitext(self.parts[-1])[1].lower()


class Folder(NamedTuple):
    """A folder's name, the folders in it by name, and its files; both sorted, and without hidden ones."""

    name: str
    folders: dict[str, "Folder"]
    files: list[File]

    def walk(self) -> Iterator[File]:
        """All files, those of inner folders too."""
        yield from self.files
        for folder in self.folders.values():
            yield from folder.walk()


def part_of(name: str) -> str | None:
    """The part (train, validation, test) that a folder's or file's name stands for: `Train`, `test_set`, `valset`."""
    word = _OF_A_PART.sub("", name.lower())
    return next((part for part, names in PART_NAMES.items() if word in names), None)


def read_folder(path: Path) -> Folder:
    """What a folder or a `.zip` archive holds. Hidden files and folders, and what macOS adds to archives, are left out.

    Raises:
        InputError: The archive is damaged, or a file in it unpacks to more than 500 MB.
    """
    top = Folder(path.resolve().stem if path.is_file() else path.resolve().name, {}, [])
    for file in _members(path) if path.is_file() else _tree(path):
        if any(part.startswith(".") or part == "__MACOSX" for part in file.parts):
            continue
        folder = top
        for part in file.parts[:-1]:
            folder = folder.folders.setdefault(part, Folder(part, {}, []))
        # A folder is given as a path that ends with nothing: it counts though it may be empty.
        if file.parts[-1]:
            folder.files.append(file)
    return _sorted(top)


def _sorted(folder: Folder) -> Folder:
    folders = {name: _sorted(folder.folders[name]) for name in sorted(folder.folders)}
    return Folder(folder.name, folders, sorted(folder.files, key=lambda file: file.parts))


def _tree(path: Path) -> Iterator[File]:
    seen: set[str] = set()
    for folder, inner, names in os.walk(path, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        # Links may lead in circles.
        if os.path.realpath(folder) in seen:
            inner.clear()
            continue
        seen.add(os.path.realpath(folder))
        parts = Path(folder).relative_to(path).parts
        yield File(folder, (*parts, ""), 0, io.BytesIO)
        for name in names:
            place = Path(folder, name)
            if place.is_file():
                yield File(str(place), (*parts, name), place.stat().st_size, partial(_stream, place))


def _stream(place: Path) -> io.BufferedIOBase:
    return open(place, "rb")


def _members(path: Path) -> Iterator[File]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is not a whole .zip archive ({error}): copy or download it again") from None
    stamp = (path.stat().st_mtime_ns, path.stat().st_size)
    for info in members:
        place = f"{path}: {info.filename}"
        if info.file_size > MAX_FILE_BYTES:
            raise InputError(f"{place} unpacks to {info.file_size:,} bytes: at most {MAX_FILE_BYTES:,} are read")
        parts = tuple(info.filename.split("/"))
        yield File(place, parts, info.file_size, partial(_unpacked, path, stamp, info))


@lru_cache(maxsize=8)
def _archive(path: Path, stamp: tuple[int, int]) -> zipfile.ZipFile:
    """Opened once a process, and again where the file is another one meanwhile."""
    return zipfile.ZipFile(path)


def _unpacked(path: Path, stamp: tuple[int, int], info: zipfile.ZipInfo) -> io.BytesIO:
    try:
        with _archive(path, stamp).open(info) as stream:
            return io.BytesIO(stream.read(MAX_FILE_BYTES))
    except DAMAGED as error:
        raise InputError(f"{path}: {info.filename} cannot be unpacked ({error}): make the archive again") from None


def in_parallel(work: Callable[[Given], Made], files: Iterable[Given], what: str) -> list[Made]:
    """`work` on each file, in threads: decoders work outside Python's lock.

    Raises:
        InputError: Of the first that failed, with the number of all that did.
        MissingExtraError: The package that reads them is not installed.
    """

    def attempt(file: Given) -> Made | InputError:
        try:
            return work(file)
        except InputError as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(attempt, files))
    failed = [result for result in results if isinstance(result, InputError)]
    if failed and isinstance(failed[0], MissingExtraError):
        raise failed[0]
    if failed:
        others = f"; and {len(failed) - 1} more of {len(results)} {what}" if len(failed) > 1 else ""
        raise InputError(f"{failed[0]}{others}")
    return [result for result in results if not isinstance(result, InputError)]


def decoded(
    files: list[File], decode: Callable[[File], NDArray[Any]], shape: tuple[int, ...], dtype: Any, *, in_file: bool
) -> Any:
    """What is in files, (n, *shape): an array, or `Rows`.

    Args:
        files: All of them.
        decode: From one to (*shape).
        shape: Of one example.
        dtype: Of all.
        in_file: Whether they are decoded once into a file, and read from there in every pass: decoding costs more than
            reading does.

    Raises:
        InputError, MissingExtraError: As `in_parallel`.
    """
    if in_file:
        step = max(1, PIECE_BYTES // (int(np.prod(shape)) * np.dtype(dtype).itemsize))
        portions = (files[start : start + step] for start in range(0, len(files), step))
        return store_rows((np.stack(in_parallel(decode, portion, "files")) for portion in portions), shape, dtype)
    values = np.empty((len(files), *shape), dtype)

    def keep(index: int) -> None:
        values[index] = decode(files[index])

    in_parallel(keep, range(len(files)), "files")
    return values
