"""A model file as text for people: facts, tensors, and the graph from top to bottom."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from edgepress.runtime import TensorSpec

from .description import Constant, Description, Step

__all__ = ["draw"]


def draw(description: Description) -> str:
    """The whole description as lines of text."""
    d = description
    lines = [f"{d.file}: {d.format}, {d.bytes:,} bytes, {d.weight_bytes:,} of them constants"]
    lines += [f"  input     {_interface(spec)}" for spec in d.inputs]
    lines += [f"  output    {_interface(spec)}" for spec in d.outputs]
    shares = ", ".join(f"{dtype} {share:.1%}" for dtype, share in sorted(d.weights.items(), key=lambda item: -item[1]))
    lines.append(f"  weights   {shares or 'none'}; {d.sparsity:.1%} zeros")
    lines.append(f"  operators {', '.join(f'{name} v{version}' for name, version in d.operators.items())}")
    floats = Counter(step.operator for step in d.float_steps)
    lines.append(f"  in float  {', '.join(f'{count} x {name}' for name, count in sorted(floats.items())) or 'nothing'}")
    lines.append(
        f"  oldest    {', '.join(f'{name} {release}' for name, release in d.oldest_runtime.items()) or 'unknown'}"
    )
    lines += [f"  {key:9} {value}" for key, value in d.metadata.items() if "\n" not in value and len(value) < 200]
    return "\n".join([*lines, "", "tensors", *_tensors(d.constants), "", "graph", *_graph(d)])


def _interface(spec: TensorSpec) -> str:
    text = f"{spec.name}  {spec.dtype} {_shape(spec.shape)}"
    if spec.quantization is None:
        return text
    limits = np.iinfo(spec.dtype)
    low, high = spec.quantization.dequantize(np.array([limits.min, limits.max]))
    return f"{text}  real = (q - {spec.zero_point}) * {spec.scale:.9g}, from {low:.6g} to {high:.6g}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"


def _tensors(constants: tuple[Constant, ...]) -> Iterator[str]:
    width = max((len(tensor.name) for tensor in constants), default=0)
    for tensor in sorted(constants, key=lambda tensor: -tensor.bytes):
        zeros = f"{tensor.zeros / tensor.size:6.1%} zeros" if tensor.size else "empty"
        blocks = f", {tensor.zero_blocks:.1%} of 1x16 blocks" if tensor.zero_blocks else ""
        pattern = ", 2:4" if tensor.two_of_four else ""
        scales = f", {tensor.scales} scale{'s' * (tensor.scales > 1)}" if tensor.scales else ""
        yield (
            f"  {tensor.name:{width}}  {tensor.dtype:8} {_shape(tensor.shape):12} {tensor.bytes:>10,} bytes  "
            f"{zeros}{blocks}{pattern}{scales}"
        )


def _graph(description: Description) -> Iterator[str]:
    constants = {tensor.name for tensor in description.constants}
    made = {name for step in description.steps for name in step.outputs}
    inputs = {name for step in description.steps for name in step.inputs} - made - constants
    for name in sorted(inputs):
        yield f"  ({name})"
    previous: tuple[str, ...] = tuple(sorted(inputs))
    for step in description.steps:
        yield from _step(step, previous, constants)
        previous = step.outputs


def _step(step: Step, previous: tuple[str, ...], constants: set[str]) -> Iterator[str]:
    flowing = [name for name in step.inputs if name not in constants]
    stored = [name for name in step.inputs if name in constants]
    # A step that takes just what the last one gave continues the line; any other names where it comes from.
    follows = set(flowing) <= set(previous)
    yield "    |" if follows else f"    + from {', '.join(flowing) or 'constants'}"
    constants_text = f"  [{', '.join(stored)}]" if stored else ""
    made = f"{', '.join(step.outputs)}  {step.dtype} {_shape(step.shape)}"
    yield f"  {step.operator} v{step.version}{constants_text} -> {made}"
