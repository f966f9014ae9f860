"""A set of examples in parts, checked once and split reproducibly."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Input, Picture
from edgepress.runtime.tasks import CLASSES, LABELS, NOTHING, NUMBERS

from .rows import in_pieces, select

__all__ = ["CLASSES", "LABELS", "NOTHING", "NUMBERS", "Dataset", "Part", "Split", "SplitRecipe", "Targets"]

_FEWEST_HELD_BACK = 50


class Targets(NamedTuple):
    """What the right answers are."""

    kind: str
    """`CLASSES`: one an example, (n,) int64. `LABELS`: any number of them, (n, k) of 0 and 1, int64. `NUMBERS`: (n, k)
    float32. `NOTHING`: there are none."""
    names: tuple[str, ...] = ()
    """Of the classes by index, of the labels, or of the numbers."""
    units: tuple[str, ...] = ()
    """Of numbers, where they are known; empty otherwise."""


@dataclass(frozen=True, eq=False)
class Part:
    """Examples with their targets. `part[indices]` is a part again; `part[i]` is one example, (x, y)."""

    inputs: Mapping[str, NDArray[Any]]
    """By input name, (n, ...) each, as the data set's `inputs` describe them: pixels are uint8, all else is float. The
    name is empty where the data do not say it. With `Options.in_pieces` they may be `Rows`."""
    targets: NDArray[Any] | None = None
    """(n,) or (n, k), as the data set's `targets` describe them; None where there are none."""
    places: NDArray[np.int64] | None = None
    """Where each example stood, (n,), if the parts were drawn from examples that were given without any."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, index: Any) -> Any:
        targets = None if self.targets is None else self.targets[index]
        inputs = {name: select(values, index) for name, values in self.inputs.items()}
        if isinstance(index, int | np.integer):
            return (self.x[index] if len(inputs) == 1 else inputs), targets
        return Part(inputs, targets, None if self.places is None else self.places[index])

    @property
    def x(self) -> NDArray[Any]:
        """The one input's array.

        Raises:
            InputError: There are several.
        """
        if len(self.inputs) != 1:
            raise InputError(f"the data have the inputs {', '.join(self.inputs)}: one is allowed here")
        return next(iter(self.inputs.values()))


@dataclass(frozen=True)
class Split:
    """Indices into a data set's training part."""

    fit: NDArray[np.int64]
    """What weights and calibration may see."""
    validation: NDArray[np.int64]
    """Held back from both; every choice is made on it, none on the test part."""


