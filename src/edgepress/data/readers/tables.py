"""CSV and Parquet tables: one row an example, one column the right answer."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Features
from edgepress.runtime.contract.features import MISSING

from ..arrays import dataset_of_arrays, split_off_test
from ..dataset import Dataset, Part
from ..options import Options
from .columns import Column, csv_columns, parquet_columns
from .files import part_of

__all__ = ["Table", "is_table", "is_table_folder", "read_table", "read_table_folder", "table_dataset"]

logger = logging.getLogger(__name__)

_CLASSES = ("multiclass", "binary")
_NO_LABEL = ("anomaly", "raw")
"""Tasks whose examples need no right answer."""
_FEW_CLASSES = 20
"""Up to so many different whole numbers are classes, whatever they start with."""
_FEW_TEXTS = 50
"""Up to so many different texts are categories."""
_FORMATS = {
    ".csv": csv_columns,
    ".tsv": csv_columns,
    ".parquet": parquet_columns,
    ".pq": parquet_columns,
}

Table = dict[str, Column]
"""Columns by name."""


def is_table(path: Path) -> bool:
    """A file that is called so."""
    return path.is_file() and path.suffix.lower() in _FORMATS


def is_table_folder(path: Path) -> bool:
    """A folder with `train.csv` or another table that is called like the training part."""
    return path.is_dir() and "train" in _part_files(path)


def read_table(path: Path, options: Options) -> Dataset:
    """Read a table; a fifth of its rows, drawn at random, is the test set.

    Numbers, and true and false as 1 and 0, are features as they are. Texts of at most 50 kinds are categories, one
    number of 0 and 1 each (`Features.one_hot`); other texts are left out, which is said. A missing number becomes the
    median of the training part, a missing text its most frequent one; both are written into the contract.

    Raises:
        InputError: No such column, texts where numbers belong, dates, rows without the right answer, or as `read_csv`.
        MissingExtraError: pyarrow, which reads Parquet, is not installed.
    """
    return table_dataset(path.stem, str(path), _read(path), options)


def table_dataset(name: str, place: str, table: Table, options: Options) -> Dataset:
    """A data set of one table's columns; `place` is what messages call it. The rest is as `read_table` says."""
    _check_labels(place, table, _labels(place, tuple(table), options))
    count = len(next(iter(table.values())).values)
    drawn = split_off_test(place, Part({"": np.arange(count)}))
    parts = {part: {key: column.take(held.x) for key, column in table.items()} for part, held in drawn.items()}
    return _dataset(name, place, parts, options)


def read_table_folder(path: Path, options: Options) -> Dataset:
    """Read `train.csv`, `test.csv` and, where it is there, `validation.csv`; all of them may be Parquet.

    Raises:
        InputError, MissingExtraError: As `read_table`; a part lacks a column.
    """
    files = _part_files(path)
    parts = {part: _read(file) for part, file in files.items()}
    if len(parts) == 1:
        return read_table(files["train"], options)
    labels = _labels(str(files["train"]), tuple(parts["train"]), options)
    for part, table in parts.items():
        lacking = [name for name in parts["train"] if name not in table]
        if lacking:
            raise InputError(f"{files[part]} has no column {lacking[0]!r}, and {files['train']} has: make them equal")
        _check_labels(str(files[part]), table, labels)
    if "test" not in parts:
        parts["test"] = parts.pop("validation")
        logger.info("%s has no test part: its validation part is the test set", path)
    return _dataset(path.resolve().name, str(files["train"]), parts, options)


def _part_files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        part = part_of(path.stem)
        if part is not None and is_table(path):
            if part in found:
                raise InputError(f"{folder} has {found[part].name} and {path.name}: one {part} table is allowed")
            found[part] = path
    return found


def _read(path: Path) -> Table:
    table = _FORMATS[path.suffix.lower()](path)
    if not table:
        raise InputError(f"{path} has no column with a name: name the columns in its first line")
    return table


def _dataset(name: str, place: str, parts: dict[str, Table], options: Options) -> Dataset:
    labels = _labels(place, tuple(parts["train"]), options)
    targets, names = _targets(place, parts, labels, options)
    features, rows = _features(place, parts, [column for column in parts["train"] if column not in labels])
    given = {part: (rows[part], targets[part]) for part in parts}
    return dataset_of_arrays(
        name,
        given["train"],
        given["test"],
        validation=given.get("validation"),
        names=names,
        numbers=options.numbers,
        anomalies=options.anomalies,
        inputs={"": features},
    )


def _labels(place: str, columns: tuple[str, ...], options: Options) -> list[str]:
    if options.label is None:
        if options.task in _NO_LABEL:
            return []
        raise InputError(f"{place}: say which column is the right answer with --label: {_shown(columns)}")
    if options.label in columns:
        return [options.label]
    asked = [label.strip() for label in options.label.split(",")]
    unknown = [label for label in asked if label not in columns]
    if unknown:
        raise InputError(f"{place} has no column {unknown[0]!r}: its columns are {_shown(columns)}")
    return asked


