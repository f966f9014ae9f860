"""Distillation: a student learns the answers of a teacher, on many distorted copies of the training images.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network". The teacher answers once about every
image of a pool; training then only reads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .epochs import Epoch
from .parts import make_array

__all__ = ["PoolEpochs", "teach"]

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def teach(pool: NDArray[np.uint8], teacher: Predict, path: Path) -> NDArray[np.float16]:
    """The teacher's logits about each image of a pool, kept in a file (see `make_array`).

    Args:
        pool: Shape (copies, n, height, width).
        teacher: Pixels (n, height, width) to logits (n, classes).
        path: A `.npy` file; where it is there already, it is read.

    Returns:
        Shape (copies, n, classes).
    """
    answers = make_array(
        path, len(pool), lambda copy: teacher(np.asarray(pool[copy])).astype(np.float16), news="the teacher's answers"
    )
    return np.array(answers)


class PoolEpochs:
    """Epochs drawn from a pool: each image in one of its copies, labelled by its class and by the teacher."""

    def __init__(
        self,
        pool: NDArray[np.uint8],
        targets: NDArray[np.float32],
        *,
        seed: tuple[int, ...],
        logits: NDArray[np.float16] | None = None,
        share: float = 0.9,
        temperature: float = 1.0,
        original_share: float = 0.1,
        passes: int = 1,
    ) -> None:
        """Keep what each epoch is made from.

        Args:
            pool: Shape (1 + copies, n, height, width[, 3]); the first copy is the images as they are.
            targets: (n, classes) probabilities.
            seed: With the epoch's number, decides order and copies.
            logits: The teacher's, (1 + copies, n, classes); None trains on labels alone.
            share: How much of each target is the teacher's answer.
            temperature: The teacher's logits are divided by it: below 1 its answers become surer. A teacher trained
                with label smoothing is never sure, and a small student should not spend its weights on imitating that.
            original_share: Part of the images that are drawn undistorted.
            passes: Passes over the images in one epoch; tiny models spend longer between epochs than in one pass.
        """
        self._pool, self._targets = pool, targets
        self._seed, self._logits = seed, logits
        self._share, self._temperature = np.float32(share), np.float32(temperature)
        self._original_share, self._passes = original_share, passes

    def __len__(self) -> int:
        return self._passes * len(self._targets)

    def __call__(self, epoch: int) -> Epoch:
        """Make the epoch with that number."""
        rng = np.random.default_rng([*self._seed, epoch])
        order = np.concatenate([rng.permutation(len(self._targets)) for _ in range(self._passes)])
        copies = rng.integers(1, len(self._pool), len(order)) if len(self._pool) > 1 else np.zeros(len(order), int)
        copies[rng.random(len(order)) < self._original_share] = 0
        targets = self._targets[order]
        if self._logits is not None:
            targets = (1 - self._share) * targets + self._share * _softmax(
                self._logits[copies, order].astype(np.float32) / self._temperature
            )
        return self._pool[copies, order], targets


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares
