"""What a Keras model's output means, told from its last operators."""

import logging
from typing import Any

from edgepress.data import CLASSES, LABELS, NOTHING, NUMBERS, Dataset, question_of
from edgepress.runtime import InputError
from edgepress.runtime.tasks import TASKS, Task

from .keras_file import outline_of
from .keras_file.graph import Graph, Node, Ref

__all__ = ["last_activations", "meaning_of", "task_of"]

_log = logging.getLogger("edgepress")
_PASSED = frozenset({"Activation", "Average", "Dropout", "Flatten", "Permute", "Reshape", "SpatialDropout2D"})
"""Layers behind which a softmax or a sigmoid still is one: they move numbers, or take the mean of several of them."""
_SQUASHING = {"softmax": "probabilities", "sigmoid": "probabilities"}


def last_activations(model: Any) -> tuple[str, ...]:
    """For each output of a tf-keras model the activation that its numbers last went through, such as `softmax`;
    `linear` where there is none, and where several branches differ."""
    graph = outline_of(model).without_quantization()
    nodes = {node.name: node for node in graph.nodes}
    return tuple(_activation(graph, nodes, ref) for ref in graph.outputs)


def _activation(graph: Graph, nodes: dict[str, Node], ref: Ref) -> str:
    node = nodes[ref.layer]
    if node.inner is not None:
        inner = {each.name: each for each in node.inner.nodes}
        return _activation(node.inner, inner, node.inner.outputs[ref.tensor])
    if node.class_name == "Softmax":
        return "softmax"
    own = str(node.options.get("activation", "linear"))
    if own != "linear" or node.class_name not in _PASSED or not node.calls:
        return own
    before = {_activation(graph, nodes, earlier) for earlier in node.calls[min(ref.call, len(node.calls) - 1)]}
    return before.pop() if len(before) == 1 else "linear"


def meaning_of(model: Any, kind: str) -> str:
    """What the numbers of the model's first output mean under a task of that kind, as in `tasks.TASKS`."""
    meanings = TASKS[kind].meanings
    return meanings[0] if len(meanings) == 1 else _SQUASHING.get(last_activations(model)[0], "logits")


def task_of(model: Any, dataset: Dataset, stated: str | None = None) -> Task:
    """The question that this model answers about these data.

    Args:
        model: tf-keras.
        dataset: Its targets say what is asked; without any, the model's last operator does.
        stated: What the user says.

    Raises:
        InputError: The model, the data and what was stated do not agree: both sides are named.
    """
    shape = tuple(model.outputs[0].shape[1:])
    width = 1
    for size in shape:
        width *= size or 1
    several = len(model.outputs) > 1
    targets = dataset.targets
    if stated is None and several and targets.kind != NOTHING:
        _log.warning(
            "%s has %d outputs: its files are compared with it alone (task raw), without the targets of %s",
            model.name,
            len(model.outputs),
            dataset.name,
        )
    untold = stated is None and (several or None in shape)
    if untold or (stated in TASKS and not TASKS[stated].judged):
        return Task("raw", "raw")
    if stated is None and targets.kind == NOTHING:
        return _told_by_output(model, width, len(shape))
    kind = question_of(dataset, stated)
    if several:
        raise InputError(f"{model.name} has {len(model.outputs)} outputs, and a {kind} model has one: say --task raw")
    task = Task(kind, meaning_of(model, kind), targets.names, targets.units)
    traits = TASKS[kind]
    if traits.reconstructs:
        taken = tuple(model.inputs[0].shape[1:])
        if len(model.inputs) != 1 or shape != taken:
            raise InputError(f"{model.name} takes {taken} and gives {shape}: an anomaly detector gives what it takes")
        return task._replace(labels=())
    if width not in traits.widths(len(targets.names)) or len(shape) != 1:
        what = {CLASSES: "classes", LABELS: "labels", NUMBERS: "numbers as targets"}[targets.kind]
        raise InputError(
            f"{model.name} gives {shape}, and {dataset.name} has {len(targets.names)} {what}: one output each is "
            "allowed; say --task raw to compare the files with the model alone"
        )
    activation = last_activations(model)[0]
    if stated is None and traits.numeric and activation == "softmax":
        raise InputError(
            f"{model.name} ends in a softmax, which gives shares of classes, and the targets of {dataset.name} are "
            "numbers: give the class of each example, or say --task regression"
        )
    if traits.independent and activation == "softmax":
        raise InputError(f"{model.name} ends in a softmax, which gives one label, and {dataset.name} has several a row")
    return task


def _told_by_output(model: Any, width: int, rank: int) -> Task:
    activation = last_activations(model)[0]
    names = tuple(map(str, range(width)))
    if rank == 1 and activation == "softmax" and width > 1:
        return Task("binary" if width == 2 else "multiclass", "probabilities", names)
    if rank == 1 and activation == "sigmoid":
        return Task("binary", "probabilities", ("0", "1")) if width == 1 else Task("multilabel", "probabilities", names)
    return Task("raw", "raw")
