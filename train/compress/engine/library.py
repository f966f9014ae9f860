"""Compression as one call, for models and data that somebody has in memory."""

from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

from ..structured.examples import first_inputs
from ..structured.thin import thin
from .callback import callback_of, library_of
from .sensitivity import measured, stated

__all__ = ["compress"]


def compress(
    model: Any,
    data: Any,
    *,
    structured: float = 1.0,
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
    plain model of the same layers; exported, its weights keep their zeros, and get the same integers again. With
    `structured` channels and units leave first, and the copy is smaller.

    Args:
        model: A Sequential or functional model of Keras 3 or tf-keras, trained; it stays as it is.
        data: `(x, y)`, or a data set that Keras' `fit` takes.
        structured: Share of the multiply-adds that stays; 1 for all. The channels that do least for the outputs of up
            to 1,024 examples leave.
        epochs: Passes over the data. Zeros come in the first part of them (`ramp`).
        batch_size: Of arrays; Keras' own when None.
        validation_data: As Keras' `fit` takes it.
        loss: As Keras' `compile` takes it; the model's own when None.
        optimizer: Likewise; the model's own kind and rate, begun anew, when None.
        verbose: As Keras' `fit` takes it.
        scheme: What is asked for, fields of `Scheme`: `sparsity` (0.8), `pruning` (`polynomial`, `constant`, `2:4`),
            `scope` (`layer`, `model`), `block`, `layer_sparsity`, `clusters` (16), `weight_bits` (8, 4, 2),
            `layer_bits`, `ramp`. And with `scope="measured"`, or `weight_bits` between these numbers, the zeros or the
            bits go where that changes the outputs for a few examples least: `sparsity` is then the share of the whole
            model, `weight_bits` the mean.

    Raises:
        InputError: Nothing is asked for, an unknown field, a value outside its range, a share that cannot be reached,
            no epoch, a list as data, a model that cannot be copied, or one without a loss.
    """
    if not 0 < structured <= 1:
        raise InputError(f"compression structured {structured!r}: allowed is above 0, and 1 at most")
    if not scheme and structured == 1:
        raise InputError(
            "nothing to compress: ask for structured=0.5, sparsity=0.8, clusters=16 or weight_bits=4, or several"
        )
    stated(scheme)
    if isinstance(data, list):
        raise InputError("a list as data may be inputs alone: give a tuple (x, y), or what fit takes as a data set")
    if epochs < 1:
        raise InputError(f"epochs {epochs}: 1 or more are allowed; zeros come while the model is trained")
    keras = require(library_of(model), extra="toolkit")
    try:
        if structured < 1:
            copy = thin(model, first_inputs(model, data), structured).model
        else:
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
        callbacks=[callback_of(copy, measured(copy, lambda: first_inputs(copy, data), scheme))] if scheme else [],
    )
    return copy
