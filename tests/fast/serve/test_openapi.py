import jsonschema
import pytest

from edgepress.runtime import Artifact, Contract, Manifest, Picture, Task
from edgepress.runtime.contract import Audio, Features, Signal, Tensor
from edgepress.runtime.serve.api.openapi import document
from edgepress.runtime.serve.api.routes import OPERATIONS

ARTIFACT = Artifact("m-int8.tflite", "m", "tflite", "int8", "0" * 64, 1, (), ())
WINE = Features(
    ("alcohol", "colour"), categories={"colour": ("red", "white")}, missing={"alcohol": 12.0}, mean=(13, 0), std=(2, 1)
)
KINDS = {
    "pictures": ({"x": Picture(4, 5)}, Task("multiclass", "logits", tuple("abc")), None),
    "unknown": ({"x": Picture(4, 5)}, Task("multiclass", "logits", tuple("abc"), unknown_threshold=0.5), None),
    "colours": ({"x": Picture(2, 2, order="rgb")}, Task("raw", "raw"), {"x": [[[1, 2, 3]] * 2] * 2}),
    "features": ({"x": WINE}, Task("binary", "logits", ("no", "yes")), {"x": {"alcohol": 13.5, "colour": "white"}}),
    "signals": (
        {"x": Signal(2, ("ax", "ay"))},
        Task("regression", "values", ("speed",), units=("m/s",)),
        {"x": [[1.0, 2.0], [3.0, 4.0]]},
    ),
    "sounds": ({"x": Audio(8000, 3)}, Task("multilabel", "logits", ("dog", "cat")), {"x": [0.0, 0.5, -0.5]}),
    "tensors": ({"x": Tensor((3,))}, Task("anomaly", "reconstruction"), {"x": [1.0, 2.0, 3.0]}),
    "several": ({"a": Tensor((2,)), "b": Picture(1, 2)}, Task("raw", "raw"), {"a": [1.0, 2.0], "b": [[3, 4]]}),
}


def manifest_of(inputs, task):
    return Manifest("m", Contract(inputs), task, (ARTIFACT,), "m")


MANIFEST = manifest_of(*KINDS["pictures"][:2])


def resolved(value, root):
    """`value` with every reference replaced by what it refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            target = root
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            return resolved(target, root)
        return {key: resolved(item, root) for key, item in value.items()}
    return [resolved(item, root) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS)
def test_references_resolve_and_examples_fit_their_schemas(kind):
    inputs, task, example = KINDS[kind]
    root = document(OPERATIONS, manifest_of(inputs, task), needs_key=True, example=example)
    examples = 0
    for path in resolved(root["paths"], root).values():
        for operation in path.values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [response["content"] for response in operation["responses"].values()]
            for content in contents:
                for described in content.values():
                    jsonschema.Draft202012Validator.check_schema(described["schema"])
                    if "example" in described:
                        jsonschema.validate(described["example"], described["schema"])
                        examples += 1
    assert examples > 5


def test_every_operation_is_described_and_those_with_the_key_say_so():
    root = document(OPERATIONS, MANIFEST, needs_key=True)
    assert "/v1/stream" in document(OPERATIONS, manifest_of(*KINDS["sounds"][:2]), needs_key=True)["paths"]
    for operation in OPERATIONS:
        if not operation.fits(MANIFEST.contract):
            assert operation.path not in root["paths"]
            continue
        described = root["paths"][operation.path][operation.method.lower()]
        assert described["summary"].endswith(".")
        assert ("security" in described) == (not operation.open) == ("401" in described["responses"])
    assert "401" not in document(OPERATIONS, MANIFEST, needs_key=False)["paths"]["/v1/predict"]["post"]["responses"]
