"""A labelled set of images, checked once and split reproducibly."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError, Preprocessing

from .convention import contract_of

__all__ = ["Dataset", "Split"]


@dataclass(frozen=True)
class Split:
    """Indices into a data set's training images."""

    fit: NDArray[np.int64]
    """What weights and calibration may see."""
    validation: NDArray[np.int64]
    """Held back from both; every choice is made on it, none on the test set."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels.

    Raises:
        InputError: Arrays whose shapes, types or labels do not agree.
    """

    name: str
    """As it stands in every table: `mnist`, `mnist-5k`, or the file's or folder's name."""
    x_train: NDArray[np.uint8]
    """(n, height, width) grey or (n, height, width, 3) RGB pixels, 0 to 255."""
    y_train: NDArray[np.int64]
    """(n,) class indices."""
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    labels: tuple[str, ...]
    """Class names by index."""

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            self._check(part, getattr(self, f"x_{part}"), getattr(self, f"y_{part}"))
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise InputError(
                f"{self.name}: training images are {self.x_train.shape[1:]}, test images {self.x_test.shape[1:]}: "
                "bring both to one size"
            )

    def _check(self, part: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
        what = f"{self.name}: {part}"
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)):
            raise InputError(
                f"{what} images are {images.dtype} {images.shape}: uint8 (n, height, width) or "
                "(n, height, width, 3) is allowed"
            )
        if len(images) == 0 or labels.shape != (len(images),):
            raise InputError(f"{what} has {len(images)} images and labels of shape {labels.shape}: one label an image")
        if not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"{what} labels are {labels.dtype}: class indices as integers are allowed")
        if labels.min() < 0 or labels.max() >= len(self.labels):
            raise InputError(
                f"{what} labels run from {labels.min()} to {labels.max()}: 0 to {len(self.labels) - 1} is allowed"
            )

    @cached_property
    def sha256(self) -> str:
        """Digest over all four arrays (shape and bytes, C order)."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The contract that pictures must follow to look like these images."""
        return contract_of(self.x_train)

    def split(self, seed: int, validation_share: float = 1 / 12) -> Split:
        """Part the training images at random: 5,000 of MNIST's 60,000 are held back by default."""
        order = np.random.default_rng(seed).permutation(len(self.x_train))
        held_back = max(1, round(len(order) * validation_share))
        return Split(fit=np.sort(order[held_back:]), validation=np.sort(order[:held_back]))
