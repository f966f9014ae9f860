"""A new head on a trained model: what it learned to see is kept, what it calls it is learned anew."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from edgepress.base.extras import require
from edgepress.data import Dataset
from edgepress.runtime import InputError
from edgepress.runtime.contract import Contract, Input, Picture
from edgepress.runtime.tasks import Task

from .contract import own_contract, stated_inputs
from .keras_file import graph_of, model_of, open_keras, strip_quantization
from .keras_file.graph import Graph, Node, Ref
from .models import outputs_of
from .record.history import History

__all__ = ["BACKBONES", "Backbone", "HEAD", "backbone_help", "freeze", "open_backbone", "thaw"]

HEAD = "logits"
"""Name of the new layer."""
_ENDS = frozenset({"Activation", "Dropout", "Flatten", "Permute", "Reshape", "Softmax"})
"""Layers behind the old head that leave with it."""
_HEADS = frozenset({"Conv2D", "Dense"})
_POOLS = frozenset({"GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"})
_SMALLEST = 32


class Backbone(NamedTuple):
    """A model of Keras' applications with its published weights."""

    function: str
    """In `keras.applications`."""
    input: str
    """How it takes pictures, as `--input` says it."""
    options: Mapping[str, Any] = MappingProxyType({})


BACKBONES: dict[str, Backbone] = {
    "mobilenet": Backbone("MobileNet", "pixels/127.5-1"),
    "mobilenet-0.25": Backbone("MobileNet", "pixels/127.5-1", {"alpha": 0.25}),
    "mobilenet-v2": Backbone("MobileNetV2", "pixels/127.5-1"),
    "mobilenet-v2-0.35": Backbone("MobileNetV2", "pixels/127.5-1", {"alpha": 0.35}),
    "resnet50": Backbone("ResNet50", "caffe"),
}
"""By name; those whose layers are on the list of `open_keras`."""


def backbone_help() -> str:
    """For help texts."""
    return f"{', '.join(BACKBONES)} (weights are fetched once), or a Keras file of your own"


def open_backbone(
    backbone: str | os.PathLike[str],
    dataset: Dataset,
    task: Task,
    *,
    fitted: Any,
    dropout: float = 0.0,
    stated: str | None = None,
) -> tuple[Any, Contract]:
    """The trained model with a new head for the task, not fitted yet, and how it takes the data's examples.

    Args:
        backbone: A name in `BACKBONES`, or a Keras file.
        dataset: With one input.
        task: What the new head answers.
        fitted: The part whose mean and deviation may be looked at.
        dropout: Share of the features that each step of the fits leaves out.
        stated: `--input`; what is recorded with the file, or known of the name, where None.

    Raises:
        InputError: No such model, no network to fetch it, or one that takes other examples.
    """
    described = own_contract(dataset, fitted).only
    assert described is not None
    if str(backbone) in BACKBONES:
        model, known = _published(str(backbone), described), BACKBONES[str(backbone)].input
        contract = Contract(stated_inputs(stated or known, dataset), {"by": "training", "why": stated or known})
    elif not Path(backbone).exists():
        raise InputError(f"no backbone {str(backbone)!r}: allowed are {backbone_help()}")
    else:
        opened = open_keras(backbone)
        opened.require_rebuilt("given a new head")
        model = strip_quantization(opened.model) if opened.quantized else opened.model
        contract = _contract_of(backbone, model, dataset, stated)
    return with_new_head(model, outputs_of(task), dropout), contract


def _contract_of(path: str | os.PathLike[str], model: Any, dataset: Dataset, stated: str | None) -> Contract:
    """How a file's model takes examples: stated, recorded, or pixels that its first layers normalize."""
    if stated is not None:
        return Contract(stated_inputs(stated, dataset), {"by": "stated", "why": stated})
    recorded = History.of(Path(path))
    (name, described), *_ = dataset.inputs.items()
    if recorded and recorded.contract:
        found = Contract.from_dict(recorded.contract).only
        if found is None or found.shape != described.shape or found.kind != described.kind:
            what = "several inputs" if found is None else f"{found.kind} of {found.shape}"
            raise InputError(
                f"{path} takes {what}, {dataset.name} has {described.kind} of {described.shape}: equal ones are allowed"
                + (", see --input-shape" if isinstance(described, Picture) else "")
            )
        return Contract({name: found}, {"by": "training"})
    first = next(node for node in graph_of(model).nodes if node.class_name != "InputLayer")
    if first.class_name == "Rescaling" or not isinstance(described, Picture):
        way = described.with_normalization("pixels") if isinstance(described, Picture) else described
        return Contract({name: way}, {"by": "model"})
    raise InputError(
        f"{path} does not say how it takes pictures: name it with --input (pixels/255, pixels/127.5-1, imagenet, caffe)"
    )


