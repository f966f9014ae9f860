"""Data for calibrating and for checking a model, by the names of its inputs."""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.runtime import InputError, Picture

from .source import Source

__all__ = ["Samples", "pictures", "read_samples"]


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

    def thinned(self, count: int) -> "Samples":
        """At most so many of them, evenly spaced: data sets may be sorted by class."""
        return self[np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))]

    @property
    def sha256(self) -> str:
        """Digest over names, shapes and bytes (C order)."""
        digest = hashlib.sha256()
        for name, values in sorted(self.inputs.items()):
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def for_inputs(self, source: Source) -> "Samples":
        """These samples for that model's inputs, by their names.

        Raises:
            InputError: A name or a shape that the model does not have.
        """
        wanted = dict(zip(source.model.input_names, source.model.inputs, strict=True))
        if set(wanted) != set(self.inputs):
            raise InputError(
                f"samples are called {', '.join(sorted(self.inputs))}: model {source.name!r} takes "
                f"{', '.join(sorted(wanted))}"
            )
        for name, tensor in wanted.items():
            if self.inputs[name].shape[1:] != tuple(tensor.shape[1:]):
                came, allowed = self.inputs[name].shape[1:], tuple(tensor.shape[1:])
                raise InputError(f"each sample of {name} is {came}: the model takes {allowed}")
        typed = {name: self.inputs[name].astype(wanted[name].dtype.as_numpy_dtype) for name in wanted}
        return Samples(typed, self.labels)


def read_samples(path: str | os.PathLike[str]) -> Samples:
    """An `.npz` with one array per input, under its name, and the classes as `labels` where there are any.

    Raises:
        InputError: Not such a file, or arrays that do not agree.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds no samples ({error}): an .npz with one array per input is allowed") from None
    labels = arrays.pop("labels", None)
    lengths = {len(array) if array.ndim else 0 for array in (*arrays.values(), *([] if labels is None else [labels]))}
    numeric = all(array.dtype.kind in "fiub" and np.isfinite(array).all() for array in arrays.values())
    if not arrays or len(lengths) != 1 or not numeric:
        raise InputError(f"{path}: one array of finite numbers per input is allowed, all of one length")
    return Samples(arrays, None if labels is None else labels.astype(np.int64))


def pictures(dataset: Dataset, indices: NDArray[np.int64], source: Source, preprocessing: Picture) -> Samples:
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
