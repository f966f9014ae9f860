"""The one function that rounds and saturates."""

import numpy as np
import pytest

from edgepress.runtime import Quantization

INT8 = Quantization(scale=1 / 127, zero_point=0, dtype="int8")


def test_values_beyond_the_type_saturate():
    # Without clipping -1.2 at scale 1/127 wraps around to 104.
    assert INT8.quantize(np.array([-1.2, 1.2, 9e9, -np.inf])).tolist() == [-128, 127, 127, -128]


def test_rounds_to_nearest_ties_to_even():
    steps = Quantization(scale=1.0, zero_point=0, dtype="int8")
    assert steps.quantize(np.array([0.5, 1.5, 2.49, -0.5, -2.51])).tolist() == [0, 2, 2, 0, -3]


def test_pixels_map_to_consecutive_integers():
    pixels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert Quantization(1 / 255, -128, "int8").quantize(pixels).tolist() == list(range(-128, 128))
    assert Quantization(1 / 255, 0, "uint8").quantize(pixels).tolist() == list(range(256))


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -3), ("uint8", 128), ("int16", 0)])
def test_dequantize_is_the_inverse_on_every_integer(dtype, zero_point):
    limits = np.iinfo(dtype)
    integers = np.arange(limits.min, limits.max + 1).astype(dtype)
    quantization = Quantization(0.0371, zero_point, dtype)
    np.testing.assert_array_equal(quantization.quantize(quantization.dequantize(integers)), integers)
