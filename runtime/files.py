"""Files and folders that appear whole or not at all."""

import ctypes
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

__all__ = ["file_sha256", "new_folder", "write_file"]

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


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends well, and vanishes when it does not.

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
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield work
        os.chmod(work, 0o755)
        if path.exists():
            _exchange(work, path)
        else:
            os.rename(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
