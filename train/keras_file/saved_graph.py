"""SavedModels that hold a graph and no layers: what `model.export` writes, and `tf.saved_model.save`.

The graph is loaded and frozen in a process of its own, once each of its operators is known to be harmless; what comes
back is one layer that calls it, behind the interface of tf-keras. It can be converted, run and measured, not pressed.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.runtime import InputError

from .graph import Graph, Node, Ref
from .operators import ALLOWED, LOOPS, READS_VARIABLES

__all__ = [
    "frozen_graph",
    "graph_model",
    "holds_a_graph",
    "model_of_graph",
    "outline_of_graph",
    "require_harmless",
    "takes_one_example",
]

_SECONDS = 300.0
"""For loading, freezing and one call."""
_MOST_MEMORY = 16_000_000_000
"""Bytes of addresses that the process may claim; TensorFlow itself takes about 4 GB of them."""
_LARGEST_FILE = 2_000_000_000
_SIGNATURES = ("serving_default", "serve")
_ABOUT = "edgepress_graph"
"""Attribute under which a tf-keras model keeps what is known of the graph that it calls."""
_EXECUTED = {"resource": "a table or another resource", "asset": "a file"}
"""Objects that TensorFlow runs code of, or reads, when it loads a SavedModel."""
_LAST = {"Softmax": "softmax", "Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu"}
_MOVES = frozenset({"Identity", "IdentityN", "Reshape", "Squeeze", "ExpandDims"})
"""Operators behind which a softmax still is one."""


def holds_a_graph(path: Path) -> bool:
    """Whether a folder is a SavedModel without Keras' layers."""
    return (path / "saved_model.pb").is_file() and not (path / "keras_metadata.pb").is_file()


