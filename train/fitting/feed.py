"""How examples become a model's input while it is fitted: what is held in memory, and what the graph makes of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.data.rows import Mapped, Rows, batch_of
from edgepress.runtime.contract import Contract, Input

from .together import Together, nested

__all__ = ["Feed", "Feeds", "held", "normalized", "predictor"]

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


class Feeds:
    """Examples of a contract for all inputs of a model."""

    def __init__(self, model: Any, contract: Contract | Input) -> None:
        """Find out what goes where.

        Args:
            model: As `open_keras` gives it.
            contract: Under the model's input names where there are several; that of the one input will do by itself.
        """
        inputs = contract.inputs if isinstance(contract, Contract) else {"": contract}
        names, self._alone = list(model.input_names), len(inputs) == 1
        feeds = {
            name: Feed(
                inputs[name] if name in inputs else next(iter(inputs.values())), tuple(tensor.shape[1:]), tensor.dtype
            )
            for name, tensor in zip(names, model.inputs, strict=True)
        }
        # What is held has the contract's order, and the model takes its own.
        self._feeds = [(feeds[name], 0 if self._alone else list(inputs).index(name)) for name in names]
        self.numbers = sum(each.size for each in inputs.values())
        """Of one example."""

    def tensor(self, held: Any) -> Any:
        """What epochs hold, `nested`, as the model takes it: a tensor, or a list of them; inside a TensorFlow graph."""
        if self._alone:
            return self._feeds[0][0].tensor(held)
        return [feed.tensor(held[place]) for feed, place in self._feeds]


def held(contract: Contract, inputs: Mapping[str, Any]) -> Any:
    """Examples by input name in the form in which epochs hold them: `Together` where there are several inputs, in the
    contract's order."""
    made = [Feed(each, each.shape).hold(inputs[name]) for name, each in contract.inputs.items()]
    return made[0] if len(made) == 1 else Together(made)


def normalized(contract: Input, values: Any, *, flat: bool = False) -> Any:
    """Examples (n, ...) as real numbers, (n, numbers) where `flat`; `Rows` stay `Rows`."""
    if isinstance(values, Rows):
        first = contract.normalize(values[:1])
        shape = (first.size,) if flat else first.shape[1:]
        return Mapped(values, contract.normalize, shape, first.dtype)
    reals = contract.normalize(values)
    return reals.reshape(len(reals), -1) if flat else reals


def predictor(model: Any, contract: Contract | Input) -> Callable[[Any], NDArray[np.float32]]:
    """The model's outputs (n, ...) for examples (n, ...) of the contract, an array or `Rows`, in inference mode; of one
    with several inputs `Together`.

    What `held` gave is taken too: pixels are pixels, and other examples must not be normalized twice, so they come
    normalized.
    """
    tf = require("tensorflow", extra="toolkit")
    feeds = Feeds(model, contract)

    @tf.function(reduce_retracing=True, autograph=False)
    def forward(held: Any) -> Any:
        return model(feeds.tensor(held), training=False)

    def predict(held: Any) -> NDArray[np.float32]:
        batch = batch_of(feeds.numbers, _PREDICT_BATCH)
        return np.concatenate([forward(nested(held[i : i + batch])).numpy() for i in range(0, len(held), batch)])

    return predict
