"""Arrays people have, as the tensor that a model takes; and the tensor it gives, as probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contract import Preprocessing
from .errors import InputError
from .manifest import TensorSpec

__all__ = ["InputEncoder", "OutputDecoder"]


class InputEncoder:
    """Brings images to the shape and type of a model's input.

    uint8 images are pixels and are normalized by the contract; float images are taken as normalized already.
    """

    def __init__(self, spec: TensorSpec, contract: Preprocessing | None) -> None:
        self._spec = spec
        self._contract = contract
        self._row = spec.shape[1:]
        self._size = int(np.prod(self._row))
        self._dtype = np.dtype(spec.dtype)
        if contract is not None and contract.size != self._size:
            raise InputError(
                f"the contract's picture holds {contract.size} numbers, the model takes {self._size}: export it again"
            )
        # A grey picture's channel may be written or left out.
        self._shapes = {self._row, (self._size,), self._row[:-1] if self._row[-1:] == (1,) else self._row}
        if contract is not None:
            self._shapes |= {contract.shape, (contract.height, contract.width, contract.channels)}
            self._table = self._pixel_table(contract)
            low, high = contract.normalize(np.array([0, 255], np.uint8)).tolist()
            slack = (high - low) * 1e-3
            self._range = (low - slack, high + slack)

    def _pixel_table(self, contract: Preprocessing) -> NDArray[Any]:
        real = contract.normalize(np.arange(256, dtype=np.uint8))
        quantization = self._spec.quantization
        return real.astype(self._dtype) if quantization is None else quantization.quantize(real)

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

    def encode(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of checked images (n, size) as the model's input, shape (n, ...) of the spec."""
        if rows.dtype != np.uint8:
            quantization = self._spec.quantization
            values = rows.astype(self._dtype) if quantization is None else quantization.quantize(rows)
        elif self._contract is None:
            values = rows
        else:
            values = self._table[rows]
        return np.ascontiguousarray(values).reshape(len(rows), *self._row)


class OutputDecoder:
    """Turns a classifier's output tensor into probabilities."""

    def __init__(self, spec: TensorSpec, meaning: str | None) -> None:
        self._quantization = spec.quantization
        self._meaning = meaning

    def probabilities(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """Shape (n, classes), float32; rows sum to 1."""
        real = output if self._quantization is None else self._quantization.dequantize(output)
        values = np.asarray(real, np.float32).reshape(len(output), int(np.prod(output.shape[1:])))
        if self._meaning == "probabilities" or (self._meaning is None and _are_probabilities(values)):
            return values
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return result


def _are_probabilities(values: NDArray[np.float32]) -> bool:
    """For files that do not say: non-negative rows that sum to 1, give or take what 8 bits lose."""
    return bool(np.all(values >= 0) and np.all(np.abs(values.sum(axis=1) - 1) < 0.05))