def graph_model(path: Path) -> Any:
    """A functional tf-keras model that calls the graph, with the signature's names at both ends.

    Raises:
        InputError: An operator that is not on the list (named), no signature that can be told, or a graph that cannot
            be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="edgepress-") as name:
        folder = Path(name)
        ended = run_module(__name__, str(path.resolve()), name, seconds=_SECONDS)
        if (folder / "refused.txt").exists():
            raise InputError(f"{path}: {(folder / 'refused.txt').read_text()}")
        if not ended.ok:
            raise InputError(f"{path}: its graph cannot be loaded ({ended.reason}): save the model as .keras")
        about = json.loads((folder / "about.json").read_text())
        content = (folder / "graph.pb").read_bytes()
    return model_of_graph(content, about, path.name)


def takes_one_example(model: Any) -> bool:
    """Whether a model calls a graph that takes one example at a time."""
    return bool(getattr(model, _ABOUT, {}).get("one_at_a_time"))


def outline_of_graph(model: Any) -> Graph | None:
    """What goes in and what comes out, and through which activation; None of a model that has layers."""
    about = getattr(model, _ABOUT, None)
    if about is None:
        return None
    inputs = [Node(each["name"], "InputLayer", shape=tuple(each["shape"][1:])) for each in about["inputs"]]
    calls = (tuple(Ref(node.name, 0, 0) for node in inputs),)
    outputs = [
        Node(f"{each['name']}_last", "Activation", {"activation": each["activation"]}, calls=calls)
        for each in about["outputs"]
    ]
    names = tuple(node.name for node in inputs)
    return Graph(model.name, "Functional", (*inputs, *outputs), names, tuple(Ref(n.name, 0, 0) for n in outputs))


def model_of_graph(content: bytes, about: Mapping[str, Any], name: str) -> Any:
    """The tf-keras model that calls a frozen graph, as `frozen_graph` gives it.

    Raises:
        InputError: An operator that is not on the list.
    """
    tf = require("tensorflow", extra="toolkit")
    tf_keras = require("tf_keras", extra="toolkit")
    graph = tf.compat.v1.GraphDef.FromString(content)
    require_harmless(graph, ALLOWED)
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    ends = [
        [imported.graph.get_tensor_by_name(each["tensor"]) for each in about[side]] for side in ("inputs", "outputs")
    ]
    function = imported.prune(*ends)
    given = [tf.TensorSpec(each["shape"][1:], each["dtype"]) for each in about["outputs"]]
    base: Any = tf_keras.layers.Layer

    class GraphCall(base):
        def call(self, tensors: Any) -> Any:
            listed = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
            if about["one_at_a_time"] and listed[0].shape[0] != 1:
                return tf.map_fn(self._row, listed, fn_output_signature=given)
            return _list(function(*listed))

        def _row(self, row: Any) -> Any:
            return [each[0] for each in _list(function(*(each[None] for each in row)))]

    inputs = [tf_keras.Input(each["shape"][1:], dtype=each["dtype"], name=each["name"]) for each in about["inputs"]]
    outputs = GraphCall(name="graph")(inputs)
    named = [
        tf_keras.layers.Activation("linear", name=each["name"], dtype=each["dtype"])(tensor)
        for each, tensor in zip(about["outputs"], outputs, strict=True)
    ]
    model = tf_keras.Model(inputs if len(inputs) > 1 else inputs[0], named if len(named) > 1 else named[0], name=name)
    object.__setattr__(model, _ABOUT, about)
    return model


def _list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


class _Refusal(InputError):
    """Why a graph is not taken."""


def require_harmless(graph: Any, allowed: frozenset[str]) -> None:
    """Raise InputError at the first operator that is not on the list, in the graph or in a function that it reaches."""
    known = {function.signature.name: function for function in graph.library.function}
    waiting = list(graph.node)
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        called = [node.op] if node.op in known else []
        if not called and node.op not in allowed:
            raise _Refusal(
                f"its graph has the operator {node.op}: deterministic maths is allowed, which reads no file or table "
                "and draws no numbers; take it out, or save the model as .keras"
            )
        called += [name for value in node.attr.values() for name in _functions(value)]
        for function in {*called} & known.keys() - seen:
            seen.add(function)
            waiting += known[function].node_def


def _functions(value: Any) -> Iterator[str]:
    """Functions that an attribute names."""
    if value.HasField("func"):
        yield value.func.name
    yield from (each.name for each in value.list.func)


def _main(source: Path, folder: Path) -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    try:
        content, about = frozen_graph(source, folder)
    except _Refusal as error:
        (folder / "refused.txt").write_text(str(error))
        return
    (folder / "graph.pb").write_bytes(content)
    (folder / "about.json").write_text(json.dumps(about))


def frozen_graph(source: Path, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The graph of a SavedModel with its variables as constants, and what goes in and comes out.

    Args:
        source: The SavedModel.
        folder: For a copy in which nothing runs when it is loaded.

    Raises:
        InputError: An operator that is not on the list, or whatever else such a model is not taken for.
    """
    tf = require("tensorflow", extra="toolkit")
    constants = require("tensorflow.python.framework.convert_to_constants", extra="toolkit")
    # It owns the variables.
    loaded = tf.saved_model.load(str(_without_code(source, folder)), tags=["serve"])
    function = _signature(loaded)
    require_harmless(function.graph.as_graph_def(), ALLOWED | READS_VARIABLES)
    frozen = constants.convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    require_harmless(graph, ALLOWED)
    # TensorFlow puts the names of either side in order.
    inputs = [_end(*each) for each in zip(sorted(function.structured_input_signature[1]), frozen.inputs, strict=True)]
    outputs = [_end(*each) for each in zip(sorted(function.structured_outputs), frozen.outputs, strict=True)]
    taken = {each["name"] for each in inputs}
    nodes = {node.name: node for node in graph.node}
    for each in outputs:
        each["activation"] = _activation(nodes, each["tensor"])
        each["name"] += "_output" if each["name"] in taken else ""
    batches = {each["shape"][0] for each in inputs}
    if batches - {None, 1}:
        raise _Refusal(f"it takes {max(batches - {None})} examples a call: save it with a free batch, or with one of 1")
    operators = {node.op for node in graph.node} | {
        node.op for each in graph.library.function for node in each.node_def
    }
    one = batches == {1} or bool(operators & LOOPS)
    _try(tf, frozen, inputs, 1 if one else 2)
    return graph.SerializeToString(), {"inputs": inputs, "outputs": outputs, "one_at_a_time": one}


