"""Pictures of any sizes as one array, as Keras' `image_dataset_from_directory` reads them."""

import logging

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Picture
from edgepress.runtime.preprocess.fit import bilinear_resize
from edgepress.runtime.preprocess.pictures import PICTURE_FORMATS, PictureHeader, decode_picture, picture_header

from ..convention import picture_of
from ..options import Options
from ..rows import MANY_BYTES
from .files import File, decoded, in_parallel

__all__ = ["PICTURE_SUFFIXES", "read_pictures"]

logger = logging.getLogger(__name__)

PICTURE_SUFFIXES = tuple(suffix for suffixes in PICTURE_FORMATS.values() for suffix in suffixes)
_MAX_BYTES = 4_000_000_000


def read_pictures(files: list[File], options: Options) -> tuple[Picture, NDArray[np.uint8]]:
    """Decode and, where they are of several sizes or another one is asked for, scale.

    As Keras does: stretched, bilinear, without regard to EXIF's orientation, with the colours under what is
    transparent. Unlike there, pictures are grey where all are, and their levels are rounded.

    Returns:
        What they are, and uint8 (n, height, width) or (n, height, width, 3).

    Raises:
        InputError: Files that are none (the first of them, and how many), of more than 50 million pixels, of several
            sizes without `input_shape`, or too many for the memory.
    """
    headers = in_parallel(_header, files, "files")
    sizes = sorted({header.size for header in headers})
    turned = sum(header.is_turned for header in headers)
    if turned:
        logger.warning(
            "%d of %d pictures are turned by EXIF alone, which Keras and this reader ignore, and `predict` does not: "
            "turn their pixels",
            turned,
            len(files),
        )
    asked = options.picture_shape
    if asked is None and len(sizes) > 1:
        small, large = (f"{height}x{width}" for height, width in (sizes[0], sizes[-1]))
        raise InputError(
            f"the pictures have {len(sizes)} sizes (height x width), from {small} to {large}: say to which they are "
            f"scaled, for instance --input-shape 96x96"
        )
    height, width = asked[:2] if asked else sizes[0]
    channels = (asked[2] if asked else None) or (1 if all(header.is_grey for header in headers) else 3)
    total = len(files) * height * width * channels
    stays = options.in_pieces and total > MANY_BYTES
    if total > _MAX_BYTES and not stays:
        raise InputError(
            f"{len(files)} pictures of {height}x{width}x{channels} take {total:,} bytes: at most {_MAX_BYTES:,} are "
            "read; scale them with a smaller --input-shape"
        )
    shape = (height, width) if channels == 1 else (height, width, 3)

    def decode(file: File) -> NDArray[np.uint8]:
        with file.open() as stream:
            picture = decode_picture(stream, name=file.place, grey=channels == 1)
        return picture if picture.shape[:2] == (height, width) else bilinear_resize(picture, height, width)

    pixels = decoded(files, decode, shape, np.uint8, in_file=stays)
    # Scaled photographs are scaled alike when the model is used.
    scaled = len(sizes) > 1 or (height, width) != sizes[0]
    return picture_of(pixels, resampling="bilinear" if scaled else "area"), pixels


def _header(file: File) -> PictureHeader:
    if file.size == 0:
        raise InputError(f"{file.place} is empty (0 bytes): remove it, or copy it again")
    with file.open() as stream:
        return picture_header(stream, name=file.place)
