"""Ranges of activations that training learns: what int8 files round to.

While a model is inside `rounding`, its layers give numbers rounded to 8 bits at the very places at which TensorFlow
Lite's operators round them. Nothing is wrapped or rebuilt, so it goes for models of either Keras.

The ends of a range are learned like weights: the gradient passes straight through the rounding, and the step follows
the ends (Esser et al. 2020, "Learned Step Size Quantization"; Bhalgat et al. 2020, "LSQ+"; it is their logarithms
that move, Jain et al. 2020, "Trained Quantization Thresholds").
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

from .compression import array_of
from .grid import is_whole
from .kernels import kernels_of, normalized
from .points import INPUT, Bias, Point, Range, biases_of, points_of, without_a_place

__all__ = ["INPUT", "Range", "Ranges", "fits", "nudged", "rounding"]

Round = Callable[[Any, str | Range, bool], Any]
"""What is made of a tensor, by the name of its range, or by the range itself, and whether it is an average of integers
(`Point.averages`)."""

_LEVELS = 255
_LARGEST_WEIGHT = 127
_MIDDLE = 128
_HALF = 1e-3
_SMALLEST = 1e-6
_LARGEST = 1e30


class _Grid(NamedTuple):
    """The 256 numbers of a range."""

    step: Any
    zero: Any
    """How many steps the lowest is below 0."""
    lowest: Any
    highest: Any


class Ranges:
    """The ranges of one model, which `run` of its training moves."""

    def __init__(
        self, model: Any, examples: Sequence[NDArray[Any]], scales: Mapping[int, Sequence[int]] | None = None
    ) -> None:
        """Begin with the lowest and the highest number that some examples bring about at each place.

        Args:
            model: Of Keras 3 or tf-keras, functional or Sequential, of layers that `without_a_place` knows.
            examples: Batches as the model takes them.
            scales: Of its kernels, where they are rounded too (`Compression.scales`).
        """
        self._model, self._scales = model, scales
        ends: dict[str, Range] = {}

        def look(tensor: Any, name: str | Range, averages: bool) -> Any:
            if not isinstance(name, str):
                return tensor
            low, high = ends.get(name, (-_SMALLEST, _SMALLEST))
            values = np.asarray(tensor)
            ends[name] = min(low, float(values.min())), max(high, float(values.max()))
            return tensor

        with _hooked(model, look):
            for batch in examples:
                model(batch, training=False)
        make: Any = require("keras", extra="toolkit").Variable
        # What comes in is what it is. Learning its range would cost the gradient at the examples: a fifth of a step.
        self._names, self._starts = [name for name in ends if name != INPUT], ends
        self._moves = make(np.zeros((len(self._names), 2), np.float32), name="ranges", dtype="float32")
        self._now: dict[str, _Grid] = {}
        """Of the call of the model that is being made."""

    @property
    def variable(self) -> Any:
        """What training moves: how far each end went from its first place, as a logarithm. Shape (places, 2)."""
        return self._moves

    @property
    def found(self) -> dict[str, Range]:
        """Where the ends are now, nudged so that 0 is a whole number of steps from each."""
        moves = np.asarray(require("keras", extra="toolkit").ops.convert_to_numpy(self._moves), np.float64)
        moved = {name: np.exp(move) for name, move in zip(self._names, moves, strict=True)}
        return {name: nudged(*(np.asarray(ends) * moved.get(name, 1)).tolist()) for name, ends in self._starts.items()}

    def active(self) -> contextlib.AbstractContextManager[None]:
        """Within it the model rounds, and its gradients reach the ranges."""
        return _hooked(self._model, self._round, self._step, self._scales)

    def _look_up(self) -> None:
        """The steps of one call of the model, and where 0 is: a whole number of steps above the lowest. All of them at
        once: a few small operations for each would take longer than the rounding."""
        ops = require("keras", extra="toolkit").ops
        starts = np.array([self._starts[name] for name in self._names], np.float32).reshape(-1, 2)
        ends = starts * ops.exp(ops.convert_to_tensor(self._moves))
        steps = (ends[:, 1] - ends[:, 0]) / _LEVELS
        zeros = _straight(-ends[:, 0] / steps)
        columns = (steps, zeros, -zeros * steps, (_LEVELS - zeros) * steps)
        rows = zip(*(ops.unstack(column, len(self._names)) for column in columns), strict=True)
        self._now = dict(zip(self._names, (_Grid(*row) for row in rows), strict=True))

    def _grid(self, name: str | Range) -> "_Grid":
        if isinstance(name, str) and name != INPUT:
            return self._now[name]
        low, high = self._starts[name] if isinstance(name, str) else name
        step = (high - low) / _LEVELS
        return _Grid(step, float(np.floor(0.5 - low / step)), *nudged(low, high))

    def _step(self, name: str | Range) -> Any:
        return self._grid(name).step

    def _round(self, tensor: Any, name: str | Range, averages: bool) -> Any:
        if name == INPUT:
            self._look_up()
        grid = self._grid(name)
        if not averages:
            return _fused(tensor, grid.lowest, grid.highest)
        ops = require("keras", extra="toolkit").ops
        return _in_steps(ops.clip(tensor / grid.step + grid.zero, 0, _LEVELS), averages, grid.zero, grid.step)


def nudged(low: float, high: float) -> Range:
    """The range of the same step whose 0 is a whole number, as TensorFlow's fake quantization moves it."""
    step = (high - low) / _LEVELS
    zero = np.floor(-low / step + 0.5)
    return float(0 - zero * step), float((_LEVELS - zero) * step)