def _published(name: str, described: Input) -> Any:
    if not isinstance(described, Picture) or described.channels != 3 or min(described.shape[:2]) < _SMALLEST:
        raise InputError(
            f"backbone {name} takes pictures in colour from {_SMALLEST} a side on, these are {described.kind} of "
            f"{described.shape}: say --input-shape HxWx3"
        )
    row = BACKBONES[name]
    applications = require("tf_keras", extra="toolkit").applications
    try:
        return getattr(applications, row.function)(
            input_shape=described.shape, include_top=False, weights="imagenet", pooling="avg", **row.options
        )
    except Exception as error:
        # Keras raises bare exceptions of several kinds where a download fails.
        told = " ".join(str(error).split())[:160]
        raise InputError(
            f"backbone {name}: its published weights cannot be fetched ({told}): a network is needed once; or give a "
            "Keras file"
        ) from None


def with_new_head(model: Any, outputs: int, dropout: float = 0.0) -> Any:
    """The model up to the features that its last layers read, and a new Dense layer on them.

    Args:
        model: tf-keras, one input and one output. What follows its last global pooling leaves; without one, its last
            layer with weights does.
        outputs: Numbers that the new head gives.
        dropout: Share of the features that each training step leaves out.

    Raises:
        InputError: A model whose last layers are no head.
    """
    tf_keras = require("tf_keras", extra="toolkit")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs: a backbone has one of each"
        )
    graph = graph_of(model)
    if any(node.inner for node in graph.nodes):
        raise InputError(f"{model.name} has a model inside the model: give one whose layers stand in one row")
    features = _features(graph, model.name)
    kept = _reaching(graph, features)
    inputs = {node.name for node in graph.nodes if node.class_name == "InputLayer"}
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.name in kept - inputs}
    nodes = tuple(replace(node, trainable=True) for node in graph.nodes if node.name in kept)
    trunk = model_of(replace(graph, class_name="Functional", nodes=nodes, outputs=(features,)), weights)
    layers, found = tf_keras.layers, trunk.output
    if len(found.shape) == 4:
        found = layers.GlobalAveragePooling2D(name="features")(found)
    elif len(found.shape) == 3:
        found = layers.GlobalAveragePooling1D(name="features")(found)
    if dropout:
        found = layers.Dropout(dropout, name="head_dropout")(found)
    taken = {layer.name for layer in trunk.layers}
    if HEAD in taken:
        raise InputError(f"{model.name} has a layer called {HEAD!r} before its head: rename it")
    return tf_keras.Model(trunk.input, layers.Dense(outputs, name=HEAD)(found), name=model.name)


def _features(graph: Graph, name: str) -> Ref:
    """The tensor that the head reads."""
    nodes = {node.name: node for node in graph.nodes}
    chain, ref = [], graph.outputs[0]
    # Back from the output as long as one layer follows another.
    while (node := nodes[ref.layer]).calls and len(node.calls) == 1 and len(node.calls[0]) == 1:
        chain.append(node)
        ref = node.calls[0][0]
    for node in chain:
        if node.class_name in _POOLS:
            return Ref(node.name, 0, 0)
        if node.class_name not in _ENDS | _HEADS:
            break
    for node in chain:
        if node.class_name in _HEADS:
            return node.calls[0][0]
        if node.class_name not in _ENDS:
            break
    raise InputError(f"{name} does not end in a Dense layer or a global pooling: it has no head to take off")


def _reaching(graph: Graph, ref: Ref) -> set[str]:
    """Layers that a tensor is made by."""
    nodes: dict[str, Node] = {node.name: node for node in graph.nodes}
    found: set[str] = set()
    waiting = [ref.layer]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [each.layer for call in nodes[name].calls for each in call]
    return found


def freeze(model: Any) -> None:
    """Let the new head alone learn."""
    for layer in model.layers:
        layer.trainable = layer.name == HEAD


def thaw(model: Any) -> None:
    """Let all layers learn, batch normalisation too: its statistics follow the new examples."""
    for layer in model.layers:
        layer.trainable = True
