"""CSV files as rows of texts, with the standard library: a device needs nothing else for them."""

import csv
import io
import os
from collections.abc import Iterator
from typing import IO, NamedTuple, TextIO

from edgepress.base.errors import InputError

from ..contract.features import MISSING

__all__ = ["CsvTable", "TableFile", "csv_batches", "read_csv", "read_rows", "table_rows"]

TableFile = str | os.PathLike[str] | bytes | IO[bytes]
"""A path, the file's bytes, or a stream of them."""

_SEPARATORS = ",;\t"
_MAX_BYTES = 1_000_000_000


class CsvTable(NamedTuple):
    """A table as it stands in the file."""

    columns: tuple[str, ...]
    """From the first line; each once."""
    rows: list[list[str]]
    """As many texts each as there are columns."""
    lines: list[int]
    """Of each row, counted from 1: what stands in messages."""
    separator: str
    """Between the values: a comma, a semicolon or a tab."""


def read_rows(file: TableFile, *, name: str | None = None) -> list[dict[str, str | None]]:
    """The rows of a CSV file by column name, as `Features.numbers` takes them; None where a value is missing.

    Raises:
        InputError: As `read_csv`.
    """
    return table_rows(read_csv(file, name=name))


def table_rows(table: CsvTable) -> list[dict[str, str | None]]:
    """Rows by column name, as `Features.numbers` takes them; None where a value is missing."""
    return [
        {column: None if value.lower() in MISSING else value for column, value in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


def read_csv(file: TableFile, *, name: str | None = None) -> CsvTable:
    """Read a CSV file in UTF-8, with the columns' names in its first line, and commas, semicolons or tabs.

    Spaces around values are dropped, and so are empty lines.

    Raises:
        InputError: No such file, not text, no or repeated names, a line of another length, no rows, or above 1 GB.
    """
    name = name or (os.fspath(file) if isinstance(file, str | os.PathLike) else "the table")
    (table,) = _tables(io.StringIO(_text(file, name), newline=""), name, None)
    return table


def csv_batches(path: str | os.PathLike[str], count: int) -> Iterator[CsvTable]:
    """The rows of a CSV file of any size, `count` at a time.

    Raises:
        InputError: As `read_csv`, when the line is reached.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            yield from _tables(stream, name, count)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name a CSV file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not in UTF-8 ({error.reason}): save it as CSV UTF-8") from None


def _tables(stream: TextIO, name: str, count: int | None) -> Iterator[CsvTable]:
    """All rows in tables of `count` each; in one where that is None."""
    separator = max(_SEPARATORS, key=stream.readline().count)
    stream.seek(0)
    rows: list[list[str]] = []
    numbers: list[int] = []
    some = False
    try:
        lines = _lines(stream, separator)
        _, header = next(lines, (1, []))
        columns = tuple(header)
        _check_columns(name, columns)
        for number, row in lines:
            if len(row) != len(columns):
                raise InputError(f"{name}, line {number}: {len(row)} values, and the first line names {len(columns)}")
            rows.append(row)
            numbers.append(number)
            if len(rows) == count:
                yield CsvTable(columns, rows, numbers, separator)
                rows, numbers, some = [], [], True
    except csv.Error as error:
        raise InputError(f"{name} is no CSV file ({error}): save it again as one") from None
    if not rows and not some:
        raise InputError(f"{name} has no rows below its first line: at least one is needed")
    if rows:
        yield CsvTable(columns, rows, numbers, separator)


def _lines(stream: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True)
    for row in reader:
        values = [value.strip() for value in row]
        if len(values) > 1 or (values and values[0]):
            yield reader.line_num, values


def _check_columns(name: str, columns: tuple[str, ...]) -> None:
    if not columns:
        raise InputError(f"{name} is empty: the columns' names are in the first line, values in the others")
    repeated = next((column for column in columns if columns.count(column) > 1), None)
    if repeated is not None:
        raise InputError(f"{name} has the column {repeated!r} twice: give each column another name")
    if all(_is_number(column) for column in columns):
        raise InputError(f"{name} starts with numbers ({', '.join(columns[:3])}): name the columns in its first line")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text(file: TableFile, name: str) -> str:
    try:
        if isinstance(file, str | os.PathLike):
            with open(file, "rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
        else:
            data = file if isinstance(file, bytes) else file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name a CSV file") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error})") from None
    if len(data) > _MAX_BYTES:
        raise InputError(
            f"{name} has more than {_MAX_BYTES:,} bytes: at most so many are read; use Parquet, or fewer rows"
        )
    try:
        # The mark that spreadsheets put in front is no part of the first column's name.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not in UTF-8 (byte {error.start}): save it as CSV UTF-8") from None
