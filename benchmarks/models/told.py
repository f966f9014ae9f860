"""What a lone file says about itself, and what its outputs show."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import CLASSES, LABELS, NUMBERS, Dataset
from edgepress.runtime import InputError
from edgepress.runtime.bundle.manifest import TensorSpec
from edgepress.runtime.contract import Contract, Input, Picture
from edgepress.runtime.tasks import TASKS, Task, Traits

from ..question import some

__all__ = ["Told", "output_of"]

_SQUASHED = ("softmax", "sigmoid")
_NEARLY = 1e-3
_ONE = 0.03
"""How far the probabilities of 8-bit outputs may be from a sum of one."""


@dataclass(frozen=True, eq=False)
class Told:
    """What a file says, as its process read it."""

    inputs: Mapping[str, tuple[int, ...]]
    """By name the shape of one example; -1 where any size is allowed."""
    last: str | None
    """What its first output's numbers last went through: softmax, sigmoid, another operator."""
    raw: frozenset[str]
    """Inputs that take raw numbers."""
    contract: Contract | None
    """Where the file holds ours, as is `task`."""
    task: Task | None
    labels: tuple[str, ...]
    """Names of its outputs; empty where they are numbers."""
    size: tuple[int, int] | None
    """Height and width of its pictures."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str
    source: str
    """Where labels, mean and std stand."""
    batch: int
    """Examples that a call takes; -1 for any number."""
    fitted: str | None
    """Digest of the data that it was fitted to, where that was recorded."""

    @classmethod
    def of(cls, name: str, described: Mapping[str, Any]) -> "Told":
        """From what `describe` in `measure.opened` gives.

        Raises:
            InputError: A file without inputs.
        """
        says = described["says"]
        specs = [TensorSpec.from_dict(spec) for spec in described["inputs"]]
        if not specs:
            raise InputError(f"{name} takes no input: a model of examples is allowed")
        contract, task = described["contract"], described["task"]
        size = says.get("size")
        return cls(
            inputs={spec.name: spec.shape[1:] for spec in specs},
            last=described["last"],
            raw=frozenset(described["raw"]),
            contract=None if contract is None else Contract.from_dict(contract),
            task=None if task is None else Task.from_dict(task),
            labels=() if all(map(str.isdigit, says.get("labels", ()))) else tuple(says["labels"]),
            size=None if size is None else (size[0], size[1]),
            mean=tuple(says.get("mean", ())),
            std=tuple(says.get("std", ())),
            order=says.get("order", ""),
            source=says.get("source", ""),
            batch=specs[0].shape[0] if specs[0].shape else 1,
            fitted=described.get("fitted"),
        )

    def as_said(self, inputs: Mapping[str, Input]) -> Contract | None:
        """The contract that its metadata state, for pictures; None where they state none."""
        only = next(iter(inputs.values()))
        if not self.mean or len(inputs) != 1 or not isinstance(only, Picture):
            return None
        if max(len(self.mean), len(self.std)) > only.channels:
            return None
        order = self.order if self.order and only.channels > 1 and self.order != "grey" else only.order
        picture = only._replace(mean=self.mean, std=self.std, order=order)
        picture.check()
        return Contract({next(iter(inputs)): picture}, {"by": "model", "why": self.source})


def output_of(
    name: str, told: Told, outputs: Mapping[str, NDArray[Any]], kind: str, dataset: Dataset
) -> tuple[Task, str, str]:
    """The task, without labels; the output that answers it; and what a reader should know of that choice.

    Args:
        name: What the file is called.
        told: What it says.
        outputs: By name, for some examples.
        kind: Of the task.
        dataset: Its targets say how many numbers an answer has.

    Raises:
        InputError: No output has as many: both sides are named.
    """
    traits = TASKS[kind]
    if traits.reconstructs:
        taken = next(iter(told.inputs.values()))
        found = [each for each, values in outputs.items() if _fits(values.shape[1:], taken)]
        if len(told.inputs) != 1 or not found:
            shapes = ", ".join(str(values.shape[1:]) for values in outputs.values())
            raise InputError(f"{name} takes {taken} and gives {shapes}: an anomaly detector gives what it takes")
        return Task("anomaly", "reconstruction"), found[0], ""
    count = len(dataset.targets.names)
    allowed = traits.widths(count)
    # A label that was chosen inside the file (an integer beside the scores) is no score.
    scored = {each: values for each, values in outputs.items() if values.dtype.kind == "f"}
    found = [each for each, values in scored.items() if math.prod(values.shape[1:]) in allowed]
    if not found:
        what = {CLASSES: "classes", LABELS: "labels", NUMBERS: "numbers as targets"}[dataset.targets.kind]
        shapes = ", ".join("x".join(map(str, values.shape[1:])) or "1" for values in outputs.values())
        own = f" ({some(told.labels)})" if told.labels else ""
        raise InputError(
            f"{name} gives {shapes} numbers{own}, and {dataset.name} has {count} {what} "
            f"({some(dataset.targets.names)}): one output each is allowed; name the data that it was made "
            "for, or say --task raw"
        )
    first = next(iter(outputs))
    values = scored[found[0]].reshape(len(scored[found[0]]), -1)
    meaning = traits.meanings[0]
    if len(traits.meanings) > 1:
        squashed = (found[0] == first and told.last in _SQUASHED) or _are_shares(values, traits)
        meaning = "probabilities" if squashed else "logits"
    note = f"of {len(found)} outputs of {name} that could answer, {found[0]} is judged" if len(found) > 1 else ""
    return Task(kind, meaning), found[0], note


def _are_shares(values: NDArray[Any], traits: Traits) -> bool:
    """Whether numbers are probabilities already, whatever computed them."""
    if not np.isfinite(values).all() or values.min() < -_NEARLY or values.max() > 1 + _NEARLY:
        return False
    if traits.independent or values.shape[1] == 1:
        return True
    return bool(np.abs(values.sum(axis=1) - 1).max() < _ONE)


def _fits(shape: tuple[int, ...], stated: tuple[int, ...]) -> bool:
    return len(shape) == len(stated) and all(b in (a, -1) for a, b in zip(shape, stated, strict=True))