def _without_code(source: Path, folder: Path) -> Path:
    """A copy of a SavedModel in which nothing runs when it is loaded."""
    messages = require("tensorflow.core.protobuf.saved_model_pb2", extra="toolkit")
    file = source / "saved_model.pb"
    if file.stat().st_size > _LARGEST_FILE:
        raise _Refusal(f"saved_model.pb has {file.stat().st_size} bytes: at most {_LARGEST_FILE} are allowed")
    try:
        saved = messages.SavedModel.FromString(file.read_bytes())
    except Exception as error:
        # protobuf's DecodeError has moved between its releases.
        raise _Refusal(f"saved_model.pb is damaged ({error}): save the model again") from None
    for part in saved.meta_graphs:
        if not part.HasField("object_graph_def"):
            raise _Refusal("TensorFlow 1 wrote it, with a graph that runs to load itself: save it with TensorFlow 2")
        for node in part.object_graph_def.nodes:
            if what := _EXECUTED.get(node.WhichOneof("kind")):
                raise _Refusal(f"it holds {what}: take it out of the model, and save it again")
            node.ClearField("saveable_objects")
    copy = folder / "model"
    copy.mkdir()
    (copy / "saved_model.pb").write_bytes(saved.SerializeToString())
    if (source / "variables").is_dir():
        (copy / "variables").symlink_to(source / "variables")
    return copy


def _signature(loaded: Any) -> Any:
    names = sorted(loaded.signatures)
    found = next((name for name in _SIGNATURES if name in names), names[0] if len(names) == 1 else None)
    if found is None:
        raise _Refusal(
            f"it has the signatures {', '.join(names) or 'none'}: one alone, or serving_default, is allowed; say "
            "signatures= when it is saved"
        )
    return loaded.signatures[found]


def _end(name: str, tensor: Any) -> dict[str, Any]:
    """One input or output, as JSON has it."""
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
        raise _Refusal(f"{name} is {tensor.dtype.name}: numbers are allowed")
    if tensor.shape.rank is None or tensor.shape.rank == 0:
        raise _Refusal(f"{name} has shape {tensor.shape}: one row an example is allowed, of a known number of axes")
    return {"name": name, "tensor": tensor.name, "shape": tensor.shape.as_list(), "dtype": tensor.dtype.name}


def _activation(nodes: Mapping[str, Any], tensor: str) -> str:
    """What the numbers of an output last went through, as Keras calls it."""
    node = nodes[tensor.partition(":")[0]]
    while node.op in _MOVES and node.input[0].partition(":")[0] in nodes:
        node = nodes[node.input[0].partition(":")[0]]
    return _LAST.get(node.op, "linear")


def _try(tf: Any, function: Any, inputs: list[dict[str, Any]], examples: int) -> None:
    """Call the graph once, where its sizes are known: it must come to an end, with a row an example."""
    if any(None in each["shape"][1:] for each in inputs):
        return
    zeros = [tf.zeros([examples, *each["shape"][1:]], each["dtype"]) for each in inputs]
    try:
        given = _list(function(*zeros))
    except Exception as error:
        # TensorFlow raises whatever comes up.
        raise _Refusal(f"its graph does not run ({' '.join(str(error).split())[:150]}): save it again") from None
    if any(each.shape[0] != examples for each in given):
        raise _Refusal("it does not give one row an example: save it with outputs whose first axis is the batch")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
