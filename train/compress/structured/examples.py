"""Examples to measure channels on, from what Keras' `fit` takes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from ...keras_file.native import input_name

__all__ = ["EXAMPLES", "first_inputs"]

EXAMPLES = 1024
"""So many are enough: what is asked is which channels do least."""


def first_inputs(model: Any, data: Any) -> list[NDArray[Any]]:
    """An array (n, ...) for each of a model's inputs.

    Args:
        model: Of either Keras.
        data: `(x, y)` with x an array, or a list or dict of arrays for several inputs: examples are taken from all over
            it. Or a data set of batches, of which the first are taken.

    Raises:
        InputError: No examples, or another number of arrays than the model has inputs.
    """
    if isinstance(data, tuple):
        arrays = _arrays(model, data[0])
        return [each[:: max(1, -(-len(each) // EXAMPLES))] for each in arrays]
    batches: list[list[NDArray[Any]]] = []
    for batch in _batches(data):
        batches.append(_arrays(model, batch[0] if isinstance(batch, tuple | list) else batch))
        if sum(len(each[0]) for each in batches) >= EXAMPLES:
            break
    if not batches:
        raise InputError(f"no examples for {model.name}: (x, y), or a data set of batches is allowed")
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _batches(data: Any) -> Iterable[Any]:
    # Keras' own data sets have a length and no end.
    return (data[number] for number in range(len(data))) if hasattr(data, "__getitem__") else data


def _arrays(model: Any, given: Any) -> list[NDArray[Any]]:
    names = [input_name(tensor) for tensor in model.inputs]
    if isinstance(given, Mapping):
        missing = [name for name in names if name not in given]
        if missing:
            raise InputError(f"no examples for {', '.join(missing)}: the model takes {', '.join(names)}")
        given = [given[name] for name in names]
    arrays = [np.asarray(each) for each in (given if isinstance(given, tuple | list) else [given])]
    if len(arrays) != len(names):
        raise InputError(f"{len(arrays)} arrays for {model.name}: it has {len(names)} inputs")
    return arrays
