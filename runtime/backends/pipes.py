"""How an isolated session and its child talk: a line of JSON, then the arrays that it announces, byte for byte.

Nothing is unpickled.
"""

import json
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["memory_for", "read_message", "write_message"]

_MEMORY = 1 << 30
"""Address space of the child in bytes, beside the file. The interpreters need 0.3 GB of it, ONNX Runtime 0.6."""
_COPIES = 6
"""How often a file may be there: as it came, parsed, and its weights as kernels want them."""
_HEADER = 1 << 20
_KINDS = frozenset("biufU")


def memory_for(file_bytes: int) -> int:
    """Address space of a child in bytes, for a model file of so many bytes."""
    return _MEMORY + _COPIES * file_bytes


def write_message(pipe: IO[bytes], message: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
    """Send a message and its arrays; texts as arrays of object dtype."""
    # Texts are objects, whose memory holds addresses: they travel as arrays of characters.
    arrays = [array.astype(np.str_) if array.dtype == object else array for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    pipe.write(json.dumps(message | {"arrays": described}).encode() + b"\n")
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).data)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """The inverse of `write_message`.

    Raises:
        EOFError: The pipe ended, within a message or before.
        ValueError: What came is no message.
    """
    line = pipe.readline(_HEADER)
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    arrays = []
    for described in message["arrays"]:
        dtype, shape = np.dtype(described["dtype"]), tuple(map(int, described["shape"]))
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.kind not in _KINDS or min(shape, default=0) < 0 or size > _MEMORY:
            raise ValueError(f"an array of {described}")
        data = pipe.read(size)
        if len(data) < size:
            raise EOFError
        array = np.frombuffer(data, dtype).reshape(shape)
        arrays.append(array.astype(object) if dtype.kind == "U" else array)
    return message, arrays
