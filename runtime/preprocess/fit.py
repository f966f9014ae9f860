"""From a picture of any size to the pixels that the contract asks for, in integer arithmetic alone.

Every step is defined on integers, with halves rounded upwards, so that another language (the drawing page's
JavaScript) gives the same array bit for bit: `tests/golden/preprocess` holds vectors that both must meet. All sums stay
below 2^53 for pictures of up to 2^32 pixels. `//` below divides and rounds down; `round(a / b)` is (2 a + b) // (2 b).

For `fit="mnist"` the steps are those of LeCun et al. (the MNIST database): locate, scale the longer side to the box,
and place by the centre of mass. A picture that already is as they make it comes out unchanged.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..contract.picture import Picture

__all__ = ["area_resize", "bilinear_resize", "fit_picture", "grey_picture", "place", "separate_ink"]

_CONTRAST = 16
"""A picture whose brightest ink is less than this many levels above its background shows nothing."""
_OUTLINE = 64
"""Fainter ink does not count as part of the object's outline: blur, the halo of a compressed picture, noise."""
_FULL = 250
_STRONG = 192
"""A scaled object whose upper quartile of levels is fainter has thin or blurred strokes, and is made stronger."""


def grey_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey levels of a picture (h, w), (h, w, 3) RGB or (h, w, 4) RGBA; what is transparent shows white paper.

    Alpha: round((channel * alpha + 255 * (255 - alpha)) / 255). Grey, as ITU-R BT.601 weighs it:
    (19595 r + 38470 g + 7471 b + 32768) // 65536.
    """
    if picture.ndim == 2:
        return picture
    channels = picture.astype(np.int64)
    if picture.shape[2] == 4:
        alpha = channels[..., 3:]
        channels = (2 * (channels[..., :3] * alpha + 255 * (255 - alpha)) + 255) // 510
    weights = np.array([19595, 38470, 7471])
    grey: NDArray[np.uint8] = ((channels * weights).sum(axis=2) + 32768 >> 16).astype(np.uint8)
    return grey


def fit_picture(picture: NDArray[np.uint8], contract: Picture) -> NDArray[np.uint8]:
    """A picture of any size as the contract's pixels.

    Args:
        picture: uint8, (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA, of either polarity.
        contract: What the model was trained on.

    Returns:
        uint8 of `contract.shape`; all zeros (of the contract's polarity) where the picture shows nothing.

    Raises:
        InputError: Not such an array.
    """
    picture = np.asarray(picture)
    if (
        picture.dtype != np.uint8
        or picture.ndim not in (2, 3)
        or 0 in picture.shape
        or picture.shape[2:]
        not in (
            (),
            (3,),
            (4,),
        )
    ):
        raise InputError(
            f"a picture of {picture.dtype} {picture.shape}: uint8 (h, w), (h, w, 3) or (h, w, 4) is allowed"
        )
    if contract.fit != "mnist":
        return _fit_whole(picture, contract)
    ink, noisy = separate_ink(grey_picture(picture), keep_polarity=contract.polarity == "as-is")
    pixels = place(ink, contract, noisy=noisy)
    if contract.polarity == "dark-on-light":
        pixels = 255 - pixels
    return pixels if contract.channels == 1 else np.repeat(pixels[..., None], 3, axis=2)


def _fit_whole(picture: NDArray[np.uint8], contract: Picture) -> NDArray[np.uint8]:
    """The picture as a whole (`stretch`, `pad`) or its middle (`crop`), in grey or in its colours."""
    grey = grey_picture(picture)
    planes = [grey]
    if contract.channels == 3:
        planes = [picture[..., i] for i in range(3)] if picture.ndim == 3 else [grey] * 3
    if contract.polarity != "as-is" and _is_light(grey) != (contract.polarity == "dark-on-light"):
        planes = [255 - plane for plane in planes]
    sized = [_sized(plane, contract) for plane in planes]
    return sized[0] if contract.channels == 1 else np.stack(sized, axis=2)


def _sized(plane: NDArray[np.uint8], contract: Picture) -> NDArray[np.uint8]:
    """One channel in the contract's size.

    `crop` takes the largest part of the right proportions, h' = h or (2 w H + W) // (2 W) rows (columns likewise), that
    starts at half of what is left over, rounded down. `pad` scales to the largest size of the plane's proportions that
    fits, sides rounded alike, and puts it as far from the edges.
    """
    height, width = contract.height, contract.width
    resize = bilinear_resize if contract.resampling == "bilinear" else area_resize
    if contract.fit == "stretch":
        return resize(plane, height, width)
    if contract.fit == "crop":
        rows, columns = plane.shape
        if rows * width > columns * height:
            rows = min(rows, max(1, (2 * columns * height + width) // (2 * width)))
        else:
            columns = min(columns, max(1, (2 * rows * width + height) // (2 * height)))
        top, left = (plane.shape[0] - rows) // 2, (plane.shape[1] - columns) // 2
        return resize(plane[top : top + rows, left : left + columns], height, width)
    rows, columns = height, width
    if plane.shape[0] * width > plane.shape[1] * height:
        columns = max(1, (2 * plane.shape[1] * height + plane.shape[0]) // (2 * plane.shape[0]))
    else:
        rows = max(1, (2 * plane.shape[0] * width + plane.shape[1]) // (2 * plane.shape[1]))
    padded = np.zeros((height, width), np.uint8)
    top, left = (height - rows) // 2, (width - columns) // 2
    padded[top : top + rows, left : left + columns] = resize(plane, rows, columns)
    return padded


def _ring(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture's outermost pixels, sorted. A picture one pixel wide or high is all ring."""
    if min(grey.shape) == 1:
        return np.sort(grey, axis=None)
    return np.sort(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]]))


