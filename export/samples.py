"""Data for calibrating and for checking a model, by the names of its inputs."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.runtime import InputError, Preprocessing

from .source import Source

__all__ = ["Samples", "pictures"]


@dataclass(frozen=True, eq=False)
class Samples:
    """What goes into a model, and what should come out."""

    inputs: dict[str, NDArray[Any]]
    """Input name to real numbers, shape (n, ...)."""
    labels: NDArray[np.int64] | None
    """(n,) class indices; None where the model is no classifier."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, part: slice | NDArray[np.int64]) -> "Samples":
        labels = None if self.labels is None else self.labels[part]
        return Samples({name: values[part] for name, values in self.inputs.items()}, labels)

    @property
    def sha256(self) -> str:
        """Digest over names, shapes and bytes (C order)."""
        digest = hashlib.sha256()
        for name, values in sorted(self.inputs.items()):
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def pictures(dataset: Dataset, indices: NDArray[np.int64], source: Source, preprocessing: Preprocessing) -> Samples:
    """Training images as the samples of a model with one input.

    Args:
        dataset: The labelled images.
        indices: Which of the training images. Shape (n,).
        source: The model that takes them.
        preprocessing: How pixels become the model's numbers.

    Raises:
        InputError: The model has several inputs, or none of this size.
    """
    name, shape = source.only_input
    if int(np.prod(shape)) != preprocessing.size:
        raise InputError(
            f"model {source.name!r} takes {shape}, {dataset.name} has images of {preprocessing.shape}: "
            "export a model with the data that it was trained on"
        )
    real = preprocessing.normalize(dataset.x_train[indices]).reshape(len(indices), *shape)
    return Samples({name: real}, dataset.y_train[indices] if source.output != "raw" else None)
