"""Which training images calibrate, and which check: drawn by seed, recorded, never from the test set."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.data.convention import contract_of

from .samples import Samples, pictures
from .source import Source

__all__ = ["GOLDEN_IMAGES", "Draw"]

GOLDEN_IMAGES = 64
_CONFORMANCE_IMAGES = 1000
_CALIBRATION_IMAGES = 500
_HELD_BACK_IMAGES = 5000


class Draw:
    """Calibration and held-back images of one export."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed
        split = dataset.split(seed)
        random = np.random.default_rng([seed, len(split.fit)])
        self.calibration_indices = _some(random, split.fit, _CALIBRATION_IMAGES)
        self.held_back_indices = _some(random, split.validation, _HELD_BACK_IMAGES)
        self.conformance_indices = random.permutation(self.held_back_indices)[:_CONFORMANCE_IMAGES]
        """Held-back images for every backend; the first `GOLDEN_IMAGES` become the bundle's self-test."""

    @cached_property
    def preprocessing(self) -> Any:
        """The contract that the data set's images obey."""
        return contract_of(self.dataset.x_train)

    def calibration(self, source: Source) -> Samples:
        """What the ranges of activations are measured on."""
        return pictures(self.dataset, self.calibration_indices, source, self.preprocessing)

    def held_back(self, source: Source) -> Samples:
        """What every artifact is checked on."""
        return pictures(self.dataset, self.held_back_indices, source, self.preprocessing)

    def record(self) -> dict[str, Any]:
        """For the manifest: enough to draw the same images again."""
        return {
            "name": self.dataset.name,
            "sha256": self.dataset.sha256,
            "seed": self.seed,
            "calibration_indices": self.calibration_indices.tolist(),
            "held_back": {"images": len(self.held_back_indices), "indices_sha256": _digest(self.held_back_indices)},
        }


def _some(random: np.random.Generator, indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(random.permutation(indices)[:count])


def _digest(indices: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, "<i8").data).hexdigest()
