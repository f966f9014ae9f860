"""What a fit sees in each epoch: shuffled, moved, and labelled by a teacher where there is one.

An epoch is made from its own random state, (seed, epoch) and nothing before it, so that a run can go on at any epoch;
and it is made in a thread while the step before it is still training. Of examples that lie in a file a stretch is made
at a time, and comes to the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgepress.data.rows import PIECE_BYTES

from .changes import Augment
from .together import lies_in_a_file

__all__ = ["Epoch", "EpochInPieces", "EpochSource", "LabelledEpochs", "epoch_of", "one_hot", "prefetch"]

_Wanted = TypeVar("_Wanted")
_Made = TypeVar("_Made")

Epoch = tuple[Any, NDArray[np.float32]]
"""Examples (n, ...) in training order, as `held` gives them, and their targets (n, ...)."""


@dataclass(frozen=True, eq=False)
class EpochInPieces:
    """An epoch whose examples lie in a file."""

    read: Callable[[slice], Epoch]
    """These rows of it. Stretches are asked for in their order, and none twice."""
    most: int
    """Examples that are read at a time."""


EpochSource = Callable[[int], Epoch | EpochInPieces]
"""Makes the epoch with that number. Called from a thread, one call at a time, in any order of numbers."""


def epoch_of(read: Callable[[slice], Epoch], count: int, examples: Any) -> Epoch | EpochInPieces:
    """An epoch of `count` examples that are drawn from others: in pieces where these lie in a file, else at once."""
    if lies_in_a_file(examples):
        return EpochInPieces(read, max(1, PIECE_BYTES * len(examples) // max(1, examples.nbytes)))
    return read(slice(0, count))


def one_hot(labels: NDArray[np.int64], classes: int, smoothing: float = 0.0) -> NDArray[np.float32]:
    """Class indices (n,) as target probabilities (n, classes), a share `smoothing` of each spread over all classes."""
    table = np.eye(classes) * (1 - smoothing) + smoothing / classes
    return table.astype(np.float32)[labels]


class LabelledEpochs:
    """The training examples in a new order each epoch, augmented, with right and a teacher's answers as targets."""

    def __init__(
        self,
        examples: Any,
        targets: NDArray[np.float32],
        *,
        seed: tuple[int, ...],
        augment: Augment | None = None,
        teacher: Callable[[Any], NDArray[np.float32]] | None = None,
        teacher_share: float = 0.0,
        passes: int = 1,
    ) -> None:
        """Keep what each epoch is made from.

        Args:
            examples: (n, ...), an array or `Rows`, or `Together` of them.
            targets: (n, ...), as the loss takes them; likewise.
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

    def __call__(self, epoch: int) -> Epoch | EpochInPieces:
        """Make the epoch with that number."""
        rng = np.random.default_rng([*self._seed, epoch])
        order = np.concatenate([rng.permutation(len(self._examples)) for _ in range(self._passes)])
        change = self._augment(len(order), rng) if self._augment else None

        def read(rows: slice) -> Epoch:
            examples, targets = self._examples[order[rows]], self._targets[order[rows]]
            if change:
                examples = change(examples, rows)
            if self._teacher and self._teacher_share:
                targets = (1 - self._teacher_share) * targets + self._teacher_share * self._teacher(examples)
            return examples, targets

        return epoch_of(read, len(order), self._examples)


def prefetch(make: Callable[[_Wanted], _Made], wanted: Sequence[_Wanted]) -> Iterator[tuple[_Wanted, _Made, float]]:
    """Yield each of what is wanted, what was made of it, and the seconds that were waited; make the next meanwhile."""
    with ThreadPoolExecutor(1, "edgepress-epochs") as worker:
        ahead: Any = worker.submit(make, wanted[0]) if wanted else None
        for place, each in enumerate(wanted):
            start = time.perf_counter()
            made = ahead.result()
            waited = time.perf_counter() - start
            ahead = worker.submit(make, wanted[place + 1]) if place + 1 < len(wanted) else None
            yield each, made, waited
