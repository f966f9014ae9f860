"""What leaves is said by those that stay: each channel as a sum of others, as near as examples show.

The weights that read a channel go to the channels that it is written as, and a constant to the bias (Kim et al. 2020,
"Neuron Merging: Compensating for Pruned Neurons"; least squares as in He et al. 2017, "Channel Pruning for Accelerating
Very Deep Neural Networks", over channels in place of whole patches). So a fit begins near the model that was.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

from ..engine.callback import library_of
from ..engine.compression import array_of
from .channels import Coupling, Cut

__all__ = ["Moments", "Readers"]

_BATCH = 64
_WIDEST = 1024
"""Of what a layer reads, where every entry is a channel of its own; flattened pictures are wider, and each place of a
channel counts as that channel."""
_RIDGE = 1e-3
"""Of the mean square: what keeps channels that say the same from huge weights of opposite signs."""


class Moments(NamedTuple):
    """What a layer reads, over examples and places."""

    mean: NDArray[np.float64]
    """Shape (channels,)."""
    products: NDArray[np.float64]
    """Means of each channel times each. Shape (channels, channels)."""


class Readers:
    """The weights that read channels, and the tensors that they read."""

    def __init__(self, model: Any, coupling: Coupling) -> None:
        self._coupling = coupling
        self._cuts = [cut for cut in coupling.cuts if cut.reads]
        tensors = {id(cut.tensor): cut.tensor for cut in self._cuts if cut.tensor is not None}
        self._places = {key: place for place, key in enumerate(tensors)}
        given = model.inputs[0] if len(model.inputs) == 1 else model.inputs
        self._model = require(library_of(model), extra="toolkit").Model(given, list(tensors.values()))

    def moments(self, inputs: Sequence[NDArray[Any]]) -> list[Moments]:
        """Of each tensor, for examples, an array (n, ...) for each of the model's inputs."""
        widths = [tensor.shape[-1] for tensor in self._model.outputs]
        widths = [width if width <= _WIDEST else self._period(place) for place, width in enumerate(widths)]
        sums, products = [np.zeros(width) for width in widths], [np.zeros((width, width)) for width in widths]
        rows = [0] * len(widths)
        for start in range(0, len(inputs[0]), _BATCH):
            batch = [each[start : start + _BATCH] for each in inputs]
            given = self._model(batch[0] if len(batch) == 1 else batch, training=False)
            for place, values in enumerate(given if isinstance(given, list | tuple) else [given]):
                read = array_of(values).reshape(-1, widths[place]).astype(np.float32)
                rows[place] += len(read)
                sums[place] += read.sum(axis=0, dtype=np.float64)
                products[place] += read.T @ read
        return [Moments(s / n, p / n) for s, p, n in zip(sums, products, rows, strict=True)]

    def _period(self, place: int) -> int:
        """After how many entries the channels begin again."""
        ids = next(cut.ids for cut in self._cuts if self._places.get(id(cut.tensor)) == place)
        divisors = (width for width in range(1, len(ids) + 1) if len(ids) % width == 0)
        return next(width for width in divisors if (ids.reshape(-1, width) == ids[:width]).all())

    def losses(self, moments: Sequence[Moments]) -> NDArray[np.float64]:
        """Of what each reader of a group is told, the share that it loses when the group's mean is all that is left: of
        the variance, each channel's by its squared weights. The largest of its readers; infinite where one's tensor is
        not known. Shape (groups,)."""
        lost = np.zeros(self._coupling.count)
        for cut in self._cuts:
            groups = self._coupling.groups(cut.ids)
            if cut.tensor is None:
                lost[groups] = np.inf
                continue
            found = moments[self._places[id(cut.tensor)]]
            # Without a bias there is no place for a mean.
            mean = found.mean if cut.bias is not None else np.zeros(len(found.mean))
            spread = np.maximum(np.diag(found.products) - mean**2, 0)
            entries = np.moveaxis(array_of(cut.variable), cut.axis, 0).reshape(len(groups), -1)
            told = np.tile(spread, len(entries) // len(spread)) * np.square(entries.astype(np.float64)).sum(axis=1)
            share = np.zeros(self._coupling.count)
            np.add.at(share, groups, told / max(told.sum(), 1e-30))
            lost = np.maximum(lost, share)
        return lost

    def hide(
        self, before: NDArray[np.bool_], leaving: NDArray[np.bool_], moments: Sequence[Moments], *, sums: bool = True
    ) -> None:
        """Let nobody read the groups that leave, beside those that have left before. Shapes (groups,).

        Without `sums` what leaves is said by its mean alone, and weights that are zero stay it.
        """
        for cut in self._cuts:
            groups, kernel = self._coupling.groups(cut.ids), array_of(cut.variable).copy()
            entries = np.moveaxis(kernel, cut.axis, 0)
            gone, new = leaving[groups], leaving[groups] & ~before[groups]
            if cut.tensor is not None and new.any() and not gone.all():
                self._merge(cut, entries, gone, new, moments[self._places[id(cut.tensor)]], sums)
            entries[gone] = 0
            cut.variable.assign(kernel)

    def _merge(
        self, cut: Cut, entries: NDArray[Any], gone: NDArray[np.bool_], new: NDArray[np.bool_], found: Moments,
        sums: bool,
    ) -> None:  # fmt: skip
        width = len(found.mean)
        stay, leave = ~gone[:width], new[:width]
        mean = found.mean if cut.bias is not None else np.zeros(width)
        spread = found.products - np.outer(mean, mean)
        among = spread[np.ix_(stay, stay)]
        among[np.diag_indices_from(among)] += _RIDGE * max(np.trace(among) / max(1, len(among)), 1e-12)
        shares = np.linalg.solve(among, spread[np.ix_(stay, leave)]) * sums
        constants = mean[leave] - shares.T @ mean[stay]
        for start in range(0, len(entries), width):
            part = entries[start : start + width]
            lost = part[leave]
            part[stay] += np.tensordot(shares, lost, axes=1).astype(part.dtype)
            if cut.bias is not None:
                bias = array_of(cut.bias).copy()
                constant = np.tensordot(constants, lost, axes=1)
                # A convolution adds up what it sees of a channel; at the border it sees less, and this is an estimate.
                constant = constant.reshape(-1, constant.shape[-1]).sum(axis=0)
                # Of a GRU the first row is what its inputs add to.
                (bias if bias.ndim == 1 else bias[0])[...] += constant.astype(bias.dtype)
                cut.bias.assign(bias)
