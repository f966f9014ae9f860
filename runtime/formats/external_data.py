"""An `.onnx` file whose weights are in other files beside it, made whole.

ONNX keeps tensors above 2 GB outside: `data_location` EXTERNAL, and `external_data` with a location, an offset and a
length (onnx/docs/ExternalData.md). Whatever parses the file sees the weights inside it afterwards, and no parser opens
a file of its own. The wire format is protobuf's, read here as far as that takes, so that no package is needed.
"""

import os
from collections.abc import Callable, Iterator

from edgepress.base.errors import ArtifactRefusedError, InputError, Refusal

__all__ = ["fields_of", "inline_external_data"]

_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
# Numbers of the fields, from onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 9, 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

_Read = Callable[[dict[str, str]], bytes]


def inline_external_data(content: bytes, folder: str, limit: int) -> bytes:
    """The file with what it keeps elsewhere inside it; the very same bytes where it keeps nothing elsewhere.

    Args:
        content: An `.onnx` file. One that is damaged is given back as it is: its parser says so.
        folder: Where it lies. Files outside this folder are refused, links that lead out of it too.
        limit: Bytes that the whole may take.

    Raises:
        InputError: A file that it names is not there.
        ArtifactRefusedError: It reaches outside its folder, beyond a file's end, or for too much.
    """
    # The keyword of every entry: most files have none, and are not walked.
    if b"location" not in content:
        return content
    left = limit - len(content)

    def read(entries: dict[str, str]) -> bytes:
        nonlocal left
        data = _read(entries, folder, left)
        left -= len(data)
        return data

    try:
        return _model(content, read)
    except (IndexError, UnicodeDecodeError):
        return content


def _model(content: bytes, read: _Read) -> bytes:
    return _rewrite(content, {_MODEL_GRAPH: lambda graph: _graph(graph, read, 0)})


def _graph(content: bytes, read: _Read, depth: int) -> bytes:
    if depth > 32:
        raise IndexError
    attribute = {
        _ATTRIBUTE_TENSOR: lambda tensor: _tensor(tensor, read),
        _ATTRIBUTE_TENSORS: lambda tensor: _tensor(tensor, read),
        _ATTRIBUTE_GRAPH: lambda graph: _graph(graph, read, depth + 1),
        _ATTRIBUTE_GRAPHS: lambda graph: _graph(graph, read, depth + 1),
    }
    node = {_NODE_ATTRIBUTE: lambda part: _rewrite(part, attribute)}
    return _rewrite(
        content,
        {_GRAPH_NODE: lambda part: _rewrite(part, node), _GRAPH_INITIALIZER: lambda tensor: _tensor(tensor, read)},
    )


def _tensor(content: bytes, read: _Read) -> bytes:
    entries: dict[str, str] = {}
    kept = []
    for number, start, data, end in fields_of(content):
        if number == _TENSOR_EXTERNAL:
            pair = {field: content[begin:close] for field, _, begin, close in fields_of(content, data, end)}
            entries[pair.get(_ENTRY_KEY, b"").decode()] = pair.get(_ENTRY_VALUE, b"").decode()
        elif number != _TENSOR_LOCATION:
            kept.append(content[start:end])
    if not entries:
        return content
    return b"".join(kept) + _field(_TENSOR_RAW, read(entries))


def _rewrite(content: bytes, parts: dict[int, Callable[[bytes], bytes]]) -> bytes:
    """A message with some of its inner messages put through a function."""
    pieces = []
    changed = False
    for number, start, data, end in fields_of(content):
        if number in parts:
            old = content[data:end]
            new = parts[number](old)
            if new is not old:
                changed = True
                pieces.append(_field(number, new))
                continue
        pieces.append(content[start:end])
    return b"".join(pieces) if changed else content


def fields_of(content: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """For each field: its number, and where it, its data, and the next one begin. IndexError where it is damaged."""
    end = len(content) if end is None else end
    while at < end:
        start = at
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            data = at
            _, at = _varint(content, at)
        elif kind == _LENGTH:
            length, data = _varint(content, at)
            at = data + length
        elif kind in _FIXED:
            data, at = at, at + _FIXED[kind]
        else:
            raise IndexError
        if at > end:
            raise IndexError
        yield key >> 3, start, data, at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError


def _field(number: int, data: bytes) -> bytes:
    return _encoded(number << 3 | _LENGTH) + _encoded(len(data)) + data


def _encoded(value: int) -> bytes:
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def _read(entries: dict[str, str], folder: str, left: int) -> bytes:
    location = entries.get("location", "")
    root = os.path.realpath(folder or os.curdir)
    # A NUL ends a path for the system.
    path = os.path.realpath(os.path.join(root, location.replace("\0", "/")))
    if (
        not location
        or "\0" in location
        or os.path.isabs(location)
        or os.path.commonpath([root, path]) != root
        or path == root
    ):
        raise ArtifactRefusedError(
            f"the .onnx file keeps weights in {location[:80]!r}: a file in its own folder is allowed"
        )
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries["length"]) if entries.get("length") else -1
        # A pipe would be waited for.
        if os.path.exists(path) and not os.path.isfile(path):
            raise ValueError("it is no file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = size - offset if length < 0 else length
            if not 0 <= offset <= offset + length <= size:
                raise ArtifactRefusedError(
                    f"the .onnx file wants bytes {offset} to {offset + length} of {location[:80]}, which has {size}: "
                    "one of the two is damaged or another model's; get both again"
                )
            if length > left:
                raise ArtifactRefusedError(
                    f"the .onnx file's weights in {location[:80]} take {length:,} bytes, {left:,} are allowed here",
                    Refusal.TOO_LARGE,
                )
            file.seek(offset)
            return file.read(length)
    except ArtifactRefusedError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"the .onnx file keeps weights in {location[:80]} beside it, which cannot be read ({reason}): keep both in "
            "one folder"
        ) from None
