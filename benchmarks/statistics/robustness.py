"""Pictures as they come from real life: shifted, turned, noisy, thin or thick, inverted. NumPy only."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data.rows import in_pieces

__all__ = ["perturb"]

_PIECE_BYTES = 2_000_000
"""Of pixels that are changed at a time: as real numbers they take many times as much."""

_NOISE = (32, 64)
_SHIFT = (1, 2)
_DEGREES = (10, 20)
_DIRECTIONS = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)])
"""Down and right, of a shift."""


def perturb(images: Any, *, seed: int) -> Iterator[tuple[str, Iterator[NDArray[np.uint8]]]]:
    """Every perturbation of all images, one after the other.

    Args:
        images: Shape (n, height, width[, 3]), an array or `Rows`; the background is taken to be the value of the top
            left corner.
        seed: Of directions and noise. How many images are read at a time changes nothing.

    Yields:
        A name, and the images in their order, piece by piece: to be gone through before the next perturbation, whose
        random numbers follow on this one's.
    """
    rng = np.random.default_rng(seed)

    def each(change: Callable[..., NDArray[np.uint8]], *drawn: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
        """Change a piece after the other, with what was drawn for each of its images."""
        start = 0
        for piece in in_pieces(images, max(1, _PIECE_BYTES * len(images) // max(1, images.nbytes))):
            yield change(piece, *(values[start : start + len(piece)] for values in drawn))
            start += len(piece)

    for pixels in _SHIFT:
        directions = rng.integers(0, len(_DIRECTIONS), len(images))
        yield f"shift {pixels} px", each(partial(_shift, pixels=pixels), directions)
    for degrees in _DEGREES:
        clockwise = rng.random(len(images)) < 0.5
        yield f"rotation {degrees} degrees", each(partial(_rotate, degrees=degrees), clockwise)
    for sigma in _NOISE:
        yield f"noise sigma {sigma}", each(partial(_noise, sigma=sigma, rng=rng))
    yield "thicker", each(partial(_morph, extreme=np.maximum))
    yield "thinner", each(partial(_morph, extreme=np.minimum))
    yield "inverted", each(lambda piece: 255 - piece)


def _shift(images: NDArray[np.uint8], drawn: NDArray[np.int64], pixels: int) -> NDArray[np.uint8]:
    """Each image in one of eight directions; the edge value fills what opens."""
    shifted = np.empty_like(images)
    rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])
    for number, (down, right) in enumerate(_DIRECTIONS * pixels):
        mine = drawn == number
        from_rows = np.clip(rows - down, 0, len(rows) - 1)
        from_columns = np.clip(columns - right, 0, len(columns) - 1)
        shifted[mine] = images[mine][:, from_rows][:, :, from_columns]
    return shifted


def _rotate(images: NDArray[np.uint8], clockwise: NDArray[np.bool_], degrees: float) -> NDArray[np.uint8]:
    """Each image clockwise or counterclockwise around its centre, bilinear; the edge value fills what opens."""
    height, width = images.shape[1:3]
    turned = np.empty_like(images)
    for mine, angle in ((clockwise, np.radians(degrees)), (~clockwise, -np.radians(degrees))):
        y, x = np.mgrid[:height, :width]
        down, right = y - (height - 1) / 2, x - (width - 1) / 2
        from_y = np.clip(np.cos(angle) * down - np.sin(angle) * right + (height - 1) / 2, 0, height - 1)
        from_x = np.clip(np.sin(angle) * down + np.cos(angle) * right + (width - 1) / 2, 0, width - 1)
        turned[mine] = _sample(images[mine], from_y, from_x)
    return turned


def _noise(images: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Every value with noise of its own."""
    return np.clip(np.round(images + rng.normal(0, sigma, images.shape)), 0, 255).astype(np.uint8)


def _sample(images: NDArray[np.uint8], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.uint8]:
    """All images at the same places between their pixels."""
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom = np.minimum(top + 1, images.shape[1] - 1)
    right = np.minimum(left + 1, images.shape[2] - 1)
    shape = (1, *y.shape, *(1,) * (images.ndim - 3))
    down, across = (y - top).astype(np.float32).reshape(shape), (x - left).astype(np.float32).reshape(shape)
    upper = images[:, top, left] * (1 - across) + images[:, top, right] * across
    lower = images[:, bottom, left] * (1 - across) + images[:, bottom, right] * across
    return np.round(upper * (1 - down) + lower * down).astype(np.uint8)


def _morph(images: NDArray[np.uint8], extreme: np.ufunc) -> NDArray[np.uint8]:
    """Strokes half a pixel wider (maximum) or narrower (minimum) on each side, as for light on dark: a 2 x 2 window."""
    down = np.concatenate([images[:, 1:], images[:, -1:]], axis=1)
    pair = extreme(images, down)
    across = np.concatenate([pair[:, :, 1:], pair[:, :, -1:]], axis=2)
    result: NDArray[np.uint8] = extreme(pair, across)
    return result
