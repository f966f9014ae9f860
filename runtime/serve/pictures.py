"""PNG and JPEG pictures in a request's body, located and scaled by the contract."""

import time
from collections.abc import AsyncGenerator

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ..contract import Preprocessing
from ..errors import InputError
from ..images import read_picture
from ..preprocess import fit_picture
from .options import Limits
from .problems import Problem

__all__ = ["read_form", "read_pictures"]

_MOST_FILES = 64


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


def read_pictures(files: list[bytes], contract: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """One image of the contract, (n, ...) uint8, for each PNG or JPEG file.

    Raises:
        Problem: 422 for a file that is no picture, claims too many pixels, or when all together take too long.
    """
    images = np.empty((len(files), *contract.shape), np.uint8)
    start = time.perf_counter()
    for number, file in enumerate(files):
        if time.perf_counter() - start > limits.answer_s:
            raise Problem(422, f"{number} of {len(files)} pictures took {limits.answer_s:g} s to read: send fewer")
        try:
            images[number] = fit_picture(read_picture(file, most_pixels=limits.pixels), contract)
        except InputError as error:
            raise Problem(422, f"picture {number + 1} of {len(files)}: {error}") from None
    return images
