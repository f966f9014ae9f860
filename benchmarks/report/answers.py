"""What every row answered, small enough to be kept beside a report: a later run is compared with it example by example.

Of a classifier that is the class that each example got, of labels which were named, of numbers and scores themselves.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.quality import Metric, paired_interval, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.tasks import Task

from ..statistics.intervals import Pairs, score_difference
from ..statistics.metrics import Answers

__all__ = ["FILE", "Kept", "Since", "keep"]

FILE = "answers.npz"
_TRUTH, _KIND = "truth", "kind"
_THRESHOLD = 0.5

Key = tuple[str, str, int]
"""Of a row: artifact, backend, threads."""


@dataclass(frozen=True)
class Since:
    """How a row's metric moved between two runs on the same examples; as shown, above 0 where it is better now."""

    gain: float
    interval: tuple[float, float]
    """Paired, 95 %."""
    unit: str
    examples: int


@dataclass(frozen=True, eq=False)
class Kept:
    """Answers of all rows to the same examples."""

    kind: str
    """Of the task."""
    truth: NDArray[Any]
    rows: Mapping[Key, NDArray[Any]]

    def write(self) -> bytes:
        """As the file holds them; equal answers are equal bytes."""
        out = io.BytesIO()
        arrays = {"|".join(map(str, key)): values for key, values in self.rows.items()}
        np.savez_compressed(out, **{_TRUTH: self.truth, _KIND: np.array(self.kind)}, **arrays)  # type: ignore[arg-type]
        return out.getvalue()

    @classmethod
    def read(cls, content: bytes) -> "Kept":
        """The inverse of `write`.

        Raises:
            InputError: Something else.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            truth, kind = arrays.pop(_TRUTH), str(arrays.pop(_KIND))
            rows: dict[Key, NDArray[Any]] = {}
            for name, values in arrays.items():
                artifact, backend, threads = name.rsplit("|", 2)
                rows[artifact, backend, int(threads)] = values
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{FILE} beside the report holds no answers ({error}): measure again") from None
        return cls(kind, truth, rows)

    def since(self, earlier: "Kept", key: Key, *, seed: int = 0) -> Since | None:
        """What became of one row; None where the two are not about the same examples."""
        own, other = self.rows.get(key), earlier.rows.get(key)
        quality = quality_of(Task(self.kind, ""))
        same = self.kind == earlier.kind and np.array_equal(self.truth, earlier.truth)
        if own is None or other is None or quality is None or not same or own.shape != other.shape:
            return None
        metric = quality.metric
        if own.dtype.kind == "i":
            pairs = Pairs.count(other == self.truth, own == self.truth)
            low, high = score_difference(pairs)
            return Since(100 * pairs.difference, (100 * low, 100 * high), metric.unit, pairs.images)
        return _since(metric, own, other, self.truth, seed)


def _since(metric: Metric, own: NDArray[Any], other: NDArray[Any], truth: NDArray[Any], seed: int) -> Since:
    difference, low, high = paired_interval(metric, own, other, truth, seed=seed)
    if not metric.higher:
        difference, low, high = -difference, -high, -low
    return Since(difference, (low, high), metric.unit, len(truth))


def keep(kind: str, truth: NDArray[Any] | None, said: Mapping[Key, NDArray[Any]]) -> Kept | None:
    """What is kept of rows' answers; None where nothing is known to be right.

    Args:
        kind: Of the task.
        truth: As the data set has it.
        said: Answers in the form of `Quality.answers`.
    """
    small = _SMALL.get(kind)
    if truth is None or small is None:
        return None
    return Kept(kind, np.asarray(truth), {key: small(values) for key, values in said.items()})


def _labels(values: NDArray[Any]) -> NDArray[Any]:
    found = Answers(values).labels
    return found.astype(np.int16 if values.shape[1] < 1 << 15 else np.int32)


_SMALL: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "multiclass": _labels,
    "binary": _labels,
    "multilabel": lambda values: values >= _THRESHOLD,
    "regression": lambda values: np.asarray(values, np.float32),
    "anomaly": lambda values: np.asarray(values, np.float32),
}
"""By the task's kind."""
