"""Pictures of any size become the contract's pixels: exact vectors first, then what they are for."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import InputError, Picture, load
from edgepress.runtime.preprocess.fit import area_resize, fit_picture, grey_picture

VECTORS = sorted((Path(__file__).parents[2] / "golden/preprocess").glob("*.json"))
MNIST = Picture(28, 28)


def array(data):
    return np.frombuffer(base64.b64decode(data["base64"]), np.uint8).reshape(data["shape"])


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_shared_vectors(path):
    vector = json.loads(path.read_text())
    contract = Picture.from_dict(vector["contract"])
    pixels = fit_picture(array(vector["picture"]), contract)
    assert pixels.shape == contract.shape
    assert np.array_equal(pixels, array(vector["pixels"]))


def test_what_is_right_already_comes_out_unchanged(digits):
    for image in digits[0][:500]:
        assert np.array_equal(fit_picture(image, MNIST), image)


def test_place_and_polarity_do_not_matter(digits):
    random = np.random.default_rng(0)
    for image in digits[0][:200]:
        canvas = np.zeros((90, 70), np.uint8)
        top, left = random.integers(0, 62), random.integers(0, 42)
        canvas[top : top + 28, left : left + 28] = image
        assert np.array_equal(fit_picture(canvas, MNIST), image)
        assert np.array_equal(fit_picture(255 - canvas, MNIST), image)


def enlarge(image, times, light, noise=0, random=None):
    canvas = np.zeros((28 * times + 40, 28 * times + 30), np.float64)
    canvas[13 : 13 + 28 * times, 9 : 9 + 28 * times] = image.repeat(times, 0).repeat(times, 1)
    if noise:
        canvas = 30 + canvas * 0.7 + random.normal(0, noise, canvas.shape)
    pixels = canvas.clip(0, 255).astype(np.uint8)
    return 255 - pixels if light else pixels


@pytest.mark.parametrize(
    ("times", "light", "noise", "lost"), [(3, False, 0, 0.01), (5, True, 0, 0.01), (3, True, 10, 0.02)]
)
def test_scaled_and_noisy_digits_are_read_nearly_as_well(bundle, digits, times, light, noise, lost):
    images, labels = digits[0][:400], digits[1][:400]
    random = np.random.default_rng(1)
    pictures = [fit_picture(enlarge(image, times, light, noise, random), MNIST) for image in images]
    with load(bundle) as model:
        clean = np.mean(model.predict(images).indices == labels)
        found = np.mean(model.predict(np.stack(pictures)).indices == labels)
    assert found >= clean - lost


def test_nothing_is_nothing():
    assert not fit_picture(np.full((50, 40), 180, np.uint8), MNIST).any()
    light = Picture(28, 28, polarity="dark-on-light")
    assert np.all(fit_picture(np.full((50, 40), 180, np.uint8), light) == 255)


def test_area_resize_keeps_the_mean_and_grey_the_ends():
    plane = np.random.default_rng(0).integers(0, 256, (31, 77), np.uint8)
    for size in ((10, 10), (31, 77), (62, 100), (1, 1)):
        assert abs(area_resize(plane, *size).mean() - plane.mean()) < 1
    assert np.array_equal(area_resize(plane, 31, 77), plane)
    assert grey_picture(np.full((1, 1, 3), 255, np.uint8)) == 255
    assert grey_picture(np.array([[[7, 7, 7, 0]]], np.uint8)) == 255


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(9, np.uint8)]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(InputError, match="uint8"):
        fit_picture(picture, MNIST)
