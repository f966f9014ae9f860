"""Answers while they are being made: a folder of pieces beside the table that they become."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import lock_folder, write_file
from edgepress.runtime import CheckFailedError, InputError

from .columns import as_plain

__all__ = ["ERROR", "FORMATS", "Shards", "format_of"]

FORMATS = (".parquet", ".csv")
ERROR = "error"
"""The column that says why an example has no answer."""
_JOB = "job.json"


def format_of(out: Path) -> str:
    """The table's format, by its name.

    Raises:
        InputError: No format that is written.
    """
    suffix = out.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"--out {out}: name a table that ends with {' or '.join(FORMATS)}")
    return suffix


class Shards:
    """The folder `<out>.shards`: `job.json`, and one Arrow file a piece, each there whole or not at all."""

    def __init__(self, out: Path, count: int, piece: int) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.shards")
        self.count, self.piece = count, piece

    @property
    def pieces(self) -> range:
        """Numbers of all pieces."""
        return range(-(-self.count // self.piece))

    def bounds(self, number: int) -> tuple[int, int]:
        """The examples of a piece: the first, and the one after the last."""
        return number * self.piece, min(self.count, (number + 1) * self.piece)

    @contextmanager
    def opened(self, job: Mapping[str, Any], *, overwrite: bool) -> Iterator[list[int]]:
        """Make the folder, or go on with one that the same job left; the pieces that are lacking.

        Raises:
            InputError: `out` is there already, the folder is another job's, or another process is at work in it.
        """
        there = self.folder / _JOB
        same = there.is_file() and json.loads(there.read_text()) == job
        if self.out.exists() and not overwrite and not (same and not self._lacking()):
            raise InputError(f"{self.out} exists already: name another file with --out, or pass --overwrite")
        if self.folder.exists() and not same:
            if not overwrite and there.is_file():
                raise InputError(
                    f"{self.folder} holds answers of another model, of other data or options: remove it, name another "
                    "--out, or pass --overwrite"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(self.folder):
            write_file(there, json.dumps(job))
            yield self._lacking()

    def _lacking(self) -> list[int]:
        return [number for number in self.pieces if not self._file(number).exists()]

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08}.arrow"

    def write(self, number: int, table: Any) -> None:
        """Store a piece's answers: nobody sees a part of them."""
        arrow = require("pyarrow", extra="table")
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file:
                with arrow.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._file(number))
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise

    def _read(self, number: int) -> Any:
        arrow = require("pyarrow", extra="table")
        with open(self._file(number), "rb") as file:
            return arrow.ipc.open_file(file).read_all()

    def join(self, known: Mapping[str, Any]) -> tuple[int, str | None]:
        """Write all pieces to `out`, in order, beside what is known of each example, and remove the folder.

        Returns:
            How many examples have no answer, and why the first has none.

        Raises:
            CheckFailedError: None has one.
        """
        failed, first, schema = 0, None, None
        for number in self.pieces:
            table = self._read(number)
            errors = table.column(ERROR)
            missing = len(errors) - errors.null_count
            failed += missing
            if missing and first is None:
                first = next(text for text in errors.to_pylist() if text is not None)
            if len(table.column_names) > 1 and schema is None:
                schema = table.schema
        if schema is None:
            raise CheckFailedError(f"not one of {self.count} examples has an answer: {first}")
        target = self.folder / f"joined{self.out.suffix.lower()}"
        with _WRITERS[self.out.suffix.lower()](target) as write:
            for number in self.pieces:
                write(self._whole(number, known, schema, errors=failed > 0))
        with open(target, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(target, 0o644)
        os.replace(target, self.out)
        shutil.rmtree(self.folder, ignore_errors=True)
        return failed, first

    def _whole(self, number: int, known: Mapping[str, Any], schema: Any, *, errors: bool) -> Any:
        arrow = require("pyarrow", extra="table")
        table = self._read(number)
        start, stop = self.bounds(number)
        columns = {name: values.slice(start, stop - start) for name, values in known.items()}
        for field in schema:
            if field.name != ERROR or errors:
                # A piece of which nothing could be read has no other column than the reason.
                has = field.name in table.column_names
                columns[field.name] = table.column(field.name) if has else arrow.nulls(stop - start, field.type)
        return arrow.table(columns)


@contextmanager
def _parquet(target: Path) -> Iterator[Any]:
    parquet = require("pyarrow.parquet", extra="table")
    arrow = require("pyarrow", extra="table")
    writer: Any = None
    try:

        def write(table: Any) -> None:
            nonlocal writer
            if writer is None:
                # Of numbers that hardly repeat a dictionary costs time and saves nothing.
                repeated = [field.name for field in table.schema if arrow.types.is_dictionary(field.type)]
                writer = parquet.ParquetWriter(target, table.schema, use_dictionary=repeated, compression="zstd")
            writer.write_table(table)

        yield write
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _csv(target: Path) -> Iterator[Any]:
    csv = require("pyarrow.csv", extra="table")
    with open(target, "wb") as file:
        first = True

        def write(table: Any) -> None:
            nonlocal first
            csv.write_csv(as_plain(table), file, csv.WriteOptions(include_header=first))
            first = False

        yield write


_WRITERS = {".parquet": _parquet, ".csv": _csv}
