"""How examples are changed anew in each epoch: what is drawn for all of them at once, and done a stretch at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .together import Together

__all__ = ["Augment", "Change", "disturb_recordings", "each_by_its_own", "jitter", "move_pictures"]

Change = Callable[[Any, slice], Any]
"""Changed copies of the examples in these rows of an epoch, same shape and order. Stretches come in their order."""

Augment = Callable[[int, np.random.Generator], Change]
"""The change of an epoch of so many examples. What it draws is the same however the epoch is cut into stretches."""


def move_pictures(count: int, rng: np.random.Generator, *, mirror: bool, pixels: int) -> Change:
    """Pictures (n, height, width[, 3]) mirrored and shifted; what comes in is 0.

    Args:
        count: Pictures of the epoch.
        rng: Decides everything.
        mirror: Whether half of them, chosen at random, have left and right exchanged.
        pixels: The largest shift along rows and columns.
    """
    span = 2 * pixels + 1
    mirrored = rng.random(count) < 0.5 if mirror else None
    moves = rng.integers(span * span, size=count)

    def change(images: NDArray[Any], rows: slice) -> NDArray[Any]:
        if mirrored is not None:
            chosen, turned = mirrored[rows], images.copy()
            turned[chosen] = images[chosen][:, :, ::-1]
            images = turned
        return _shifted(images, moves[rows], pixels)

    return change


def _shifted(images: NDArray[Any], moves: NDArray[np.int64], pixels: int) -> NDArray[Any]:
    height, width = images.shape[1:3]
    span = 2 * pixels + 1
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


def disturb_recordings(count: int, rng: np.random.Generator, *, samples: int, gain_db: float, noise: float) -> Change:
    """Recordings (n, samples), between -1 and 1, begun sooner or later, louder or quieter, and with noise.

    Args:
        count: Recordings of the epoch.
        rng: Decides everything.
        samples: The largest shift; what comes in is silence.
        gain_db: Largest change of the loudness either way.
        noise: Largest deviation of the noise, as a share of the recording's own.
    """
    moves = rng.integers(-samples, samples + 1, count)
    gains = 10 ** (rng.uniform(-gain_db, gain_db, (count, 1)) / 20)
    shares = rng.uniform(0, noise, (count, 1))

    def change(waves: NDArray[Any], rows: slice) -> NDArray[Any]:
        moved = np.zeros_like(waves)
        for row, move in enumerate(moves[rows]):
            length = waves.shape[1] - abs(move)
            moved[row, max(move, 0) : max(move, 0) + length] = waves[row, max(-move, 0) : max(-move, 0) + length]
        deviations = moved.std(axis=1, keepdims=True) * shares[rows]
        noisy = gains[rows] * (moved + deviations * rng.standard_normal(waves.shape, np.float32))
        return np.clip(noisy, -1, 1).astype(np.float32)

    return change


def jitter(count: int, rng: np.random.Generator, *, deviation: float) -> Change:
    """Centred and scaled numbers (n, ...) with noise of that deviation."""

    def change(values: NDArray[Any], rows: slice) -> NDArray[Any]:
        noisy: NDArray[Any] = values + np.float32(deviation) * rng.standard_normal(values.shape, np.float32)
        return noisy

    return change


def each_by_its_own(count: int, rng: np.random.Generator, *, augments: Sequence[Augment | None]) -> Change:
    """Examples of several inputs, each changed as its kind is; None leaves one as it is."""
    # Some draw while stretches come: out of one stream, the cut would decide what each draws.
    streams = rng.spawn(len(augments))
    changes = [augment and augment(count, own) for augment, own in zip(augments, streams, strict=True)]

    def change(examples: Together, rows: slice) -> Together:
        pairs = zip(changes, examples.arrays, strict=True)
        return Together(values if change is None else change(values, rows) for change, values in pairs)

    return change
