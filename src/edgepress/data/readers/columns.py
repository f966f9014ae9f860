"""The columns of a table, whatever file it comes from: numbers, truths or texts, and what is missing."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError
from edgepress.runtime.contract.features import MISSING
from edgepress.runtime.preprocess.tables import read_csv

__all__ = ["Column", "arrow_columns", "csv_columns", "parquet_columns"]

logger = logging.getLogger(__name__)

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( .*)?|\d{4}/\d{1,2}/\d{1,2}( .*)?")
_MAX_BYTES = 4_000_000_000
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_WHOLE = re.compile(r"[-+]?\d+")
_TRUTH = {"false": 0.0, "true": 1.0}


@dataclass(frozen=True, eq=False)
class Column:
    """One column. Exactly one kind of value, or nothing but missing ones."""

    name: str
    """As messages name it, with its file."""
    values: NDArray[Any]
    """(n,) float64 with NaN for what is missing, or texts (object) with None."""
    lines: Sequence[int]
    """Of each value, as messages count."""
    unit: str = "line"
    """What is counted: lines of a text file, or rows."""
    is_whole: bool = False
    """Whether the numbers are written without a point."""
    is_truth: bool = False
    """Whether they were true and false, which are 1 and 0."""

    @property
    def is_text(self) -> bool:
        """Whether these are texts."""
        return bool(self.values.dtype == object)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where no value is."""
        if self.is_text:
            return np.array([value is None for value in self.values], bool)
        return np.asarray(np.isnan(self.values))

    def place(self, where: NDArray[np.bool_]) -> str:
        """The first value that `where` marks, as in "line 17"."""
        return f"{self.unit} {self.lines[int(np.flatnonzero(where)[0])]}"

    def take(self, indices: NDArray[Any]) -> "Column":
        """These rows."""
        return replace(self, values=self.values[indices], lines=[self.lines[i] for i in indices])

    def numbers(self) -> NDArray[np.float64]:
        """The numbers.

        Raises:
            InputError: These are texts.
        """
        if self.is_text:
            place = self.place(~self.missing)
            raise InputError(f"{self.name} is {self._first()!r} in {place}: numbers are needed here")
        return self.values

    def texts(self) -> NDArray[Any]:
        """The texts; numbers as they are written where another part of the table has texts."""
        if self.is_text:
            return self.values if self.missing.any() else self.values.astype(str)
        return np.array([None if np.isnan(value) else f"{value:g}" for value in self.values], object)

    def _first(self) -> str:
        return str(next(value for value in self.values if value is not None))[:40]


def csv_columns(path: Path) -> dict[str, Column]:
    """The columns of a CSV file. One without a name is left out.

    Raises:
        InputError: As `read_csv`; texts among numbers, decimal commas, dates.
    """
    table = read_csv(path)
    columns = zip(*table.rows, strict=True)
    if "" in table.columns:
        # pandas' to_csv writes its row numbers so: they tell how the table was sorted, and nothing more.
        logger.warning("%s: the column without a name is left out", path)
    return {
        name: _of_texts(f"{path}: {name!r}", list(values), table.lines)
        for name, values in zip(table.columns, columns, strict=True)
        if name
    }


def _of_texts(name: str, values: list[str], lines: list[int]) -> Column:
    """What the texts of one column are."""
    present = [value for value in values if value.lower() not in MISSING]
    if present and all(value.lower() in _TRUTH for value in present):
        numbers = np.array([_TRUTH.get(value.lower(), np.nan) for value in values])
        return Column(name, numbers, lines, is_truth=True)
    numbers, wrong = _parsed(values)
    if not wrong:
        if np.isinf(numbers).any():
            column = Column(name, numbers, lines)
            raise InputError(f"{name} is infinite in {column.place(np.isinf(numbers))}: finite numbers are allowed")
        return Column(name, numbers, lines, is_whole=all(_WHOLE.fullmatch(value) for value in present))
    first = values[wrong[0]][:40]
    for form, advice in (
        (_DECIMAL_COMMA, "a number with a comma: write 1.5 for a decimal comma, and 1000 without one for thousands"),
        (_DATE, "a date: turn dates into numbers (month, weekday, hours since ...), or remove the column"),
    ):
        if 2 * sum(form.fullmatch(value) is not None for value in present) > len(present):
            odd = next(i for i in wrong if form.fullmatch(values[i]))
            raise InputError(f"{name} is {values[odd][:40]!r} in line {lines[odd]}, {advice}")
    if 2 * len(wrong) < len(present):
        raise InputError(
            f"{name} is {first!r} in line {lines[wrong[0]]}, and {len(present) - len(wrong)} of {len(present)} values "
            "are numbers: correct it, or leave it empty"
        )
    texts = np.array([None if value.lower() in MISSING else value for value in values], object)
    return Column(name, texts, lines)


