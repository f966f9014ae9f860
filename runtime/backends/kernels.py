"""Dense kernels in numpy, with TensorFlow Lite's own rounding.

The integer kernels compute what TFLite's built-in kernels compute, bit for bit: int32 accumulators, the real multiplier
input_scale * weight_scale / output_scale as a 31-bit integer and a shift (Jacob et al. 2018, "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference").
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "activate",
    "activation_limits",
    "affine_quantize",
    "fully_connected_hybrid",
    "fully_connected_int8",
    "integer_matmul_dtype",
    "multiply_by_quantized_multiplier",
    "quantize_multiplier",
    "round_half_away",
    "softmax_float",
    "softmax_int8",
]

_LIMITS: dict[int, tuple[float, float]] = {
    0: (-np.inf, np.inf),  # NONE
    1: (0.0, np.inf),  # RELU
    2: (-1.0, 1.0),  # RELU_N1_TO_1
    3: (0.0, 6.0),  # RELU6
}


def activation_limits(activation: int) -> tuple[float, float] | None:
    """Real lower and upper end of a fused activation by its number in the schema; None for one that is no clamp."""
    return _LIMITS.get(activation)


def activate(values: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Clamp in place and return."""
    if limits != (-np.inf, np.inf):
        np.clip(values, np.float32(limits[0]), np.float32(limits[1]), out=values)
    return values


def round_half_away(values: NDArray[Any]) -> NDArray[Any]:
    """C's std::round: halves go away from zero. The sum with a half is exact enough only below 2^22 (float32)."""
    result: NDArray[Any] = np.trunc(values + np.copysign(values.dtype.type(0.5), values))
    return result


