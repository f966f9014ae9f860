"""Units that tell little leave, however many there are of them, and what they told in the mean stays.

The other way round from `thin`: not a share of the multiply-adds is asked for, but what may be lost.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coupling import coupling_of
from .merge import Readers
from .thin import Thinned, without

__all__ = ["without_idle"]

_GROUP = 2
"""What is left is a multiple of it: two 4-bit weights share a byte, and LiteRT 2.3 misreads rows of odd length where it
quantizes activations while it runs."""


def without_idle(model: Any, inputs: Sequence[NDArray[Any]], loss: float) -> Thinned:
    """A model without the channels and units that tell least; not trained since.

    What leaves is replaced by its mean over the examples, which moves into the biases of the layers that read it (Evci
    et al. 2018, "Mean Replacement Pruning").

    Args:
        model: Sequential or functional, of Keras 3 or tf-keras; its weights are changed.
        inputs: Training examples, an array (n, ...) for each of the model's inputs, as the model takes them.
        loss: Share of the variance that reaches the layers that read a family of channels which those that leave may
            take with them.
    """
    coupling = coupling_of(model)
    readers, leaving = Readers(model, coupling), np.zeros(coupling.count, bool)
    moments = readers.moments(inputs)
    lost = readers.losses(moments)
    for family in coupling.families():
        order = family[np.argsort(lost[family], kind="stable")]
        gone = order[np.cumsum(lost[order]) <= loss][: len(order) - 1]
        leaving[gone[: len(gone) - (len(order) - len(gone)) % _GROUP]] = True
    readers.hide(np.zeros_like(leaving), leaving, moments, sums=False)
    return without(model, coupling, leaving)