def fits(model: Any, ranges: Any) -> bool:
    """Whether these are ranges, one for each place of a model; what a file says is not believed."""
    if not isinstance(ranges, Mapping) or without_a_place(model):
        return False
    if set(ranges) != {INPUT, *(point.name for point in points_of(model) if point.takes is None)}:
        return False
    for ends in ranges.values():
        two = isinstance(ends, list | tuple) and len(ends) == 2 and all(type(end) in (int, float) for end in ends)
        if not two or not -_LARGEST < ends[0] <= 0 <= ends[1] < _LARGEST or ends[1] - ends[0] < _SMALLEST:
            return False
    return True


@contextlib.contextmanager
def rounding(model: Any, ranges: Mapping[str, Range], *, exactly: bool = False) -> Iterator[None]:
    """Within it the model rounds its activations to these ranges: what is traced is what the converter takes them from.

    Args:
        model: Of Keras 3 or tf-keras, as `Ranges` takes it.
        ranges: By place, as `Ranges.found` gives them.
        exactly: Round biases as files do, and halves in averages; a converter does that by itself.
    """
    fake = require("tensorflow", extra="toolkit").quantization.fake_quant_with_min_max_args

    def ends(name: str | Range) -> Range:
        return ranges[name] if isinstance(name, str) else name

    def step(name: str | Range) -> float:
        low, high = ends(name)
        return (high - low) / _LEVELS

    def change(tensor: Any, name: str | Range, averages: bool) -> Any:
        if not (exactly and averages):
            return fake(tensor, *ends(name))
        zero = round(-ends(name)[0] / step(name))
        return _in_steps(tensor / step(name) + zero, averages, zero, step(name))

    kernels = kernels_of(model) if exactly and not normalized(model) else ()
    whole = {id(kernel.variable): () for kernel in kernels if is_whole(array_of(kernel.variable))}
    with _hooked(model, change, step if exactly else None, whole):
        yield


@contextlib.contextmanager
def _hooked(
    model: Any,
    change: Round,
    step: Callable[[str | Range], Any] | None = None,
    scales: Mapping[int, Sequence[int]] | None = None,
) -> Iterator[None]:
    """Give a function the numbers at each place of a model, and the model what the function makes of them.

    Args:
        model: Of either Keras.
        change: The function.
        step: That of a range; with it, biases are rounded too.
        scales: Axes with a scale for each index, of kernels that have others than for each channel.
    """
    # TensorFlow's own rewriting of Python knows nothing of functions that are put in a layer's place.
    plain = require("tensorflow", extra="toolkit").autograph.experimental.do_not_convert
    kept: list[tuple[Any, str, Any]] = []

    def put(layer: Any, name: str, function: Any) -> None:
        kept.append((layer, name, layer.__dict__.get(name)))
        object.__setattr__(layer, name, plain(function))

    try:
        put(model, "call", _of_input(model.call, change))
        axes = {id(kernel.variable): kernel.channels for kernel in kernels_of(model)} | dict(scales or {})
        for bias in biases_of(model) if step else ():
            kernel = _kernel(bias.layer)
            if id(kernel) in axes:
                put(bias.norm or bias.layer, "call", _with_bias(bias, kernel, axes[id(kernel)], step))
        for point in points_of(model):
            put(point.layer, *_around(point, change))
        yield
    finally:
        for layer, name, before in reversed(kept):
            if before is None:
                object.__delattr__(layer, name)
            else:
                object.__setattr__(layer, name, before)


def _kernel(layer: Any) -> Any:
    depthwise = getattr(layer, "depthwise_kernel", None)
    return layer.kernel if depthwise is None else depthwise


def _with_bias(bias: Bias, kernel: Any, channels: Sequence[int], step: Any) -> Any:
    """A layer's call with a rounded bias in the place of its own."""
    layer, norm = bias.layer, bias.norm
    call = (norm or layer).call

    def rounded(value: Any, factor: Any) -> Any:
        ops = require("keras", extra="toolkit").ops
        others = [axis for axis in range(len(kernel.shape)) if axis not in channels]
        largest = ops.reshape(ops.max(ops.abs(ops.convert_to_tensor(kernel)), axis=others), (-1,))
        # A bias moves by itself: what its unit owes the kernel's largest weight is less than a step of it.
        unit = ops.stop_gradient(step(bias.takes) * largest * factor / _LARGEST_WEIGHT)
        safe = ops.where(unit > 0, unit, ops.ones_like(unit))
        return ops.where(unit > 0, _straight(value / safe) * safe, value)

    def normalized(*args: Any, **options: Any) -> Any:
        ops = require("keras", extra="toolkit").ops
        factor = _factor(norm)
        value = -norm.moving_mean * factor if layer.bias is None else (layer.bias - norm.moving_mean) * factor
        value = value if norm.beta is None else value + norm.beta
        return call(*args, **options) + ops.stop_gradient(rounded(value, ops.abs(factor)) - value)

    def plainly(*args: Any, **options: Any) -> Any:
        own = layer.bias
        object.__setattr__(layer, "bias", rounded(require("keras", extra="toolkit").ops.convert_to_tensor(own), 1.0))
        try:
            return call(*args, **options)
        finally:
            object.__setattr__(layer, "bias", own)

    return normalized if norm is not None else plainly