def _check_labels(place: str, table: Table, labels: list[str]) -> None:
    for label in labels:
        lacking = table[label].missing
        if lacking.any():
            raise InputError(
                f"{place}: {int(lacking.sum())} of {len(lacking)} rows have no {label!r}, the first in "
                f"{table[label].place(lacking)}: fill them in or remove them; "
                f"{', '.join(sorted(MISSING - {''}))} count as nothing"
            )


def _shown(columns: tuple[str, ...]) -> str:
    most = 30
    return ", ".join(columns[:most]) + (f" and {len(columns) - most} more" if len(columns) > most else "")


def _targets(
    place: str, parts: dict[str, Table], labels: list[str], options: Options
) -> tuple[dict[str, NDArray[Any] | None], tuple[str, ...]]:
    """Targets of each part, and the names of classes or numbers."""
    if not labels:
        return dict.fromkeys(parts), ()
    if len(labels) > 1:
        return {part: np.stack([table[label].numbers() for label in labels], 1) for part, table in parts.items()}, (
            tuple(labels)
        )
    columns = {part: table[labels[0]] for part, table in parts.items()}
    if any(column.is_text for column in columns.values()):
        if options.numbers:
            columns["train"].numbers()
        return {part: column.texts() for part, column in columns.items()}, ()
    if all(column.is_truth for column in columns.values()) and not options.numbers:
        return {part: column.numbers() > 0 for part, column in columns.items()}, ()
    values = {part: column.numbers() for part, column in columns.items()}
    every = np.unique(np.concatenate(list(values.values())))
    # pandas writes whole numbers with a point where a value was missing once: 0.0 and 1.0, or 0.0 to 4.0, are classes
    # still, as they are in arrays.
    whole = bool((every == np.rint(every)).all()) and (
        all(column.is_whole for column in columns.values())
        or len(every) == 2
        or np.array_equal(every, np.arange(min(len(every), _FEW_CLASSES)))
    )
    if options.task in _CLASSES or (whole and not options.numbers and len(every) <= _FEW_CLASSES):
        # Classes are called as the table calls them: 1, 2, 3 need no change.
        names = tuple(str(int(value)) if value == round(value) else str(value) for value in every)
        return {part: np.searchsorted(every, each) for part, each in values.items()}, names
    return {part: each.astype(np.int64) if whole else each for part, each in values.items()}, (
        (labels[0],) if options.numbers or not whole else ()
    )


def _features(
    place: str, parts: dict[str, Table], columns: list[str]
) -> tuple[Features, dict[str, NDArray[np.float32]]]:
    """What the columns are, and each part's rows of numbers."""
    kept: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    missing: dict[str, float] = {}
    numbers: dict[str, list[NDArray[np.float64]]] = {part: [] for part in parts}
    left_out = []
    for name in columns:
        held = {part: table[name] for part, table in parts.items()}
        if any(column.is_text for column in held.values()):
            known = sorted({str(text) for column in held.values() for text in column.texts() if text is not None})
            if len(known) > min(_FEW_TEXTS, sum(len(column.values) for column in held.values()) / 2):
                left_out.append(f"{name} ({len(known)} different texts)")
                continue
            categories[name] = tuple(known)
            places = {text: float(place) for place, text in enumerate(known)}
            columns_of = {
                part: np.array([places.get(text, np.nan) for text in column.texts()]) for part, column in held.items()
            }
        else:
            columns_of = {part: column.numbers() for part, column in held.items()}
        if any(np.isnan(values).any() for values in columns_of.values()):
            missing[name] = _usual(place, name, columns_of["train"], is_category=name in categories)
        kept.append(name)
        for part, values in columns_of.items():
            filled = np.where(np.isnan(values), missing.get(name, 0.0), values)
            if name in categories:
                numbers[part].append(np.eye(len(categories[name]))[filled.astype(np.int64)])
            else:
                numbers[part].append(filled[:, None])
    if left_out:
        logger.warning("%s: %s left out: no numbers, and too many to be categories", place, ", ".join(left_out))
    if missing:
        logger.info("%s: missing values of %s become the training part's usual ones", place, ", ".join(missing))
    if not kept:
        raise InputError(f"{place} has no column of numbers or categories beside the right answers: add some")
    features = Features(tuple(kept), categories=categories, missing=missing, one_hot=bool(categories))
    return features, {part: np.concatenate(rows, axis=1).astype(np.float32) for part, rows in numbers.items()}


def _usual(place: str, name: str, values: NDArray[np.float64], *, is_category: bool) -> float:
    """The median of a column, or its most frequent category."""
    present = values[~np.isnan(values)]
    if not len(present):
        raise InputError(f"{place}: column {name!r} has no values in the training part: remove it")
    return float(Counter(present.tolist()).most_common(1)[0][0]) if is_category else float(np.median(present))
