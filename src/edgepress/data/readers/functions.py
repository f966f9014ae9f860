"""`file.py:function`: code of the user's own that returns data."""

import re
import runpy
from pathlib import Path

from edgepress.runtime import InputError

from ..dataset import Dataset
from ..options import Options

__all__ = ["call_function", "is_function"]

_FORM = re.compile(r"(?P<file>.+\.py):(?P<function>[^:/\\]*)")


def is_function(path: Path) -> bool:
    """A path of that form, whether it is there or not."""
    return _FORM.fullmatch(str(path)) is not None


def call_function(path: Path, options: Options) -> Dataset:
    """Run the file, call the function without arguments, and take what it returns as `as_dataset` does.

    Naming it is the user's word that this code may run. Its own exceptions come through as they are.

    Raises:
        InputError: No such file, no such function in it, or it returns no data.
    """
    form = _FORM.fullmatch(str(path))
    assert form is not None
    file, function = Path(form["file"]), form["function"]
    if not file.is_file():
        raise InputError(f"{file} does not exist: name a Python file and a function in it, as in data.py:load")
    names = runpy.run_path(str(file), run_name="edgepress_data")
    if not callable(names.get(function)):
        found = [name for name, value in names.items() if callable(value) and not name.startswith("_")]
        raise InputError(f"{file} has no function {function!r}: it has {', '.join(found) or 'none'}")
    from ..sources import as_dataset

    return as_dataset(
        names[function](),
        name=file.stem,
        label=options.label,
        task=options.task,
        input_shape=options.input_shape,
        seconds=options.seconds,
        in_pieces=options.in_pieces,
    )
