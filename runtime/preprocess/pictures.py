"""Picture files as arrays, with limits on what a file may claim to be."""

import io
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError
from edgepress.base.extras import require

__all__ = [
    "MOST_PIXELS",
    "PICTURE_FORMATS",
    "PictureFile",
    "PictureHeader",
    "decode_picture",
    "picture_files",
    "picture_header",
    "read_picture",
    "read_scaled",
]

PictureFile = str | os.PathLike[str] | bytes | IO[bytes] | io.BufferedIOBase
"""A path, the file's bytes, or a stream of them."""

PICTURE_FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
"""What is decoded, as Pillow names it, and the files' usual suffixes. A file is told by its content. Formats that run
programs (EPS) are not among them."""
_KINDS = "PNG, JPEG, BMP, GIF, WebP, TIFF or PPM"

MOST_PIXELS = 50_000_000
"""A file that claims more is refused before it is unpacked: 200 MB is what this many take."""
_SIDE = 2_000
"""Larger pictures are brought near this many pixels on their longer side: no object needs more."""


def read_picture(file: PictureFile, *, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Decode a picture (the first of several), turned upright as its EXIF data say; a large one is shrunk.

    Returns:
        uint8: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA.

    Raises:
        InputError, MissingExtraError: As `read_scaled`.
    """
    return read_scaled(file, most_pixels=most_pixels)[0]


def read_scaled(file: PictureFile, *, most_pixels: int = MOST_PIXELS) -> tuple[NDArray[np.uint8], float]:
    """What `read_picture` gives, and how many of the file's pixels stand side by side in one of these.

    Raises:
        InputError: No such file, another format, damaged, or of more than `most_pixels`.
        MissingExtraError: Pillow is not installed.
    """
    operations = require("PIL.ImageOps", extra="image")
    with _opened(file, None, most_pixels) as picture:
        side = max(picture.size)
        picture.draft(None, (_SIDE, _SIDE))
        pixels = _array(_shrunk(operations.exif_transpose(picture)))
        return pixels, side / max(pixels.shape[:2])


class PictureHeader(NamedTuple):
    """What a file says of its picture."""

    size: tuple[int, int]
    """Height and width as the pixels are stored."""
    is_grey: bool
    is_turned: bool
    """Whether EXIF asks to turn or mirror it."""


def picture_header(file: PictureFile, *, name: str | None = None, most_pixels: int = MOST_PIXELS) -> PictureHeader:
    """What a file says of its picture, without decoding it.

    Raises:
        InputError, MissingExtraError: As `read_scaled`.
    """
    with _opened(file, name, most_pixels) as picture:
        grey = picture.mode in _GREY or picture.mode.startswith("I")
        turned = picture.getexif().get(_ORIENTATION, 1) not in (0, 1)
        return PictureHeader((picture.height, picture.width), grey, turned)


def decode_picture(
    file: PictureFile, *, name: str | None = None, grey: bool = False, most_pixels: int = MOST_PIXELS
) -> NDArray[np.uint8]:
    """Decode a picture as it is stored, whatever EXIF says, in its own size, without transparency: the colours under it
    count. So Keras reads training pictures.

    Args:
        file: The picture.
        name: How messages call the file; its path when None.
        grey: Make it grey, not colour.
        most_pixels: Larger ones are refused.

    Returns:
        uint8: (h, w) where `grey`, else (h, w, 3).

    Raises:
        InputError, MissingExtraError: As `read_scaled`.
    """
    pillow = require("PIL.Image", extra="image")
    with _opened(file, name, most_pixels) as picture:
        pixels = _array(picture)
    if pixels.ndim == 2:
        return pixels if grey else np.repeat(pixels[..., None], 3, axis=2)
    colours = np.ascontiguousarray(pixels[..., :3])
    return np.asarray(pillow.fromarray(colours).convert("L")) if grey else colours


_OPENING = threading.Lock()


@contextmanager
def _opened(file: PictureFile, name: str | None, most_pixels: int) -> Iterator[Any]:
    """The picture, not yet decoded; whatever Pillow raises while it is open becomes one line."""
    pillow = require("PIL.Image", extra="image")
    name = name or (os.fspath(file) if isinstance(file, str | os.PathLike) else "the picture")
    try:
        stream = io.BytesIO(file) if isinstance(file, bytes) else file
        # What is ignored is ignored in all threads, and what was before must come back when the last is through.
        with _OPENING, warnings.catch_warnings():
            # What is too large is refused below, in one line.
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
            picture = pillow.open(stream, formats=list(PICTURE_FORMATS))
        with picture:
            if picture.width * picture.height > most_pixels:
                size = f"{picture.width} x {picture.height}"
                raise InputError(f"{name} is {size} pixels: {most_pixels:,} in all are allowed; scale it down")
            yield picture
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name a file of {_KINDS}") from None
    except pillow.UnidentifiedImageError:
        # Its own message names a stream by its address.
        raise InputError(f"{name} is no {_KINDS}, or a damaged one: save it again as one of them") from None
    except pillow.DecompressionBombError:
        raise InputError(f"{name} claims far more pixels than the {most_pixels:,} that are allowed") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{name} cannot be read as {_KINDS} ({error}): save it again as one of them") from None


_ORIENTATION = 0x0112
_GREY = ("1", "L", "LA", "La", "F")
"""Pillow's modes without colours, beside those that start with I."""


def picture_files(files: "PictureFile | Iterable[PictureFile]") -> list[PictureFile]:
    """One file or several, as a list."""
    if isinstance(files, str | os.PathLike | bytes):
        return [files]
    return [cast(IO[bytes], files)] if hasattr(files, "read") else list(files)


def _shrunk(picture: Any) -> Any:
    factor = max(picture.size) // _SIDE
    return picture.reduce(factor) if factor > 1 and picture.mode in ("L", "RGB", "RGBA") else picture


def _array(picture: Any) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):
        # 16 bits a pixel, which Pillow's own conversion to 8 would cut off instead of scale.
        return (np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
    if picture.mode not in ("L", "RGB", "RGBA"):
        clear = "A" in picture.mode or "transparency" in picture.info
        picture = picture.convert("RGBA" if clear else "L" if picture.mode == "1" else "RGB")
    return np.asarray(picture)
