"""Open Inference Protocol v2, REST (KServe), with the binary tensor data extension: messages to arrays and back.

https://github.com/kserve/open-inference-protocol and, for the extension, Triton's protocol/extension_binary_data.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response

from ...bundle.manifest import TensorSpec
from ..work.problems import Problem
from ..work.requests import json_object

__all__ = ["HEADER_LENGTH", "InferRequest", "infer_response", "read_infer_request", "tensor_metadata"]

HEADER_LENGTH = "inference-header-content-length"
_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "bytes": "BYTES",
}


@dataclass(frozen=True)
class InferRequest:
    """A checked request."""

    inputs: tuple[NDArray[Any], ...]
    """In the order of the model's inputs, with the model's types."""
    outputs: tuple[tuple[str, bool], ...]
    """Name, and whether it is answered in binary."""
    id: str | None


def tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    """A tensor in the answer to `GET v2/models/{name}`."""
    return {"name": spec.name, "datatype": _DATATYPES[spec.dtype], "shape": list(spec.shape)}


def read_infer_request(
    body: bytes, header_length: str | None, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> InferRequest:
    """Check a request against the model's tensors.

    Args:
        body: JSON, followed by binary tensors where `header_length` is given.
        header_length: Bytes of the JSON, the header `Inference-Header-Content-Length`.
        inputs: What the model takes.
        outputs: What it gives.

    Raises:
        Problem: 400, with what is wrong.
    """
    header, binary = body, b""
    if header_length is not None:
        if not header_length.isdecimal() or int(header_length) > len(body):
            raise Problem(400, f"{HEADER_LENGTH} is {header_length!r}: send the bytes of the JSON, up to {len(body)}")
        header, binary = body[: int(header_length)], body[int(header_length) :]
    message = json_object(header)
    request_id = message.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise Problem(400, "id is no string: send a string, or none")
    given: dict[str, NDArray[Any]] = {}
    specs = {spec.name: spec for spec in inputs}
    for tensor in _objects(message, "inputs"):
        name = tensor.get("name")
        if not isinstance(name, str) or name not in specs or name in given:
            raise Problem(400, f"input {name!r}: the model takes each of {', '.join(specs)} once")
        given[name], binary = _read_tensor(tensor, specs[name], binary)
    if missing := [name for name in specs if name not in given]:
        raise Problem(400, f"inputs {', '.join(missing)} are missing: send each of {', '.join(specs)}")
    if binary:
        raise Problem(400, f"{len(binary)} bytes follow the last tensor: send binary_data_size for each binary input")
    binary_by_default = _parameters(message).get("binary_data_output", False) is True
    names = [spec.name for spec in outputs]
    wanted: list[tuple[str, bool]] = []
    for output in _objects(message, "outputs") if "outputs" in message else []:
        if output.get("name") not in names:
            raise Problem(400, f"output {output.get('name')!r}: the model gives {', '.join(names)}")
        wanted.append((output["name"], _parameters(output).get("binary_data", binary_by_default) is True))
    return InferRequest(
        tuple(given[spec.name] for spec in inputs),
        tuple(wanted or ((name, binary_by_default) for name in names)),
        request_id,
    )


def infer_response(
    model: str, request: InferRequest, values: Mapping[str, NDArray[Any]], headers: Mapping[str, str]
) -> Response:
    """The answer, in JSON or in JSON followed by binary tensors, as each output was asked for."""
    tensors: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, binary in request.outputs:
        value = np.ascontiguousarray(values[name])
        is_text = value.dtype.kind in "UO"
        datatype = "BYTES" if is_text else _DATATYPES[value.dtype.name]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(value.shape)}
        if binary:
            parts.append(_text_bytes(value) if is_text else value.astype(value.dtype.newbyteorder("<")).tobytes())
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = value.reshape(-1).tolist() if is_text else value.reshape(-1)
        tensors.append(tensor)
    message = {"model_name": model, "outputs": tensors} | ({"id": request.id} if request.id is not None else {})
    content = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    if not parts:
        return Response(content, headers=headers, media_type="application/json")
    return Response(
        b"".join((content, *parts)),
        headers={**headers, HEADER_LENGTH: str(len(content))},
        media_type="application/octet-stream",
    )


def _objects(message: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = message.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Problem(400, f"{key} is missing or no list of objects: send a list of tensors")
    return value


def _parameters(message: Mapping[str, Any]) -> dict[str, Any]:
    value = message.get("parameters", {})
    if not isinstance(value, dict):
        raise Problem(400, "parameters is no object: send an object, or none")
    return value


def _read_tensor(tensor: dict[str, Any], spec: TensorSpec, binary: bytes) -> tuple[NDArray[Any], bytes]:
    """The tensor as an array, and the binary data that is left for the tensors after it."""
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if datatype != _DATATYPES[spec.dtype]:
        raise Problem(400, f"input {spec.name} has the datatype {datatype!r}: send {_DATATYPES[spec.dtype]}")
    wanted = f"send {list(spec.shape)}, where -1 is any number above 0"
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        raise Problem(400, f"input {spec.name} has the shape {_short(shape)}: {wanted}")
    if len(shape) != len(spec.shape) or any(w not in (-1, n) for n, w in zip(shape, spec.shape, strict=True)):
        raise Problem(400, f"input {spec.name} has the shape {_short(shape)}: {wanted}")
    dtype, count = np.dtype(spec.dtype), math.prod(shape)
    size = _parameters(tensor).get("binary_data_size")
    if size is not None:
        if type(size) is not int or size != count * dtype.itemsize or size > len(binary):
            raise Problem(
                400,
                f"input {spec.name} has {_short(size)} bytes of binary data, {len(binary)} came: its shape needs "
                f"{count * dtype.itemsize}",
            )
        array = np.frombuffer(binary[:size], dtype.newbyteorder("<")).astype(dtype, copy=False)
        return array.reshape(shape), binary[size:]
    try:
        array = np.array(tensor.get("data"))
    except (ValueError, OverflowError):
        raise Problem(400, f"input {spec.name} has ragged data: send a flat list of {count} numbers") from None
    kinds = {"i": "iu", "u": "iu", "f": "iuf", "b": "b"}[dtype.kind]
    if array.dtype.kind not in kinds or array.size != count or array.ndim == 0:
        raise Problem(400, f"input {spec.name} has other data: send a flat list of {count} numbers, {datatype}")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise Problem(400, f"input {spec.name} has numbers beyond {datatype}: send {limits.min} to {limits.max}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(converted).all():
        raise Problem(400, f"input {spec.name} has numbers beyond {datatype}: send finite numbers")
    return converted, binary


def _text_bytes(value: NDArray[Any]) -> bytes:
    """BYTES in binary: each element behind its length, uint32 little-endian."""
    encoded = [str(text).encode() for text in value.reshape(-1)]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
