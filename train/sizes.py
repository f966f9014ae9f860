"""Models that leave sizes open: pictures of any size, sequences of any length."""

from dataclasses import replace
from typing import Any

from edgepress.data import Dataset
from edgepress.runtime import InputError
from edgepress.runtime.contract import Input, Picture

from .keras_file import CannotRebuildError, as_tf_keras, graph_of, model_of

__all__ = ["sized"]


def sized(model: Any, dataset: Dataset) -> Any:
    """The model with the data's sizes in place of those that it leaves open; one without any comes back as it is.

    Args:
        model: tf-keras.
        dataset: Under any names where there is one input.

    Raises:
        InputError: The data have no sizes that fit.
    """
    open_ones = {
        name: tuple(tensor.shape[1:])
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
        if None in tuple(tensor.shape[1:])
    }
    if not open_ones:
        return model
    given = dict(dataset.inputs)
    if len(given) == len(model.input_names) == 1:
        given = dict(zip(model.input_names, given.values(), strict=True))
    shapes = {}
    for name, shape in open_ones.items():
        if name not in given:
            raise InputError(f"{model.name} takes {shape} as {name}, and {dataset.name} has {', '.join(given)}")
        shapes[name] = _filled(model.name, dataset.name, shape, given[name])
    try:
        graph = graph_of(model)
    except CannotRebuildError:
        return as_tf_keras(model, shapes)
    nodes = tuple(replace(node, shape=shapes.get(node.name, node.shape)) for node in graph.nodes)
    weights = {layer.name: [variable.numpy() for variable in layer.weights] for layer in model.layers}
    return model_of(replace(graph, nodes=nodes), weights)


def _filled(model: str, data: str, shape: tuple[int | None, ...], described: Input) -> tuple[int, ...]:
    found = described.shape
    if len(found) == len(shape) - 1 and shape[-1] in (None, 1):
        # Grey pictures and single channels leave out their axis.
        found = (*found, 1)
    fits = len(found) == len(shape) and all(
        size > 0 and wanted in (None, size) for size, wanted in zip(found, shape, strict=True)
    )
    if not fits:
        said = "x".join("any" if size is None else str(size) for size in shape)
        mend = "say one with --input-shape" if isinstance(described, Picture) else "give data of one size"
        raise InputError(f"{model} takes {said}, and {data} has {described.shape}: {mend}")
    return found
