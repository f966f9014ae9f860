"""What each group of channels does to a model's outputs, measured on examples.

A channel that is scaled by 1 - e changes output k by e times the sum, over all weights that read it, of weight times
gradient: a first-order Taylor expansion (Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning").
Its square, summed over examples and outputs, is the group's importance (Liu et al. 2021, "Group Fisher Pruning"). Signs
drawn at random in front of the outputs give that sum in one pass for all examples of a batch, whatever the outputs are:
no labels and no loss are asked for (Hutchinson 1990).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from ..engine.callback import library_of
from ..engine.compression import array_of, in_tensorflow
from .channels import Coupling

__all__ = ["gradients_of", "importance"]

_BATCH = 64
Gradients = Callable[[list[NDArray[Any]], list[NDArray[np.float32]]], list[NDArray[np.float32]]]


def importance(
    coupling: Coupling, gradients: Gradients, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[np.float32]],
    rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """How much each group changes the outputs. Shape (groups,).

    Args:
        coupling: Of the model.
        gradients: As `gradients_of` gives them.
        inputs: Examples, an array (n, ...) for each input.
        outputs: The model's outputs for them: each counts by its own deviation.
        rng: Draws the signs.
    """
    reading = [cut for cut in coupling.cuts if cut.reads]
    scales = [1 / max(float(values.std()), 1e-12) for values in outputs]
    found, count = np.zeros(coupling.count), len(inputs[0])
    for start in range(0, count, _BATCH):
        rows = slice(start, start + _BATCH)
        signs = [
            (rng.choice((-1.0, 1.0), values[rows].shape) * scale).astype(np.float32)
            for values, scale in zip(outputs, scales, strict=True)
        ]
        changes = np.zeros(coupling.count)
        slopes = gradients([each[rows] for each in inputs], signs)
        for cut, slope in zip(reading, slopes, strict=True):
            axis = cut.axis % slope.ndim
            made = array_of(cut.variable) * slope
            np.add.at(changes, coupling.groups(cut.ids), made.sum(axis=tuple(set(range(slope.ndim)) - {axis})))
        found += np.square(changes)
    return found / count


def gradients_of(model: Any, coupling: Coupling) -> tuple[Gradients, Callable[[list[NDArray[Any]]], list[Any]]]:
    """Two functions of a model in inference mode: gradients at the weights that read channels, and its outputs.

    The first takes the inputs and a factor for each output number, and gives the gradients of their summed product.
    """
    variables = [cut.variable for cut in coupling.cuts if cut.reads]
    backend = "tensorflow" if library_of(model) == "tf_keras" else require("keras", extra="toolkit").backend.backend()
    if backend not in _BACKENDS:
        allowed = ", ".join(_BACKENDS)
        raise InputError(f"channels leave on {allowed}, and Keras runs on {backend}: set KERAS_BACKEND")
    return _BACKENDS[backend](model, variables)


def _on_tensorflow(model: Any, variables: list[Any]) -> tuple[Gradients, Callable[[list[NDArray[Any]]], list[Any]]]:
    tf = require("tensorflow", extra="toolkit")
    watched = [in_tensorflow(variable) for variable in variables]
    call = tf.autograph.experimental.do_not_convert(lambda inputs: tf.nest.flatten(model(_one_or_all(inputs))))

    @tf.function(autograph=False, reduce_retracing=True)
    def run(inputs: Any, signs: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            product = tf.add_n([tf.reduce_sum(o * s) for o, s in zip(call(inputs), signs, strict=True)])
        return tape.gradient(product, watched, unconnected_gradients="zero")

    forward = tf.function(call, autograph=False, reduce_retracing=True)
    return (
        lambda inputs, signs: [each.numpy() for each in run(_tensors(tf, inputs), _tensors(tf, signs))],
        lambda inputs: [each.numpy() for each in forward(_tensors(tf, inputs))],
    )


def _on_jax(model: Any, variables: list[Any]) -> tuple[Gradients, Callable[[list[NDArray[Any]]], list[Any]]]:
    jax = require("jax", extra="toolkit")
    places = [next(n for n, each in enumerate(model.variables) if each is variable) for variable in variables]
    trained = {id(each): n for n, each in enumerate(model.trainable_variables)}
    fixed = {id(each): n for n, each in enumerate(model.non_trainable_variables)}

    def call(chosen: Any, inputs: Any) -> Any:
        first = [each.value for each in model.trainable_variables]
        rest = [each.value for each in model.non_trainable_variables]
        for place, value in zip(places, chosen, strict=True):
            key = id(model.variables[place])
            if key in trained:
                first[trained[key]] = value
            else:
                rest[fixed[key]] = value
        made, _ = model.stateless_call(first, rest, _one_or_all(inputs), training=False)
        return jax.tree_util.tree_leaves(made)

    def product(chosen: Any, inputs: Any, signs: Any) -> Any:
        return sum((made * sign).sum() for made, sign in zip(call(chosen, inputs), signs, strict=True))

    slopes = jax.grad(product)
    values = lambda: [each.value for each in variables]  # noqa: E731
    return (
        lambda inputs, signs: [np.asarray(each) for each in slopes(values(), inputs, signs)],
        lambda inputs: [np.asarray(each) for each in call(values(), inputs)],
    )


def _on_torch(model: Any, variables: list[Any]) -> tuple[Gradients, Callable[[list[NDArray[Any]]], list[Any]]]:
    torch = require("torch", extra="toolkit")
    values = [variable.value for variable in variables]
    flatten = require("keras", extra="toolkit").tree.flatten
    call = lambda inputs: flatten(model(_one_or_all(inputs), training=False))  # noqa: E731

    def run(inputs: Any, signs: Any) -> Any:
        # Of layers that are frozen nobody asks a gradient otherwise.
        asked = [value.requires_grad for value in values]
        for value in values:
            value.requires_grad_(True)
        try:
            made = call(inputs)
            product = sum(
                (each * torch.as_tensor(sign, device=each.device)).sum() for each, sign in zip(made, signs, strict=True)
            )
            slopes = torch.autograd.grad(product, values, allow_unused=True, materialize_grads=True)
        finally:
            for value, before in zip(values, asked, strict=True):
                value.requires_grad_(before)
        return [slope.cpu().numpy() for slope in slopes]

    def forward(inputs: Any) -> list[Any]:
        with torch.no_grad():
            return [each.cpu().numpy() for each in call(inputs)]

    return run, forward


_BACKENDS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}


def _one_or_all(inputs: Any) -> Any:
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _tensors(tf: Any, arrays: Sequence[NDArray[Any]]) -> list[Any]:
    return [tf.convert_to_tensor(array) for array in arrays]
