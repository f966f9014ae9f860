"""Dense layers with few distinct weights, most of them zero, trained as they will be stored.

Weights are integers from -levels to levels times one learned scale per layer; the forward pass uses exactly these, the
gradient goes straight through to the real weights behind them (Bengio et al. 2013; Zhu et al. 2017, "Trained Ternary
Quantization"). Those real weights need decay (`FitPlan.weight_decay`): without it they drift away from the thresholds,
and a longer training ends worse than a short one.
The smallest are zero, by a share that rises as 1 - (1 - t)^3 (Zhu and Gupta 2017), and come back when their real weight
grows again (Lin et al. 2020, "Dynamic Model Pruning with Feedback").

What an entropy coder pays for in such a layer is where the non-zeros are. Several weights share a byte of the file, and
a byte that is not zero costs little more for a second non-zero: so a weight beside a non-zero one in its byte is kept
at a lower magnitude than a lone one, by the factor `neighbour`. At equal accuracy this saved a fifth of the bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["LowBit", "LowBitWeights", "build_lowbit_mlp", "lowbit_weights"]

_UPDATE_EVERY = 25
"""Steps between two looks at which weights are zero: a look costs as much as a step or two."""
_SAMPLE = 20_000
"""Weights that a layer's threshold is estimated on."""
_DENSEST = 0.66
"""Share of ternary weights that are not zero before the ramp, close to what rounding to nearest gives."""


@dataclass(frozen=True)
class LowBit:
    """How one dense layer is stored.

    Raises:
        InputError: A value outside its range.
    """

    levels: int = 1
    """Largest integer: 1 is ternary (2 bits), up to 7 fit 4 bits, up to 127 fit 8."""
    density: float = 1.0
    """Share of the weights that are not zero at the end."""
    neighbour: float = 0.5
    """Threshold of a weight whose byte has another non-zero, as a share of a lone one's."""
    bias_step: float = 0.5
    """Biases are multiples of it; 0 leaves them free."""

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 127:
            raise InputError(f"low-bit levels {self.levels!r}: 1 to 127 is allowed")
        for name in ("density", "neighbour"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"low-bit {name} {getattr(self, name)!r}: above 0 and up to 1 is allowed")
        if not self.bias_step >= 0:
            raise InputError(f"low-bit bias_step {self.bias_step!r}: 0 or more is allowed")

    @property
    def bits(self) -> int:
        """Bits of the narrowest type that holds the levels."""
        return 2 if self.levels == 1 else 4 if self.levels <= 7 else 8


@dataclass(frozen=True, eq=False)
class LowBitWeights:
    """What one trained layer is in the file."""

    integers: NDArray[np.int8]
    """Shape (units, inputs)."""
    scale: float
    """Real value of 1."""
    bias: NDArray[np.float32]
    """Shape (units,)."""


def build_lowbit_mlp(
    inputs: int, classes: int, widths: Sequence[int], lowbit: Sequence[LowBit], ramp: tuple[int, int, int]
) -> Any:
    """The MLP of `build_mlp` with low-bit layers.

    Args:
        inputs: Numbers of one image; float32, pixels / 255.
        classes: Outputs, as logits.
        widths: Units of each hidden layer.
        lowbit: One for each layer, the last one too.
        ramp: Training steps at which weights begin to become zero, at which the last does, and from which on the
            thresholds stay where they are.
    """
    keras = require("tf_keras", extra="toolkit")
    sizes = [*widths, classes]
    names = [*(f"hidden{number}" for number in range(1, len(sizes))), "logits"]
    stack = [keras.layers.Input((inputs,), name="pixels")]
    for name, units, how in zip(names, sizes, lowbit, strict=True):
        stack.append(_layer_class()(units, how, ramp, relu=name != "logits", name=name))
    return keras.Sequential(stack, name="lowbit_mlp")


def lowbit_weights(model: Any) -> list[LowBitWeights]:
    """The stored form of each layer that `build_lowbit_mlp` made."""
    return [layer.stored() for layer in model.layers]


