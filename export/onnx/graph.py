"""Editing an ONNX graph, and writing it so that equal graphs are equal bytes."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

from ..errors import ConversionError

__all__ = ["Graph"]


class Graph:
    """The main graph of a model under conversion."""

    def __init__(self, proto: Any) -> None:
        self.onnx = require("onnx", extra="toolkit")
        self.proto = proto

    @property
    def nodes(self) -> Any:
        """The nodes, in the file's order."""
        return self.proto.graph.node

    def constants(self) -> dict[str, NDArray[Any]]:
        """Name to values of every initializer."""
        return {i.name: self.onnx.numpy_helper.to_array(i) for i in self.proto.graph.initializer}

    def set_constant(self, name: str, values: NDArray[Any] | np.generic) -> None:
        """Add an initializer, or give it other values."""
        fresh = self.onnx.numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)
        for initializer in self.proto.graph.initializer:
            if initializer.name == name:
                initializer.CopyFrom(fresh)
                return
        self.proto.graph.initializer.append(fresh)

    def readers(self, name: str) -> list[Any]:
        """The nodes that take the value."""
        return [node for node in self.nodes if name in node.input]

    def add(self, op_type: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Add a node; `finish` puts it in its place."""
        self.nodes.append(self.onnx.helper.make_node(op_type, inputs, outputs, **attributes))

    def remove(self, node: Any) -> None:
        """Take a node out."""
        self.nodes.remove(node)

    def replace_input(self, old: str, new: str) -> None:
        """Let every node that takes `old` take `new`."""
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]

    def replace_output(self, old: str, new: str) -> None:
        """Let the node that makes `old` make `new`, and every reader follow."""
        self.replace_input(old, new)
        for node in self.nodes:
            node.output[:] = [new if name == old else name for name in node.output]

    def finish(self, interface: dict[str, str], metadata: dict[str, str]) -> bytes:
        """Name everything, sort, drop what is unused, check, and write.

        tf2onnx numbers its names from a counter of the process; here they come from the graph alone.

        Args:
            interface: Names of inputs and outputs, as they are, to the names that callers know.
            metadata: Metadata properties of the file.

        Raises:
            InputError: The graph is not valid ONNX.
        """
        self._sort()
        self._rename(interface)
        graph = self.proto.graph
        used = {name for node in self.nodes for name in node.input}
        kept = sorted((i for i in graph.initializer if i.name in used), key=lambda i: i.name)
        del graph.initializer[:], graph.value_info[:]
        graph.initializer.extend(kept)
        graph.name, graph.doc_string = "main", ""
        for value in (*graph.input, *graph.output):
            dimensions = value.type.tensor_type.shape.dim
            for i, dimension in enumerate(dimensions):
                if dimension.dim_param:
                    dimension.dim_param = "batch" if i == 0 else f"dim{i}"
        _forget_unknown_shapes(graph)
        self.onnx.helper.set_model_props(self.proto, metadata)
        self._drop_unused_operator_sets()
        try:
            self.onnx.checker.check_model(self.proto, full_check=True)
        except (self.onnx.checker.ValidationError, self.onnx.shape_inference.InferenceError) as error:
            raise ConversionError(f"the converted ONNX graph is not valid: {str(error).splitlines()[0]}") from None
        content: bytes = self.proto.SerializeToString(deterministic=True)
        return content

    def _drop_unused_operator_sets(self) -> None:
        used = {node.domain for node in self.nodes} | {""}
        kept = [opset for opset in self.proto.opset_import if opset.domain in used]
        del self.proto.opset_import[:]
        self.proto.opset_import.extend(kept)

    def _sort(self) -> None:
        """Kahn's order, ties by the file's order; what no output needs is left out."""
        graph = self.proto.graph
        made_by = {name: node for node in self.nodes for name in node.output}
        order: list[Any] = []
        seen: set[int] = set()
        stack = [(made_by[value.name], False) for value in reversed(graph.output) if value.name in made_by]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((made_by[name], False) for name in reversed(node.input) if name in made_by)
        copies = [type(node).FromString(node.SerializeToString()) for node in order]
        del self.nodes[:]
        self.nodes.extend(copies)

    def _rename(self, interface: dict[str, str]) -> None:
        graph = self.proto.graph
        boundary = {value.name for value in (*graph.input, *graph.output)}
        names = {old: new for old, new in interface.items() if old in boundary}
        taken = set(names.values()) | (boundary - set(names))
        names |= {name: name for name in boundary - set(names)}

        def settle(name: str, wish: str = "") -> str:
            if not name:
                return name
            if name not in names:
                plain = wish or _plain(name)
                fresh, count = plain, 1
                while fresh in taken:
                    count += 1
                    fresh = f"{plain}_{count}"
                taken.add(fresh)
                names[name] = fresh
            return names[name]

        for node in self.nodes:
            for name in node.input:
                # Folding a transposition costs a weight its name.
                if name.startswith("const_fold_opt"):
                    settle(name, _plain(node.output[0]) + "/kernel")
            node.input[:] = [settle(name) for name in node.input]
            node.output[:] = [settle(name) for name in node.output]
            node.name, node.doc_string = node.output[0], ""
        for value in (*graph.input, *graph.output, *graph.initializer):
            value.name = settle(value.name)


def _forget_unknown_shapes(graph: Any) -> None:
    """tf2onnx writes what a loop carries in a shape that it does not know as a single number: the reader infers it."""
    for node in graph.node:
        for body in (attribute.g for attribute in node.attribute if attribute.HasField("g")):
            for value in body.input[2:] if node.op_type == "Loop" else body.input:
                if not value.type.tensor_type.shape.dim:
                    value.type.tensor_type.ClearField("shape")
            _forget_unknown_shapes(body)


def _plain(name: str) -> str:
    """A converter's name without its counters and without what else was folded into this tensor."""
    return re.sub(r"(_raw_output_)?(__\d+)*(:\d+)?$", "", name.split(";")[-1]) or "value"
