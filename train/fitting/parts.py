"""Arrays that take minutes to make: written part by part, so that a run that is killed goes on at the next part."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file

__all__ = ["make_array"]

_log = logging.getLogger("edgepress")
_NEWS_EVERY = 10
"""Parts after which a line says how far it is."""


def make_array(path: Path, count: int, make: Callable[[int], NDArray[Any]], *, news: str) -> NDArray[Any]:
    """Open the array in `path`, or make it there: the file appears whole, and grows beside it until then.

    Args:
        path: A `.npy` file. Where it is there already, it is opened and not looked into.
        count: How many parts the array has.
        make: The part with that number, from 0; it depends on the number alone, and all have one shape and type.
        news: What a line of the log says has been made.

    Returns:
        Shape (count, ...), memory-mapped and read only.
    """
    unfinished, progress = path.with_name(f"{path.name}.unfinished"), path.with_name(f"{path.name}.progress")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        array, done = _left(unfinished, progress, count)
        for number in range(done, count):
            part = make(number)
            if array is None:
                progress.unlink(missing_ok=True)
                array = np.lib.format.open_memmap(unfinished, "w+", part.dtype, (count, *part.shape))
            array[number] = part
            # What is said to be there must be there after a power cut too.
            array.flush()
            write_file(progress, str(number + 1))
            if (number + 1) % _NEWS_EVERY == 0:
                _log.info("%s: %d of %d", news, number + 1, count)
        os.replace(unfinished, path)
        progress.unlink()
    whole: NDArray[Any] = np.load(path, mmap_mode="r")
    return whole


def _left(unfinished: Path, progress: Path, count: int) -> tuple[np.memmap[Any, Any] | None, int]:
    """What a killed run left of an array of `count` parts, and how many of them are made."""
    try:
        done = int(progress.read_text())
        array = np.lib.format.open_memmap(unfinished, "r+")
    except (OSError, ValueError):
        return None, 0
    return (array, done) if len(array) == count else (None, 0)
