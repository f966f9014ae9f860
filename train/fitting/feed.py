"""How examples become a model's input while it is fitted: what is held in memory, and what the graph makes of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime.contract import Input

__all__ = ["Feed", "predictor"]

_PREDICT_BATCH = 1000


class Feed:
    """Examples of one contract for one input shape.

    Pixels stay bytes until the step that needs them, a quarter of what floats take; all else is normalized once.
    """

    def __init__(self, contract: Input, shape: tuple[int, ...], dtype: Any = "float32") -> None:
        self._contract = contract
        self._shape = shape
        """Of the model's input, without the batch."""
        self._dtype = dtype
        self._bytes = contract.dtype == "uint8"

    def hold(self, values: NDArray[Any]) -> NDArray[Any]:
        """Examples (n, ...) in the form in which epochs hold them."""
        return values if self._bytes else self._contract.normalize(values)

    def tensor(self, held: Any) -> Any:
        """What epochs hold, as the model's input tensor; inside a TensorFlow graph."""
        tf = require("tensorflow", extra="toolkit")
        reals = tf.cast(held, tf.float32)
        if self._bytes:
            # The contract's own arithmetic, on tensors.
            if getattr(self._contract, "order", "") == "bgr":
                reals = tf.reverse(reals, [-1])
            reals = reals * self._contract.scale  # type: ignore[union-attr]
            if np.any(self._contract.offset):  # type: ignore[union-attr]
                reals = reals + self._contract.offset  # type: ignore[union-attr]
        return tf.cast(tf.reshape(reals, (-1, *self._shape)), self._dtype)


def predictor(model: Any, contract: Input) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """The model's outputs (n, ...) for examples (n, ...) of the contract, in inference mode.

    What `Feed.hold` gave is taken too: pixels are pixels, and other examples must not be normalized twice, so they come
    normalized.
    """
    tf = require("tensorflow", extra="toolkit")
    feed = Feed(contract, model.input_shape[1:], model.inputs[0].dtype)

    @tf.function(reduce_retracing=True, autograph=False)
    def forward(held: Any) -> Any:
        return model(feed.tensor(held), training=False)

    def predict(held: NDArray[Any]) -> NDArray[np.float32]:
        chunks = range(0, len(held), _PREDICT_BATCH)
        return np.concatenate([forward(held[i : i + _PREDICT_BATCH]).numpy() for i in chunks])

    return predict