def quantize_multiplier(real: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Real multipliers (n,) as 31-bit integers (n,) and shifts (n,): real = integer / 2^31 * 2^shift."""
    fractions, shifts = np.frexp(real)
    integers = np.floor(fractions * (1 << 31) + 0.5).astype(np.int64)
    shifts = shifts.astype(np.int64)
    full = integers == 1 << 31
    integers[full] //= 2
    shifts[full] += 1
    vanishing = shifts < -31
    integers[vanishing] = 0
    shifts[vanishing] = 0
    return integers, shifts


def multiply_by_quantized_multiplier(
    x: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64]
) -> NDArray[np.int64]:
    """x * multiplier / 2^31 * 2^shift, rounded twice, halves upwards each time, as the ruy library does.

    First the doubling high half of the product, then the shift to the right: ARM's SQRDMULH and SRSHL.
    """
    high = ((x << np.maximum(shift, 0)) * multiplier + (1 << 30)) >> 31
    right: NDArray[np.int64] = np.maximum(-shift, 0)
    half = (np.int64(1) << right) >> 1
    result: NDArray[np.int64] = (high + half) >> right
    return result


def integer_matmul_dtype(weights: NDArray[Any], largest_input: int) -> type[np.floating[Any]]:
    """The narrowest float type in which a product with these integer weights is exact, so that BLAS may compute it.

    Args:
        weights: Shape (units, inputs), zero point subtracted.
        largest_input: Largest magnitude of an input.
    """
    bound = int(np.abs(weights.astype(np.int64)).sum(axis=1).max(initial=0)) * largest_input
    return np.float32 if bound < 1 << 24 else np.float64


def fully_connected_int8(
    x: NDArray[np.int8],
    weights: NDArray[np.floating[Any]],
    offsets: NDArray[np.int64],
    multiplier: NDArray[np.int64],
    shift: NDArray[np.int64],
    output_zero_point: int,
    limits: tuple[int, int],
) -> NDArray[np.int8]:
    """One dense layer on integers.

    Args:
        x: Shape (n, inputs).
        weights: Shape (inputs, units), integers held in a float type wide enough for exact sums.
        offsets: Bias minus what the input's zero point adds, one per unit.
        multiplier: 31-bit integer, one per unit; with `shift` it rescales the sums.
        shift: Shape (units,).
        output_zero_point: Added last.
        limits: Lowest and highest integer of the output.

    Returns:
        Shape (n, units), int8.
    """
    sums = (x.astype(weights.dtype) @ weights).astype(np.int64) + offsets
    scaled = multiply_by_quantized_multiplier(sums, multiplier, shift) + output_zero_point
    return np.clip(scaled, *limits).astype(np.int8)


def fully_connected_hybrid(
    x: NDArray[np.float32],
    weights: NDArray[np.floating[Any]],
    row_sums: NDArray[np.int64],
    scales: NDArray[np.float32],
    bias: NDArray[np.float32],
    *,
    asymmetric: bool,
) -> NDArray[np.float32]:
    """One dense layer with int8 weights and float activations, which each row quantizes by its own range.

    Args:
        x: Shape (n, inputs).
        weights: Shape (inputs, units), integers held in a float type wide enough for exact sums.
        row_sums: Sum of each unit's weights, (units,).
        scales: Weight scales, (1,) or (units,).
        bias: Shape (units,).
        asymmetric: Whether rows are quantized with a zero point of their own.

    Returns:
        Shape (n, units), float32.
    """
    quantize = _quantize_rows_asymmetric if asymmetric else _quantize_rows_symmetric
    integers, row_scales, row_offsets = quantize(x)
    sums = (integers.astype(weights.dtype) @ weights).astype(np.int64) - row_offsets * row_sums
    result: NDArray[np.float32] = bias + sums.astype(np.float32) * (row_scales * scales)
    return result


def _quantize_rows_symmetric(x: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
    largest = np.abs(x).max(axis=1, keepdims=True)
    safe = np.where(largest == 0, np.float32(1), largest)
    integers = np.clip(round_half_away(x * (np.float32(127) / safe)), -127, 127)
    scales = np.where(largest == 0, np.float32(1), largest / np.float32(127)).astype(np.float32)
    return integers, scales, np.zeros((len(x), 1), np.int64)


def _quantize_rows_asymmetric(x: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
    low = np.minimum(x.min(axis=1, keepdims=True), 0).astype(np.float64)
    high = np.maximum(x.max(axis=1, keepdims=True), 0).astype(np.float64)
    blank = low == high
    scale = np.where(blank, 1.0, (high - low) / 255)
    from_low, from_high = -128 - low / scale, 127 - high / scale
    nearer_low = 128 + np.abs(low / scale) < 127 + np.abs(high / scale)
    offsets = np.clip(round_half_away(np.where(nearer_low, from_low, from_high)), -128, 127)
    offsets = np.where(blank, 0, offsets).astype(np.int64)
    scales = scale.astype(np.float32)
    steps = offsets.astype(np.float32) + x * (np.float32(1) / scales)
    integers = np.where(blank, 0, np.clip(round_half_away(steps), -128, 127))
    return integers, scales, offsets


def affine_quantize(x: NDArray[np.float32], scale: float, zero_point: int, dtype: str) -> NDArray[Any]:
    """TFLite's QUANTIZE: halves away from zero (`Quantization.quantize`, at our own boundary, rounds them to even)."""
    limits = np.iinfo(dtype)
    steps = round_half_away(x / np.float32(scale)) + np.float32(zero_point)
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def softmax_float(x: NDArray[np.float32], beta: float) -> NDArray[np.float32]:
    """Over the last axis."""
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(beta))
    result: NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def softmax_int8(
    x: NDArray[np.int8], input_scale: float, beta: float, output_scale: float, output_zero_point: int
) -> NDArray[np.int8]:
    """Over the last axis, by a table of exponentials of the distance to the largest logit."""
    table = np.array([math.exp(-input_scale * beta * i) for i in range(256)], np.float32)
    powers = table[x.max(axis=-1, keepdims=True).astype(np.int16) - x]
    inverse = np.float32(1) / (powers.sum(axis=-1, keepdims=True) * np.float32(output_scale))
    steps = np.floor(powers * inverse + np.float32(0.5)) + output_zero_point
    result: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
    return result
