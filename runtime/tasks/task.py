"""What comes out of a model: one value that every stage reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["MEANINGS", "Task"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEANINGS: dict[str, tuple[str, ...]] = {
    "multiclass": ("logits", "probabilities"),
    "binary": ("logits", "probabilities"),
    "multilabel": ("logits", "probabilities"),
    "regression": ("values",),
    "anomaly": ("reconstruction",),
    "raw": ("raw",),
}
"""What the numbers of a task's output can mean."""


class Task(NamedTuple):
    """The question that a model answers."""

    kind: str
    """`multiclass`, `binary`, `multilabel`, `regression`, `anomaly` or `raw`."""
    meaning: str
    """What the output's numbers are: one of `MEANINGS[kind]`."""
    labels: tuple[str, ...] = ()
    """Names of the classes, of the labels, or of the numbers of a regression, in the order of the outputs."""
    units: tuple[str, ...] = ()
    """Of a regression's numbers, where they are known; empty otherwise."""
    mean: tuple[float, ...] = ()
    """Of a regression: value = output * std + mean, number by number; empty where the outputs are the values."""
    std: tuple[float, ...] = ()
    threshold: float = 0.5
    """`binary`, `multilabel`: probability from which on the answer is yes. `anomaly`: score above which an example is
    not normal."""
    unknown_threshold: float | None = None
    """`multiclass`, `binary`: below this highest probability an input counts as unknown, where the caller asks so."""

    @property
    def classifies(self) -> bool:
        """Whether each example gets one of the labels."""
        return self.kind in ("multiclass", "binary")

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """A regression's outputs (n, numbers) as values."""
        flat = np.asarray(outputs).reshape(len(outputs), math.prod(np.shape(outputs)[1:]))
        if not self.mean:
            return flat.astype(np.float32)
        values: NDArray[np.float32]
        values = (flat.astype(np.float64) * np.array(self.std) + np.array(self.mean)).astype(np.float32)
        return values

    def encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The inverse of `decode`: what the model should give for these values (n, numbers)."""
        if not self.mean:
            return np.asarray(values, np.float32)
        outputs: NDArray[np.float32]
        outputs = ((values.astype(np.float64) - np.array(self.mean)) / np.array(self.std)).astype(np.float32)
        return outputs

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return self._asdict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        """The inverse of `to_dict`; unknown keys are left out.

        Raises:
            InputError: A task that this edgepress does not know.
        """
        known = {key: data[key] for key in cls._fields if key in data}
        for name in ("labels", "units"):
            known[name] = tuple(map(str, known.get(name, ())))
        for name in ("mean", "std"):
            known[name] = tuple(map(float, known.get(name, ())))
        task = cls(**known)
        task.check()
        return task

    def check(self) -> None:
        """Raise InputError for what no task can be."""
        if self.kind not in MEANINGS:
            raise InputError(f"task {self.kind!r}: this edgepress knows {', '.join(MEANINGS)}; update it")
        if self.meaning not in MEANINGS[self.kind]:
            raise InputError(f"{self.kind} output {self.meaning!r}: allowed are {', '.join(MEANINGS[self.kind])}")
        if self.units and len(self.units) != len(self.labels):
            raise InputError(f"{len(self.units)} units for {len(self.labels)} outputs: one each is allowed")
        if len(self.mean) != len(self.std) or not all(0 < each < float("inf") for each in self.std):
            raise InputError(f"{self.kind} mean {self.mean}, std {self.std}: one of each an output, std above 0")
