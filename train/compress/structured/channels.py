"""Which channels of a model are one and the same: what one layer gives, others add up, scale, and read.

Every entry of a tensor's last axis has a number; those that can only leave together are tied (Fang et al. 2023,
"DepGraph: Towards Any Structural Pruning", for single channels in place of layers).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cost", "Coupling", "Cut", "Ids", "Setting", "together"]

Ids = NDArray[np.int64]
"""Numbers of channels, one for each entry of an axis. Shape (entries,)."""


class Cut(NamedTuple):
    """An axis of a weight that has an entry for each of these channels."""

    variable: Any
    axis: int
    ids: Ids
    reads: bool
    """Whether the layer adds up over them: the entries are what it makes of each channel."""
    tensor: Any = None
    """What is read, where it is one tensor of the model."""
    bias: Any = None
    """What a constant in each channel would add to. Shape (outputs,), or (2, outputs) of a GRU."""


class Setting(NamedTuple):
    """A value in a layer's config that says how many there are."""

    path: tuple[str, ...]
    """Names of the models that the layer is in, and its own."""
    keys: tuple[str, ...]
    """Where the value is in its config."""
    ids: Ids
    value: Callable[[int], Any]
    """What stands there for so many."""


class Cost(NamedTuple):
    """Multiply-adds of one call for one example, proportional to how many of each of these channels there are."""

    whole: float
    over: tuple[Ids, ...]


@dataclass
class Coupling:
    """What is known of a model's channels; filled by the rules, then asked."""

    cuts: list[Cut] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)
    """Layers that no rule knows, and their kinds: what goes into them stays."""
    _parents: list[int] = field(default_factory=list)
    _staying: set[int] = field(default_factory=set)

    def new(self, count: int) -> Ids:
        """Numbers for channels that nothing is known of."""
        start = len(self._parents)
        self._parents += range(start, start + count)
        return np.arange(start, start + count)

    def tie(self, first: Ids, second: Ids) -> None:
        """Let channels leave only together, one by one."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            self._parents[self._root(other)] = self._root(one)

    def keep(self, ids: Ids) -> None:
        """Let none of them leave."""
        self._staying.update(ids.tolist())

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = number = self._parents[self._parents[number]]
        return number

    def close(self) -> None:
        """Nothing is tied any more."""
        self._roots = np.array([self._root(number) for number in range(len(self._parents))], np.int64)
        self._free = np.ones(len(self._roots), bool)
        if self._staying:
            self._free[self._roots[sorted(self._staying)]] = False

    def groups(self, ids: Ids) -> Ids:
        """The group that each channel leaves with."""
        return self._roots[ids]

    @property
    def count(self) -> int:
        """Numbers of groups are below it."""
        return len(self._roots)

    def families(self) -> list[Ids]:
        """The groups that may leave, those together that are in the same places."""
        places: dict[int, list[tuple[int, int]]] = {}
        for number, cut in enumerate(self.cuts):
            found, counts = np.unique(self.groups(cut.ids), return_counts=True)
            for group, count in zip(found.tolist(), counts.tolist(), strict=True):
                places.setdefault(group, []).append((number, count))
        alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for group, where in places.items():
            if self._free[group]:
                alike.setdefault(tuple(where), []).append(group)
        return [np.array(groups, np.int64) for groups in alike.values()]

    def multiply_adds(self, leaving: NDArray[np.bool_]) -> float:
        """Of the model for one example, when these groups have left. Shape of `leaving`: (count,)."""
        return sum(
            cost.whole * float(np.prod([1 - leaving[self.groups(ids)].mean() for ids in cost.over]))
            for cost in self.costs
        )

    def savings(self, leaving: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Multiply-adds that each group takes with it next. Shape (count,)."""
        saved = np.zeros(self.count)
        for cost in self.costs:
            groups = [self.groups(ids) for ids in cost.over]
            shares = [1 - leaving[each].mean() for each in groups]
            for place, each in enumerate(groups):
                others = np.prod([share for other, share in enumerate(shares) if other != place])
                np.add.at(saved, each, cost.whole * others / len(each))
        return saved


def together(parts: Sequence[Ids]) -> Ids:
    """Channels one after the other."""
    return np.concatenate(parts)