def _parsed(values: list[str]) -> tuple[NDArray[np.float64], list[int]]:
    """Texts as numbers, NaN for missing ones, and the places of those that are none."""
    numbers, wrong = np.full(len(values), np.nan), []
    for place, value in enumerate(values):
        try:
            numbers[place] = float(value)
        except ValueError:
            if value.lower() not in MISSING:
                wrong.append(place)
    return numbers, wrong


def parquet_columns(path: Path) -> dict[str, Column]:
    """The columns of a Parquet file.

    Raises:
        InputError: No such file or a damaged one; columns of dates or of nested values; infinite numbers.
        MissingExtraError: pyarrow is not installed.
    """
    parquet = require("pyarrow.parquet", extra="table")
    arrow = require("pyarrow", extra="table")
    try:
        # Not pyarrow's own way with paths, which takes folders and addresses too.
        with open(path, "rb") as file:
            packed = parquet.ParquetFile(file)
            groups = range(packed.metadata.num_row_groups)
            size = sum(packed.metadata.row_group(i).total_byte_size for i in groups)
            if size > _MAX_BYTES:
                raise InputError(f"{path} unpacks to {size:,} bytes: at most {_MAX_BYTES:,} are read; take fewer rows")
            table = packed.read()
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): write it again") from None
    return arrow_columns(str(path), table)


def arrow_columns(name: str, table: Any) -> dict[str, Column]:
    """The columns of a pyarrow table, which pandas and Polars make of theirs.

    Raises:
        InputError: Columns of dates or of nested values; infinite numbers; no rows.
    """
    arrow = require("pyarrow", extra="table")
    if not table.num_rows or len(set(table.column_names)) != len(table.column_names):
        raise InputError(f"{name} has {table.num_rows} rows of {', '.join(table.column_names)}: some, each column once")
    # Where pandas wrote its index, it says so under this key, and the index is no feature.
    own = [name for name in table.column_names if not re.fullmatch(r"__index_level_\d+__", name)]
    return {each: _of_arrow(f"{name}: {each!r}", table.column(each), arrow) for each in own}


def _of_arrow(name: str, values: Any, arrow: Any) -> Column:
    rows = range(1, len(values) + 1)
    types = arrow.types
    kind = values.type.value_type if types.is_dictionary(values.type) else values.type
    known: list[tuple[Callable[[Any], bool], str]] = [
        (types.is_boolean, "truth"),
        (types.is_integer, "whole"),
        (types.is_floating, "number"),
        (types.is_decimal, "number"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_null, "number"),
    ]
    what = next((what for test, what in known if test(kind)), None)
    if what is None:
        raise InputError(
            f"{name} is of type {kind}: numbers, texts, true and false are read; turn it into numbers, or remove it"
        )
    plain = values.to_pylist()
    if what == "text":
        texts = np.array([None if v is None or v.strip().lower() in MISSING else v.strip() for v in plain], object)
        return Column(name, texts, rows, "row")
    numbers = np.array([np.nan if value is None else float(value) for value in plain])
    column = Column(name, numbers, rows, "row", is_whole=what == "whole", is_truth=what == "truth")
    if np.isinf(numbers).any():
        raise InputError(f"{name} is infinite in {column.place(np.isinf(numbers))}: finite numbers are allowed")
    return column
