"""Files and folders that appear whole or not at all."""

import ctypes
import glob
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

__all__ = ["check_writable", "file_sha256", "lock_folder", "new_folder", "write_file"]

if sys.platform != "win32":
    import fcntl

_UNFINISHED = ".new"
"""Ends the name of a folder that is being written."""
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path`: readers see the old file or the new one, never a part."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that a file or folder can be written at `path`, before work begins whose result goes there.

    What is tried is what will happen: a file is made beside a file, or inside a folder that is there, and removed
    again. Folders that are missing are not made; then the nearest one above that is there is tried.

    Raises:
        InputError: A part of the path is a file, or the system does not let us write there.
    """
    path = Path(os.path.abspath(path))
    try:
        place = path if path.is_dir() else path.parent
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise InputError(f"{path}: {place} is a file, not a folder: name another place with --out")
        handle, name = tempfile.mkstemp(dir=place, prefix=f".{path.name}.")
        try:
            # A full disk still makes an empty file.
            with os.fdopen(handle, "wb") as file:
                file.write(b"0")
        finally:
            os.unlink(name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written ({reason}): name another place with --out") from None


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends well, and vanishes when it does not.

    A process that is killed leaves its temporary folder behind; the next one that writes to `path` removes it.

    Args:
        path: The folder to publish; its parents are made.
        overwrite: Replace a folder that is there already, in one step.

    Raises:
        InputError: `path` exists and `overwrite` is false.
    """
    path = Path(os.path.abspath(path))
    if path.exists() and not (overwrite and path.is_dir()):
        raise InputError(f"{path} exists already: name another folder with --out, or pass --overwrite")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    work, lock = _make_locked(path)
    try:
        yield work
        os.chmod(work, 0o755)
        if path.exists():
            _exchange(work, path)
        else:
            os.rename(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _make_locked(path: Path) -> tuple[Path, int | None]:
    """A temporary folder beside `path`, and its lock."""
    while True:
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED))
        lock = _lock(work, wait=True)
        if work.exists():
            return work, lock
        # Another process took it for abandoned before it was locked.
        if lock is not None:
            os.close(lock)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary folders of dead processes that wrote to `path`."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*{_UNFINISHED}"):
        lock = _lock(folder, wait=False)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Be the only process that works in a folder which is there.

    Raises:
        InputError: Another one does. Where there are no locks that is not known.
    """
    lock = _lock(folder, wait=False)
    try:
        if lock is None and sys.platform != "win32":
            raise InputError(f"{folder}: another edgepress is at work there: wait for it, or name another --out")
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Hold a folder's lock, which lasts as long as this process lives; None where another has it or there are no locks.

    Unlike a process number in the name it holds in other containers too, and is never given to somebody else.
    """
    if sys.platform == "win32":
        return None
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        if lock is not None:
            os.close(lock)
        return None
    return lock


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders. Linux does it in one step; elsewhere a kill between two renames can leave `.old` behind."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            names = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE)
            if libc.renameat2(*names) == 0:
                return
    aside = old.with_name(f".{old.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(old, aside)
    os.rename(new, old)
    os.rename(aside, new)
