"""Compression as one call, for models and data that somebody has in memory."""

from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

from .callback import callback, library_of
from .scheme import Scheme

__all__ = ["compress"]


def compress(
    model: Any,
    data: Any,
    *,
    epochs: int = 10,
    batch_size: int | None = None,
    validation_data: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    verbose: Any = 0,
    **scheme: Any,
) -> Any:
    """A compressed copy of a Keras model, trained so that it stays accurate: `compress(model, (x, y), sparsity=0.8)`.

    Zeros, shared values and few bits of kernels of any layer, all together, on any backend of Keras 3. The copy is a
    plain model of the same layers; exported, its weights keep their zeros, and get the same integers again.

    Args:
        model: A Sequential or functional model of Keras 3 or tf-keras, trained; it stays as it is.
        data: `(x, y)`, or a data set that Keras' `fit` takes.
        epochs: Passes over the data. Zeros come in the first part of them (`ramp`).
        batch_size: Of arrays; Keras' own when None.
        validation_data: As Keras' `fit` takes it.
        loss: As Keras' `compile` takes it; the model's own when None.
        optimizer: Likewise; the model's own kind and rate, begun anew, when None.
        verbose: As Keras' `fit` takes it.
        scheme: What is asked for, fields of `Scheme`: `sparsity` (0.8), `pruning` (`polynomial`, `constant`, `2:4`),
            `scope` (`layer`, `model`), `block`, `layer_sparsity`, `clusters` (16), `weight_bits` (8, 4, 2), `ramp`.

    Raises:
        InputError: Nothing is asked for, an unknown field, a value outside its range, no epoch, a list as data, a model
            that cannot be copied, or one without a loss.
    """
    if not scheme:
        raise InputError("nothing to compress: ask for sparsity=0.8, clusters=16 or weight_bits=4, or several of them")
    Scheme.of(scheme)
    if isinstance(data, list):
        raise InputError("a list as data may be inputs alone: give a tuple (x, y), or what fit takes as a data set")
    if epochs < 1:
        raise InputError(f"epochs {epochs}: 1 or more are allowed; zeros come while the model is trained")
    keras = require(library_of(model), extra="toolkit")
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"{model.name} cannot be copied ({reason}): train it yourself, with edgepress.train.compress.callback"
        ) from None
    compiled = getattr(model, "optimizer", None) is not None
    if loss is None and not (compiled and model.loss):
        raise InputError(f"{model.name} has no loss: compile it first, or give loss=, such as 'mse'")
    if compiled and loss is None and optimizer is None:
        copy.compile_from_config(model.get_compile_config())
    else:
        copy.compile(optimizer=optimizer or "adam", loss=model.loss if loss is None else loss)
    arrays = data if isinstance(data, tuple) else (data,)
    copy.fit(
        *arrays,
        epochs=epochs,
        batch_size=batch_size,
        validation_data=validation_data,
        verbose=verbose,
        callbacks=[callback(copy, **scheme)],
    )
    return copy
