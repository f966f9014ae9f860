"""Which training images calibrate, and which check: drawn by seed, recorded, never from the test set."""

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.data.convention import contract_of
from edgepress.runtime import InputError, Picture
from edgepress.runtime.conformance.golden import Vectors

from .samples import Samples, pictures
from .source import Source

__all__ = ["GOLDEN_SAMPLES", "Draw", "PictureDraw", "SampleDraw"]

GOLDEN_SAMPLES = 64
_CONFORMANCE_SAMPLES = 1000
_CALIBRATION_SAMPLES = 500
_HELD_BACK_SAMPLES = 5000
_FEWEST_SAMPLES = 20


class Draw(Protocol):
    """Calibration and held-back data of one export."""

    name: str
    class_names: tuple[str, ...]
    """Empty where nothing is classified."""
    preprocessing: Picture
    golden_rows: NDArray[np.int64]
    """Which of the held-back samples, by position, are the golden ones."""

    def calibration(self, source: Source) -> Samples:
        """What the ranges of activations are measured on."""

    def held_back(self, source: Source) -> Samples:
        """What every artifact is checked on."""

    def golden(self, source: Source) -> Vectors:
        """Held-back inputs, and classes of a classifier's, for every backend; the first `GOLDEN_SAMPLES` become the
        bundle's self-test."""

    def record(self) -> dict[str, Any]:
        """For the manifest: enough to draw the same again."""


class PictureDraw:
    """From the training images of a data set."""

    def __init__(self, dataset: Dataset, seed: int, calibration: Dataset | None = None) -> None:
        self.name, self.class_names = dataset.name, dataset.labels
        self.preprocessing = contract_of(dataset.x_train)
        self._dataset = dataset
        self._seed = seed
        self._own = calibration
        split = dataset.split(seed)
        random = np.random.default_rng([seed, len(split.fit)])
        fit = split.fit if calibration is None else np.arange(len(calibration.x_train))
        self.calibration_indices = _some(random, fit, _CALIBRATION_SAMPLES)
        self.held_back_indices = _some(random, split.validation, _HELD_BACK_SAMPLES)
        self._conformance_indices = random.permutation(self.held_back_indices)[:_CONFORMANCE_SAMPLES]
        self.golden_rows = np.searchsorted(self.held_back_indices, self._conformance_indices)

    def calibration(self, source: Source) -> Samples:
        """See `Draw`."""
        return pictures(self._own or self._dataset, self.calibration_indices, source, self.preprocessing)

    def held_back(self, source: Source) -> Samples:
        """See `Draw`."""
        return pictures(self._dataset, self.held_back_indices, source, self.preprocessing)

    def golden(self, source: Source) -> Vectors:
        """See `Draw`."""
        labels = self._dataset.y_train[self._conformance_indices] if source.output != "raw" else None
        return Vectors(self._dataset.x_train[self._conformance_indices], labels)

    def record(self) -> dict[str, Any]:
        """See `Draw`."""
        own = {} if self._own is None else {"calibration_set": {"name": self._own.name, "sha256": self._own.sha256}}
        return own | {
            "name": self.name,
            "sha256": self._dataset.sha256,
            "seed": self._seed,
            "calibration_indices": self.calibration_indices.tolist(),
            "held_back": {"images": len(self.held_back_indices), "indices_sha256": _digest(self.held_back_indices)},
        }


class SampleDraw:
    """From samples by input name: half of them calibrate, half check."""

    name = "samples"
    class_names: tuple[str, ...] = ()

    def __init__(self, samples: Samples, seed: int) -> None:
        if len(samples) < _FEWEST_SAMPLES:
            raise InputError(f"{len(samples)} samples: at least {_FEWEST_SAMPLES} are needed to calibrate and to check")
        order = np.random.default_rng(seed).permutation(len(samples))
        self._samples = samples
        self._seed = seed
        self._calibration = np.sort(order[: len(order) // 2][:_CALIBRATION_SAMPLES])
        self._held_back = np.sort(order[len(order) // 2 :][:_HELD_BACK_SAMPLES])
        self._conformance = order[len(order) // 2 :][:_CONFORMANCE_SAMPLES]
        self.golden_rows = np.searchsorted(self._held_back, self._conformance)
        # Rows of numbers as they are; the manifest calls the output raw, so that nobody feeds it pictures.
        size = int(np.prod(next(iter(samples.inputs.values())).shape[1:], dtype=np.int64))
        self.preprocessing = Picture(1, max(size, 1), fit="stretch", polarity="as-is", scale=1.0)

    def calibration(self, source: Source) -> Samples:
        """See `Draw`."""
        return self._samples[self._calibration].for_inputs(source)

    def held_back(self, source: Source) -> Samples:
        """See `Draw`."""
        return self._samples[self._held_back].for_inputs(source)

    def golden(self, source: Source) -> Vectors:
        """See `Draw`."""
        drawn = self._samples[self._conformance].for_inputs(source)
        return Vectors(None, drawn.labels, inputs=drawn.inputs)

    def record(self) -> dict[str, Any]:
        """See `Draw`."""
        return {
            "name": self.name,
            "sha256": self._samples.sha256,
            "seed": self._seed,
            "calibration_indices": self._calibration.tolist(),
            "held_back": {"images": len(self._held_back), "indices_sha256": _digest(self._held_back)},
        }


def _some(random: np.random.Generator, indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(random.permutation(indices)[:count])


def _digest(indices: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, "<i8").data).hexdigest()
