"""Pictures as they come from real life: shifted, turned, noisy, thin or thick, inverted. NumPy only."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["perturb"]

_NOISE = (32, 64)
_SHIFT = (1, 2)
_DEGREES = (10, 20)


def perturb(images: NDArray[np.uint8], *, seed: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every perturbation of all images, one after the other.

    Args:
        images: Shape (n, height, width[, 3]); the background is taken to be the value of the top left corner.
        seed: Of directions and noise.

    Yields:
        A name, and the images in their order.
    """
    rng = np.random.default_rng(seed)
    for pixels in _SHIFT:
        yield f"shift {pixels} px", _shift(images, pixels, rng)
    for degrees in _DEGREES:
        yield f"rotation {degrees} degrees", _rotate(images, degrees, rng)
    for sigma in _NOISE:
        noise = rng.normal(0, sigma, images.shape)
        yield f"noise sigma {sigma}", np.clip(np.round(images + noise), 0, 255).astype(np.uint8)
    yield "thicker", _morph(images, np.maximum)
    yield "thinner", _morph(images, np.minimum)
    yield "inverted", 255 - images


def _shift(images: NDArray[np.uint8], pixels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image in one of eight directions; the edge value fills what opens."""
    directions = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)])
    drawn = rng.integers(0, len(directions), len(images))
    shifted = np.empty_like(images)
    rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])
    for number, (down, right) in enumerate(directions * pixels):
        mine = drawn == number
        from_rows = np.clip(rows - down, 0, len(rows) - 1)
        from_columns = np.clip(columns - right, 0, len(columns) - 1)
        shifted[mine] = images[mine][:, from_rows][:, :, from_columns]
    return shifted


def _rotate(images: NDArray[np.uint8], degrees: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image clockwise or counterclockwise around its centre, bilinear; the edge value fills what opens."""
    height, width = images.shape[1:3]
    clockwise = rng.random(len(images)) < 0.5
    turned = np.empty_like(images)
    for mine, angle in ((clockwise, np.radians(degrees)), (~clockwise, -np.radians(degrees))):
        y, x = np.mgrid[:height, :width]
        down, right = y - (height - 1) / 2, x - (width - 1) / 2
        from_y = np.clip(np.cos(angle) * down - np.sin(angle) * right + (height - 1) / 2, 0, height - 1)
        from_x = np.clip(np.sin(angle) * down + np.cos(angle) * right + (width - 1) / 2, 0, width - 1)
        turned[mine] = _sample(images[mine], from_y, from_x)
    return turned


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
