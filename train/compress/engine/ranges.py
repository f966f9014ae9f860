"""Ranges of activations that training learns: what int8 files round to.

While a model is inside `rounding`, its layers give numbers rounded to 8 bits at the very places at which TensorFlow
Lite's operators round them. Nothing is wrapped or rebuilt, so it goes for models of either Keras.

The ends of a range are learned like weights: the gradient passes straight through the rounding, and the step follows
the ends (Esser et al. 2020, "Learned Step Size Quantization"; Bhalgat et al. 2020, "LSQ+"; it is their logarithms
that move, Jain et al. 2020, "Trained Quantization Thresholds").
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

from .points import INPUT, Point, Range, points_of, without_a_place

__all__ = ["INPUT", "Range", "Ranges", "fits", "nudged", "rounding"]

Round = Callable[[Any, str | Range], Any]
"""What is made of a tensor, by the name of its range, or by the range itself."""

_LEVELS = 255
_SMALLEST = 1e-6
_LARGEST = 1e30


class Ranges:
    """The ranges of one model, which `run` of its training moves."""

    def __init__(self, model: Any, examples: Sequence[NDArray[Any]]) -> None:
        """Begin with the lowest and the highest number that some examples bring about at each place.

        Args:
            model: Of Keras 3 or tf-keras, functional or Sequential, of layers that `without_a_place` knows.
            examples: Batches as the model takes them.
        """
        self._model = model
        ends: dict[str, Range] = {}

        def look(tensor: Any, name: str | Range) -> Any:
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
        self._names, self._starts = list(ends), ends
        self._moves = make(np.zeros((len(ends), 2), np.float32), name="ranges", dtype="float32")

    @property
    def variable(self) -> Any:
        """What training moves: how far each end went from its first place, as a logarithm. Shape (places, 2)."""
        return self._moves

    @property
    def found(self) -> dict[str, Range]:
        """Where the ends are now, nudged so that 0 is a whole number of steps from each."""
        moves = np.asarray(require("keras", extra="toolkit").ops.convert_to_numpy(self._moves), np.float64)
        return {
            name: nudged(*(np.asarray(self._starts[name]) * np.exp(move)).tolist())
            for name, move in zip(self._names, moves, strict=True)
        }

    def active(self) -> contextlib.AbstractContextManager[None]:
        """Within it the model rounds, and its gradients reach the ranges."""
        return _hooked(self._model, self._round)

    def _round(self, tensor: Any, name: str | Range) -> Any:
        ops = require("keras", extra="toolkit").ops
        if isinstance(name, str):
            place = self._names.index(name)
            start, moves = self._starts[name], ops.convert_to_tensor(self._moves)[place]
            low, high = start[0] * ops.exp(moves[0]), start[1] * ops.exp(moves[1])
        else:
            low, high = name
        step = (high - low) / _LEVELS
        # Where 0 is: a whole number of steps above the lowest.
        zero = _straight(-low / step)
        return (_straight(ops.clip(tensor / step + zero, 0, _LEVELS)) - zero) * step


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
def rounding(model: Any, ranges: Mapping[str, Range]) -> Iterator[None]:
    """Within it the model rounds its activations to these ranges: what is traced is what the converter takes them from.

    Args:
        model: Of Keras 3 or tf-keras, as `Ranges` takes it.
        ranges: By place, as `Ranges.found` gives them.
    """
    fake = require("tensorflow", extra="toolkit").quantization.fake_quant_with_min_max_args
    with _hooked(model, lambda tensor, name: fake(tensor, *(ranges[name] if isinstance(name, str) else name))):
        yield


@contextlib.contextmanager
def _hooked(model: Any, change: Round) -> Iterator[None]:
    """Give a function the numbers at each place of a model, and the model what the function makes of them."""
    # TensorFlow's own rewriting of Python knows nothing of functions that are put in a layer's place.
    plain = require("tensorflow", extra="toolkit").autograph.experimental.do_not_convert
    kept: list[tuple[Any, str, Any]] = []

    def put(layer: Any, name: str, function: Any) -> None:
        kept.append((layer, name, layer.__dict__.get(name)))
        object.__setattr__(layer, name, plain(function))

    try:
        put(model, "call", _of_input(model.call, change))
        for point in points_of(model):
            put(point.layer, *_around(point, change))
        yield
    finally:
        for layer, name, before in reversed(kept):
            if before is None:
                object.__delattr__(layer, name)
            else:
                object.__setattr__(layer, name, before)


def _of_input(call: Any, change: Round) -> Any:
    def changed(inputs: Any, *args: Any, **options: Any) -> Any:
        # `predict` gives the only input as a tuple of one.
        alone = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return call(change(alone, INPUT), *args, **options)

    return changed


def _around(point: Point, change: Round) -> tuple[str, Any]:
    """Which attribute of a layer gets a function in its place, and which."""
    takes = point.name if point.takes is None else point.takes
    if point.before:
        function = point.layer.activation
        return "activation", lambda tensor: function(change(tensor, takes))
    call = point.layer.call
    return "call", lambda *args, **options: change(call(*args, **options), takes)


def _straight(value: Any) -> Any:
    """The nearest whole number; the gradient passes as if it were the value."""
    ops = require("keras", extra="toolkit").ops
    return value + ops.stop_gradient(ops.floor(value + 0.5) - value)