class SplitRecipe(NamedTuple):
    """How a training part is split: recorded with a model, and read by every later stage."""

    seed: int = 0
    validation_share: float = 1 / 12
    """5,000 of MNIST's 60,000."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples.

    Raises:
        InputError: Parts whose shapes, types or targets do not agree.
    """

    name: str
    """As it stands in every table: `mnist`, `mnist-5k`, or the file's or folder's name."""
    train: Part
    test: Part
    inputs: Mapping[str, Input]
    """What the data say of each input; the normalization is what the model's contract adds."""
    targets: Targets
    own_validation: Part | None = None
    """Where the data bring a part of their own for validation: it is held back whole, and nothing of `train`."""

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            self._check(name, part)

    @property
    def parts(self) -> dict[str, Part]:
        """By name: train, validation where the data bring one, test."""
        own = {} if self.own_validation is None else {"validation": self.own_validation}
        return {"train": self.train, **own, "test": self.test}

    def _check(self, part_name: str, part: Part) -> None:
        what = f"{self.name}: {part_name}"
        counts = {len(values) for values in part.inputs.values()}
        if part.targets is not None:
            counts.add(len(part.targets))
        if set(part.inputs) != set(self.inputs) or len(counts) != 1 or counts == {0}:
            raise InputError(
                f"{what} has {sorted(counts)} examples of {', '.join(part.inputs)}: as many of each, and some"
            )
        for name, values in part.inputs.items():
            if values.shape[1:] != self.inputs[name].shape:
                raise InputError(
                    f"{what} has {name or 'examples'} of shape {values.shape[1:]}, training has "
                    f"{self.inputs[name].shape}: bring all to one shape"
                )
        if self.targets.kind == CLASSES and part.targets is not None:
            low, high, count = int(part.targets.min()), int(part.targets.max()), len(self.targets.names)
            if low < 0 or high >= count:
                raise InputError(f"{what} labels run from {low} to {high}: 0 to {count - 1} is allowed")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, the labels, or the numbers."""
        return self.targets.names

    @property
    def x_train(self) -> NDArray[Any]:
        """The one input of the training part."""
        return self.train.x

    @property
    def y_train(self) -> NDArray[Any]:
        """The training part's targets."""
        return self._targets_of("train")

    @property
    def x_test(self) -> NDArray[Any]:
        """The one input of the test part."""
        return self.test.x

    @property
    def y_test(self) -> NDArray[Any]:
        """The test part's targets."""
        return self._targets_of("test")

    def _targets_of(self, part: str) -> NDArray[Any]:
        found = self.parts[part].targets
        if found is None:
            raise InputError(f"{self.name}: {part} has no targets, and they are needed here")
        return found

    @property
    def picture(self) -> Picture | None:
        """The one input, where it is a picture."""
        only = next(iter(self.inputs.values()))
        return only if len(self.inputs) == 1 and isinstance(only, Picture) else None

    @cached_property
    def sha256(self) -> str:
        """Digest over all arrays (shape and bytes, C order), inputs before targets, part by part."""
        digest = hashlib.sha256()
        for part in self.parts.values():
            arrays = [part.inputs[name] for name in sorted(part.inputs)]
            for array in [*arrays, *([] if part.targets is None else [part.targets])]:
                digest.update(str(array.shape).encode())
                for piece in in_pieces(array):
                    digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()

    def split(self, seed: int, validation_share: float = SplitRecipe().validation_share) -> Split:
        """Part the training examples at random. Where the data bring a validation part, all of `train` is fitted."""
        if self.own_validation is not None:
            return Split(np.arange(len(self.train)), np.zeros(0, np.int64))
        order = np.random.default_rng(seed).permutation(len(self.train))
        # A handful of examples chooses nothing: small sets give up to a fifth.
        held_back = max(1, round(len(order) * validation_share), min(_FEWEST_HELD_BACK, len(order) // 5))
        return Split(fit=np.sort(order[held_back:]), validation=np.sort(order[:held_back]))

    def fitted(self, recipe: SplitRecipe) -> Part:
        """What weights and calibration may see."""
        fitted: Part = self.train[self.split(*recipe).fit]
        return fitted

    def held_back(self, recipe: SplitRecipe) -> Part:
        """What every choice is made on: nobody was fitted to it, and it is no test."""
        if self.own_validation is not None:
            return self.own_validation
        held_back: Part = self.train[self.split(*recipe).validation]
        return held_back

    def in_memory(self) -> "Dataset":
        """The same with all examples as arrays."""

        def read(part: Part) -> Part:
            return replace(part, inputs={name: np.asarray(values) for name, values in part.inputs.items()})

        own = None if self.own_validation is None else read(self.own_validation)
        return replace(self, train=read(self.train), test=read(self.test), own_validation=own)

    def named(self, names: Mapping[str, str]) -> "Dataset":
        """The same with other names of the inputs."""

        def rename(mapping: Mapping[str, Any]) -> dict[str, Any]:
            return {names.get(name, name): value for name, value in mapping.items()}

        def part(old: Part) -> Part:
            return replace(old, inputs=rename(old.inputs))

        own = None if self.own_validation is None else part(self.own_validation)
        return replace(
            self, train=part(self.train), test=part(self.test), inputs=rename(self.inputs), own_validation=own
        )
