"""The OpenAPI document, made from the table of operations; examples fit the bundle that is served."""

from collections.abc import Sequence
from typing import Any

from edgepress import __version__

from ...bundle.manifest import Manifest
from .operation import Operation

__all__ = ["document"]

_REFUSALS = {
    400: "The body is malformed.",
    401: "No key came, or another one.",
    404: "There is no such artifact or model.",
    408: "The body came too slowly.",
    409: "The artifact does not load here.",
    413: "The body is too long.",
    415: "A content type that is not taken.",
    422: "The body holds no images that fit.",
    503: "Overloaded or stopping: come back after Retry-After seconds.",
}


def document(operations: Sequence[Operation], manifest: Manifest, *, needs_key: bool) -> dict[str, Any]:
    """OpenAPI 3.1 as a dictionary."""
    schemas, examples = _schemas(manifest), _examples(manifest)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, examples, manifest, needs_key=needs_key)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    components: dict[str, Any] = {"schemas": schemas}
    if needs_key:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"edgepress serves {manifest.name}", "version": __version__},
        "paths": paths,
        "components": components,
    }


def _operation(
    operation: Operation, examples: dict[str, Any], manifest: Manifest, *, needs_key: bool
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": (operation.handler.__doc__ or "").partition("\n")[0],
        "tags": [operation.tag],
        "responses": {"200": {"description": "Done.", "content": _content(operation.answers, examples)}},
    }
    statuses = operation.refusals + ((401,) if needs_key and not operation.open else ())
    for status in sorted(statuses):
        described["responses"][str(status)] = {
            "description": _REFUSALS[status],
            "content": _content({"application/json": "Error"}, examples),
        }
    if operation.bodies:
        described["requestBody"] = {"required": True, "content": _content(operation.bodies, examples)}
    if needs_key and not operation.open:
        described["security"] = [{"key": []}]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in operation.query.items()
    ]
    for name in ("name", "file"):
        if f"{{{name}}}" in operation.path:
            files = [artifact.file for artifact in manifest.artifacts]
            example = manifest.name if name == "name" else files[0]
            parameters.append(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}
            )
    if parameters:
        described["parameters"] = parameters
    return described


def _content(types: Any, examples: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type, schema in types.items():
        content[media_type] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
        if schema in examples:
            content[media_type]["example"] = examples[schema]
    return content


def _schemas(manifest: Manifest) -> dict[str, Any]:
    text, number, integer = {"type": "string"}, {"type": "number"}, {"type": "integer"}
    contract = manifest.preprocessing
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    picture: dict[str, Any] = pixel
    for size in reversed(contract.shape):
        picture = _array(picture, size)
    labels = [*manifest.labels, *(["unknown"] if manifest.unknown_threshold is not None else [])]
    probabilities = _array(number, len(manifest.labels))
    tensor = {"name": text, "shape": _array(integer), "datatype": text}
    return {
        "Any": {"type": "object"},
        "Binary": {"type": "string", "format": "binary"},
        "Bundle": _object({"name": text, "labels": _array(text), "artifacts": _array({"type": "object"})}),
        "Error": _object({"error": {"type": "string", "description": "What came, what is allowed, how to mend it."}}),
        "Form": {"type": "object", "properties": {"pictures": _array({"type": "string", "format": "binary"})}},
        "Images": _object(
            {"images": {"oneOf": [picture, _array(picture) | {"minItems": 1}, _array(_array(pixel, contract.size))]}}
        ),
        "InferenceRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text,
                "parameters": {"type": "object"},
                "inputs": _array(
                    {
                        "type": "object",
                        "required": ["name", "shape", "datatype"],
                        "properties": tensor | {"data": {"type": "array"}, "parameters": {"type": "object"}},
                    }
                ),
                "outputs": _array(
                    {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": text, "parameters": {"type": "object"}},
                    }
                ),
            },
        },
        "InferenceResponse": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "model_name": text,
                "id": text,
                "outputs": _array(_object(tensor | {"data": {"type": "array"}})),
            },
        },
        "Live": _object({"live": {"type": "boolean"}}),
        "Model": _object(
            {
                "name": text,
                "versions": _array(text),
                "platform": text,
                "inputs": _array(_object(tensor)),
                "outputs": _array(_object(tensor)),
            }
        ),
        "ModelReady": _object({"name": text, "ready": {"type": "boolean"}}),
        "Prediction": {
            "type": "object",
            "required": ["artifact", "labels", "probabilities"],
            "properties": {
                "artifact": text,
                "labels": _array({"enum": labels} if manifest.labels else text),
                "probabilities": _array(probabilities),
                "boxes": _array(
                    _object({"picture": integer, "left": integer, "top": integer, "right": integer, "bottom": integer})
                ),
                "images": _array(picture),
            },
        },
        "Probabilities": {
            "type": "string",
            "format": "binary",
            "description": "float32, little-endian, one row per image, for  Accept: application/octet-stream.",
        },
        "Ready": _object({"ready": {"type": "boolean"}}),
        "Server": _object({"name": text, "version": text, "extensions": _array(text)}),
        "Text": text,
    }


def _examples(manifest: Manifest) -> dict[str, Any]:
    contract = manifest.preprocessing
    rows = [[0] * contract.width for _ in range(contract.height)]
    for row in rows[contract.height // 5 : contract.height * 4 // 5]:
        row[contract.width // 2] = 255
    picture = rows if contract.channels == 1 else [[[value] * contract.channels for value in row] for row in rows]
    flat = [value for row in rows for value in row for _ in range(contract.channels)]
    shape = [1, *contract.shape]
    return {
        "Images": {"images": [picture]},
        "Error": {"error": "783 bytes: a multiple of 784 is allowed, 784 for one image"},
        "InferenceRequest": {"inputs": [{"name": "images", "shape": shape, "datatype": "UINT8", "data": flat}]},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _array(items: dict[str, Any], size: int | None = None) -> dict[str, Any]:
    bounds = {} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", "items": items, **bounds}
