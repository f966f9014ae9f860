"""Where a data set comes from: a name, a path, or objects in memory."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from edgepress.runtime import InputError

from .dataset import Dataset
from .memory import dataset_in_memory
from .options import Options
from .question import with_normal
from .readers.class_folders import is_class_folders, read_class_folders
from .readers.functions import call_function, is_function
from .readers.idx import is_idx_folder, read_idx_folder
from .readers.mnist import is_mnist, read_mnist
from .readers.npz import is_npy, is_npz, read_npz, refuse_npy
from .readers.tables import is_table, is_table_folder, read_table, read_table_folder
from .scale import brought_to_size

__all__ = ["READERS", "Reader", "as_dataset", "data_help", "load_dataset"]


class Reader(NamedTuple):
    """One format."""

    form: str
    """As help texts and messages name it; empty where it is only there to be refused."""
    recognizes: Callable[[Path], bool]
    read: Callable[[Path, Options], Dataset]
    takes: tuple[str, ...] = ()
    """Which of `label` and `seconds` concern it."""


READERS = (
    Reader("mnist by name", is_mnist, read_mnist),
    Reader("file.py:function, which is called", is_function, call_function, ("label", "seconds")),
    Reader("a CSV or Parquet table with --label COLUMN", is_table, read_table, ("label",)),
    Reader("", is_npy, refuse_npy),
    Reader("an .npz archive", is_npz, read_npz),
    Reader("a folder of IDX files", is_idx_folder, read_idx_folder),
    Reader("a folder with train.csv or train.parquet", is_table_folder, read_table_folder, ("label",)),
    Reader(
        "a folder or .zip of class folders with pictures or recordings",
        is_class_folders,
        read_class_folders,
        ("seconds",),
    ),
)
"""The first that recognizes a source reads it."""


def data_help() -> str:
    """The forms of data that are read, for help texts and messages."""
    forms = [reader.form for reader in READERS if reader.form]
    return ", ".join(forms[:-1]) + f", or {forms[-1]}"


def load_dataset(
    source: str | os.PathLike[str] = "mnist",
    *,
    label: str | None = None,
    task: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    in_pieces: bool = False,
    to_fit: bool = True,
) -> Dataset:
    """Find, read and check a data set.

    Args:
        source: A name or path in one of the forms of `READERS`.
        label: Of a table: the column with the right answers, or several, separated by commas.
        task: `regression` makes whole numbers among the targets numbers; `multiclass` and `binary` make them classes.
        input_shape: Of pictures, which are stretched to it: (height, width) or (height, width, channels).
        seconds: Of recordings: the length of the model's window; found from the files when None.
        in_pieces: Whether many examples may stay in their file, as `Rows`.
        to_fit: Whether each class must have a training example.

    Raises:
        InputError: Nothing is there, or it is not what its name promises.
        MissingExtraError: The package that reads this format is not installed.
    """
    options = Options(label, task, input_shape, seconds, in_pieces, to_fit)
    path = Path(source).expanduser()
    for reader in READERS:
        if reader.recognizes(path):
            _check(source, reader, options)
            return brought_to_size(reader.read(path, options), options)
    state = "is none" if path.exists() else "does not exist"
    raise InputError(f"no data set at {source}, which {state}: data are {data_help()}")


def _check(source: str | os.PathLike[str], reader: Reader, options: Options) -> None:
    for name in ("label", "seconds"):
        if getattr(options, name) is not None and name not in reader.takes and reader.form:
            takers = ", ".join(each.form for each in READERS if name in each.takes)
            raise InputError(f"{source} is {reader.form}, which has no --{name}: it is for {takers}")


def as_dataset(
    data: Any,
    *,
    name: str = "data",
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    in_pieces: bool = False,
) -> Dataset:
    """What people have as a data set.

    Args:
        data: A `Dataset`; a name or path, as `load_dataset` takes it; or objects in memory, as `dataset_in_memory`
            takes them: arrays, a Keras PyDataset, a tf.data.Dataset, any sequence of (x, y), or parts of these.
        name: Of objects in memory, as it stands in tables.
        label: As in `load_dataset`; so are the others.
        task: See there; for `anomaly` the data become as `with_normal` makes them.
        normal: Likewise, and which class is the normal one.
        input_shape: See there.
        seconds: See there.
        in_pieces: See there.

    Raises:
        InputError, MissingExtraError: As `load_dataset`, `dataset_in_memory` and `with_normal`.
    """
    options = Options(label, task, input_shape, seconds, in_pieces)
    if isinstance(data, Dataset):
        return data if normal is None else with_normal(data, normal)
    if isinstance(data, str | os.PathLike):
        dataset = load_dataset(
            data, label=label, task=task, input_shape=input_shape, seconds=seconds, in_pieces=in_pieces
        )
    else:
        dataset = brought_to_size(dataset_in_memory(data, name, options), options)
    return with_normal(dataset, normal) if options.anomalies or normal is not None else dataset
