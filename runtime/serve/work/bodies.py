"""Which content types a kind of input takes, and how each becomes examples: one table."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...contract import Contract
from .numbers import (
    named_from_json,
    numbers_from_json,
    numbers_from_raw,
    recordings,
    rows_from_files,
    rows_from_json,
)
from .options import Limits
from .problems import Problem
from .requests import images_from_json, images_from_raw
from .uploads import Examples, read_pictures

__all__ = ["FORM", "JSON", "RAW", "Body", "bodies_of", "too_many_images"]

JSON = "application/json"
RAW = "application/octet-stream"
FORM = "multipart/form-data"


class Body(NamedTuple):
    """How bodies of one content type are read. `examples` or, for files and forms with several, `files`."""

    schema: str
    """Name of its schema in the OpenAPI document."""
    examples: Callable[[bytes, Any, Limits], Any] | None = None
    """From the body, the contract and the limits to an array, or arrays by input name."""
    at_once: float = 0.0
    """Bodies of fewer bytes are read in the event loop, the others beside it: some 100 kB of JSON take a
    millisecond, and so do 10 kB of rows by column name."""
    files: Callable[..., Examples] | None = None
    """From a list of files, the contract and the limits; the options of `read_pictures` follow by name."""


def _images_json(body: bytes, contract: Any, limits: Limits) -> NDArray[Any]:
    return too_many_images(images_from_json(body, contract), limits)


def _images_raw(body: bytes, contract: Any, limits: Limits) -> NDArray[Any]:
    return too_many_images(images_from_raw(body, contract), limits)


def too_many_images(images: NDArray[Any], limits: Limits) -> NDArray[Any]:
    """The images, or Problem 422 where they are more than a request may ask about."""
    if len(images) > limits.examples:
        raise Problem(422, f"{len(images)} images: at most {limits.examples} are allowed in one request; send several")
    return images


def _plainly(read: Callable[[list[bytes], Any, Limits], Any]) -> Callable[..., Examples]:
    """A reader of files that has no options."""

    def examples(files: list[bytes], contract: Any, limits: Limits, **_: bool) -> Examples:
        return Examples(read(files, contract, limits))

    return examples


_PICTURES = partial(Body, files=read_pictures)
_TABLES = partial(Body, files=_plainly(rows_from_files))
_RECORDINGS = partial(Body, files=_plainly(recordings))
_SOUNDS = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/flac", "audio/x-flac")
_ARRAYS = {JSON: Body("Inputs", numbers_from_json, 100_000), RAW: Body("Binary", numbers_from_raw, 100_000)}

_BODIES: dict[str, dict[str, Body]] = {
    "picture": {
        JSON: Body("Images", _images_json, 100_000),
        RAW: Body("Binary", _images_raw, math.inf),
        "image/png": _PICTURES("Binary"),
        "image/jpeg": _PICTURES("Binary"),
        FORM: _PICTURES("Form"),
    },
    "features": {
        JSON: Body("Rows", rows_from_json, 10_000),
        RAW: _ARRAYS[RAW],
        "text/csv": _TABLES("Table"),
        FORM: _TABLES("Form"),
    },
    "signal": _ARRAYS,
    "audio": {**_ARRAYS, **{kind: _RECORDINGS("Binary") for kind in _SOUNDS}, FORM: _RECORDINGS("Form")},
    "tensor": _ARRAYS,
}
_SEVERAL = {JSON: Body("Named", named_from_json, 100_000)}


def bodies_of(contract: Contract) -> Mapping[str, Body]:
    """By content type, what a model with this contract takes."""
    return _SEVERAL if contract.only is None else _BODIES[contract.only.kind]
