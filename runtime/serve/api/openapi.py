"""The OpenAPI document, made from the table of operations; examples fit the bundle that is served."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgepress import __version__

from ...bundle.manifest import Manifest
from .operation import Operation
from .schemas import body_examples, contract_schemas, json_array, json_object_of, task_schemas

__all__ = ["document"]

_REFUSALS = {
    400: "The body is malformed.",
    401: "No key came, or another one.",
    404: "There is no such artifact or model.",
    408: "The body came too slowly.",
    409: "The artifact does not load here.",
    413: "The body is too long.",
    415: "A content type that is not taken.",
    422: "The body holds no examples that fit.",
    503: "Overloaded or stopping: come back after Retry-After seconds.",
}

_ERROR = {"Error": {"error": "783 bytes: a multiple of 784 is allowed, 784 for one image"}}


def document(
    operations: Sequence[Operation],
    manifest: Manifest,
    *,
    needs_key: bool,
    example: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """OpenAPI 3.1 as a dictionary. `example` is the bundle's, by input name, as `example_of` gives it."""
    schemas, examples = _schemas(manifest), body_examples(manifest, example) | _ERROR
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        if not operation.fits(manifest.contract):
            continue
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
    bodies = operation.bodies(manifest.contract) if callable(operation.bodies) else operation.bodies
    if bodies:
        described["requestBody"] = {"required": True, "content": _content(bodies, examples)}
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
    text = {"type": "string"}
    binary = {"type": "string", "format": "binary"}
    tensor = {"name": text, "shape": json_array({"type": "integer"}), "datatype": text}
    return {
        **contract_schemas(manifest.contract),
        **task_schemas(manifest),
        "Any": {"type": "object"},
        "Binary": binary,
        "Bundle": json_object_of(
            {"name": text, "labels": json_array(text), "artifacts": json_array({"type": "object"})}
        ),
        "Error": json_object_of(
            {"error": {"type": "string", "description": "What came, what is allowed, how to mend it."}}
        ),
        "Form": {"type": "object", "properties": {"files": json_array(binary)}},
        "InferenceRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text,
                "parameters": {"type": "object"},
                "inputs": json_array(
                    {
                        "type": "object",
                        "required": ["name", "shape", "datatype"],
                        "properties": tensor | {"data": {"type": "array"}, "parameters": {"type": "object"}},
                    }
                ),
                "outputs": json_array(
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
                "outputs": json_array(json_object_of(tensor | {"data": {"type": "array"}})),
            },
        },
        "Live": json_object_of({"live": {"type": "boolean"}}),
        "Model": json_object_of(
            {
                "name": text,
                "versions": json_array(text),
                "platform": text,
                "inputs": json_array(json_object_of(tensor)),
                "outputs": json_array(json_object_of(tensor)),
            }
        ),
        "ModelReady": json_object_of({"name": text, "ready": {"type": "boolean"}}),
        "Numbers": {
            "type": "string",
            "format": "binary",
            "description": "float32, little-endian: probabilities, values or scores, one row an example, for  "
            "Accept: application/octet-stream.",
        },
        "Ready": json_object_of({"ready": {"type": "boolean"}}),
        "Server": json_object_of({"name": text, "version": text, "extensions": json_array(text)}),
        "Text": text,
    }
