"""Mean and deviation of pixels, counted piece by piece."""

import numpy as np
import pytest

from edgepress.data.gathered import store_rows
from edgepress.train.contract import _levels


@pytest.mark.parametrize("shape", [(50, 8, 8), (50, 8, 8, 3)])
def test_levels_are_those_of_all_pixels(shape):
    pixels = np.random.default_rng(0).integers(20, 256, shape, dtype=np.uint8)
    pixels[0] = 0
    channels = shape[3] if len(shape) == 4 else 1
    flat = pixels.reshape(-1, channels).astype(np.float64)
    for given in (pixels, store_rows([pixels], shape[1:], np.uint8)):
        mean, std = _levels(given, channels)
        assert mean == pytest.approx(flat.mean(axis=0))
        assert std == pytest.approx(flat.std(axis=0))
