"""What every row of a benchmark is asked: the test part's examples, as the bundle's contract and task take them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import NOTHING, Dataset, Part, question_of, with_normal
from edgepress.runtime import Contract, InputError, Manifest, Model
from edgepress.runtime.conformance.golden import Vectors
from edgepress.runtime.contract import Audio, Features, Input, Picture
from edgepress.runtime.tasks import Task

from .measure.examples import Examples

__all__ = ["ANOMALY_NAMES", "Question", "ask", "check_input", "check_names", "inputs_of", "reading", "some"]

_LOG = logging.getLogger("edgepress")
ANOMALY_NAMES = ("normal", "anomaly")
"""Of the classes that `with_normal` makes."""
_NAMED = 8
"""Names that a message lists."""


@dataclass(frozen=True, eq=False)
class Question:
    """Examples, and what is right about them."""

    task: Task
    examples: Examples
    truth: NDArray[Any] | None = None
    """As the data set has it, (n,) or (n, k); None where nothing is known to be right."""
    fitted: NDArray[Any] | None = None
    """Likewise of the training part."""
    contract: Mapping[str, Input] | None = None
    dataset: Dataset | None = None
    """What the examples come from; None for a self-test's."""

    @property
    def pictures(self) -> NDArray[np.uint8] | None:
        """The examples, where they are pictures as people have them."""
        only = self.examples.only
        return only if only is not None and only.dtype == np.uint8 and only.ndim in (3, 4) else None


def reading(
    manifest: Manifest | Model,
    *,
    task: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """How data are read for a bundle, as arguments of `as_dataset`: what is said, else as its models take them."""
    only = manifest.contract.only if manifest.contract else None
    shape = (only.height, only.width, only.channels) if isinstance(only, Picture) else None
    return {
        "task": task or (manifest.task.kind if manifest.task else None),
        "input_shape": input_shape or shape,
        "seconds": seconds or (only.seconds if isinstance(only, Audio) else None),
    }


def ask(bundle: Path, manifest: Manifest, dataset: Dataset | None, normal: str | None = None) -> Question:
    """The test part of a data set; the self-test's examples, about which nothing is known, without one.

    Args:
        bundle: Its folder.
        manifest: Of the bundle.
        dataset: What its models are tested on.
        normal: Which class is the normal one, where anomalies are looked for and it is not called so.

    Raises:
        InputError: Data that the bundle's models do not take, or whose targets are another question's; no self-test.
    """
    task = manifest.task
    if dataset is None:
        _LOG.info("benchmark: nothing is known to be right without --data; the self-test's examples are compared")
        return Question(task, _selftest(bundle, manifest), contract=manifest.contract.inputs)
    if task.traits.reconstructs and dataset.targets.names != ANOMALY_NAMES:
        dataset = with_normal(dataset, normal)
    examples = Examples(inputs_of(dataset, manifest.contract, dataset.test))
    if not task.traits.judged or dataset.targets.kind == NOTHING:
        return Question(task, examples, contract=manifest.contract.inputs, dataset=dataset)
    question_of(dataset, task.kind)
    check_names("the bundle", manifest.task, dataset)
    return Question(task, examples, dataset.y_test, dataset.y_train, manifest.contract.inputs, dataset)


def inputs_of(dataset: Dataset, contract: Contract, part: Part) -> dict[str, NDArray[Any]]:
    """A part's examples by the names of the contract's inputs.

    Raises:
        InputError: Examples that cannot go in.
    """
    wanted, given = contract.inputs, dataset.inputs
    if len(wanted) != len(given) or (len(wanted) > 1 and set(wanted) != set(given)):
        raise InputError(
            f"{dataset.name} has {len(given)} inputs ({some(given)}), the bundle takes {len(wanted)} "
            f"({some(wanted)}): name the data set that it was made for"
        )
    found = {}
    for name, each in wanted.items():
        own = name if len(wanted) > 1 else next(iter(given))
        check_input("the bundle", dataset.name, given[own], each)
        found[name] = part.inputs[own]
    return found


def check_input(who: str, data: str, given: Input, contract: Input) -> None:
    """Raise InputError where examples of one kind cannot go in as the other."""
    pictures = isinstance(contract, Picture)
    fits = len(given.shape) == len(contract.shape) and all(
        size == wanted or wanted < 0 for size, wanted in zip(given.shape, contract.shape, strict=True)
    )
    if fits and (not pictures or isinstance(given, Picture)):
        if isinstance(given, Features) and isinstance(contract, Features) and not _same_columns(given, contract):
            raise InputError(
                f"{data} has the columns {some(given.expanded)}, {who} takes {some(contract.expanded)}: "
                "name the data set that it was made for"
            )
        return
    what = {True: "images", False: given.kind + ("" if isinstance(given, Features) else " examples")}
    mend = "name the data set that it was made for"
    if pictures and isinstance(given, Picture):
        mend = f"scale them with --input-shape {'x'.join(map(str, contract.shape))}, or {mend}"
    raise InputError(
        f"{data} has {what[isinstance(given, Picture)]} of {given.shape}, {who} takes "
        f"{'images' if pictures else contract.kind} of {contract.shape}: {mend}"
    )


def _same_columns(given: Features, contract: Features) -> bool:
    """Whether columns have the same names in the same order; arrays have numbers for names."""
    unnamed = tuple(f"x{i}" for i in range(given.size))
    return given.expanded == contract.expanded or unnamed in (given.expanded, contract.expanded)


def check_names(who: str, task: Task, dataset: Dataset) -> None:
    """Raise InputError where classes, labels or numbers are others, or as many others, and name both sides."""
    given = dataset.targets.names
    if task.traits.reconstructs or not task.traits.judged:
        return
    what = task.traits.targets[0]
    # An .npz file holds indices and no names.
    unnamed = given == tuple(map(str, range(len(given)))) or task.traits.numeric
    fewer = task.classifies and len(given) <= len(task.labels)
    same_count = len(given) == len(task.labels) or not task.labels
    if _folded(given) == _folded(task.labels) or (unnamed and (same_count or fewer)):
        return
    if not same_count and not fewer:
        raise InputError(
            f"{who} has {len(task.labels)} outputs ({some(task.labels)}), {dataset.name} has "
            f"{len(given)} {what} ({some(given)}): name the data set that it was made for"
        )
    order = " in this order" if sorted(_folded(given)) == sorted(_folded(task.labels)) else ""
    raise InputError(
        f"{dataset.name} has the {what} {some(given)}{order}, {who} {some(task.labels)}: "
        "name the data set that it was made for"
    )


def _folded(names: tuple[str, ...]) -> list[str]:
    return [name.strip().casefold() for name in names]


def some(names: Any) -> str:
    """The first few of them, and how many there are."""
    found = list(names)
    return ", ".join(found[:_NAMED]) + (f", ... ({len(found)})" if len(found) > _NAMED else "")


def _selftest(bundle: Path, manifest: Manifest) -> Examples:
    if manifest.selftest is None:
        raise InputError(f"{bundle} holds no self-test: name a data set with --data")
    vectors = Vectors.read(bundle / manifest.selftest)
    if vectors.images is not None:
        return Examples({"": vectors.images})
    return Examples(vectors.inputs, reals=True)