@cache
def _layer_class() -> Any:
    tf = require("tensorflow", extra="toolkit")
    base: Any = require("tf_keras", extra="toolkit").layers.Layer

    class LowBitDense(base):
        """x @ (integers * scale) + bias, and ReLU."""

        def __init__(self, units: int, how: LowBit, ramp: tuple[int, int, int], *, relu: bool, name: str) -> None:
            super().__init__(name=name)
            self._units, self._how, self._ramp, self._relu = units, how, ramp, relu
            self._group = 8 // how.bits

        def build(self, shape: Any) -> None:
            inputs = int(shape[-1])
            if inputs % self._group:
                raise InputError(f"{self.name}: {inputs} inputs do not fill bytes of {self._group} weights")
            size = (inputs, self._units)
            self.kernel = self.add_weight(name="kernel", shape=size, initializer="he_normal")
            self.bias = self.add_weight(name="bias", shape=(self._units,), initializer="zeros")
            state = {"trainable": False, "initializer": "zeros"}
            self.log_value = self.add_weight(name="log_value", shape=(), initializer="zeros")
            self.threshold = self.add_weight(name="threshold", shape=size, **state)
            self.unit = self.add_weight(name="unit", shape=(), **state)
            self.step = self.add_weight(name="step", shape=(), dtype=tf.int64, **state)

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                due = tf.equal(self.step % _UPDATE_EVERY, 0) & (self.step < self._ramp[2])
                tf.cond(due, self._update, lambda: None)
                self.step.assign_add(1)
            integers = tf.stop_gradient(self._integers())
            kernel = tf.exp(self.log_value) * integers + self.kernel - tf.stop_gradient(self.kernel)
            outputs = _matmul(x, kernel) + self.bias + tf.stop_gradient(self._rounded_bias() - self.bias)
            return tf.nn.relu(outputs) if self._relu else outputs

        def stored(self) -> LowBitWeights:
            return LowBitWeights(
                self._integers().numpy().T.astype(np.int8),
                float(tf.exp(self.log_value).numpy()),
                self._rounded_bias().numpy(),
            )

        def _integers(self) -> Any:
            magnitude = tf.abs(self.kernel)
            # What is kept despite a small magnitude is not rounded away again.
            lowest = 1.0 if self._how.density < 1 else 0.0
            levels = tf.round(magnitude / tf.maximum(self.unit, 1e-9))
            levels = tf.clip_by_value(levels, lowest, float(self._how.levels))
            return tf.where(magnitude > self.threshold, tf.sign(self.kernel) * levels, 0.0)

        def _rounded_bias(self) -> Any:
            step = self._how.bias_step
            return tf.round(self.bias / step) * step if step else tf.identity(self.bias)

        def _update(self) -> None:
            """Zero the share that is due, then fit what rounds to 1 to what is left (least squares)."""
            magnitude = tf.abs(self.kernel)
            first = tf.equal(self.step, 0)
            alone = tf.reshape(magnitude > self.threshold, (-1, self._group, self._units))
            others = tf.reduce_sum(tf.cast(alone, tf.int32), axis=1, keepdims=True) - tf.cast(alone, tf.int32)
            factor = tf.reshape(tf.where(others > 0, self._how.neighbour, 1.0), magnitude.shape)
            factor = tf.where(first, 1.0, factor)
            sample = tf.reshape(magnitude / factor, (-1,))[:: max(1, magnitude.shape.num_elements() // _SAMPLE)]
            ordered = tf.sort(sample)
            last = sample.shape[0]
            zeros = tf.cast(tf.round((1 - self._density()) * last), tf.int32)
            limit = tf.where(zeros > 0, tf.gather(ordered, tf.clip_by_value(zeros - 1, 0, last - 1)), -1.0)
            self.threshold.assign(factor * limit)

            guess = 1.6 * tf.reduce_mean(magnitude) / float(self._how.levels) ** 0.7
            self.unit.assign(tf.where(first, guess, self.unit))
            self.log_value.assign(tf.where(first, tf.math.log(guess), self.log_value))
            integers = tf.abs(self._integers())
            fitted = tf.reduce_sum(magnitude * integers) / tf.maximum(tf.reduce_sum(integers**2), 1.0)
            self.unit.assign((self.unit + fitted) / 2)

        def _density(self) -> Any:
            start, end, _ = self._ramp
            progress = tf.cast(self.step - start, tf.float32) / max(1, end - start)
            left = (1 - tf.clip_by_value(progress, 0.0, 1.0)) ** 3
            densest = max(self._how.density, _DENSEST if self._how.levels == 1 else 1.0)
            return self._how.density + (densest - self._how.density) * left

    def _matmul(x: Any, kernel: Any) -> Any:
        """In bfloat16: one scale times small integers loses nothing in it, and processors that know it need half."""
        return tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), tf.cast(kernel, tf.bfloat16)), tf.float32)

    return LowBitDense
