"""Distorted copies of images: affine maps and elastic fields, made once and drawn from by every epoch.

Simard, Steinkraus and Platt 2003, "Best Practices for Convolutional Neural Networks Applied to Visual Document
Analysis". A step of a small model takes less time than the distortion of its batch: so copies are made ahead, kept in
one file, and training never waits for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .parts import make_array

__all__ = ["STRONG", "Distortion", "distort", "make_pool"]


@dataclass(frozen=True)
class Distortion:
    """How far images are bent. Every value is the end of a range around no change.

    Raises:
        InputError: A negative value, or an elastic field without a width.
    """

    rotation: float = 10.0
    """Degrees."""
    scale: float = 0.1
    """Logarithm of the stretch of each axis."""
    shear: float = 0.12
    """Pixels sideways for each pixel down."""
    shift: float = 0.8
    """Pixels along each axis."""
    elastic: float = 30.0
    """Strength of the elastic field: random moves of each pixel in -1 to 1, smoothed, times up to this."""
    smoothness: tuple[float, float] = (4.0, 6.0)
    """Standard deviation of the Gaussian that smooths the field, in pixels: the range it is drawn from."""

    def __post_init__(self) -> None:
        for name in ("rotation", "scale", "shear", "shift", "elastic"):
            if not getattr(self, name) >= 0:
                raise InputError(f"distortion {name} {getattr(self, name)!r}: 0 or more is allowed")
        if not 0 < self.smoothness[0] <= self.smoothness[1]:
            raise InputError(f"distortion smoothness {self.smoothness}: a range above 0 is allowed")


STRONG = Distortion(rotation=12.0, scale=0.13, shear=0.15, shift=2.0, elastic=34.0)
"""Further than most handwriting goes."""


def distort(
    images: NDArray[np.uint8], rng: np.random.Generator, distortion: Distortion = Distortion()
) -> NDArray[np.uint8]:
    """One distorted copy of each image (n, height, width[, 3]), bilinear; what comes in from outside is 0."""
    cv2 = require("cv2", extra="toolkit")
    count = len(images)
    height, width = images.shape[1:3]
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    columns, rows = columns - centre[0], rows - centre[1]
    maps = _affine_maps(rng, count, distortion)
    moves = rng.uniform(-distortion.shift, distortion.shift, (count, 2)).astype(np.float32) + centre
    strengths = rng.uniform(0, distortion.elastic, count).astype(np.float32)
    sigmas = rng.uniform(*distortion.smoothness, count)
    copies = np.empty_like(images)
    for i, image in enumerate(images):
        field = 2 * rng.random((height, width, 2), np.float32) - 1
        field = strengths[i] * cv2.GaussianBlur(field, (0, 0), sigmas[i], borderType=cv2.BORDER_REFLECT) + moves[i]
        (a, b), (c, d) = maps[i]
        from_columns = a * columns + b * rows + field[..., 0]
        from_rows = c * columns + d * rows + field[..., 1]
        copies[i] = cv2.remap(image, from_columns, from_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return copies


def make_pool(
    images: NDArray[np.uint8], path: Path, distortions: Sequence[Distortion], *, seed: int
) -> NDArray[np.uint8]:
    """The images and distorted ones of each, as a memory-mapped file (see `make_array`).

    Args:
        images: (n, height, width[, 3]).
        path: A `.npy` file; where it is there already, it is opened.
        distortions: How far each copy is bent. It depends on that, the seed and its own number alone.
        seed: Decides every copy.

    Returns:
        Shape (1 + copies, n, height, width[, 3]), read only; the first is `images`.
    """

    def copy(number: int) -> NDArray[np.uint8]:
        if number == 0:
            return images
        return distort(images, np.random.default_rng([seed, number]), distortions[number - 1])

    shape = (1 + len(distortions), *images.shape)
    pool = make_array(path, len(distortions) + 1, copy, news="distorted copies of the images")
    if pool.shape != shape:
        raise InputError(f"{path} holds {pool.shape}, {shape} is wanted: remove it")
    return pool


def _affine_maps(rng: np.random.Generator, count: int, distortion: Distortion) -> NDArray[np.float32]:
    """Rotation @ shear @ stretch, (count, 2, 2), from places in the copy to places in the image."""
    angle = np.deg2rad(rng.uniform(-distortion.rotation, distortion.rotation, count))
    stretch = np.exp(rng.uniform(-distortion.scale, distortion.scale, (2, count)))
    shear = rng.uniform(-distortion.shear, distortion.shear, count)
    cosine, sine = np.cos(angle), np.sin(angle)
    maps = [
        [cosine * stretch[0], (cosine * shear - sine) * stretch[1]],
        [sine * stretch[0], (sine * shear + cosine) * stretch[1]],
    ]
    return np.moveaxis(np.array(maps, np.float32), -1, 0)
