"""Border pixels that tell little leave, and hidden units (`structured`), so that any runtime gains size and speed.

What leaves is replaced by its mean over training images, which moves into the biases of the layer that reads it (Evci
et al. 2018, "Mean Replacement Pruning"). What that layer loses is what varied around the mean: the variance of each
number times its squared weights there. The numbers that cost least leave, up to a share of the whole.
"""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime.contract import Input

from ..fitting.feed import Feed, predictor
from ..keras_file import graph_of, model_of
from ..keras_file.graph import Graph, Node, Ref
from .structured.idle import without_idle

__all__ = ["can_crop", "slim"]

_log = logging.getLogger("edgepress")
_EXAMPLES = 10_000
"""Training examples that means and variances are taken over."""
_NUMBERS = 2**26
"""In all of them together."""
_GROUP = 2
"""What is left is a multiple of it: two 4-bit weights share a byte, and LiteRT 2.3 misreads rows of odd length where it
quantizes activations while it runs."""
_READERS = frozenset({"Conv1D", "Conv2D", "Conv3D", "Dense"})
_PIXEL_WISE = frozenset({"Dropout", "Flatten", "GaussianNoise", "Rescaling", "Reshape"})


def slim(
    model: Any, examples: NDArray[Any], contract: Input, *, pixel_loss: float = 0.0, unit_loss: float = 0.0
) -> Any:
    """The model with a smaller picture and fewer units, not trained since.

    Args:
        model: tf-keras, one input; batch normalisation folded.
        examples: Training examples (n, ...), as `Feed.hold` gives them; pictures where `pixel_loss` is asked for.
        contract: How they become the model's input.
        pixel_loss: Share of the variance that reaches the first layer which border rows and columns may take with
            them; they are cropped inside the model, whose input becomes (height, width, channels). Of models that begin
            with a Dense layer: a convolution gains nothing in size.
        unit_loss: Likewise of each hidden layer's channels and units, as `without_idle` takes it.
    """
    examples = examples[:: max(1, len(examples) // min(_EXAMPLES, _NUMBERS // contract.size))]
    # TFMOT hands on layers that belong to an older model too: those do not know which one's tensors are asked for.
    model = model_of(graph_of(model), _weights(model))
    if pixel_loss:
        model = _cropped(model, examples, contract, pixel_loss)
    return _without_units(model, examples, contract, unit_loss) if unit_loss else model


def can_crop(model: Any) -> bool:
    """Whether `pixel_loss` does something: whether a Dense layer reads the picture."""
    return _first_dense(graph_of(model)) is not None


def _first_dense(graph: Graph) -> tuple[Node, list[Node], Node] | None:
    """The input, what lies between, and the Dense layer that alone reads the picture."""
    start = next(node for node in graph.nodes if node.name == graph.inputs[0])
    between, reader = _path(graph, start, _PIXEL_WISE)
    return (start, between, reader) if reader is not None and reader.class_name == "Dense" else None


def _cropped(model: Any, images: NDArray[np.uint8], contract: Input, loss: float) -> Any:
    graph = graph_of(model)
    found = _first_dense(graph)
    if found is None:
        _log.info("slim: the picture stays whole: %s does not begin with a Dense layer", model.name)
        return model
    start, between, reader = found
    shape = images.shape[1:] if images.ndim == 4 else (*images.shape[1:], 1)
    mean, cost = _costs(model, reader, images, contract)
    top, bottom, left, right = _frame(cost.reshape(shape).sum(axis=2), loss)
    if not any((top, bottom, left, right)):
        return model
    height, width = shape[0] - top - bottom, shape[1] - left - right
    _log.info("slim: %d x %d of %d x %d pixels stay", height, width, *shape[:2])
    kept = np.zeros(shape, bool)
    kept[top : top + height, left : left + width] = True

    crop = Node(f"{start.name}_crop", "Cropping2D", {"cropping": ((top, bottom), (left, right))})
    flat = Node(f"{start.name}_flat", "Flatten")
    chain = [replace(start, shape=shape), crop, flat]
    chain += [node for node in between if node.class_name not in ("Flatten", "Reshape")]
    gone = {node.name for node in (start, *between)}
    weights = _weights(model)
    reader, weights[reader.name] = _without_inputs(reader, weights[reader.name], kept.reshape(-1), mean)
    chain.append(reader)
    for i in range(1, len(chain)):
        chain[i] = replace(chain[i], calls=((Ref(chain[i - 1].name, 0, 0),),))
    rest = [node for node in graph.nodes if node.name not in gone and node.name != reader.name]
    return model_of(replace(graph, nodes=(*chain, *rest)), weights)


def _without_units(model: Any, examples: NDArray[Any], contract: Input, loss: float) -> Any:
    """Without the units that tell least; readers get a bias for what those told in the mean."""
    graph, weights = graph_of(model), _weights(model)
    nodes = []
    for node in graph.nodes:
        if node.class_name in _READERS and not node.options.get("use_bias", True):
            kernel = weights[node.name][0]
            weights[node.name].append(np.zeros(kernel.shape[-1], np.float32))
            node = replace(node, options={**node.options, "use_bias": True})
        nodes.append(node)
    biased = model_of(replace(graph, nodes=tuple(nodes)), weights)
    feed = Feed(contract, model.input_shape[1:], model.inputs[0].dtype)
    found = without_idle(biased, [feed.tensor(examples).numpy()], loss)
    for layer, (count, kept) in found.channels.items():
        _log.info("slim: %d of %d units of %s stay", kept, count, layer)
    return found.model if found.channels else model


def _path(graph: Graph, start: Node, passing: frozenset[str]) -> tuple[list[Node], Node | None]:
    """The layers that alone take what the one before gives, and the Dense that reads it in the end."""
    between: list[Node] = []
    ref = Ref(start.name, 0, 0)
    while True:
        takers = [node for node in graph.nodes for call in node.calls if ref in call]
        if ref in graph.outputs or len(takers) != 1 or takers[0].calls != ((ref,),):
            return between, None
        (node,) = takers
        if node.class_name == "Dense":
            return between, node
        if node.class_name not in passing:
            return between, None
        between.append(node)
        ref = Ref(node.name, 0, 0)


def _costs(
    model: Any, reader: Node, examples: NDArray[Any], contract: Input
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of each number that a layer reads, and the variance that the layer loses without it; (inputs,) each."""
    layer = model.get_layer(reader.name)
    read = predictor(require("tf_keras", extra="toolkit").Model(model.inputs, layer.input), contract)(examples)
    read = read.reshape(-1, read.shape[-1])
    kernel = np.moveaxis(layer.kernel.numpy(), -2, 0)
    return read.mean(axis=0), read.var(axis=0) * np.square(kernel).reshape(len(kernel), -1).sum(axis=1)


def _frame(cost: NDArray[np.float32], loss: float) -> tuple[int, int, int, int]:
    """Rows above and below, columns left and right, that cost at most the share `loss` of the whole; cheapest first."""
    frames = [(0, 0, 0, 0)]
    allowance = loss * float(cost.sum())
    while True:
        top, bottom, left, right = frames[-1]
        inside = cost[top : cost.shape[0] - bottom, left : cost.shape[1] - right]
        sides = [float(side.sum()) for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1])]
        cheapest = int(np.argmin(sides))
        allowance -= sides[cheapest]
        if allowance < 0 or min(inside.shape) == 1:
            break
        frames.append(
            (top + (cheapest == 0), bottom + (cheapest == 1), left + (cheapest == 2), right + (cheapest == 3))
        )
    even = [f for f in frames if (cost.shape[0] - f[0] - f[1]) * (cost.shape[1] - f[2] - f[3]) % _GROUP == 0]
    return (even or frames[:1])[-1]


def _without_inputs(
    reader: Node, weights: list[NDArray[Any]], kept: NDArray[np.bool_], mean: NDArray[np.float32]
) -> tuple[Node, list[NDArray[Any]]]:
    """The layer that reads only what is kept, and what the means of the rest did in its bias."""
    kernel, *bias = weights
    # A convolution adds up what it sees of a channel; at the border, where it sees less, this is an estimate.
    summed = kernel.sum(axis=(0, 1)) if kernel.ndim == 4 else kernel
    constant = mean[~kept] @ summed[~kept]
    offset = (bias[0] if bias else 0) + constant
    node = replace(reader, options={**reader.options, "use_bias": True})
    return node, [kernel[..., kept, :], offset.astype(np.float32)]


def _weights(model: Any) -> dict[str, list[NDArray[Any]]]:
    return {layer.name: [variable.numpy() for variable in layer.weights] for layer in model.layers}