def _is_light(grey: NDArray[np.uint8]) -> bool:
    """Whether the background is light: at least half of the ring lies above the middle of the picture's range."""
    ring = _ring(grey).astype(np.int64)
    middle = int(grey.min()) + int(grey.max())
    return bool(2 * np.count_nonzero(2 * ring > middle) >= len(ring))


def separate_ink(grey: NDArray[np.uint8], *, keep_polarity: bool = False) -> tuple[NDArray[np.uint8], bool]:
    """Ink as 0 (paper) to 255 (the strongest ink), whatever the polarity and lighting.

    The ring of outermost pixels is taken as paper: b is its lower median, s its 90th percentile (the sorted ring's
    elements (n - 1) // 2 and 9 (n - 1) // 10), p the strongest pixel, or 255 where that is 250 or more. Paper ends at
    f = min(b + 3 (s - b), (b + p) // 2); a level v above f becomes round(255 (v - f) / (p - f)), one at or below f
    becomes 0.

    Returns:
        The ink, same shape, all zeros where p - b is below 16; and whether the paper is noisy (s > b).
    """
    light = not keep_polarity and _is_light(grey)
    levels = (255 - grey if light else grey).astype(np.int64)
    ring = _ring(levels.astype(np.uint8)).astype(np.int64)
    paper, strong, peak = int(ring[(len(ring) - 1) // 2]), int(ring[9 * (len(ring) - 1) // 10]), _full(levels)
    if peak - paper < _CONTRAST:
        return np.zeros_like(grey), False
    floor = min(paper + 3 * (strong - paper), (paper + peak) // 2)
    span = peak - floor
    ink: NDArray[np.uint8] = ((2 * 255 * np.maximum(levels - floor, 0) + span) // (2 * span)).astype(np.uint8)
    return ink, strong > paper


def area_resize(plane: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale (h, w) to (height, width); each new pixel is the mean of the area it covers, rounded.

    Along one axis of n old and m new pixels, new pixel i covers [i n, (i + 1) n) and old pixel j covers
    [j m, (j + 1) m); the overlap is the weight. The sum of weight * weight * level over both axes is divided by h * w.
    """
    rows, columns = _overlaps(plane.shape[0], height), _overlaps(plane.shape[1], width)
    # Sums stay below 2^53, so that float64 products are exact and BLAS may do them.
    total = (rows @ plane.astype(np.float64) @ columns.T).astype(np.int64)
    area = plane.shape[0] * plane.shape[1]
    sized: NDArray[np.uint8] = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return sized


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """Weights (new, old) of `area_resize` along one axis."""
    starts, edges = np.arange(new)[:, None] * old, np.arange(old)[None] * new
    overlap = np.minimum(starts + old, edges + new) - np.maximum(starts, edges)
    weights: NDArray[np.float64] = np.maximum(overlap, 0).astype(np.float64)
    return weights


def bilinear_resize(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale (h, w[, channels]) to (height, width[, channels]) as Keras' image_dataset_from_directory does: between the
    four nearest pixels, with the pixels' centres at halves and without antialiasing; levels are rounded.

    Along one axis of n old and m new pixels, new pixel i lies at ((2 i + 1) n - m) / (2 m) = p + q / (2 m); old pixel p
    weighs 2 m - q and p + 1 weighs q, both moved inwards at the ends. The sum is divided by 4 * height * width.
    """
    top, bottom, down = _neighbours(picture.shape[0], height)
    left, right, across = _neighbours(picture.shape[1], width)
    # Only the pixels that count are widened: a photograph has a hundred times as many.
    axes = (1,) * (picture.ndim - 2)
    down, across = down.reshape(-1, 1, *axes), across.reshape(1, -1, *axes)

    def row(index: NDArray[np.int64]) -> NDArray[np.int64]:
        levels = picture[index]
        return levels[:, left].astype(np.int64) * (2 * width - across) + levels[:, right].astype(np.int64) * across

    total = row(top) * (2 * height - down) + row(bottom) * down
    area = 4 * height * width
    sized: NDArray[np.uint8] = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return sized


def _neighbours(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each new pixel the old one before it, the one after it, and the latter's weight out of 2 * new."""
    place = (2 * np.arange(new, dtype=np.int64) + 1) * old - new
    before = place // (2 * new)
    return before.clip(0, old - 1), (before + 1).clip(0, old - 1), place % (2 * new)


def place(ink: NDArray[np.uint8], contract: Picture, *, noisy: bool = False) -> NDArray[np.uint8]:
    """Locate the object in `ink` (0 is paper), scale it to the box and put its centre of mass in the middle.

    1. Bounds: the rows and columns that hold ink of at least 64. Where they are no longer than the box and the paper is
       clean, faint edges count too: those that hold any ink at all.
    2. Thin strokes are widened: with a pixels of at least 64 inside the bounds, e edges between such a pixel and
       another neighbour (4 directions) and l the longer side, the mean stroke is 2 a / e wide. Where l is longer than
       the box and 200 a < 7 e l (under 7 % of l), r = round((l e - 20 a) / (20 e)); the bounds grow by r on every side
       and each pixel becomes the largest within r rows and r columns (strokes of 10 % of l).
    3. Size: the longer side becomes `box` pixels, the shorter one max(1, round(shorter * box / l)), by `area_resize`.
    4. Levels become min(255, round(255 v / q)): q is the largest level, or 255 where that is 250 or more; where l was
       not the box, and u, the element n - 1 - n // 4 of the n sorted levels above 0, is below 192, q is u.
    5. With m the sum of all levels and s the sum of level * index along an axis of n pixels, the object starts at
       -((2 s - (n - 1) m) // (2 m)), the one offset that brings the centre of mass to [(n - 1) / 2, (n + 1) / 2);
       moved inwards where it would leave the picture.

    Returns:
        uint8 (height, width), light on dark; zeros where there is no object.
    """
    pixels = np.zeros((contract.height, contract.width), np.uint8)
    box = min(contract.box, contract.height, contract.width)
    part = _crop(ink, _OUTLINE)
    if part.size and max(part.shape) <= box and not noisy:
        part = _crop(ink, 1)
    if not part.size:
        return pixels
    if max(part.shape) > box:
        part = _widen(part)
    longer = max(part.shape)
    height, width = (max(1, (2 * size * box + longer) // (2 * longer)) for size in part.shape)
    part = area_resize(part, height, width)
    full = _full_level(part, resized=longer != box)
    part = np.minimum((2 * 255 * part.astype(np.int64) + full) // (2 * full), 255).astype(np.uint8)
    top = _offset(part.sum(axis=1, dtype=np.int64), contract.height)
    left = _offset(part.sum(axis=0, dtype=np.int64), contract.width)
    pixels[top : top + height, left : left + width] = part
    return pixels


def _crop(ink: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    mask = ink >= level
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ink[:0, :0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _widen(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mask = np.pad(part >= _OUTLINE, 1)
    area = int(np.count_nonzero(mask))
    edges = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    longer = max(part.shape)
    if 200 * area >= 7 * edges * longer:
        return part
    radius = (2 * (longer * edges - 20 * area) + 20 * edges) // (40 * edges)
    for axis in (0, 1):
        # Once for each axis: the largest of a square is the largest of its rows' largest.
        part = np.pad(part, [(2 * radius, 2 * radius) if i == axis else (0, 0) for i in (0, 1)])
        part = sliding_window_view(part, 2 * radius + 1, axis=axis).max(axis=-1)
    return part


def _full_level(part: NDArray[np.uint8], *, resized: bool) -> int:
    levels = np.sort(part[part > 0])
    upper = int(levels[len(levels) - 1 - len(levels) // 4])
    return upper if resized and upper < _STRONG else _full(levels)


def _full(levels: NDArray[Any]) -> int:
    """The level that stands for full ink. MNIST's own digits reach 254 or 255 and must come out unchanged."""
    largest = int(levels.max())
    return 255 if largest >= _FULL else largest


def _offset(masses: NDArray[np.int64], size: int) -> int:
    mass = int(masses.sum())
    moment = int((masses * np.arange(len(masses))).sum())
    offset = -((2 * moment - (size - 1) * mass) // (2 * mass))
    return max(0, min(offset, size - len(masses)))
