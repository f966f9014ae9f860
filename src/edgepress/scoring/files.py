"""Folders of files and tables, read by the model's contract as `edgepress predict BUNDLE FILE...` reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.data.gathered import store_rows
from edgepress.data.readers.files import File, in_parallel, part_of
from edgepress.data.rows import Rows
from edgepress.runtime import InputError
from edgepress.runtime.contract import Features, Input
from edgepress.runtime.preprocess.files import read_files
from edgepress.runtime.preprocess.tables import csv_batches, table_rows

__all__ = ["FileRows", "is_table", "part_tables", "table_numbers"]

_ROWS = 4_096
"""Of a table that are turned into numbers at a time."""


class FileRows(Rows):
    """Files of one example each, decoded in threads when they are asked for."""

    anywhere = True

    def __init__(self, files: list[File], contract: Input) -> None:
        super().__init__((len(files), *contract.shape), contract.dtype)
        self._files, self._contract = files, contract

    def read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """See `Rows`.

        Raises:
            InputError: A file that is none, by name.
        """
        read = in_parallel(self._decode, [self._files[place] for place in places], "files")
        return np.concatenate(read) if read else np.empty((0, *self.shape[1:]), self.dtype)

    def _decode(self, file: File) -> NDArray[Any]:
        try:
            with file.open() as stream:
                return read_files(stream, self._contract)
        except InputError as error:
            raise type(error)(f"{file.place}: {error}") from None


def table_numbers(path: Path, contract: Features, labels: list[str]) -> tuple[Rows, dict[str, list[Any]]]:
    """A table's rows as the contract makes numbers of them, in a file, and the columns `labels` as they are.

    Raises:
        InputError: A column that the contract or `labels` name and the table has not; what no number can be made of.
        MissingExtraError: pyarrow is not installed, and this is Parquet.
    """
    kept: dict[str, list[Any]] = {label: [] for label in labels}
    first = True

    def pieces() -> Iterator[NDArray[Any]]:
        nonlocal first
        for rows in _BATCHES[path.suffix.lower()](path):
            lacking = [name for name in [*labels, *contract.columns] if first and name not in rows[0]]
            if lacking:
                raise InputError(f"{path} has no column {lacking[0]!r}: its columns are {', '.join(rows[0])}")
            first = False
            for label, values in kept.items():
                values += [row[label] for row in rows]
            try:
                yield contract.numbers(rows)
            except InputError as error:
                raise InputError(f"{path}: {error}") from None

    return store_rows(pieces(), contract.shape, np.float32), kept


def _csv_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    for table in csv_batches(path, _ROWS):
        yield table_rows(table)


def _parquet_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    parquet = require("pyarrow.parquet", extra="table")
    arrow = require("pyarrow", extra="table")
    try:
        with open(path, "rb") as file:
            packed = parquet.ParquetFile(file)
            if not packed.metadata.num_rows:
                raise InputError(f"{path} has no rows: at least one is needed")
            for batch in packed.iter_batches(_ROWS):
                yield batch.to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): write it again") from None


_BATCHES = {".csv": _csv_rows, ".tsv": _csv_rows, ".parquet": _parquet_rows, ".pq": _parquet_rows}
"""By what a file is called: its rows, some at a time, by column name."""


def is_table(path: Path) -> bool:
    """A file that is called so."""
    return path.is_file() and path.suffix.lower() in _BATCHES


def part_tables(folder: Path) -> dict[str, Path]:
    """Part to its table, where a folder holds `test.csv` or the like."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        part = part_of(path.stem)
        if part is not None and is_table(path):
            found.setdefault(part, path)
    return found
