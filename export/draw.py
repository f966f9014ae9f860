"""Which training examples calibrate, and which check: by the split that training recorded, never from the test part."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset, Part, SplitRecipe
from edgepress.runtime import InputError

__all__ = ["GOLDEN_SAMPLES", "Draw", "require_enough"]

GOLDEN_SAMPLES = 64
_CONFORMANCE_SAMPLES = 1000
_CALIBRATION_SAMPLES = 500
_HELD_BACK_SAMPLES = 5000
_FEWEST_SAMPLES = 20
_FOREIGN_SHARE = 0.5
"""What is held back where nothing was fitted here: half, so that a small difference can be seen."""


def require_enough(dataset: Dataset) -> None:
    """Raise InputError where there are too few examples to export a model of them."""
    count = sum(len(part) for name, part in dataset.parts.items() if name != "test")
    if count < _FEWEST_SAMPLES:
        raise InputError(
            f"{dataset.name} has {count} training examples: at least {_FEWEST_SAMPLES} are needed to calibrate and to "
            "check"
        )


class Draw:
    """Calibration and held-back examples for one model."""

    def __init__(
        self, dataset: Dataset, recipe: SplitRecipe | None, seed: int, calibration: Dataset | None = None
    ) -> None:
        """Draw them.

        Args:
            dataset: Under the model's input names.
            recipe: How training parted the examples; None where nobody recorded that: then the model may have been
                fitted to what is held back here, and the record says so.
            seed: Draws among what may be looked at, and parts the examples where there is no recipe.
            calibration: Examples of the user's own to measure activations on.

        Raises:
            InputError: Too few examples.
        """
        require_enough(dataset)
        self.recipe = recipe or SplitRecipe(seed, _FOREIGN_SHARE)
        self._known = recipe is not None
        self._dataset, self._seed, self._own = dataset, seed, calibration
        split = dataset.split(*self.recipe)
        random = np.random.default_rng([seed, len(split.fit)])
        fit = split.fit if calibration is None else np.arange(len(calibration.train))
        held_back = split.validation if dataset.own_validation is None else np.arange(len(dataset.own_validation))
        self.calibration_indices = _some(random, fit, _CALIBRATION_SAMPLES)
        self.held_back_indices = _some(random, held_back, _HELD_BACK_SAMPLES)
        golden = random.permutation(self.held_back_indices)[:_CONFORMANCE_SAMPLES]
        self.golden_rows = np.searchsorted(self.held_back_indices, golden)
        """Which of the held-back examples, by position, are the golden ones."""

    @property
    def calibration(self) -> Part:
        """What the ranges of activations are measured on."""
        chosen: Part = (self._own or self._dataset).train[self.calibration_indices]
        return chosen

    @property
    def held_back(self) -> Part:
        """What every artifact is checked on."""
        chosen: Part = (self._dataset.own_validation or self._dataset.train)[self.held_back_indices]
        return chosen

    @property
    def golden(self) -> Part:
        """Held-back examples for every backend; the first `GOLDEN_SAMPLES` become the bundle's self-test."""
        chosen: Part = self.held_back[self.golden_rows]
        return chosen

    def record(self) -> dict[str, Any]:
        """For the manifest: enough to draw the same again."""
        own = {} if self._own is None else {"calibration_set": {"name": self._own.name, "sha256": self._own.sha256}}
        return own | {
            "name": self._dataset.name,
            "sha256": self._dataset.sha256,
            "seed": self._seed,
            "split": {
                **self.recipe._asdict(),
                "origin": "recorded by training" if self._known else "unknown: the model may have been fitted to these",
            },
            "calibration_indices": self.calibration_indices.tolist(),
            "held_back": {"examples": len(self.held_back_indices), "indices_sha256": _digest(self.held_back_indices)},
        }


def _some(random: np.random.Generator, indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(random.permutation(indices)[:count])


def _digest(indices: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(indices, "<i8").data).hexdigest()
