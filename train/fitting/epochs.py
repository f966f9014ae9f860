"""What a fit sees in each epoch: shuffled, moved, and labelled by a teacher where there is one.

An epoch is made from its own random state, (seed, epoch) and nothing before it, so that a run can go on at any epoch;
and it is made in a thread while the step before it is still training.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Augment",
    "EpochSource",
    "LabelledEpochs",
    "disturb_recordings",
    "jitter",
    "mirror_images",
    "one_hot",
    "prefetch",
    "shift_images",
]

Epoch = tuple[NDArray[Any], NDArray[np.float32]]
"""Examples (n, ...) in training order, as `Feed.hold` gives them, and their targets (n, ...)."""

EpochSource = Callable[[int], Epoch]
"""Makes the epoch with that number. Called from a thread, one call at a time, in any order of numbers."""

Augment = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
"""Distorted copies of the examples, same shape and order."""


def one_hot(labels: NDArray[np.int64], classes: int, smoothing: float = 0.0) -> NDArray[np.float32]:
    """Class indices (n,) as target probabilities (n, classes), a share `smoothing` of each spread over all classes."""
    table = np.eye(classes) * (1 - smoothing) + smoothing / classes
    return table.astype(np.float32)[labels]


def shift_images(images: NDArray[np.uint8], rng: np.random.Generator, pixels: int) -> NDArray[np.uint8]:
    """Move each image by up to `pixels` rows and columns at random; what comes in is 0."""
    height, width = images.shape[1:3]
    span = 2 * pixels + 1
    moves = rng.integers(span * span, size=len(images))
    moved = np.zeros_like(images)
    for move in range(span * span):
        rows, columns = move // span - pixels, move % span - pixels
        chosen = np.flatnonzero(moves == move)
        to_rows = slice(max(rows, 0), height + min(rows, 0))
        to_columns = slice(max(columns, 0), width + min(columns, 0))
        from_rows = slice(max(-rows, 0), height + min(-rows, 0))
        from_columns = slice(max(-columns, 0), width + min(-columns, 0))
        moved[chosen, to_rows, to_columns] = images[chosen, from_rows, from_columns]
    return moved


def mirror_images(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the images, chosen at random, with left and right exchanged."""
    mirrored = images.copy()
    chosen = rng.random(len(images)) < 0.5
    mirrored[chosen] = images[chosen][:, :, ::-1]
    return mirrored


def disturb_recordings(
    waves: NDArray[np.float32], rng: np.random.Generator, *, samples: int, gain_db: float, noise: float
) -> NDArray[np.float32]:
    """Recordings (n, samples) begun sooner or later, louder or quieter, and with noise.

    Args:
        waves: Between -1 and 1.
        rng: Decides everything.
        samples: The largest shift; what comes in is silence.
        gain_db: Largest change of the loudness either way.
        noise: Largest deviation of the noise, as a share of the recording's own.
    """
    moved = np.zeros_like(waves)
    moves = rng.integers(-samples, samples + 1, len(waves))
    for row, move in enumerate(moves):
        length = waves.shape[1] - abs(move)
        moved[row, max(move, 0) : max(move, 0) + length] = waves[row, max(-move, 0) : max(-move, 0) + length]
    gains = 10 ** (rng.uniform(-gain_db, gain_db, (len(waves), 1)) / 20)
    deviations = moved.std(axis=1, keepdims=True) * rng.uniform(0, noise, (len(waves), 1))
    noisy = gains * (moved + deviations * rng.standard_normal(waves.shape, np.float32))
    return np.clip(noisy, -1, 1).astype(np.float32)


def jitter(values: NDArray[np.float32], rng: np.random.Generator, deviation: float) -> NDArray[np.float32]:
    """Centred and scaled numbers with noise of that deviation."""
    noisy: NDArray[np.float32] = values + np.float32(deviation) * rng.standard_normal(values.shape, np.float32)
    return noisy


class LabelledEpochs:
    """The training examples in a new order each epoch, augmented, with right and a teacher's answers as targets."""

    def __init__(
        self,
        examples: NDArray[Any],
        targets: NDArray[np.float32],
        *,
        seed: tuple[int, ...],
        augment: Augment | None = None,
        teacher: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None,
        teacher_share: float = 0.0,
        passes: int = 1,
    ) -> None:
        """Keep what each epoch is made from.

        Args:
            examples: (n, ...).
            targets: (n, ...), as the loss takes them.
            seed: With the epoch's number, decides order and distortion.
            augment: Distorts the examples of an epoch.
            teacher: Examples to targets (n, ...), asked about the distorted examples.
            teacher_share: How much of each target is the teacher's answer.
            passes: Passes over the examples in one epoch: small sets would have a few steps in one.
        """
        self._passes = passes
        self._examples = examples
        self._targets = targets
        self._seed = seed
        self._augment = augment
        self._teacher = teacher
        self._teacher_share = np.float32(teacher_share)

    def __len__(self) -> int:
        return self._passes * len(self._examples)

    def __call__(self, epoch: int) -> Epoch:
        """Make the epoch with that number."""
        rng = np.random.default_rng([*self._seed, epoch])
        order = np.concatenate([rng.permutation(len(self._examples)) for _ in range(self._passes)])
        examples, targets = self._examples[order], self._targets[order]
        if self._augment:
            examples = self._augment(examples, rng)
        if self._teacher and self._teacher_share:
            targets = (1 - self._teacher_share) * targets + self._teacher_share * self._teacher(examples)
        return examples, targets


def prefetch(source: EpochSource, epochs: range) -> Iterator[tuple[int, Epoch, float]]:
    """Yield each epoch's number, the epoch, and the seconds that training waited for it; make the next meanwhile."""
    with ThreadPoolExecutor(1, "edgepress-epochs") as worker:
        ahead: Any = worker.submit(source, epochs[0]) if epochs else None
        for epoch in epochs:
            start = time.perf_counter()
            made = ahead.result()
            waited = time.perf_counter() - start
            if epoch != epochs[-1]:
                ahead = worker.submit(source, epoch + 1)
            yield epoch, made, waited
