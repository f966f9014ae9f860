"""Arrays people have, as the tensor that a model takes; and the tensor it gives, as probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError

from .bundle.manifest import Artifact, TensorSpec
from .contract import Contract, Input, Picture
from .tasks.multiclass import probabilities
from .tasks.task import Task

__all__ = ["ClassDecoder", "NumberEncoder", "PixelEncoder", "encoder_of", "named_reals"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Write = Callable[[NDArray[np.uint8], NDArray[Any]], Any]

_EXPONENT = 80.0
"""exp of the negative of this is still a normal float32."""

_PIXEL = np.dtype(np.uint8)
_CLASSES = 64
"""Up to so many, a product with a square of ones is the quickest sum of rows."""


def encoder_of(spec: TensorSpec, contract: Input | None) -> PixelEncoder | NumberEncoder:
    """The encoder for one input; a file that states no contract is fed with its own numbers."""
    if contract is None or isinstance(contract, Picture):
        return PixelEncoder(spec, contract)
    return NumberEncoder(spec, contract)


def named_reals(artifact: Artifact, contract: Contract | None, x: Any) -> dict[str, NDArray[Any]]:
    """Inputs by name as real numbers, each by its contract.

    Raises:
        InputError: No contract, or other names than the artifact's inputs.
    """
    names = [spec.name for spec in artifact.inputs]
    if contract is None or set(contract.inputs) != set(names):
        raise InputError(f"{artifact.file} does not say how its inputs are made: use run")
    if not isinstance(x, Mapping) or set(x) != set(names):
        came = ", ".join(map(str, x)) if isinstance(x, Mapping) else "one array"
        raise InputError(f"inputs {came}: the model takes a mapping of {', '.join(names)}")
    reals = {}
    for spec in artifact.inputs:
        encoder = encoder_of(spec, contract.inputs[spec.name])
        rows = encoder.rows(x[spec.name])
        reals[spec.name] = encoder.reals(rows).reshape(len(rows), *spec.shape[1:])
    return reals


class PixelEncoder:
    """Brings images to the shape and type of a model's input.

    uint8 images are pixels and are normalized by the contract; float images are taken as normalized already.
    """

    def __init__(self, spec: TensorSpec, contract: Picture | None) -> None:
        self._spec = spec
        self._contract = contract
        self._row = spec.shape[1:]
        self._size = int(np.prod(self._row))
        self._dtype = np.dtype(spec.dtype)
        if contract is not None and contract.size != self._size:
            raise InputError(
                f"the contract's picture holds {contract.size} numbers, the model takes {self._size}: export it again"
            )
        self.one: Callable[[NDArray[Any]], NDArray[Any] | None] = _no_single
        """One picture as the model's input: a buffer that the next call writes again. None for what is not one."""
        # A grey picture's channel may be written or left out.
        self._shapes = {self._row, (self._size,), self._row[:-1] if self._row[-1:] == (1,) else self._row}
        if contract is not None:
            self._shapes |= {contract.shape, (contract.height, contract.width, contract.channels)}
            self._write = _writer(contract, spec)
            self._buffer = np.empty((1, self._size), self._dtype)
            if len(contract.mean) == len(contract.std) == 1 and contract.order != "bgr":
                self.one = _single(self._write, np.empty((1, *self._row), self._dtype), self._shapes)
            low, high = contract.ends
            slack = (high - low) * 1e-3
            self._range = (low - slack, high + slack)

    def rows(self, images: Any) -> NDArray[Any]:
        """Check `images` and give them the shape (n, size); one image gives n = 1.

        Raises:
            InputError: A shape, type or range that is not the contract's.
        """
        images = np.asarray(images)
        if images.shape in self._shapes:
            images = images[None]
        elif images.shape[1:] not in self._shapes:
            sizes = " or ".join(str(shape) for shape in sorted(self._shapes, key=len, reverse=True))
            raise InputError(f"images of shape {images.shape}: {sizes} is allowed, or (n, ...) of those; resize first")
        rows: NDArray[Any] = images.reshape(len(images), self._size)
        if rows.dtype == np.uint8:
            if self._contract is None and self._dtype != np.uint8:
                raise InputError(
                    "uint8 images for a model file that does not say how pixels become its input: pass floats as the "
                    "model was trained on, or load it from a bundle"
                )
        elif rows.dtype.kind == "f":
            self._check_range(rows)
        else:
            raise InputError(f"images of type {images.dtype}: uint8 pixels or normalized floats are allowed")
        return rows

    def _check_range(self, rows: NDArray[Any]) -> None:
        if not len(rows):
            return
        low, high = float(rows.min()), float(rows.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("images hold NaN or infinity: finite numbers are allowed")
        if self._contract is not None and not (self._range[0] <= low and high <= self._range[1]):
            raise InputError(
                f"float images from {low:g} to {high:g}: the model was trained on {self._range[0]:.3g} to "
                f"{self._range[1]:.3g}; pass pixels as uint8, or normalize them"
            )

    def reals(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What `rows` gave, as the real numbers of the model's input. Shape (n, size)."""
        if rows.dtype != np.uint8 or self._contract is None:
            return rows
        pixels = rows.reshape(len(rows), *self._contract.shape)
        return self._contract.normalize(pixels).reshape(len(rows), self._size)

    def encode(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of checked images (n, size) as the model's input, shape (n, ...) of the spec.

        Pixels go to a buffer that the next call writes again.
        """
        shape = (len(rows), *self._row)
        if rows.dtype != np.uint8 or self._contract is None:
            quantization = self._spec.quantization if rows.dtype != np.uint8 else None
            values = rows.astype(self._dtype) if quantization is None else quantization.quantize(rows)
            return np.ascontiguousarray(values).reshape(shape)
        if len(rows) > len(self._buffer):
            self._buffer = np.empty((len(rows), self._size), self._dtype)
        buffer = self._buffer[: len(rows)]
        self._write(rows, _octets(buffer))
        return buffer.reshape(shape)


def _no_single(image: NDArray[Any]) -> None:
    return None


def _single(
    write: _Write, single: NDArray[Any], shapes: set[tuple[int, ...]]
) -> Callable[[NDArray[Any]], NDArray[Any] | None]:
    # A closure, as `_integer_softmax` is: at 1 microsecond a model, attributes are several percent of the time.
    views = {shape: _octets(single.reshape(shape)) for shape in shapes | {(1, *shape) for shape in shapes}}
    view_of = views.get

    def one(image: NDArray[Any]) -> NDArray[Any] | None:
        view = view_of(image.shape)
        if view is None or image.dtype is not _PIXEL:
            return None
        write(image, view)
        return single

    return one


def _octets(array: NDArray[Any]) -> NDArray[Any]:
    """Bytes as uint8, in which adding wraps around; wider types as they are."""
    return array.view(np.uint8) if array.itemsize == 1 else array


def _writer(contract: Picture, spec: TensorSpec) -> _Write:
    """The quickest way from pixels to the input's type: normalized, then quantized, by a table where it is not simpler.

    It writes to an array that `_octets` gave.
    A trained 8-bit input mostly stands for pixel / 255, which makes the table a shift by the zero point.
    """
    dtype = np.dtype(spec.dtype)
    if contract.order == "bgr" or len(contract.mean) > 1 or len(contract.std) > 1:

        def by_channel(pixels: NDArray[np.uint8], out: NDArray[Any]) -> None:
            reals = contract.normalize(pixels.reshape(-1, *contract.shape))
            values = reals.astype(dtype) if spec.quantization is None else spec.quantization.quantize(reals)
            np.copyto(out, _octets(np.ascontiguousarray(values)).reshape(out.shape))

        return by_channel
    if spec.quantization is None and dtype == np.float32:
        scale, offset = np.array(contract.scale, np.float32), np.array(contract.offset, np.float32)
        if not offset:
            return partial(np.multiply, scale)

        def scaled(pixels: NDArray[np.uint8], out: NDArray[Any]) -> None:
            np.multiply(pixels, scale, out)
            np.add(out, offset, out)

        return scaled
    real = contract.normalize(np.arange(256, dtype=np.uint8))
    table = real.astype(dtype) if spec.quantization is None else spec.quantization.quantize(real)
    if dtype.itemsize > 1:
        return lambda pixels, out: np.copyto(out, table[pixels])
    octets = table.view(np.uint8)
    shift = np.array(octets[0], np.uint8)
    if np.array_equal(octets, np.arange(256, dtype=np.uint8) + shift):
        return partial(np.add, shift)
    translation = octets.tobytes()

    def translated(pixels: NDArray[np.uint8], out: NDArray[Any]) -> None:
        np.copyto(out, np.frombuffer(pixels.tobytes().translate(translation), np.uint8).reshape(out.shape))

    return translated


class NumberEncoder:
    """Brings rows, windows, recordings and arrays to the shape and type of a model's input, by their contract."""

    def __init__(self, spec: TensorSpec, contract: Input) -> None:
        self._spec, self._contract = spec, contract
        self._row = spec.shape[1:]
        fixed = [size for size in self._row if size >= 0]
        if len(fixed) == len(self._row) and math.prod(self._row) != contract.size:
            raise InputError(
                f"the contract's {contract.kind} holds {contract.size} numbers, the model takes "
                f"{math.prod(self._row)}: export it again"
            )
        self.one: Callable[[NDArray[Any]], NDArray[Any] | None] = _no_single

    def rows(self, values: Any) -> NDArray[Any]:
        """Check examples and give them as real numbers, (n, ...); one example gives n = 1.

        Raises:
            InputError: A shape or type that is not the contract's, NaN, or infinity.
        """
        assert not isinstance(self._contract, Picture)
        return self._contract.normalize(self._contract.numbers(values))

    def reals(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What `rows` gave, as real numbers: they are some already."""
        return rows

    def encode(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Real numbers as the model's input, shape (n, ...) of the spec."""
        quantization = self._spec.quantization
        values = rows.astype(self._spec.dtype) if quantization is None else quantization.quantize(rows)
        shape = rows.shape[1:] if min(self._row, default=1) < 0 else self._row
        return np.ascontiguousarray(values).reshape(len(rows), *shape)


class ClassDecoder:
    """Turns a classifier's output tensor into probabilities."""

    def __init__(self, spec: TensorSpec, task: Task) -> None:
        self._quantization = spec.quantization
        self._task = task
        self.probabilities: Callable[[NDArray[Any]], NDArray[np.float32]] = self._probabilities
        """From outputs to shape (n, classes), float32; rows sum to 1."""
        self.certain = np.dtype(spec.dtype).kind in "iu"
        """Whether outputs are integers, which are never NaN."""
        few = len(spec.shape) == 2 and 1 < spec.shape[1] <= _CLASSES
        if task.meaning == "logits" and spec.dtype == "int8" and few and (spec.scale or np.inf) * 255 < _EXPONENT:
            assert spec.scale is not None
            self.probabilities = _integer_softmax(spec.scale, spec.shape[1])

    def _probabilities(self, output: NDArray[Any]) -> NDArray[np.float32]:
        reals = output if self._quantization is None else self._quantization.dequantize(output)
        return probabilities(self._task, reals)


def _integer_softmax(scale: float, classes: int) -> Callable[[NDArray[np.int8]], NDArray[np.float32]]:
    """softmax of int8 logits, by a table."""
    # exp of every int8 logit, relative to the largest there can be; indexed by the byte.
    # take() counts a negative index from the end, which puts the negative logits in the second half.
    distances = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64) - 127
    power_of = np.exp(distances * scale).astype(np.float32).take
    ones = np.ones((classes, classes), np.float32)
    divide = np.divide

    def probabilities(output: NDArray[np.int8]) -> NDArray[np.float32]:
        powers = power_of(output)
        # The product with ones holds each row's sum in the shape of the row: half the time of sum and broadcast.
        divide(powers, powers.dot(ones), powers)
        return powers

    return probabilities