def _of_input(call: Any, change: Round) -> Any:
    def changed(inputs: Any, *args: Any, **options: Any) -> Any:
        # `predict` gives the only input as a tuple of one.
        alone = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return call(change(alone, INPUT, False), *args, **options)

    return changed


def _around(point: Point, change: Round) -> tuple[str, Any]:
    """Which attribute of a layer gets a function in its place, and which."""
    takes = point.name if point.takes is None else point.takes
    if point.inside:
        return _in_two_steps(point.layer, lambda tensor: change(tensor, takes, False))
    if point.before:
        function = point.layer.activation
        return "activation", lambda tensor: function(change(tensor, takes, False))
    call = point.layer.call
    return "call", lambda *args, **options: change(call(*args, **options), takes, point.averages)


def _rescaled(layer: Any, between: Callable[[Any], Any]) -> Any:
    return lambda inputs: between(inputs * layer.scale) + layer.offset


def _normalized(norm: Any, between: Callable[[Any], Any]) -> Any:
    call = norm.call

    def normalized(inputs: Any, *args: Any, **options: Any) -> Any:
        factor = _factor(norm)
        shift = -norm.moving_mean * factor if norm.beta is None else norm.beta - norm.moving_mean * factor
        if options.get("training"):
            # A batch goes by its own mean and variance.
            return between(call(inputs, *args, **options) - shift) + shift
        return between(inputs * factor) + shift

    return normalized


_CALLS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "BatchNormalization": _normalized, "Rescaling": _rescaled,
}  # fmt: skip
"""Layers that files compute as a product and a sum."""


def _factor(norm: Any) -> Any:
    ops = require("keras", extra="toolkit").ops
    factor = 1 / ops.sqrt(ops.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    return factor if norm.gamma is None else factor * norm.gamma


def _in_two_steps(layer: Any, between: Callable[[Any], Any]) -> tuple[str, Any]:
    """The call of a layer in the table, or the function `hard_sigmoid`, as files compute it."""
    if (make := _CALLS.get(type(layer).__name__)) is not None:
        return "call", make(layer, between)

    def hard_sigmoid(tensor: Any) -> Any:
        return between(require("keras", extra="toolkit").ops.relu6(tensor + 3.0)) * (1 / 6)

    return "activation", hard_sigmoid


def _in_steps(steps: Any, averages: bool, zero: Any, step: Any) -> Any:
    """Steps above the lowest number of a range, to the nearest whole one, as a number."""
    ops = require("keras", extra="toolkit").ops
    if averages:
        # Integers are 128 below; sums in floating point miss halves by little.
        apart = steps - _MIDDLE
        whole = ops.sign(apart) * ops.floor(ops.abs(apart) + (0.5 + _HALF)) + _MIDDLE
        steps = steps + ops.stop_gradient(whole - steps)
    else:
        steps = _straight(steps)
    return (steps - zero) * step


def _fused(tensor: Any, lowest: Any, highest: Any) -> Any:
    """What `_in_steps` gives where nothing is averaged, and its gradients, in the two kernels that TensorFlow has for
    it: a dozen small ones cost as much as all else in an epoch of a dense network."""
    tf = require("tensorflow", extra="toolkit")
    kernels = tf.quantization

    @tf.custom_gradient
    def rounded(value: Any, lowest: Any, highest: Any) -> Any:
        found = kernels.fake_quant_with_min_max_vars(value, lowest, highest)

        def gradients(wanted: Any) -> tuple[Any, Any, Any]:
            within, below, above = kernels.fake_quant_with_min_max_vars_gradient(wanted, value, lowest, highest)
            # Beyond the ends a number follows them; within, a wider step moves it by as much as rounding did.
            moved = tf.reduce_sum(within * (found - value)) / (highest - lowest)
            return within, below - moved, above + moved

        return found, gradients

    number = tf.convert_to_tensor(tensor)
    return tf.cast(rounded(tf.cast(number, tf.float32), lowest, highest), number.dtype)


def _straight(value: Any) -> Any:
    """The nearest whole number; the gradient passes as if it were the value."""
    ops = require("keras", extra="toolkit").ops
    return value + ops.stop_gradient(ops.floor(value + 0.5) - value)
