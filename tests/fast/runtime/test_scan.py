"""Pages with several digits: all found, in reading order, read nearly as well as clean ones."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from edgepress.runtime import InputError, Picture, load
from edgepress.runtime.preprocess.scan import find_objects

MNIST = Picture(28, 28)


def page(images, columns, times, random, light, shade, noise, tilt=6):
    """Digits in lines, enlarged, a little out of line, under uneven light."""
    rows = -(-len(images) // columns)
    cell = 28 * times + 24
    canvas = np.zeros((rows * cell + 40, columns * cell + 40))
    for index, image in enumerate(images):
        top = 20 + index // columns * cell + random.integers(0, tilt)
        left = 20 + index % columns * cell + random.integers(0, 12)
        large = cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        canvas[top : top + 28 * times, left : left + 28 * times] = large
    pixels = canvas * 0.75 + 15
    if light:
        pixels = 255 - pixels
    pixels = pixels * np.linspace(1, shade, canvas.shape[1])[None] + random.normal(0, noise, canvas.shape)
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("times", "light", "shade", "noise"), [(2, False, 1, 0), (3, True, 1, 0), (4, True, 0.6, 4), (6, True, 0.75, 2)]
)
def test_digits_are_found_in_reading_order(bundle, digits, times, light, shade, noise):
    random = np.random.default_rng(times)
    found = right = clean = total = 0
    with load(bundle) as model:
        for start in range(0, 120, 12):
            images, labels = digits[0][start : start + 12], digits[1][start : start + 12]
            result = find_objects(page(images, 4, times, random, light, shade, noise), MNIST)
            clean += np.sum(model.predict(images).indices == labels)
            total += 12
            if len(result.images) == 12:
                found += 12
                right += np.sum(model.predict(result.images).indices == labels)
    assert found >= 0.8 * total
    assert right / found >= clean / total - 0.05


def test_a_page_by_its_file_with_boxes(bundle, digits):
    picture = page(digits[0][:6], 3, 3, np.random.default_rng(0), True, 1, 0)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    with load(bundle) as model:
        prediction, boxes = model.predict_page(stream.getvalue())
    assert len(prediction) == 6
    assert boxes.shape == (6, 4)
    assert np.all(boxes[:, :2] < boxes[:, 2:])
    assert boxes[0, 0] < boxes[1, 0] < boxes[2, 0]
    assert boxes[3, 1] > boxes[0, 1]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_boxes_are_in_the_pixels_of_a_large_file(bundle, digits, kind):
    picture = page(digits[0][:4], 2, 6, np.random.default_rng(0), True, 1, 0)
    large = cv2.resize(picture, None, fx=12, fy=12, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > 4000
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, kind)
    expected = 12 * find_objects(picture, MNIST).boxes
    with load(bundle) as model:
        _, boxes = model.predict_page(stream.getvalue())
    assert np.abs(boxes - expected).max() <= 24


def test_an_empty_page_holds_nothing(bundle):
    blank = (200 + np.random.default_rng(0).normal(0, 2, (300, 400))).astype(np.uint8)
    assert len(find_objects(blank, MNIST).images) == 0
    assert len(find_objects(np.full((50, 50), 255, np.uint8), MNIST).boxes) == 0


def test_a_contract_of_whole_pictures_is_refused():
    with pytest.raises(InputError, match="predict_files"):
        find_objects(np.zeros((9, 9), np.uint8), Picture(28, 28, fit="stretch"))
