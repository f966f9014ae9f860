"""What a `.tflite` file really holds."""

import numpy as np

from edgepress.runtime import InputError
from edgepress.runtime.formats.tensor_names import file_specs
from edgepress.runtime.formats.tflite_file import Subgraph, Tensor, TfliteFile, read_tflite

from .description import Constant, Description, Step, constant
from .oldest_runtime import oldest_tflite_runtime

__all__ = ["describe_tflite"]

_STRUCTURE = ("int32", "int64", "bool", "string")
"""Types of shapes, axes and paddings, unless the tensor has a scale."""


def describe_tflite(name: str, content: bytes) -> Description:
    """Read a `.tflite` file.

    Raises:
        InputError: It is damaged.
    """
    file = read_tflite(content)
    try:
        return _description(name, content, file)
    except InputError:
        raise
    except (IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{name} is damaged: its tensors and operators do not fit together ({error!r})") from None


def _description(name: str, content: bytes, file: TfliteFile) -> Description:
    inputs, outputs = file_specs(file)
    return Description(
        file=name,
        format="tflite",
        bytes=len(content),
        inputs=inputs,
        outputs=outputs,
        constants=tuple(_constant(tensor) for _, tensor in file.constants()),
        steps=tuple(step for graph in file.subgraphs for step in _steps(graph)),
        operators=file.operator_versions,
        oldest_runtime=oldest_tflite_runtime(file),
        metadata={
            "description": file.description,
            **{
                key: value.rstrip(b"\0").decode()
                for key, value in file.metadata.items()
                if key == "min_runtime_version"
            },
        },
    )


def _constant(tensor: Tensor) -> Constant:
    values = (
        tensor.values() if tensor.dtype not in ("string", "resource", "variant") else np.zeros(tensor.shape, np.int8)
    )
    zero_points = tensor.zero_points
    if len(zero_points) > 1 and not tensor.sparse:
        axes = [1] * values.ndim
        axes[tensor.quantized_dimension] = len(zero_points)
        zero_points = zero_points.reshape(axes)
    return constant(
        tensor.name,
        values,
        zero_points if len(zero_points) else 0,
        dtype=tensor.dtype,
        stored=len(tensor.data),
        is_weight=len(tensor.shape) >= 2 and (tensor.dtype not in _STRUCTURE or len(tensor.scales) > 0),
        scales=len(tensor.scales),
    )


def _steps(graph: Subgraph) -> list[Step]:
    def names(indices: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(graph.tensors[i].name for i in indices if i >= 0)

    steps = []
    for operator in graph.operators:
        first = graph.tensors[operator.outputs[0]] if operator.outputs else None
        steps.append(
            Step(
                operator=operator.name,
                version=operator.version,
                inputs=names(operator.inputs),
                outputs=names(operator.outputs),
                dtype=first.dtype if first else "",
                shape=first.shape_signature if first else (),
            )
        )
    return steps
