"""Rows, windows, recordings and arrays in a request's body, checked by the contract."""

import io
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError, MissingExtraError
from edgepress.base.extras import require

from ...contract import Audio, Contract, Features, Input, Picture
from ...preprocess.sound import read_recording, recording_header
from ...preprocess.tables import read_rows
from .options import Limits
from .problems import Problem
from .requests import images_of, json_object

__all__ = [
    "named_from_json",
    "numbers_from_json",
    "numbers_from_raw",
    "numbers_of",
    "recordings",
    "rows_from_files",
    "rows_from_json",
]

_ROWS_AT_ONCE = 1000
"""Between two looks at the clock."""
_LARGEST = float(np.finfo(np.float32).max)


def rows_from_json(body: bytes, contract: Features, limits: Limits) -> NDArray[np.float64]:
    """`{"rows": [{column: value, ...}, ...]}`, or `{"inputs": [[...], ...]}` with numbers in the model's order."""
    value = json_object(body)
    if set(value) == {"inputs"}:
        return _checked(numbers_of(value["inputs"], contract), limits)
    if set(value) != {"rows"}:
        raise Problem(422, f"the object has the keys {_keys(value)}: exactly one is allowed, rows or inputs")
    rows = value["rows"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        columns = ", ".join(contract.columns)
        raise Problem(422, f"rows is no list of objects, or empty: send a list of objects with the columns {columns}")
    return _checked(_rows(rows, contract, limits), limits)


def rows_from_files(files: list[bytes], contract: Features, limits: Limits) -> NDArray[np.float64]:
    """CSV files with the columns' names in their first line; all rows follow one another."""
    tables = [read_rows(file, name=f"table {number + 1} of {len(files)}") for number, file in enumerate(files)]
    return _checked(_rows([row for table in tables for row in table], contract, limits), limits)


def numbers_from_json(body: bytes, contract: Any, limits: Limits) -> NDArray[np.float64]:
    """`{"inputs": ...}`: one example or a list of them, as nested lists of numbers."""
    value = json_object(body)
    if set(value) != {"inputs"}:
        raise Problem(422, f"the object has the keys {_keys(value)}: exactly one is allowed, inputs")
    return _checked(numbers_of(value["inputs"], contract), limits)


def numbers_from_raw(body: bytes, contract: Any, limits: Limits) -> NDArray[np.float64]:
    """Numbers of the contract's type, little-endian, one example after the other."""
    dtype = np.dtype(contract.dtype).newbyteorder("<")
    each = contract.size * dtype.itemsize
    if each <= 0:
        raise Problem(422, f"examples of the open shape {list(contract.shape)} have no fixed length: send JSON")
    if not body or len(body) % each:
        raise Problem(422, f"{len(body)} bytes: a multiple of {each} is allowed, {each} for one example ({dtype.name})")
    numbers = np.frombuffer(body, dtype).reshape(-1, *contract.shape)
    return _checked(contract.numbers(numbers), limits)


def named_from_json(body: bytes, contract: Contract, limits: Limits) -> dict[str, NDArray[Any]]:
    """`{"inputs": {name: ...}}` for a model with several inputs, as many examples of each; of features also objects."""
    value = json_object(body)
    inputs, names = value.get("inputs"), ", ".join(contract.inputs)
    if set(value) != {"inputs"} or not isinstance(inputs, dict) or set(inputs) != set(contract.inputs):
        raise Problem(422, f"the object has the keys {_keys(value)}: send inputs, an object with each of {names}")
    found = {}
    for name, each in contract.inputs.items():
        given: Any = inputs[name]
        objects = isinstance(given, list) and given and all(isinstance(row, dict) for row in given)
        by_name = objects and isinstance(each, Features)
        found[name] = _checked(_rows(given, each, limits) if by_name else numbers_of(given, each), limits)
    if len({len(array) for array in found.values()}) > 1:
        counts = ", ".join(f"{name} {len(array)}" for name, array in found.items())
        raise Problem(422, f"inputs hold different numbers of examples ({counts}): send as many of each")
    return found


def numbers_of(value: object, contract: Input) -> NDArray[Any]:
    """JSON values as the contract's numbers; InputError or Problem 422 for what they are not."""
    if isinstance(contract, Picture):
        return images_of(value, contract)
    # An object among lists would be taken for a row by column name.
    if not isinstance(value, list) or any(isinstance(each, dict) for each in value):
        raise Problem(422, f"inputs are no list of numbers: send lists of the shape {list(contract.shape)}")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise Problem(422, f"inputs are ragged: send lists of the shape {list(contract.shape)}") from None
    return contract.numbers(array)


def recordings(files: list[bytes], contract: Audio, limits: Limits) -> NDArray[np.float32]:
    """WAV and FLAC files as windows, one each.

    Raises:
        Problem: 422 for a file that is no recording, claims too many samples, or when all together take too long; 409
            where what reads sound is not installed.
    """
    windows, start = [], time.perf_counter()
    for number, file in enumerate(files):
        name = f"recording {number + 1} of {len(files)}"
        if time.perf_counter() - start > limits.answer_s:
            raise Problem(422, f"{number} of {len(files)} recordings took {limits.answer_s:g} s to read: send fewer")
        try:
            _, frames = recording_header(file, name=name)
            channels = require("soundfile", extra="audio").info(io.BytesIO(file)).channels
            if frames * channels > limits.samples:
                raise Problem(
                    422, f"{name} claims {frames * channels} samples: at most {limits.samples} are read; send less"
                )
            windows.append(read_recording(file, contract, name=name))
        except MissingExtraError as error:
            raise Problem(409, f"this server reads no recordings: {error}") from None
    return np.stack(windows)


def _rows(rows: list[Any], contract: Any, limits: Limits) -> NDArray[np.float64]:
    if len(rows) > limits.examples:
        raise _too_many(len(rows), limits)
    parts, start = [], time.perf_counter()
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        if time.perf_counter() - start > limits.answer_s:
            raise Problem(422, f"{at} of {len(rows)} rows took {limits.answer_s:g} s to read: send fewer")
        parts.append(contract.numbers(rows[at : at + _ROWS_AT_ONCE]))
    return np.concatenate(parts)


def _checked(numbers: NDArray[Any], limits: Limits) -> NDArray[Any]:
    if not len(numbers):
        raise Problem(422, "there is no example: send at least one")
    if len(numbers) > limits.examples:
        raise _too_many(len(numbers), limits)
    if numbers.size and np.abs(numbers).max() > _LARGEST:
        raise InputError(f"numbers beyond float32: send numbers up to {_LARGEST:.3g}")
    return numbers


def _too_many(count: int, limits: Limits) -> Problem:
    return Problem(422, f"{count} examples: at most {limits.examples} are allowed in one request; send several")


def _keys(value: Mapping[str, object]) -> list[str]:
    return [key[:40] for key in sorted(value)[:10]]
