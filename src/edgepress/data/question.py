"""Which question a data set asks: told from its targets, or stated."""

from dataclasses import replace

import numpy as np

from edgepress.runtime import InputError
from edgepress.runtime.tasks import TASKS

from .dataset import CLASSES, NOTHING, Dataset, Part, Targets

__all__ = ["question_of", "with_normal"]

_NORMAL_NAMES = ("normal", "good", "ok", "healthy")


def question_of(dataset: Dataset, stated: str | None = None) -> str:
    """The task's kind.

    Raises:
        InputError: A task that there is not, or one that the targets do not fit: both are named.
    """
    if stated is not None and stated not in TASKS:
        raise InputError(f"task {stated!r}: allowed are {', '.join(TASKS)}")
    kind, count = dataset.targets.kind, len(dataset.targets.names)
    if stated is None:
        if kind == NOTHING:
            raise InputError(f"{dataset.name} has no targets: give some, or say --task anomaly")
        fits = [name for name, task in TASKS.items() if task.targets[0] == kind and task.classes in (0, count)]
        return max(fits, key=lambda name: TASKS[name].classes)
    task = TASKS[stated]
    if kind not in task.targets or task.classes not in (0, count):
        what = f"{count} {kind}" if kind != NOTHING else "no targets"
        raise InputError(f"{dataset.name} has {what}, and the task is {stated}: its targets do not fit that")
    return stated


def with_normal(dataset: Dataset, normal: str | None) -> Dataset:
    """The same data as `anomaly` takes them: normal examples to fit, and to test whether each is an anomaly (0 or 1).

    Args:
        dataset: With classes, one of which is normal; or without targets, all of which are.
        normal: That class's name; the one that is called normal, good, ok or healthy where None.

    Raises:
        InputError: No such class, or several could be meant.
    """
    if dataset.targets.kind == NOTHING:
        return dataset
    if dataset.targets.kind != CLASSES:
        raise InputError(
            f"{dataset.name} has {dataset.targets.kind} as targets: an anomaly detector takes classes, of which one is "
            "normal, or no targets"
        )
    names = dataset.targets.names
    found = [name for name in names if (name == normal if normal is not None else name.lower() in _NORMAL_NAMES)]
    if len(found) != 1:
        came = f"normal class {normal!r}" if normal is not None else "no class is called normal"
        raise InputError(f"{came}: say which it is with --normal; the classes are {', '.join(names)}")
    index = names.index(found[0])

    def chosen(part: Part, *, only_normal: bool) -> Part:
        assert part.targets is not None
        strange = (part.targets != index).astype(np.int64)
        chosen: Part = replace(part, targets=strange)[np.flatnonzero(strange == 0) if only_normal else slice(None)]
        return chosen

    own = None if dataset.own_validation is None else chosen(dataset.own_validation, only_normal=True)
    return replace(
        dataset,
        train=chosen(dataset.train, only_normal=True),
        test=chosen(dataset.test, only_normal=False),
        own_validation=own,
        targets=Targets(CLASSES, ("normal", "anomaly")),
    )
