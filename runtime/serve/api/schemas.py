"""The schemas and examples of the OpenAPI document, by contract and task."""

from collections.abc import Callable, Mapping
from typing import Any

from ...bundle.manifest import Manifest
from ...contract import Contract, Features, Input, Picture
from ...tasks import Task

__all__ = ["body_examples", "contract_schemas", "json_array", "json_object_of", "task_schemas"]

TEXT, NUMBER, INTEGER, TRUTH = ({"type": name} for name in ("string", "number", "integer", "boolean"))
_MOST_NUMBERS = 5_000
"""Longer examples are left out: a second of sound would be most of the document."""


def json_object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of them."""
    return {"type": "object", "required": list(properties), "properties": properties}


def json_array(items: dict[str, Any], size: int | None = None) -> dict[str, Any]:
    """An array, of a fixed size where one is given."""
    bounds = {} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", "items": items, **bounds}


def contract_schemas(contract: Contract) -> dict[str, Any]:
    """What `v1/predict` takes, by the names in the table of bodies."""
    only = contract.only
    if only is None:
        inputs = {
            name: {"anyOf": [_examples_of(each), _rows_of(each)]} if isinstance(each, Features) else _examples_of(each)
            for name, each in contract.inputs.items()
        }
        return {"Named": json_object_of({"inputs": json_object_of(inputs)})}
    if isinstance(only, Picture):
        return {"Images": json_object_of({"images": _examples_of(only)})}
    plain = json_object_of({"inputs": _examples_of(only)})
    if not isinstance(only, Features):
        return {"Inputs": plain}
    table = {"type": "string", "description": f"CSV; its first line names {', '.join(only.columns)}."}
    return {"Rows": {"oneOf": [json_object_of({"rows": _rows_of(only)}), plain]}, "Table": table}


def _rows_of(contract: Features) -> dict[str, Any]:
    """A list of objects by column name."""
    values: dict[str, Any] = {}
    for column in contract.columns:
        known = contract.categories.get(column)
        value = {"type": ["number", "string", "boolean"]} if known is None else {"enum": list(known)}
        values[column] = {"oneOf": [value, {"type": "null"}]} if column in contract.missing else value
    row = {
        "type": "object",
        "required": [name for name in values if name not in contract.missing],
        "properties": values,
    }
    return json_array(row) | {"minItems": 1}


def _examples_of(contract: Input) -> dict[str, Any]:
    """One example, a list of them, or, for pictures, a list of flat ones."""
    if isinstance(contract, Picture):
        pixel = {"type": "integer", "minimum": 0, "maximum": 255}
        picture = _nested(pixel, contract.shape)
        flat = json_array(json_array(pixel, contract.size)) | {"minItems": 1}
        return {"oneOf": [picture, json_array(picture) | {"minItems": 1}, flat]}
    one = _nested(TRUTH if contract.dtype == "bool" else NUMBER, contract.shape)
    return {"oneOf": [one, json_array(one) | {"minItems": 1}]}


def _nested(item: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    for size in reversed(shape):
        item = json_array(item, size if size >= 0 else None)
    return item


def task_schemas(manifest: Manifest) -> dict[str, Any]:
    """What `v1/predict` answers, by the names in the table of answers."""
    task = manifest.task
    count = len(task.labels) or None
    fields = _FIELDS[task.kind](task, count)
    optional: dict[str, Any] = {}
    if (picture := manifest.preprocessing) is not None:
        box = json_object_of(dict.fromkeys(("picture", "left", "top", "right", "bottom"), INTEGER))
        optional = {
            "boxes": json_array(box),
            "images": json_array(_nested({"type": "integer", "minimum": 0, "maximum": 255}, picture.shape)),
        }
    answer = json_object_of({"artifact": TEXT, **fields})
    return {"Answer": answer | {"properties": answer["properties"] | optional}}


def _labels(task: Task) -> dict[str, Any]:
    unknown = ["unknown"] if task.unknown_threshold is not None else []
    return {"enum": [*task.labels, *unknown]} if task.labels else TEXT


def _values(task: Task, count: int | None) -> dict[str, Any]:
    names = dict.fromkeys(task.labels, NUMBER)
    fields = {"values": json_array(json_object_of(names) if names else {"type": "object"})}
    return fields | ({"units": json_object_of(dict.fromkeys(task.labels, TEXT))} if task.units else {})


def _classes(task: Task, count: int | None) -> dict[str, Any]:
    return {"labels": json_array(_labels(task)), "probabilities": json_array(json_array(NUMBER, count))}


_FIELDS: dict[str, Callable[[Task, int | None], dict[str, Any]]] = {
    "multiclass": _classes,
    "binary": _classes,
    "multilabel": lambda task, count: {
        "labels": json_array(json_array(_labels(task))),
        "probabilities": json_array(json_array(NUMBER, count)),
    },
    "regression": _values,
    "anomaly": lambda task, count: {
        "scores": json_array(NUMBER),
        "normal": json_array(TRUTH),
        "threshold": NUMBER,
    },
    "raw": lambda task, count: {"outputs": {"type": "object"}},
}


def body_examples(manifest: Manifest, example: Mapping[str, Any] | None) -> dict[str, Any]:
    """Examples by the name of their schema: the bundle's own golden one, or for pictures a stroke."""
    contract = manifest.contract
    only = contract.only
    if isinstance(only, Picture):
        picture = _stroke(only) if example is None else next(iter(example.values()))
        tensor = {"name": "images", "shape": [1, *only.shape], "datatype": "UINT8", "data": _flat(picture)}
        return {"Images": {"images": [picture]}, "InferenceRequest": {"inputs": [tensor]}}
    sizes = [each.size for each in contract.inputs.values()]
    if example is None or sum(sizes) > _MOST_NUMBERS:
        return {}
    if only is None:
        return {"Named": {"inputs": {name: [value] for name, value in example.items()}}}
    value = next(iter(example.values()))
    if not isinstance(only, Features):
        return {"Inputs": {"inputs": [value]}}
    lines = (",".join(_cell(each) for each in row) for row in (value, value.values()))
    return {"Rows": {"rows": [value]}, "Table": "\n".join(lines) + "\n"}


def _cell(value: Any) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",;\t\n') else text


def _stroke(contract: Picture) -> Any:
    rows = [[0] * contract.width for _ in range(contract.height)]
    for row in rows[contract.height // 5 : contract.height * 4 // 5]:
        row[contract.width // 2] = 255
    return rows if contract.channels == 1 else [[[value] * contract.channels for value in row] for row in rows]


def _flat(value: Any) -> list[Any]:
    return [each for part in value for each in _flat(part)] if isinstance(value, list) else [value]
