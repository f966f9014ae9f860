"""Files in a request's body; PNG and JPEG pictures among them, located and scaled by the contract."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from edgepress.base.errors import InputError, MissingExtraError

from ...contract.picture import Picture
from ...preprocess.fit import fit_picture
from ...preprocess.pictures import read_picture
from ...preprocess.scan import read_page
from .options import Limits
from .problems import Problem

__all__ = ["Examples", "read_form", "read_pictures"]

_MOST_FILES = 64
_BOX = ("picture", "left", "top", "right", "bottom")


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
        raise Problem(422, f"the form holds no files: send 1 to {_MOST_FILES}")
    return files


@dataclass(frozen=True)
class Examples:
    """What a request asks about."""

    values: Any
    """Shape (n, ...) of the contract; for a model with several inputs such arrays by name."""
    details: dict[str, Any] = field(default_factory=dict)
    """What the answer says of them besides. `boxes`: for pages, where each image was: `picture` (from 0), `left`,
    `top`, `right`, `bottom` in its pixels. `images`: for those who want to see what the model sees."""


def read_pictures(
    files: list[bytes], contract: Picture, limits: Limits, *, pages: bool = False, echo: bool = False
) -> Examples:
    """PNG and JPEG files as images of the contract: one each, or for `pages` every object, in reading order.

    With `echo` the images are among the details.

    Raises:
        Problem: 422 for a file that is no picture, claims too many pixels, or when all together take too long; 409
            where OpenCV, which reads pages, is not installed.
    """
    images = [np.empty((0, *contract.shape), np.uint8)]
    boxes: list[dict[str, int]] = []
    start = time.perf_counter()
    for number, file in enumerate(files):
        if time.perf_counter() - start > limits.answer_s:
            raise Problem(422, f"{number} of {len(files)} pictures took {limits.answer_s:g} s to read: send fewer")
        try:
            if pages:
                page = read_page(file, contract, most_pixels=limits.pixels)
                images.append(page.images)
                boxes += [dict(zip(_BOX, (number, *box), strict=True)) for box in page.boxes.tolist()]
            else:
                picture = read_picture(file, most_pixels=limits.pixels)
                images.append(fit_picture(picture, contract)[np.newaxis])
        except MissingExtraError as error:
            raise Problem(409, f"this server reads no pages: {error}") from None
        except InputError as error:
            raise Problem(422, f"picture {number + 1} of {len(files)}: {error}") from None
    found = np.concatenate(images)
    return Examples(found, ({"boxes": boxes} if pages else {}) | ({"images": found} if echo else {}))
