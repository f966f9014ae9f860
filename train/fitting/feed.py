"""How examples become a model's input while it is fitted: what is held in memory, and what the graph makes of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.data.rows import Mapped, Rows, batch_of
from edgepress.runtime.contract import Input

__all__ = ["Feed", "normalized", "predictor"]

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

    def hold(self, values: Any) -> Any:
        """Examples (n, ...) in the form in which epochs hold them; `Rows` stay `Rows`."""
        return values if self._bytes else normalized(self._contract, values)

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


def normalized(contract: Input, values: Any, *, flat: bool = False) -> Any:
    """Examples (n, ...) as real numbers, (n, numbers) where `flat`; `Rows` stay `Rows`."""
    if isinstance(values, Rows):
        first = contract.normalize(values[:1])
        shape = (first.size,) if flat else first.shape[1:]
        return Mapped(values, contract.normalize, shape, first.dtype)
    reals = contract.normalize(values)
    return reals.reshape(len(reals), -1) if flat else reals


def predictor(model: Any, contract: Input) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """The model's outputs (n, ...) for examples (n, ...) of the contract, an array or `Rows`, in inference mode.

    What `Feed.hold` gave is taken too: pixels are pixels, and other examples must not be normalized twice, so they come
    normalized.
    """
    tf = require("tensorflow", extra="toolkit")
    feed = Feed(contract, model.input_shape[1:], model.inputs[0].dtype)

    @tf.function(reduce_retracing=True, autograph=False)
    def forward(held: Any) -> Any:
        return model(feed.tensor(held), training=False)

    def predict(held: NDArray[Any]) -> NDArray[np.float32]:
        batch = batch_of(contract.size, _PREDICT_BATCH)
        return np.concatenate([forward(held[i : i + batch]).numpy() for i in range(0, len(held), batch)])

    return predict
