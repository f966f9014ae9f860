"""Which convention a data set's pictures already obey."""

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.contract import Picture

__all__ = ["picture_of"]

_SAMPLE = 500
_BOX = 20
# Integer placement leaves the centre of mass up to half a pixel off; a little more for other people's rounding.
_LARGEST_OFFSET = 0.75


def picture_of(images: NDArray[np.uint8], *, resampling: str = "area") -> Picture:
    """How pictures become like `images` (uint8, (n, height, width) or (n, height, width, 3)).

    Grey 28 x 28 images whose object fills a 20 x 20 box around its centre of mass follow the MNIST convention: pictures
    are then located, scaled and centred alike. All others are scaled as a whole.
    """
    height, width = images.shape[1:3]
    if images.shape[1:] == (28, 28) and _is_centred(images[:: max(1, len(images) // _SAMPLE)]):
        return Picture(height=28, width=28, fit="mnist", box=_BOX, polarity="light-on-dark")
    order = "rgb" if images.ndim == 4 else "grey"
    return Picture(height, width, order, fit="stretch", polarity="as-is", resampling=resampling)


def _is_centred(images: NDArray[np.uint8]) -> bool:
    inked = images[images.any(axis=(1, 2))]
    if len(inked) == 0:
        return False
    for axis, size in ((2, images.shape[1]), (1, images.shape[2])):
        mass = inked.sum(axis=axis, dtype=np.float64)
        centre = (mass * np.arange(size)).sum(1) / mass.sum(1)
        lines = inked.max(axis=axis) > 0
        extent = size - lines[:, ::-1].argmax(1) - lines.argmax(1)
        if np.abs(centre - size / 2).max() > _LARGEST_OFFSET or extent.max() > _BOX:
            return False
    return True
