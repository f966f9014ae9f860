"""Pictures in the contract's size: stretched, cropped, padded; by area or between neighbours."""

import numpy as np
import pytest

from edgepress.runtime.contract import Picture
from edgepress.runtime.preprocess.fit import area_resize, bilinear_resize, fit_picture


def bilinear(picture, height, width):
    """The formula in floats, pixel by pixel."""
    result = np.zeros((height, width), np.float64)
    for i in range(height):
        for j in range(width):
            y = (i + 0.5) * picture.shape[0] / height - 0.5
            x = (j + 0.5) * picture.shape[1] / width - 0.5
            for row, down in ((np.floor(y), 1 - y % 1), (np.floor(y) + 1, y % 1)):
                for column, across in ((np.floor(x), 1 - x % 1), (np.floor(x) + 1, x % 1)):
                    r, c = np.clip([row, column], 0, np.array(picture.shape) - 1).astype(int)
                    result[i, j] += down * across * picture[r, c]
    return result


@pytest.mark.parametrize("size", [(5, 9), (20, 30), (1, 1), (13, 7), (40, 3)])
def test_bilinear_is_its_formula(size):
    picture = np.random.default_rng(0).integers(0, 256, (13, 17), np.uint8)
    made = bilinear_resize(picture, *size)
    assert made.dtype == np.uint8
    assert np.abs(made - bilinear(picture, *size)).max() <= 0.5 + 1e-9
    colours = np.stack([picture, 255 - picture, picture // 2], axis=2)
    np.testing.assert_array_equal(bilinear_resize(colours, *size)[..., 0], made)


def test_the_same_size_is_the_same_picture():
    picture = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    np.testing.assert_array_equal(bilinear_resize(picture, 13, 17), picture)


def whole(fit, resampling="area", order="grey"):
    return Picture(8, 12, order, fit=fit, polarity="as-is", resampling=resampling)


@pytest.mark.parametrize("resampling", ["area", "bilinear"])
def test_stretch_crop_and_pad(resampling):
    resize = {"area": area_resize, "bilinear": bilinear_resize}[resampling]
    picture = np.random.default_rng(0).integers(1, 256, (40, 20), np.uint8)
    np.testing.assert_array_equal(fit_picture(picture, whole("stretch", resampling)), resize(picture, 8, 12))
    # 20 columns of the proportions 8 : 12 are 13 rows, of which 13 of the 27 others lie above.
    np.testing.assert_array_equal(fit_picture(picture, whole("crop", resampling)), resize(picture[13:26], 8, 12))
    padded = fit_picture(picture, whole("pad", resampling))
    np.testing.assert_array_equal(padded[:, 4:8], resize(picture, 8, 4))
    assert not padded[:, :4].any()
    assert not padded[:, 8:].any()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (8, 12), (7, 300)])
@pytest.mark.parametrize("order", ["grey", "rgb"])
def test_any_proportions(fit, shape, order):
    contract = whole(fit, order=order)
    made = fit_picture(np.full((*shape, 3), 77, np.uint8), contract)
    assert made.shape == contract.shape
    assert made.max() == 77
