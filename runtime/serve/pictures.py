"""PNG and JPEG pictures in a request's body, located and scaled by the contract."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ..contract import Preprocessing
from .problems import Problem

__all__ = ["Pictures", "read_form", "read_pictures"]

_MOST_FILES = 64


@dataclass(frozen=True)
class Pictures:
    """Images ready for the model, (n, ...) uint8, and where they were found."""

    images: NDArray[np.uint8]
    boxes: list[dict[str, int]] | None = None
    """One per image: picture (its number in the request), left, top, right, bottom in pixels; None where the request
    held no pictures."""


async def read_form(content_type: str, body: bytes) -> list[bytes]:
    """The files of a `multipart/form-data` body, in order. Raises Problem 400 or 422."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        Headers({"content-type": content_type}), stream(), max_files=_MOST_FILES, max_fields=_MOST_FILES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise Problem(400, f"the form cannot be read ({error}): send multipart/form-data with a boundary") from None
    try:
        files = [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]
    finally:
        await form.close()
    if not files:
        raise Problem(422, f"the form holds no files: send 1 to {_MOST_FILES} PNG or JPEG pictures")
    return files


def read_pictures(files: list[bytes], contract: Preprocessing) -> Pictures:
    """Locate what is on each picture. Raises Problem 422 for one that is no picture or too large."""
    raise NotImplementedError
