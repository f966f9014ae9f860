"""What a model says about examples, a few at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.data.rows import batch_of

__all__ = ["outputs_of"]

_BATCH, _NUMBERS = 256, 1_000_000
"""Examples at a time, and the numbers that they may have together: what TensorFlow keeps of the layers of a MobileNetV2
for 256 pictures of 96 pixels takes 350 MB more than for 32, and is no quicker; small examples are, many at a time."""


def outputs_of(model: Any, inputs: Sequence[Any]) -> list[NDArray[Any]]:
    """What a tf-keras model gives, (n, ...) an output, for arrays or `Rows` in the order of its inputs."""
    tf = require("tensorflow", extra="toolkit")
    batch = batch_of(max(values.size // max(1, len(values)) for values in inputs), _BATCH, _NUMBERS)

    def batches() -> Iterator[Any]:
        for start in range(0, len(inputs[0]), batch):
            yield (tuple(values[start : start + batch] for values in inputs),)

    # One stream a call: each that is begun leaves what it was fed with until Python looks for cycles, and every size of
    # a batch that is told would be traced.
    kinds = tuple(tf.TensorSpec((None, *values.shape[1:]), values.dtype) for values in inputs)
    given = model.predict(tf.data.Dataset.from_generator(batches, output_signature=(kinds,)), verbose=0)
    return [np.asarray(each) for each in given] if isinstance(given, list) else [given]
