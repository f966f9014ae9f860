"""What comes out of a model: one value that every stage reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["CLASSES", "LABELS", "NOTHING", "NUMBERS", "TASKS", "Task", "Traits"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES, LABELS, NUMBERS, NOTHING = "classes", "labels", "numbers", "nothing"
"""What right answers are: one class an example; any number of labels; numbers; or there are none."""


class Traits(NamedTuple):
    """What is so of every task of a kind: who wants to know asks for one of these, never for the kind's name."""

    meanings: tuple[str, ...]
    """What the numbers of the output can be."""
    targets: tuple[str, ...]
    """Right answers that it can be asked with. The first is what labels name: `CLASSES`, `LABELS` or `NUMBERS`."""
    classifies: bool = False
    """Each example gets one of the labels."""
    classes: int = 0
    """How many there are, where it is always as many; 0 otherwise."""
    independent: bool = False
    """Each number is an answer of its own, whatever the others are."""
    reconstructs: bool = False
    """The output is held against the input: it has the input's shape, and no labels."""
    judged: bool = True
    """Something can be known to be right."""

    @property
    def numeric(self) -> bool:
        """Whether right answers are numbers, whose names are nobody's but the data's."""
        return self.targets[0] == NUMBERS

    @property
    def discrete(self) -> bool:
        """Whether answers are labels: noise that changes none of them does no harm, however much it is."""
        return self.targets[0] in (CLASSES, LABELS)

    def widths(self, names: int) -> frozenset[int]:
        """How many numbers a model may give about that many classes, labels or numbers: one tells two apart."""
        return frozenset({names} | ({1, 2} if self.classes == 2 else set()))


_SCORES = ("logits", "probabilities")
TASKS: dict[str, Traits] = {
    "multiclass": Traits(_SCORES, (CLASSES,), classifies=True),
    "binary": Traits(_SCORES, (CLASSES,), classifies=True, classes=2),
    "multilabel": Traits(_SCORES, (LABELS,), independent=True),
    "regression": Traits(("values",), (NUMBERS,)),
    "anomaly": Traits(("reconstruction",), (NOTHING, CLASSES), reconstructs=True),
    "raw": Traits(("raw",), (NOTHING, CLASSES, LABELS, NUMBERS), judged=False),
}
"""The kinds of task. What else a kind needs is a row of its own in the table of the stage that needs it: how it is
decoded, fitted (`train.fitting`), judged (`quality`), drawn."""


class Task(NamedTuple):
    """The question that a model answers."""

    kind: str
    """One of `TASKS`."""
    meaning: str
    """What the output's numbers are: one of its kind's meanings."""
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
    def traits(self) -> Traits:
        """What is so of every task of its kind."""
        return TASKS[self.kind]

    @property
    def classifies(self) -> bool:
        """Whether each example gets one of the labels."""
        return self.traits.classifies

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
        if self.kind not in TASKS:
            raise InputError(f"task {self.kind!r}: this edgepress knows {', '.join(TASKS)}; update it")
        if self.meaning not in self.traits.meanings:
            raise InputError(f"{self.kind} output {self.meaning!r}: allowed are {', '.join(self.traits.meanings)}")
        if self.units and len(self.units) != len(self.labels):
            raise InputError(f"{len(self.units)} units for {len(self.labels)} outputs: one each is allowed")
        if len(self.mean) != len(self.std) or not all(0 < each < float("inf") for each in self.std):
            raise InputError(f"{self.kind} mean {self.mean}, std {self.std}: one of each an output, std above 0")
